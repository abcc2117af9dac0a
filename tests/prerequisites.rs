//! The rest that people expect of a node, on real nodes: crictl, a proxy, limits, the clock, and registries. Each is told by
//! what the daemons themselves make of it.

use crate::support::{Lab, run};

/// Returns the environment of a unit's process, a variable on each line.
fn environment(lab: &Lab, unit: &str) -> String {
    lab.ask(
        "a",
        &format!("tr '\\0' '\\n' </proc/$(systemctl show -P MainPID {unit})/environ"),
    )
}

fn process(lab: &Lab, node: &str) -> String {
    lab.ask(node, "systemctl show -P MainPID containerd")
}

#[test]
fn containerd_runs_with_the_proxy_and_the_limit_and_names_are_left_alone() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    let names = || lab.ask("a", "sha256sum /etc/hosts /etc/resolv.conf");
    let _secret = lab.ask(
        "a",
        "echo 'nameserver 192.0.2.1' >/etc/resolv.conf && mkdir /etc/proxy && umask 077 && \
         echo 'HTTPS_PROXY=http://user:p%40ss@proxy.example:3128' >/etc/proxy/secret.env",
    );
    let before = names();
    let plain = "runtime: { containerd: {} }";
    lab.converge(&lab.spec(plain));
    let spec = lab.spec(
        "runtime: { containerd: { limitNoFile: 12345 } }\n\
         crictl: { timeout: 7, debug: false }\n\
         proxy:\n  http: http://proxy.example:3128/a%20b\n  https: http://overridden.example\n  \
         no: [10.0.0.0/8, .svc]\n  environmentFile: /etc/proxy/secret.env",
    );
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    assert!(!planned.stdout.contains("p%40ss"), "{planned:#?}");
    assert!(planned.stdout.contains("1 restart"), "{planned:#?}");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    let variables = environment(&lab, "containerd");
    for expected in [
        "HTTP_PROXY=http://proxy.example:3128/a%20b",
        "HTTPS_PROXY=http://user:p%40ss@proxy.example:3128",
        "NO_PROXY=10.0.0.0/8,.svc",
    ] {
        assert!(
            variables.lines().any(|line| line == expected),
            "{expected}: {variables}"
        );
    }
    let limits = lab.ask(
        "a",
        "grep 'open files' /proc/$(systemctl show -P MainPID containerd)/limits",
    );
    let limits: Vec<_> = limits.split_whitespace().collect();
    assert_eq!(limits[3..5], ["12345", "12345"], "{limits:?}");
    // The file is right, and what runs is not.
    let _lowered = lab.ask(
        "a",
        "prlimit --nofile=4096:4096 --pid $(systemctl show -P MainPID containerd)",
    );
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert!(planned.stdout.contains("4096 open files"), "{planned:#?}");
    assert!(planned.stdout.contains("1 restart"), "{planned:#?}");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    assert_eq!(
        lab.ask("a", "grep -v '^#' /etc/crictl.yaml"),
        "runtime-endpoint: unix:///run/containerd/containerd.sock\n\
         image-endpoint: unix:///run/containerd/containerd.sock\ntimeout: 7\ndebug: false"
    );

    lab.converge(&lab.spec(plain));
    assert!(!environment(&lab, "containerd").contains("PROXY"));
    let _gone = lab.ask(
        "a",
        "test ! -e /etc/crictl.yaml && test ! -e /etc/systemd/system/containerd.service.d",
    );
    assert_eq!(
        names(),
        before,
        "/etc/hosts and /etc/resolv.conf are not hardstand's"
    );
}

