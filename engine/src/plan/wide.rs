//! Plans what is done once to a cluster as a whole, before any of its nodes: a pure function of what the specs of the hosts
//! ask for and of what was read of their clusters.
//!
//! A provider knows how the text is edited. That nothing but the one value changes is proven here, whoever wrote the text.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use crate::cluster::{
    Cluster, ClusterSnapshot, ClusterWide, KUBELET_CONFIG, KUBELET_CONFIG_KEY, KubeletConfigEdit,
    KubeletConfigMap, node_of,
};
use crate::name::HostName;
use crate::resource::Provider;

/// A longer text is not edited: old and new must fit one argument of kubectl. kubeadm's has less than 2 KiB.
const LONGEST: usize = 48 << 10;

/// What was read of clusters, by context; or why one could not be asked.
pub type Clusters = BTreeMap<Option<String>, Result<ClusterSnapshot, String>>;

/// Plans what is done to each cluster that has something to be said of. The hosts come with what their specs say of theirs.
pub fn plan_clusters(
    hosts: &[(&HostName, &Cluster)],
    clusters: &Clusters,
    providers: &[Box<dyn Provider>],
) -> Vec<ClusterWide> {
    let mut planned = Vec::new();
    for (context, read) in clusters {
        let nodes: Vec<_> = hosts
            .iter()
            .filter(|(_, cluster)| cluster.context == *context)
            .copied()
            .collect();
        let mut wide = match read {
            Ok(snapshot) => plan_edits(&nodes, snapshot, providers),
            Err(why) => ClusterWide {
                unasked: Some(why.clone()),
                ..ClusterWide::default()
            },
        };
        wide.context.clone_from(context);
        if !wide.is_silent() {
            planned.push(wide);
        }
    }
    planned
}

/// The hosts that want a driver of one ConfigMap: the first for each driver.
type Wishes<'a> = BTreeMap<&'a str, &'a HostName>;

fn plan_edits(
    nodes: &[(&HostName, &Cluster)],
    snapshot: &ClusterSnapshot,
    providers: &[Box<dyn Provider>],
) -> ClusterWide {
    let mut wide = ClusterWide::default();
    let mut wishes: BTreeMap<String, Wishes<'_>> = BTreeMap::new();
    let mut without = None;
    for (host, cluster) in nodes {
        let Some(driver) = cluster.driver_to_set() else {
            continue;
        };
        let state = snapshot.of_node(node_of(cluster, host).as_ref());
        match state.kubelet_config {
            Some(config) => {
                let wishes = wishes.entry(config.name).or_default();
                wishes.entry(driver).or_insert(host);
            }
            None => without = without.or(Some(host)),
        }
    }
    // A host that has yet to join is no node, so it may be unknown which of several is its own.
    if let (Some(host), true) = (without, wishes.is_empty()) {
        wide.refused.push(none_found(host, snapshot));
    }
    for (name, wishes) in wishes {
        let config = snapshot.kubelet_configs.get(&name);
        match plan_edit(&name, &wishes, config, providers) {
            Ok(edit) => wide.edits.extend(edit),
            Err(why) => wide.refused.push(format!(
                "the ConfigMap kube-system/{name} is not edited: {why}"
            )),
        }
    }
    wide
}

/// Returns why there is nothing to edit.
fn none_found(host: &HostName, snapshot: &ClusterSnapshot) -> String {
    let what = "`cluster.editKubeletConfig` asks for an edit of";
    match &snapshot.unread {
        Some(why) => {
            format!(
                "{what} the ConfigMap kube-system/{KUBELET_CONFIG}, and it cannot be read: {why}"
            )
        }
        None if snapshot.kubelet_configs.is_empty() => format!(
            "{what} the ConfigMap kube-system/{KUBELET_CONFIG}, and the cluster has none; a cluster that kubeadm did not make \
             keeps this elsewhere, so take the field out of the spec"
        ),
        None => format!(
            "{what} the ConfigMap of {host}, and the cluster has one for each version and no node of its name; set \
             `cluster.node` to that"
        ),
    }
}

