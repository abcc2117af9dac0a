//! What a spec compiles into, and what it asks of other kinds of resource.

use std::collections::BTreeMap;

use engine::diagnostic::Problems;
use engine::question::Question;
use engine::resource::{Declared, Edge, Provider as _, Relation, Sections, Topic};
use engine::source::{Sources, Span};
use engine::spec::{Entry, Files, Node, Value};

use crate::runtime::Runtimes;

/// Returns YAML as a node without places.
fn node(yaml: &str) -> Node {
    tree(&serde_yaml::from_str(yaml).unwrap())
}

fn tree(value: &serde_yaml::Value) -> Node {
    let value = match value {
        serde_yaml::Value::Bool(value) => Value::Bool(*value),
        serde_yaml::Value::String(text) => Value::String(text.clone()),
        serde_yaml::Value::Sequence(items) => Value::List(items.iter().map(tree).collect()),
        serde_yaml::Value::Mapping(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| Entry {
                    key: key.as_str().unwrap().to_owned(),
                    key_span: span(),
                    node: tree(value),
                })
                .collect(),
        ),
        serde_yaml::Value::Null => Value::Null,
        other => panic!("not used here: {other:?}"),
    };
    Node {
        span: span(),
        value,
    }
}

fn span() -> Span {
    let source = Sources::default().add("spec.yaml", "");
    Span {
        source,
        start: 0,
        end: 0,
    }
}

fn compile(yaml: &str) -> (Vec<Declared>, Vec<String>) {
    let all: BTreeMap<_, _> = node(yaml)
        .entries()
        .iter()
        .map(|entry| (entry.key.clone(), entry.node.clone()))
        .collect();
    let files = Files::default();
    let sections = Sections {
        all: &all,
        files: &files,
        sources: &Sources::default(),
    };
    let mut problems = Problems::default();
    let declared = Runtimes.compile(&sections, &mut problems);
    let problems = problems
        .into_sorted()
        .into_iter()
        .map(|problem| format!("{} {}", problem.code, problem.message))
        .collect();
    (declared, problems)
}

#[test]
fn a_runtime_is_a_file_and_its_service_with_their_edges() {
    let (declared, problems) = compile("{ runtime: { containerd: {} }, packages: [containerd] }");
    assert_eq!(problems, [""; 0]);
    let [config, service] = &declared[..] else {
        panic!("two resources expected: {declared:?}");
    };
    assert_eq!(
        service.resource.id().to_string(),
        "service/containerd.service"
    );
    let resource = &config.resource;
    assert_eq!(
        resource.id().to_string(),
        "containerd//etc/containerd/config.toml"
    );
    let relation = |edge, target: &str| Relation {
        edge,
        target: target.parse().unwrap(),
    };
    assert_eq!(
        resource.relations(),
        [
            relation(Edge::Notifies, "service/containerd.service"),
            relation(
                Edge::NotifiesOf(Topic::CgroupDriver),
                "service/kubelet.service"
            ),
            relation(Edge::Requires, "directory//etc/containerd"),
            relation(Edge::Requires, "package/containerd"),
        ]
    );
    let package = Question::Package("containerd".parse().unwrap());
    assert!(resource.questions().contains(&package));
}

#[test]
fn the_package_is_found_however_it_is_listed() {
    for (yaml, package) in [
        ("{ runtime: { containerd: {} } }", None),
        ("{ runtime: { containerd: {} }, packages: [curl] }", None),
        (
            "{ runtime: { containerd: {} }, packages: [curl, { name: containerd.io, version: 1.7.27-1 }] }",
            Some("package/containerd.io"),
        ),
        (
            "{ runtime: { containerd: { package: containerd } }, packages: [containerd.io] }",
            Some("package/containerd"),
        ),
    ] {
        let (declared, _) = compile(yaml);
        let required = declared[0]
            .resource
            .relations()
            .into_iter()
            .find(|relation| relation.target.kind() == "package")
            .map(|relation| relation.target.to_string());
        assert_eq!(required.as_deref(), package, "{yaml}");
    }
    let (declared, _) = compile("{ runtime: { containerd: { package: containerd.io } } }");
    let last = declared.last().unwrap();
    assert_eq!(last.resource.id().to_string(), "package/containerd.io");
}

#[test]
fn the_pause_image_follows_kubernetes_unless_it_is_written() {
    for (yaml, image) in [
        ("{ runtime: { containerd: {} } }", "None"),
        (
            "{ runtime: { containerd: }, kubernetes: { version: '1.31' } }",
            "Some(\"registry.k8s.io/pause:3.10\")",
        ),
        (
            "{ runtime: { containerd: { sandboxImage: 'r.example.org/pause:1' } }, kubernetes: { version: '1.31' } }",
            "Some(\"r.example.org/pause:1\")",
        ),
    ] {
        let (declared, problems) = compile(yaml);
        assert_eq!(problems, [""; 0]);
        let desired = declared[0].resource.desired();
        assert!(
            desired.contains(&format!("sandboxImage: {image}\n")),
            "{desired}"
        );
    }
}

#[test]
fn what_a_schema_cannot_tell_is_a_problem() {
    for (yaml, problem) in [
        (
            "{ kubernetes: { version: 1.31.2 } }",
            "E127 `1.31.2` is not a minor version of Kubernetes",
        ),
        (
            "{ kubernetes: { version: '1.3' } }",
            "E127 Kubernetes 1.3 is older than any that a runtime of today serves",
        ),
        (
            "{ kubernetes: { version: '1.99' } }",
            "W127 hardstand has no defaults for Kubernetes 1.99",
        ),
        (
            "{ runtime: { containerd: { sandboxImage: \"a b\\n\" } } }",
            "E127 `a b\\n` is not the name of an image",
        ),
        (
            "{ runtime: { containerd: {} }, files: [{ path: /etc/containerd/config.toml }] }",
            "E201 `/etc/containerd/config.toml` is managed twice",
        ),
    ] {
        assert_eq!(compile(yaml).1, [problem], "{yaml}");
    }
}

#[test]
fn a_spec_without_a_runtime_asks_for_nothing() {
    let (declared, problems) = compile("{ kubernetes: { version: '1.31' } }");
    assert!(declared.is_empty());
    assert!(problems.is_empty());
}

#[test]
fn the_schema_wants_one_runtime_and_closed_maps() {
    let sections = Runtimes.sections();
    let [runtime, kubernetes] = &sections[..] else {
        panic!("two sections expected");
    };
    assert_eq!((runtime.name, kubernetes.name), ("runtime", "kubernetes"));
    let schema = runtime.schema.as_value();
    assert_eq!(schema["x-hardstand-one-of"], true);
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(kubernetes.schema.as_value()["required"][0], "version");
}