#[test]
fn a_proxy_file_that_is_missing_is_undone() {
    let Some(lab) = Lab::boot(&["a=bookworm-containerd"]) else {
        return;
    };
    let spec = lab.spec(
        "runtime: { containerd: {} }\nproxy: { environmentFile: /etc/missing.env }\n\
         services: [{ name: containerd.service, startSeconds: 10, steadySeconds: 2 }]",
    );
    let applied = run(lab.hardstand("apply", &spec).arg("--yes"));
    assert_eq!(applied.code, Some(6), "{applied:#?}");
    assert_eq!(lab.ask("a", "systemctl is-active containerd"), "active");
    let _undone = lab.ask(
        "a",
        "test ! -e /etc/systemd/system/containerd.service.d/http-proxy.conf",
    );
}

#[test]
fn dockerd_says_which_proxy_it_uses_and_the_plan_that_containers_stop() {
    let Some(lab) = Lab::boot(&["a=trixie-docker"]) else {
        return;
    };
    lab.converge(&lab.spec("runtime: { docker: {} }"));
    let spec = lab.spec(
        "runtime: { docker: {} }\nproxy: { https: 'http://proxy.example:3128', no: [10.0.0.0/8, .svc] }",
    );
    let planned = run(&mut lab.hardstand("plan", &spec));
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    assert!(
        planned.stdout.contains("stops pods, because"),
        "{planned:#?}"
    );
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    assert_eq!(
        lab.ask("a", "docker info -f '{{.HTTPSProxy}} {{.NoProxy}}'"),
        "http://proxy.example:3128 10.0.0.0/8,.svc"
    );
}

/// Asks containerd over CRI to pull an image, and returns the hosts that it tried, in order.
fn tried(lab: &Lab, node: &str) -> Vec<String> {
    // A request of gRPC: five bytes for its length, then the image in two fields of protobuf.
    let journal = lab.ask(
        node,
        "since=$(date '+%Y-%m-%d %H:%M:%S') && sleep 1 && \
         printf '\\000\\000\\000\\000\\031\\n\\027\\n\\025docker.io/library/x:1' >/tmp/request && \
         curl -sS --max-time 30 --http2-prior-knowledge --unix-socket /run/containerd/containerd.sock \
         -H 'content-type: application/grpc' -H 'te: trailers' --data-binary @/tmp/request -o /dev/null \
         http://localhost/runtime.v1.ImageService/PullImage && \
         journalctl -o cat -u containerd --since \"$since\"",
    );
    let mut hosts = Vec::new();
    for line in journal.lines().filter(|line| line.contains("do request")) {
        let host = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("host=\""))
            .map(|host| host.trim_end_matches('"').to_owned());
        hosts.extend(host.filter(|host| !hosts.contains(host)));
    }
    hosts
}

#[test]
fn mirrors_are_tried_in_their_order_and_need_no_restart() {
    let Some(lab) = Lab::boot(&[
        "a=bookworm-containerd",
        "b=trixie-containerd",
        "c=sid-containerd",
    ]) else {
        return;
    };
    const NODES: [&str; 3] = ["a", "b", "c"];
    let spec = |hosts: &str| {
        lab.spec(&format!(
            "runtime:\n  containerd:\n    registries:\n      docker.io: {{ server: 'http://127.0.0.9:1', hosts: [{hosts}] }}"
        ))
    };
    const ONE: &str = "{ url: 'http://127.0.0.7:1', capabilities: [pull, resolve] }";
    const OTHER: &str =
        "{ url: 'http://127.0.0.3:1/v2/hub', overridePath: true, header: { x-a: b } }";
    lab.converge(&spec(&format!("{ONE}, {OTHER}")));
    lab.expect_no_changes(&spec(&format!("{ONE}, {OTHER}")));
    for node in NODES {
        assert_eq!(
            tried(&lab, node),
            ["127.0.0.7:1", "127.0.0.3:1", "127.0.0.9:1"],
            "{node}"
        );
    }
    let before = NODES.map(|node| process(&lab, node));
    lab.converge(&spec(&format!("{OTHER}, {ONE}")));
    lab.expect_no_changes(&spec(&format!("{OTHER}, {ONE}")));
    assert_eq!(NODES.map(|node| process(&lab, node)), before);
    for node in NODES {
        assert_eq!(
            tried(&lab, node),
            ["127.0.0.3:1", "127.0.0.7:1", "127.0.0.9:1"],
            "{node}"
        );
    }
}

