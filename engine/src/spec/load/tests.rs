//! Bad and good documents, each with what is said about it.

use schemars::json_schema;

use super::*;
use crate::inventory::Host;
use crate::spec::merge_for_hosts;
use crate::spec::testing::lines;

fn sections() -> Vec<Section> {
    vec![
        Section {
            name: "modules",
            schema: json_schema!({ "type": "array", "items": { "type": "string", "format": "module-name" } }),
        },
        Section {
            name: "sysctls",
            schema: json_schema!({ "type": "object", "additionalProperties": { "type": ["string", "integer"] } }),
        },
    ]
}

fn read(text: &str) -> (Loaded, Vec<String>) {
    let document = InputDocument {
        name: "a.yaml".to_owned(),
        text: text.to_owned(),
    };
    let (loaded, problems) = load(&[document], &sections());
    let lines = lines(&loaded.sources, problems);
    (loaded, lines)
}

#[test]
fn documents_are_read() {
    let (loaded, problems) = read(
        "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {name: worker, labels: {a: b}}\n\
         spec:\n  hosts: \"@worker\"\n  modules: [overlay]\n  sysctls: {vm.x: \"${x}\"}\n---\n\
         apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  w[1-2]: {labels: {role: worker}}\n---\n\
         apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nmetadata: {name: more}\nspec:\n  hosts: {w3: }\n",
    );
    assert_eq!(problems, Vec::<String>::new());
    let spec = &loaded.specs[0];
    assert_eq!(
        (spec.name.as_str(), spec.hosts.as_str()),
        ("worker", "@worker")
    );
    assert_eq!(
        spec.sections.keys().collect::<Vec<_>>(),
        ["modules", "sysctls"]
    );
    let names: Vec<&str> = loaded
        .inventory
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    assert_eq!(names, ["w1", "w2", "w3"]);
}

#[test]
fn bad_envelopes_are_explained() {
    let head = "apiVersion: hardstand.dev/v1alpha1\n";
    for (text, expected) in [
        ("", &["1:1 E101 the file holds no document"][..]),
        (
            "- a\n",
            &["1:1 E120 a document is a map with the fields `apiVersion` and `kind`"],
        ),
        (
            "a\n",
            &["1:1 E120 a document is a map with the fields `apiVersion` and `kind`"],
        ),
        (
            "apiVersion: v9\nkind: NodeSpec\n",
            &["1:13 E121 this version reads `hardstand.dev/v1alpha1`, not \"v9\""],
        ),
        (
            "apiVersion: 1\nkind: NodeSpec\n",
            &["1:13 E113 `apiVersion` must be a text in quotes, found `1`"],
        ),
        (
            "kind: NodeSpec\nmetadata: {name: a}\nspec: {hosts: all}\n",
            &["1:1 E122 the document lacks the field `apiVersion`"],
        ),
        (head, &["1:1 E122 the document lacks the field `kind`"]),
        (
            &format!("{head}kind: Nodespec\n"),
            &["2:7 E124 there is no kind \"Nodespec\""],
        ),
        (&format!("{head}kind:\n"), &["2:1 E115 `kind` is empty"]),
        (
            &format!("{head}kind: NodeSpec\n"),
            &[
                "1:1 E122 the document lacks the field `metadata`",
                "1:1 E122 the document lacks the field `spec`",
            ],
        ),
        (
            &format!("{head}kind: NodeSpec\nmetadata: {{}}\nspec:\nx: 1\n"),
            &[
                "3:1 E122 `metadata` lacks the field `name`",
                "4:1 E115 `spec` is empty",
                "5:1 E119 unknown field `x`",
            ],
        ),
        (
            &format!("{head}kind: Inventory\n"),
            &["1:1 E122 `inventory` lacks the field `hosts`"],
        ),
        (
            &format!("{head}kind: Inventory\nhosts: {{}}\n"),
            &["3:1 E115 `hosts` is empty"],
        ),
        (
            &format!("{head}kind: Inventory\nhost: {{}}\nhosts: {{a: }}\n"),
            &["3:1 E119 unknown field `host`"],
        ),
    ] {
        assert_eq!(read(text).1, expected, "{text:?}");
    }
}

