//! Packages and the repositories they come from, on real nodes: dnf on a stand-in for the Red Hat family (the lab's flavour
//! `dnf`: Debian with Debian's dnf and rpm), and signed repositories for apt and for dnf, served by one of the nodes.

use crate::support::{Lab, run};

/// The package as rpm knows it, and the locks.
fn rpm(lab: &Lab) -> String {
    lab.ask(
        "a",
        "rpm -q --qf '%{NAME} %{EVR}' lab-hello; grep -c '^lab-hello' /etc/dnf/plugins/versionlock.list || true",
    )
    .replace('\n', " ")
}

/// Applies a spec whose plan shows some text, and expects that nothing is left to do.
fn apply(lab: &Lab, body: &str, shown: &str) {
    let spec = lab.spec(body);
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    assert!(planned.stdout.contains(shown), "{shown}: {planned:#?}");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
}

#[test]
fn dnf_installs_pins_upgrades_downgrades_holds_and_removes() {
    // The dnf of RHEL 9, and a newer one.
    for image in ["bookworm-dnf", "trixie-dnf"] {
        let Some(lab) = Lab::boot(&[&format!("a={image}")]) else {
            return;
        };
        let hello = |more: &str| format!("packages: [{{ name: lab-hello{more} }}]");
        apply(&lab, &hello(", version: 1.0-1"), "1.0-1");
        assert_eq!(rpm(&lab), "lab-hello 1.0-10", "{image}");
        apply(&lab, &hello(", version: \"0:2.0-1\""), "2.0-1");
        assert_eq!(rpm(&lab), "lab-hello 2.0-10", "{image}");
        apply(&lab, &hello(", version: 1.0-1, hold: true"), "hold");
        assert_eq!(rpm(&lab), "lab-hello 1.0-11", "{image}");
        let _upgraded = lab.ask("a", "dnf -y -q upgrade");
        assert_eq!(rpm(&lab), "lab-hello 1.0-11", "{image}: a hold holds");
        // What is on hold is changed all the same, and on hold again.
        apply(&lab, &hello(", version: 2.0-1"), "2.0-1");
        assert_eq!(rpm(&lab), "lab-hello 2.0-11", "{image}");
        apply(&lab, &hello(", hold: false"), "hold");
        assert_eq!(rpm(&lab), "lab-hello 2.0-10", "{image}");

        // What others need is not removed with them.
        let _needs = lab.ask("a", "dnf -y -q install lab-needs");
        let absent = lab.spec(&hello(", state: absent"));
        let applied = run(lab.hardstand("apply", &absent).arg("--yes"));
        assert_eq!(applied.code, Some(1), "{applied:#?}");
        assert!(
            format!("{applied:?}").contains("is needed by (installed) lab-needs"),
            "{applied:#?}"
        );
        let both = "packages: [{ name: lab-needs, state: absent }, { name: lab-hello }]";
        apply(&lab, both, "lab-needs");
        apply(&lab, &hello(", state: absent"), "lab-hello");
        assert!(rpm(&lab).contains("not installed"), "{image}");
        apply(&lab, "packages: [lab-hello]", "2.0-1");

        let unknown = run(&mut lab.hardstand("plan", &lab.spec("packages: [no-such-thing]")));
        assert_eq!(unknown.code, Some(1), "{unknown:#?}");
        assert!(
            unknown
                .stdout
                .contains("the host knows no package `no-such-thing`"),
            "{unknown:#?}"
        );
    }
}

/// dnf logs whatever it does; the probe must leave nothing of that behind.
#[test]
fn a_probe_of_dnf_leaves_nothing() {
    let Some(lab) = Lab::boot(&["a=trixie-dnf"]) else {
        return;
    };
    let _before = lab.ask(
        "a",
        "rm -rf /var/log/dnf* /var/log/hawkey.log; touch /tmp/before",
    );
    let spec = lab.spec("packages: [lab-hello]");
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert!(planned.stdout.contains("2.0-1"), "{planned:#?}");
    let written = lab.ask(
        "a",
        "find /etc /var/cache /var/lib/dnf /var/log/dnf* /var/log/hawkey* /var/tmp /dev/shm /srv \
         -newer /tmp/before -type f 2>/dev/null; ls -d /dev/shm/hardstand* /var/log/dnf* 2>/dev/null; true",
    );
    assert_eq!(written, "");

    // Without its cache dnf cannot tell without a network, and the plan says so.
    let _cleaned = lab.ask("a", "dnf -q clean all");
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert!(
        planned.stdout.contains("decided when installed"),
        "{planned:#?}"
    );
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
}

/// Makes two keys, signs two repositories with the first one and serves them: `deb` with lab-signed 1.0 for apt, `rpm` with
/// lab-hello for dnf. Prints the address of the node.
const SERVE: &str = r#"
set -e
export GNUPGHOME=/root/keys
mkdir -p -m 700 $GNUPGHOME /srv/web/deb /srv/web/rpm
for name in one two; do
    gpg -q --batch --passphrase '' --quick-generate-key "$name <$name@example.org>" rsa2048 sign never
    gpg -q --armor --export "$name@example.org" >/srv/web/$name.asc
