//! A checked tree to the type its schema was derived from.

use serde::de::DeserializeOwned;
use serde_yaml::Value as Yaml;

use super::{Node, Value};
use crate::diagnostic::Diagnostic;

/// Turns a tree into a value of the type whose schema it was checked against.
///
/// Enumerations with content are maps with one key, those without are texts. After a clean check a failure is a defect of
/// the schema; it is still reported at the place of the tree.
#[expect(clippy::result_large_err, reason = "it fails at most once per section")]
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Diagnostic> {
    serde_yaml::with::singleton_map_recursive::deserialize(to_yaml(node)).map_err(|error| {
        Diagnostic::error(
            "E120",
            node.span,
            format!("this value does not fit: {error}"),
        )
    })
}

fn to_yaml(node: &Node) -> Yaml {
    match &node.value {
        Value::Null => Yaml::Null,
        Value::Bool(value) => Yaml::Bool(*value),
        Value::Integer(value) => Yaml::Number((*value).into()),
        Value::Float(raw) | Value::String(raw) => Yaml::String(raw.clone()),
        Value::List(items) => Yaml::Sequence(items.iter().map(to_yaml).collect()),
        Value::Map(entries) => {
            let pairs = entries
                .iter()
                .map(|entry| (Yaml::String(entry.key.clone()), to_yaml(&entry.node)));
            Yaml::Mapping(pairs.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::name::SysctlKey;
    use crate::spec::testing::parse_one;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Runtime {
        driver: Option<Driver>,
        kind: Option<Kind>,
        limits: Option<BTreeMap<SysctlKey, Limit>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Driver {
        Systemd,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Containerd { version: String },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Limit {
        Number(i64),
        Text(String),
    }

    #[test]
    fn trees_become_types() {
        let (_, node) = parse_one(
            "driver: systemd\nkind: {containerd: {version: \"1.30\"}}\nlimits: {vm.swappiness: 1, a.b: x}",
        );
        let runtime: Runtime = decode(&node).unwrap();
        assert_eq!(runtime.driver, Some(Driver::Systemd));
        let version = "1.30".to_owned();
        assert_eq!(runtime.kind, Some(Kind::Containerd { version }));
        let limits: Vec<Limit> = runtime.limits.unwrap().into_values().collect();
        assert_eq!(limits, [Limit::Text("x".to_owned()), Limit::Number(1)]);
    }

    #[test]
    fn what_does_not_fit_is_reported_at_its_place() {
        let (_, node) = parse_one("driver: 1");
        let problem = decode::<Runtime>(&node).unwrap_err();
        assert_eq!(problem.span, Some(node.span));
    }
}