/// Plans the edit of one ConfigMap; none if it is as it should be.
fn plan_edit(
    name: &str,
    wishes: &Wishes<'_>,
    config: Option<&KubeletConfigMap>,
    providers: &[Box<dyn Provider>],
) -> Result<Option<KubeletConfigEdit>, String> {
    let mut wished = wishes.iter();
    let Some((driver, host)) = wished.next() else {
        return Ok(None);
    };
    if let Some((other, other_host)) = wished.next() {
        return Err(format!(
            "the specs ask for two cgroup drivers, {host} for {driver} and {other_host} for {other}, and it has one for all; \
             take `cluster.editKubeletConfig` out of one of them"
        ));
    }
    if config.is_some_and(|config| config.cgroup_driver.as_deref() == Some(driver)) {
        return Ok(None);
    }
    let text = config.and_then(|config| config.text.as_ref());
    let before = text.ok_or_else(|| format!("it has no text under `{KUBELET_CONFIG_KEY}`"))?;
    if before.len() > LONGEST {
        return Err(format!("its text is longer than {} KiB", LONGEST >> 10));
    }
    let after = providers
        .iter()
        .find_map(|provider| provider.with_cgroup_driver(before, driver))
        .ok_or("nothing here knows how to")??;
    if !is_only_the_driver(before, &after, driver) {
        return Err(
            "its YAML is written so that more than the one value would change; set `cgroupDriver` on a line of its own, by hand"
                .to_owned(),
        );
    }
    Ok(Some(KubeletConfigEdit {
        config_map: name.to_owned(),
        cgroup_driver: (*driver).to_owned(),
        before: before.clone(),
        after,
    }))
}