done
mkdir -p /tmp/p/DEBIAN
printf 'Package: lab-signed\nVersion: 1.0\nArchitecture: all\nMaintainer: lab <lab@localhost>\nDescription: signed\n' >/tmp/p/DEBIAN/control
cd /srv/web/deb
dpkg-deb --root-owner-group -b /tmp/p lab-signed_1.0_all.deb >/dev/null
{ dpkg-deb -f lab-signed_1.0_all.deb
  printf 'Filename: ./lab-signed_1.0_all.deb\nSize: %s\nSHA256: %s\n\n' "$(stat -c %s lab-signed_1.0_all.deb)" \
      "$(sha256sum lab-signed_1.0_all.deb | cut -d' ' -f1)"; } >Packages
{ printf 'Date: %s\nSHA256:\n' "$(date -Ru)"
  printf ' %s %s Packages\n' "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"; } >Release
gpg -q --batch -u one@example.org --clearsign -o InRelease Release
cd /srv/web/rpm
cp /srv/rpms/lab-hello-1.0-1.noarch.rpm .
rpmsign --define '_openpgp_sign_id one' --define '_gpg_name one@example.org' --addsign ./*.rpm >/dev/null
createrepo_c -q .
systemd-run -q --unit=web python3 -m http.server --directory /srv/web 8000
ip -4 -o address show host0 | sed 's/.*inet \([0-9.]*\).*/\1/'
"#;

#[test]
fn packages_come_from_signed_repositories() {
    let Some(lab) = Lab::boot(&["a=trixie-dnf", "b=bookworm", "c=trixie"]) else {
        return;
    };
    let address = lab.ask("a", SERVE);
    lab.wait_until("a", &format!("curl -sf http://{address}:8000/one.asc"));
    for key in ["one", "two"] {
        let text = lab.ask("a", &format!("cat /srv/web/{key}.asc"));
        let _path = lab.write(&format!("{key}.asc"), &format!("{text}\n"));
    }
    let apt = |key: &str| {
        format!(
            "repositories:\n  - name: signed\n    apt: {{ uri: \"http://{address}:8000/deb\", suite: ./, keyFile: {key}.asc }}"
        )
    };
    let on_apt = |body: &str| lab.spec(body);
    let planned = |spec: &std::path::Path, hosts: &str| {
        run(lab
            .hardstand("plan", spec)
            .args(["-l", hosts, "--detailed-exitcode"]))
    };
    let applied = |spec: &std::path::Path, hosts: &str| {
        run(lab.hardstand("apply", spec).args(["-l", hosts, "--yes"]))
    };

    // Nobody promises a version from lists that are not there yet.
    let spec = on_apt(&format!("{}\npackages: [lab-signed]", apt("one")));
    let plan = planned(&spec, "b,c");
    assert_eq!(plan.code, Some(2), "{plan:#?}");
    assert!(plan.stdout.contains("decided when installed"), "{plan:#?}");
    let done = applied(&spec, "b,c");
    assert_eq!(done.code, Some(0), "{done:#?}");
    for node in ["b", "c"] {
        let version = lab.ask(node, "dpkg-query -W -f '${Version}' lab-signed");
        assert_eq!(version, "1.0", "{node}");
    }
    assert_eq!(planned(&spec, "b,c").code, Some(0));

    // An index that went away is fetched again, and nothing else is.
    let _gone = lab.ask("b", "rm -f /var/lib/apt/lists/*_deb_*");
    let plan = planned(&spec, "b,c");
    assert_eq!(plan.code, Some(2), "{plan:#?}");
    assert_eq!(applied(&spec, "b,c").code, Some(0));
    assert_eq!(planned(&spec, "b,c").code, Some(0));

    // Another key is planned; as it did not sign the repository, fetching fails and says so.
    let other = on_apt(&format!("{}\npackages: [lab-signed]", apt("two")));
    let plan = planned(&other, "b,c");
    assert_eq!(plan.code, Some(2), "{plan:#?}");
    assert!(plan.stdout.contains("signed.asc"), "{plan:#?}");
    let done = applied(&other, "b,c");
    assert_eq!(done.code, Some(1), "{done:#?}");
    let spec = on_apt(&format!("{}\npackages: [lab-signed]", apt("one")));
    assert_eq!(applied(&spec, "b,c").code, Some(0));
    assert_eq!(planned(&spec, "b,c").code, Some(0));

    // What no spec names any more goes, with the package.
    let none = on_apt("packages: []");
    assert_eq!(applied(&none, "b,c").code, Some(0));
    let _gone = lab.ask(
        "c",
        "! test -e /etc/apt/sources.list.d/signed.sources && ! test -e /etc/apt/keyrings/signed.asc && apt-get -q check",
    );

    // A repository for apt is refused on a host with dnf, and one for dnf works there.
    let refused = planned(&on_apt(&apt("one")), "a");
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(
        refused
            .stdout
            .contains("is a repository of Debian packages, and this host uses dnf"),
        "{refused:#?}"
    );
    let rpm = |key: &str| {
        on_apt(&format!(
            "repositories:\n  - name: signed\n    rpm: {{ baseUrl: \"http://{address}:8000/rpm\", keyFile: {key}.asc }}\n\
             packages: [{{ name: lab-hello, version: 1.0-1 }}]"
        ))
    };
    let _only = lab.ask("a", "rm /etc/yum.repos.d/lab.repo");
    let wrong = applied(&rpm("two"), "a");
    assert_eq!(
        wrong.code,
        Some(1),
        "a package with another signature is not installed: {wrong:#?}"
    );
    assert_eq!(applied(&rpm("one"), "a").code, Some(0));
    assert_eq!(planned(&rpm("one"), "a").code, Some(0));
    assert_eq!(lab.ask("a", "rpm -q lab-hello"), "lab-hello-1.0-1.noarch");
}
