//! What is filled in where a spec says little of its runtime and kubelet, and why: `runtime: { containerd: {} }` is what the
//! Kubernetes page "Container Runtimes" recommends.

use engine::diagnostic::Problems;
use engine::resource::{Filled, Sections};
use engine::spec::Node;

use super::section::{self, CgroupDriver};

/// Why systemd is the driver.
const SYSTEMD: &str = "systemd is the init system of every host that is changed, and two managers of cgroups work against each other";

/// Returns what is filled in for the runtime that the sections choose.
pub(super) fn of_runtime(sections: &Sections<'_>) -> Vec<Filled> {
    let mut problems = Problems::default();
    let kubernetes = sections.all.get("kubernetes");
    let kubernetes = kubernetes.and_then(|node| section::kubernetes(node, &mut problems));
    let runtimes = sections.all.get("runtime").map_or(&[][..], Node::entries);
    let mut filled = Vec::new();
    for runtime in runtimes {
        let path = |field: &str| format!("runtime.{}.{field}", runtime.key);
        filled.push(Filled {
            path: path("cgroupDriver"),
            value: CgroupDriver::default().as_str().into(),
            reason: SYSTEMD.to_owned(),
        });
        let image = match runtime.key.as_str() {
            "containerd" => Some("sandboxImage"),
            "crio" => Some("pauseImage"),
            // cri-dockerd has one of its own.
            _ => None,
        };
        let pause = kubernetes.and_then(|version| Some((image?, version, version.pause_image()?)));
        if let Some((image, version, pause)) = pause {
            filled.push(Filled {
                path: path(image),
                value: pause.into(),
                reason: format!("the pause image that kubeadm of Kubernetes {version} expects"),
            });
        }
        if runtime.key == "crio" {
            filled.push(Filled {
                path: path("conmonCgroup"),
                value: "pod".into(),
                reason: "the one value that is right with either cgroup driver in every release"
                    .to_owned(),
            });
        }
    }
    filled
}

/// Returns what is filled in for the kubelet: its driver is the runtime's.
pub(crate) fn of_kubelet(sections: &Sections<'_>) -> Vec<Filled> {
    let runtime = sections
        .all
        .get("runtime")
        .map_or(&[][..], Node::entries)
        .first();
    runtime
        .map(|runtime| Filled {
            path: "kubelet.cgroupDriver".to_owned(),
            value: runtime
                .node
                .get("cgroupDriver")
                .and_then(Node::text)
                .unwrap_or(CgroupDriver::default().as_str())
                .into(),
            reason: format!(
                "that of `runtime.{}`: both sides must use the same",
                runtime.key
            ),
        })
        .into_iter()
        .collect()
}
