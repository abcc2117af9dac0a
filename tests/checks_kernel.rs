//! Named checks on a real node, of what others left there: a provider's sysctl, a hardening profile's modprobe.d, and a flag
//! of a kubelet of old. The kubelet is the stand-in of `tests/lab/standins/kubelet`, which does not start with such a flag.

use serde_json::Value;

use crate::kubelet::{install, put};
use crate::support::{Lab, Ran, run};

const GCE: &str = "/etc/sysctl.d/99-zz-gce.conf";
const CIS: &str = "/etc/modprobe.d/cis.conf";
const DEFAULTS: &str = "/etc/default/kubelet";

#[test]
fn what_others_left_on_a_node_is_found_refused_and_mended() {
    let Some(lab) = Lab::boot(&["a=bookworm-containerd"]) else {
        return;
    };
    install(&lab);
    put(&lab, GCE, "net.ipv4.ip_forward=0\n");
    put(&lab, CIS, "install overlay /bin/false\nblacklist overlay\n");
    put(
        &lab,
        DEFAULTS,
        "KUBELET_EXTRA_ARGS=--container-runtime=remote\n",
    );
    let _started = lab.ask("a", "systemctl daemon-reload && systemctl restart kubelet");
    lab.wait_until(
        "a",
        "journalctl -u kubelet | grep -q 'unknown flag: --container-runtime'",
    );

    let others = format!(
        "kubernetes: {{ version: \"1.31\" }}\nsysctls: {{ net.ipv4.ip_forward: 1 }}\nfiles:\n  \
         - {{ path: {GCE}, state: absent }}\n  - {{ path: {CIS}, state: absent }}\n"
    );
    let spec = lab.spec(&others);
    let (code, found) = check(&lab, &spec);
    assert_eq!(code, Some(1), "{found:#?}");
    for (check, severity, words) in [
        (
            "H014",
            "error",
            "/etc/default/kubelet:1 gives the kubelet `--container-runtime`",
        ),
        ("H017", "warning", "/etc/sysctl.d/99-zz-gce.conf:1"),
        ("H026", "warning", "/etc/modprobe.d/cis.conf:1"),
    ] {
        let finding = of(&found, check).unwrap_or_else(|| panic!("{check}: {found:#?}"));
        assert_eq!(finding["severity"], severity, "{finding}");
        assert!(
            finding["message"].as_str().unwrap().contains(words),
            "{finding}"
        );
    }

    let refused = apply(&lab, &spec);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let report =
        "a  refused\n    H014: /etc/default/kubelet:1 gives the kubelet `--container-runtime`";
    assert!(refused.stdout.contains(report), "{refused:#?}");
    let _untouched = lab.ask("a", &format!("test -f {GCE} && test -f {CIS}"));

    // What a reader accepts does not hold up the rest.
    let spec = lab.spec(&format!(
        "{others}checks: {{ ignore: {{ H014: the kubelet comes later }} }}\n"
    ));
    let applied = apply(&lab, &spec);
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    let (_, found) = check(&lab, &spec);
    assert_eq!(
        of(&found, "H014").unwrap()["ignored"],
        "the kubelet comes later"
    );
    for check in ["H017", "H026"] {
        assert!(of(&found, check).is_none(), "{check}: {found:#?}");
    }

    // A plan that mends it is not held up by it.
    let spec = lab.spec(&format!(
        "{others}  - path: {DEFAULTS}\n    content: |\n      KUBELET_EXTRA_ARGS=\n    \
         notifies: [service/kubelet.service]\nservices: [{{ name: kubelet.service, steadySeconds: 2 }}]\n"
    ));
    let applied = apply(&lab, &spec);
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    let (_, found) = check(&lab, &spec);
    assert!(of(&found, "H014").is_none(), "{found:#?}");
    lab.wait_until("a", "test -s /run/kubelet/loaded");
    lab.expect_no_changes(&spec);

    let page = run(lab.bare("explain").arg("H017"));
    assert_eq!(page.code, Some(0), "{page:#?}");
    assert_eq!(
        page.stdout.trim_end(),
        include_str!("../docs/checks/H017.md").trim_end()
    );
}

/// A mismatch, where H007 is ignored, which tells its cause: runc of a real containerd, and what a kubelet of kubeadm says.
#[test]
fn cgroup_drivers_that_differ_are_found_and_mended() {
    let Some(lab) = Lab::boot(&["a=bookworm-containerd"]) else {
        return;
    };
    install(&lab);
    let kubelet = "/var/lib/kubelet/config.yaml";
    put(
        &lab,
        kubelet,
        "kind: KubeletConfiguration\ncgroupDriver: systemd\n",
    );
    let _started = lab.ask(
        "a",
        "systemctl daemon-reload && systemctl enable --now --quiet kubelet",
    );
    let plain = "kubernetes: { version: \"1.31\" }\nruntime: { containerd: {} }\n";
    let (_, found) = check(&lab, &lab.spec(plain));
    assert!(
        of(&found, "H007").is_some() && of(&found, "H004").is_none(),
        "{found:#?}"
    );
    let spec = lab.spec(&format!(
        "{plain}checks: {{ ignore: {{ H007: what follows is told }} }}\n"
    ));
    let (_, found) = check(&lab, &spec);
    let finding = of(&found, "H004").unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(
        finding["message"],
        "the kubelet uses systemd (/var/lib/kubelet/config.yaml:2) and containerd uses cgroupfs: nothing says so, and the limits \
         of pods do not hold"
    );
    let planned = run(lab.hardstand("plan", &spec).arg("--json"));
    let planned: Value = serde_json::from_str(&planned.stdout).expect("a plan is JSON");
    let told = planned.to_string();
    assert!(
        told.contains("\"check\":\"H004\"") && told.contains("\"mended\""),
        "{told}"
    );
    lab.converge(&spec);
    let (_, found) = check(&lab, &spec);
    assert!(
        of(&found, "H004").is_none() && of(&found, "H005").is_none(),
        "{found:#?}"
    );

    put(
        &lab,
        kubelet,
        "kind: KubeletConfiguration\ncgroupDriver: cgroupfs\n",
    );
    let (code, found) = check(&lab, &spec);
    assert_eq!(code, Some(1), "{found:#?}");
    let finding = of(&found, "H005").unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(finding["severity"], "error");
}

fn apply(lab: &Lab, spec: &std::path::Path) -> Ran {
    run(lab.hardstand("apply", spec).arg("--yes"))
}

/// Makes the checks and returns how that ended, and what they found.
fn check(lab: &Lab, spec: &std::path::Path) -> (Option<i32>, Vec<Value>) {
    let checked = run(lab.hardstand("check", spec).arg("--json"));
    let result: Value = serde_json::from_str(&checked.stdout)
        .unwrap_or_else(|error| panic!("{error}: {checked:#?}"));
    let findings = result["hosts"][0]["findings"].as_array();
    let findings = findings.unwrap_or_else(|| panic!("{result:#}"));
    // What cannot be told is not what these tests are about.
    assert_eq!(
        result["hosts"][0]["unknown"],
        Value::Array(Vec::new()),
        "{result:#}"
    );
    (checked.code, findings.clone())
}

fn of<'a>(found: &'a [Value], check: &str) -> Option<&'a Value> {
    found.iter().find(|finding| finding["check"] == check)
}