/// Whether two texts mean the same but for the driver, which is this one in the second.
fn is_only_the_driver(before: &str, after: &str, driver: &str) -> bool {
    const KEY: &str = "cgroupDriver";
    let parse = |text| serde_yaml::from_str::<Mapping>(text).ok();
    let (Some(mut before), Some(mut after)) = (parse(before), parse(after)) else {
        return false;
    };
    before.remove(KEY);
    let said = after.remove(KEY);
    said.as_ref().and_then(Value::as_str) == Some(driver) && before == after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeState;
    use crate::diagnostic::Problems;
    use crate::resource::{Declared, Section, Sections};

    /// Edits as one who only knows the simplest text.
    struct Editor;

    impl Provider for Editor {
        fn sections(&self) -> Vec<Section> {
            Vec::new()
        }

        fn kinds(&self) -> &'static [&'static str] {
            &[]
        }

        fn compile(&self, _: &Sections<'_>, _: &mut Problems) -> Vec<Declared> {
            Vec::new()
        }

        fn with_cgroup_driver(&self, text: &str, driver: &str) -> Option<Result<String, String>> {
            Some(match text.contains("odd") {
                true => Err("it is odd".to_owned()),
                false => Ok(text.replace("cgroupfs", driver)),
            })
        }
    }

    const TEXT: &str = "kind: KubeletConfiguration\ncgroupDriver: cgroupfs\n";

    fn wants(driver: &str) -> Cluster {
        Cluster {
            cgroup_driver: Some(driver.to_owned()),
            edit_kubelet_config: true,
            ..Cluster::default()
        }
    }

    /// A cluster with the nodes a, of 1.22, and b, of 1.23.
    fn cluster(configs: &[(&str, &str)]) -> ClusterSnapshot {
        let node = |name: &str, kubelet: &str| {
            let state = NodeState {
                kubelet: kubelet.to_owned(),
                ..NodeState::default()
            };
            (name.to_owned(), state)
        };
        let config = |(name, text): &(&str, &str)| {
            let map = KubeletConfigMap {
                text: Some((*text).to_owned()),
                cgroup_driver: serde_yaml::from_str::<Mapping>(text)
                    .ok()
                    .and_then(|map| Some(map.get("cgroupDriver")?.as_str()?.to_owned())),
            };
            ((*name).to_owned(), map)
        };
        ClusterSnapshot {
            nodes: [node("a", "v1.22.1"), node("b", "v1.23.9")].into(),
            kubelet_configs: configs.iter().map(config).collect(),
            unread: None,
        }
    }

    /// Plans hosts a, b and so on, each with what its spec says. Returns what is done, or why not.
    fn planned(specs: &[Cluster], read: Result<ClusterSnapshot, String>) -> Vec<String> {
        let names: Vec<HostName> = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
        let hosts: Vec<_> = names.iter().zip(specs).collect();
        let clusters = Clusters::from([(None, read)]);
        let providers: Vec<Box<dyn Provider>> = vec![Box::new(Editor)];
        let mut told = Vec::new();
        for wide in plan_clusters(&hosts, &clusters, &providers) {
            told.extend(wide.unasked);
            told.extend(wide.refused);
            let edits = wide.edits.into_iter();
            told.extend(
                edits.map(|edit| format!("{} {}", edit.config_map, edit.after.replace('\n', "|"))),
            );
        }
        told
    }

    #[test]
    fn a_configuration_is_edited_once_for_all_who_ask() {
        let edited = "kind: KubeletConfiguration|cgroupDriver: systemd|";
        let one = cluster(&[(KUBELET_CONFIG, TEXT)]);
        let right = cluster(&[(KUBELET_CONFIG, &TEXT.replace("cgroupfs", "systemd"))]);
        let versioned = cluster(&[("kubelet-config-1.22", TEXT), ("kubelet-config-1.23", TEXT)]);
        let [systemd, silent] = [wants("systemd"), Cluster::default()];
        let reads = Cluster {
            edit_kubelet_config: false,
            ..wants("systemd")
        };
        for (specs, cluster, expected) in [
            (
                vec![systemd.clone(), systemd.clone()],
                &one,
                vec![format!("kubelet-config {edited}")],
            ),
            (vec![silent, reads], &one, vec![]),
            (vec![systemd.clone()], &right, vec![]),
            (
                vec![systemd.clone()],
                &versioned,
                vec![format!("kubelet-config-1.22 {edited}")],
            ),
            (
                vec![systemd.clone(); 3],
                &versioned,
                vec![
                    format!("kubelet-config-1.22 {edited}"),
                    format!("kubelet-config-1.23 {edited}"),
                ],
            ),
        ] {
            assert_eq!(planned(&specs, Ok(cluster.clone())), expected);
        }
    }

    #[test]
    fn what_cannot_be_edited_is_refused_with_a_reason() {
        let with = |text: &str| cluster(&[(KUBELET_CONFIG, text)]);
        let unread = ClusterSnapshot {
            unread: Some("forbidden".to_owned()),
            ..cluster(&[])
        };
        let empty = ClusterSnapshot {
            kubelet_configs: [(KUBELET_CONFIG.to_owned(), KubeletConfigMap::default())].into(),
            ..cluster(&[])
        };
        let mut elsewhere = wants("systemd");
        elsewhere.node = "z".parse().ok();
        let systemd = vec![wants("systemd")];
        for (specs, cluster, expected) in [
            (systemd.clone(), with("odd: x\n"), "it is odd"),
            (systemd.clone(), unread, "cannot be read: forbidden"),
            (systemd.clone(), cluster(&[]), "the cluster has none"),
            (systemd.clone(), empty, "no text under `kubelet`"),
            (
                systemd.clone(),
                with(&"# long\n".repeat(10_000)),
                "longer than 48 KiB",
            ),
            (
                vec![elsewhere],
                cluster(&[("kubelet-config-1.22", TEXT)]),
                "no node of its name",
            ),
            (
                vec![wants("systemd"), wants("cgroupfs")],
                with(TEXT),
                "b for cgroupfs and a for systemd",
            ),
            // Another value, an anchor that is used elsewhere, and no YAML at all.
            (
                systemd.clone(),
                with("cgroupDriver: cgroupfs\nb: cgroupfs\n"),
                "more than the one value",
            ),
            (
                systemd.clone(),
                with("cgroupDriver: &a cgroupfs\nb: *a\n"),
                "more than the one value",
            ),
            (
                systemd.clone(),
                with("cgroupDriver: cgroupfs\n\tb: [\n"),
                "more than the one value",
            ),
            (
                systemd.clone(),
                with("cgroupDriver: cgroupfs\n---\nb: 1\n"),
                "more than the one value",
            ),
        ] {
            let told = planned(&specs, Ok(cluster));
            assert!(
                told.len() == 1 && told[0].contains(expected),
                "{expected}: {told:?}"
            );
        }
        let told = planned(&[Cluster::default()], Err("no kubectl".to_owned()));
        assert_eq!(told, ["no kubectl"]);
    }
}