#[test]
fn bad_specs_are_explained() {
    let long = format!("metadata: {{name: {}}}", "x".repeat(1 << 20));
    for (metadata, spec, expected) in [
        (
            "metadata: {name: a}",
            "hosts: all, sysctl: {}",
            &["4:20 E119 unknown field `sysctl`"][..],
        ),
        (
            "metadata: {name: a}",
            "modules: []",
            &["4:1 E122 `spec` lacks the field `hosts`"],
        ),
        (
            "metadata: {name: a}",
            "hosts: \"a && b\"",
            &["4:19 E243 a name, `@label` or `label=value` is missing here"],
        ),
        (
            "metadata: {name: a}",
            "hosts: all, modules:",
            &["4:20 E115 `modules` is empty"],
        ),
        (
            "metadata: {name: a}",
            "hosts: all, modules: {a: b}",
            &["4:20 E120 `modules`: expected a list, found a map"],
        ),
        (
            "metadata: {name: a}",
            "hosts: all, modules: [a;b, ../x, \"${x}\"]",
            &[
                "4:30 E216 a module name may not hold the character `;`",
                "4:35 E216 a module name may not hold the character `.`",
            ],
        ),
        (
            "metadata: {name: a}",
            "hosts: all, modules: [\"x${\"]",
            &["4:32 E241 `${` without a variable name and `}`"],
        ),
        (
            "metadata: {name: a/b}",
            "hosts: all",
            &["3:18 E127 \"a/b\" is not a name of a document"],
        ),
        (
            "metadata: {name: 1.30}",
            "hosts: all",
            &["3:18 E113 `name` must be a text in quotes, found `1.30`"],
        ),
        (
            &long,
            "hosts: all",
            &["3:18 E118 `name` is longer than 128 characters"],
        ),
    ] {
        let text = format!(
            "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\n{metadata}\nspec: {{{spec}}}\n"
        );
        assert_eq!(read(&text).1, expected, "{spec:?}");
    }
}

#[test]
fn problems_of_several_files_come_together() {
    let document = |name: &str, text: &str| InputDocument {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let good = "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {name: a}\nspec: {hosts: all}\n";
    let documents = [
        document("a.yaml", "a: [1\n"),
        document("b.yaml", "kind: Nope\n"),
        document("c.yaml", good),
        document("d.yaml", good),
    ];
    let (loaded, problems) = load(&documents, &sections());
    let found = lines(&loaded.sources, problems);
    assert_eq!(
        found,
        [
            "1:4 E110 the list that starts here is not closed",
            "1:1 E122 the document lacks the field `apiVersion`",
            "1:7 E124 there is no kind \"Nope\"",
            "3:18 E242 there are two NodeSpecs named `a`",
        ]
    );
    assert_eq!(loaded.specs.len(), 2);
}

#[test]
fn nothing_given_is_nothing_read() {
    let (loaded, problems) = load(&[], &sections());
    assert!(loaded.specs.is_empty() && loaded.inventory.hosts.is_empty());
    assert!(!problems.has_errors());
}

#[test]
fn damaged_texts_are_refused_without_a_panic() {
    let seed = "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {name: wo, labels: {\u{f6}: b}}\nspec:\n  \
                hosts: \"@w & !x[1-9]\"\n  modules:\n  - overlay # \u{f6}\n  - \"${x}\"\n  sysctls:\n    vm.x: \"a${x}\"\n    b.c: |-\n      t\n\
                ---\napiVersion: hardstand.dev/v1alpha1\nkind: Inventory\ndefaults: {ssh: {jump: 'a@b:1,[::1]:2'}}\nhosts:\n  \
                w[01-09/2]: {labels: {role: w}, vars: {x: 1, y: \"2\"}}\n  v: {address: fe80::1, ssh: {connectTimeout: 1m}}\n";
    assert_eq!(read(seed).1, Vec::<String>::new());
    let pieces = [
        "", " ", "\n", "\t", ":", "- ", "[", "]", "{", "}", "\"", "'", "${", "}", "&", "*", "!",
        "|", ">", "#", "\u{e4}", "\r\n", "---\n", "? ", "%", "@", ",", "\u{feff}", "\\", "0",
    ];
    let starts: Vec<usize> = seed
        .char_indices()
        .map(|(at, _)| at)
        .chain([seed.len()])
        .collect();
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..1_000 {
        let mut text = String::new();
        let mut from = 0;
        for _ in 0..=next(3) {
            let cut = from + next(starts.len() - from);
            text.push_str(&seed[starts[from]..starts[cut]]);
            text.push_str(pieces[next(pieces.len())]);
            from = (cut + next(3)).min(starts.len() - 1);
        }
        text.push_str(&seed[starts[from]..]);
        let (loaded, _) = read(&text);
        let hosts: Vec<&Host> = loaded.inventory.hosts.iter().collect();
        let (_, problems) = merge_for_hosts(&loaded, &hosts);
        lines(&loaded.sources, problems);
    }
}
