//! Fleets with several NodeSpecs and variables.

use schemars::json_schema;

use super::*;
use crate::resource::Section;
use crate::source::InputDocument;
use crate::spec::load;
use crate::spec::testing::{lines, show};

fn sections() -> Vec<Section> {
    vec![
        Section {
            name: "sysctls",
            schema: json_schema!({ "type": "object", "additionalProperties": { "type": ["string", "integer"] } }),
        },
        Section {
            name: "kubelet",
            schema: json_schema!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "maxPods": { "type": "integer", "minimum": 1, "maximum": 500 },
                    "path": { "type": "string", "format": "absolute-path" },
                },
            }),
        },
        Section {
            name: "runtime",
            schema: json_schema!({
                "type": "object",
                "x-hardstand-one-of": true,
                "additionalProperties": false,
                "properties": { "containerd": { "type": "object" }, "crio": { "type": "object" } },
            }),
        },
    ]
}

fn spec(name: &str, fields: &str) -> String {
    format!(
        "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {{name: {name}}}\nspec: {{{fields}}}\n---\n"
    )
}

fn inventory(fields: &str) -> String {
    format!("apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts: {{{fields}}}\n")
}

/// Merges for all hosts; returns each host with its sections, and the complaints.
fn merged(text: &str) -> (Loaded, HostSpecs, Vec<String>) {
    let document = InputDocument {
        name: "a.yaml".to_owned(),
        text: text.to_owned(),
    };
    let (loaded, problems) = load(&[document], &sections());
    assert_eq!(
        lines(&loaded.sources, problems),
        Vec::<String>::new(),
        "{text}"
    );
    let hosts: Vec<&Host> = loaded.inventory.hosts.iter().collect();
    let (specs, problems) = merge_for_hosts(&loaded, &hosts);
    let found = lines(&loaded.sources, problems);
    (loaded, specs, found)
}

fn shown(spec: &HostSpec) -> String {
    let sections: Vec<String> = spec
        .sections
        .iter()
        .map(|(name, node)| format!("{name}={}", show(node)))
        .collect();
    format!("{}: {}", spec.host, sections.join(" "))
}

#[test]
fn hosts_get_the_specs_that_select_them() {
    let text = spec("base", "hosts: \"web*,db*\", sysctls: {a.b: 1}")
        + &spec(
            "web",
            "hosts: \"web*\", sysctls: {a.c: \"${host.name}\"}, kubelet: {maxPods: \"${pods}\"}",
        )
        + &inventory("web1: {vars: {pods: 110}}, web2: {vars: {pods: 250}}, db1: , other: ");
    let (_, specs, problems) = merged(&text);
    assert_eq!(problems, Vec::<String>::new());
    let found: Vec<String> = specs.hosts.iter().map(shown).collect();
    assert_eq!(
        found,
        [
            "db1: sysctls={a.b: 1}",
            r#"web1: kubelet={maxPods: 110} sysctls={a.b: 1, a.c: "web1"}"#,
            r#"web2: kubelet={maxPods: 250} sysctls={a.b: 1, a.c: "web2"}"#,
        ]
    );
    assert_eq!(&*specs.hosts[1].specs, ["base", "web"]);
    let unselected: Vec<&str> = specs.unselected.iter().map(HostName::as_str).collect();
    assert_eq!(unselected, ["other"]);
}

#[test]
fn what_goes_wrong_in_a_fleet_is_said_once() {
    for (text, expected) in [
        (
            spec("a", "hosts: all, sysctls: {v.m: 1}")
                + &spec("b", "hosts: all, sysctls: {v.m: 2}")
                + &spec("c", "hosts: \"w1\", sysctls: {v.n: 2}")
                + &inventory("\"w[1-9]\": "),
            &["9:35 E201 `sysctls.v.m` is `2` here and `1` elsewhere"][..],
        ),
        (
            spec("a", "hosts: all, runtime: {crio: {}}")
                + &spec("b", "hosts: all, runtime: {containerd: {}}")
                + &inventory("\"w[1-9]\": "),
            &["9:30 E126 `runtime` must choose one, and has both `crio` and `containerd`"],
        ),
        (
            spec("a", "hosts: all, sysctls: {v.m: \"x-${rak}\"}")
                + &inventory("\"w[1-9]\": {vars: {rack: r1}}"),
            &["4:38 E240 the variable `rak` is not defined on host `w1` and 8 more"],
        ),
        (
            spec(
                "a",
                "hosts: all, sysctls: {v.m: \"${rak}\"}, kubelet: {path: \"/x/${dir}\"}",
            ) + &inventory("w1: {vars: {dir: ../y}}"),
            &[
                "4:36 E240 the variable `rak` is not defined on host `w1`",
                "4:62 E204 a path may not hold the component `..`",
            ],
        ),
        (
            spec("a", "hosts: all, kubelet: {path: \"/x/${dir}\"}")
                + &inventory("\"w[1-9]\": {vars: {dir: ../y}}"),
            &["4:36 E204 a path may not hold the component `..`"],
        ),
        (
            spec("a", "hosts: all, kubelet: {maxPods: \"${pods}\"}")
                + &inventory("w1: {vars: {pods: 900}}, w2: {vars: {pods: many}}"),
            &[
                "4:39 E120 `maxPods`: expected a whole number, found the text \"many\"",
                "4:39 E125 `maxPods` is 900, and must be between 1 and 500",
            ],
        ),
        (
            spec("a", "hosts: \"@workers\"") + &inventory("w1: {labels: {role: worker}}"),
            &["4:15 E236 `@workers` matches no host"],
        ),
        (
            spec("a", "hosts: all"),
            &["4:15 E236 `all` matches no host"],
        ),
    ] {
        assert_eq!(merged(&text).2, expected, "{text}");
    }
}

#[test]
fn equal_hosts_share_one_result_in_a_large_fleet() {
    let text = spec("a", "hosts: all, sysctls: {v.m: \"${rack}\"}")
        + &spec("b", "hosts: \"w*\", sysctls: {v.n: 1}")
        + &inventory("\"w[1-5000]\": {vars: {rack: r1}}, \"w[5001-10000]\": {vars: {rack: r2}}");
    let start = std::time::Instant::now();
    let (_, specs, problems) = merged(&text);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    assert_eq!((specs.hosts.len(), problems.len()), (10_000, 0));
    let distinct: BTreeSet<_> = specs
        .hosts
        .iter()
        .map(|spec| Arc::as_ptr(&spec.sections))
        .collect();
    assert_eq!(distinct.len(), 2);
}
