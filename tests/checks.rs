//! Named checks on real nodes: what is found before a plan, what the plan does about it, and what is left.

use std::path::Path;

use serde_json::Value;

use crate::support::{Lab, run};

/// What a plan says of the checks of its only host, each as `ID standing`.
fn planned(lab: &Lab, spec: &Path) -> (Vec<String>, String) {
    let planned = run(lab.hardstand("plan", spec).arg("--json"));
    let plan: Value = serde_json::from_str(&planned.stdout)
        .unwrap_or_else(|error| panic!("{error}: {planned:#?}"));
    let mut findings = Vec::new();
    findings_in(&plan, &mut findings);
    (findings, planned.stdout)
}

/// Collects the findings of a plan, wherever they stand in it.
fn findings_in(value: &Value, findings: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| findings_in(item, findings)),
        Value::Object(map) => {
            if let (Some(Value::String(check)), Some(Value::String(standing))) =
                (map.get("check"), map.get("standing"))
            {
                findings.push(format!("{check} {standing}"));
            }
            map.values().for_each(|item| findings_in(item, findings));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_disabled_cri_is_found_mended_and_gone() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd"]) else {
        return;
    };
    // As Docker's package of containerd has it.
    let _disabled = lab.ask(
        "a",
        "printf 'disabled_plugins = [\"cri\"]\\n' > /etc/containerd/config.toml && systemctl restart containerd",
    );
    let spec = lab.spec(
        "kubernetes: { version: \"1.31\" }\n\
         runtime: { containerd: { cni: { binDirs: [/opt/cni/bin] } } }",
    );
    let checked = run(&mut lab.hardstand("check", &spec));
    assert!(checked.stdout.contains("error[H001]"), "{checked:#?}");
    let (findings, plan) = planned(&lab, &spec);
    for mended in ["H001 mended", "H007 mended"] {
        assert!(
            findings.iter().any(|finding| finding == mended),
            "{mended}: {plan}"
        );
    }
    // That it does not answer follows.
    assert!(
        !findings
            .iter()
            .any(|finding| finding.starts_with("H034 mended")),
        "{plan}"
    );
    lab.converge(&spec);
    lab.expect_no_changes(&spec);
    let (findings, plan) = planned(&lab, &spec);
    for gone in ["H001", "H003", "H007", "H008", "H013", "H027"] {
        assert!(
            !findings.iter().any(|finding| finding.starts_with(gone)),
            "{gone}: {plan}"
        );
    }
    // A node without a network says so, and that is no fault.
    assert_eq!(run(&mut lab.hardstand("check", &spec)).code, Some(0));
}