#[test]
fn chrony_is_installed_with_its_servers_and_goes_again() {
    let Some(lab) = Lab::boot(&["a=trixie", "b=bookworm"]) else {
        return;
    };
    for node in ["a", "b"] {
        lab.let_chrony_run(node);
    }
    let spec = lab.spec("timeSync: { chrony: { servers: [192.0.2.7] } }");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    for node in ["a", "b"] {
        let sources = lab.ask(node, "chronyc -n sources");
        assert!(sources.contains("192.0.2.7"), "{node}: {sources}");
        lab.lab("reboot", node);
        lab.wait_until(node, "systemctl is-active --quiet chrony");
    }
    lab.expect_no_changes(&spec);
    let spec = lab.spec("timeSync: { chrony: {} }");
    lab.converge(&spec);
    for node in ["a", "b"] {
        assert!(
            !lab.ask(node, "chronyc -n sources").contains("192.0.2.7"),
            "{node}"
        );
    }
    let spec = lab.spec("packages: []");
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    let _gone = lab.ask("a", "! command -v chronyd");
}

/// Builds a STAND-IN for Debian's package systemd-timesyncd, which is not in the node's repository: it excludes other time
/// daemons as the real one does, and its unit only sleeps. It is installed, and can be installed again.
const STANDIN_FOR_TIMESYNCD: &str = "\
set -e
mkdir -p /tmp/t/DEBIAN /tmp/t/usr/lib/systemd/system
cat >/tmp/t/DEBIAN/control <<'EOT'
Package: systemd-timesyncd
Version: 1.0
Architecture: all
Maintainer: hardstand lab <lab@localhost>
Provides: time-daemon
Conflicts: time-daemon
Replaces: time-daemon
Description: stand-in for systemd-timesyncd
EOT
cat >/tmp/t/DEBIAN/prerm <<'EOT'
#!/bin/sh
systemctl disable --now systemd-timesyncd.service
EOT
chmod 755 /tmp/t/DEBIAN/prerm
cat >/tmp/t/usr/lib/systemd/system/systemd-timesyncd.service <<'EOT'
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
EOT
cd /srv/debs
dpkg-deb --root-owner-group -b /tmp/t systemd-timesyncd_1.0_all.deb
{
    dpkg-deb -f systemd-timesyncd_1.0_all.deb
    printf 'Filename: ./systemd-timesyncd_1.0_all.deb\\nSize: %s\\nSHA256: %s\\n\\n' \
        $(stat -c %s systemd-timesyncd_1.0_all.deb) $(sha256sum systemd-timesyncd_1.0_all.deb | cut -d' ' -f1)
} >>Packages
apt-get -q update
apt-get -q -y install systemd-timesyncd
systemctl enable --now systemd-timesyncd.service
";

#[test]
fn one_time_daemon_gives_way_to_the_other() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    lab.let_chrony_run("a");
    let _built = lab.ask("a", STANDIN_FOR_TIMESYNCD);
    let runs = || {
        let ran = lab.on("a", "systemctl is-active chrony systemd-timesyncd");
        ran.stdout.trim_end().replace('\n', " ")
    };
    assert_eq!(runs(), "inactive active");
    let chrony = "timeSync: { chrony: { servers: [192.0.2.7] } }";
    let timesyncd = "timeSync: { timesyncd: { servers: [192.0.2.8] } }";
    for (spec, expected) in [
        (chrony, "active inactive"),
        (timesyncd, "inactive active"),
        (chrony, "active inactive"),
    ] {
        let spec = lab.spec(spec);
        lab.converge(&spec);
        lab.expect_no_changes(&spec);
        assert_eq!(runs(), expected);
    }
    let _gone = lab.ask("a", "test ! -e /etc/systemd/timesyncd.conf.d");
}
