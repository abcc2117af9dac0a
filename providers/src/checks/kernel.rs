//! The kernel: its modules, its sysctls at the next boot, its cgroups.

use std::collections::BTreeSet;

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::facts::CgroupVersion;
use engine::name::{ModuleName, SysctlKey};
use engine::question::{Question, SysctlState, Unanswered};
use engine::spec::Node;
use engine::state::State;

use super::kubelet::places;
use super::spec::Spec;
use super::{Entry, nothing_of_spec};
use crate::module::{self, is_functional, proof};
use crate::sysctl;

pub(super) const CHECKS: &[Entry] = &[
    Entry {
        rule: NO_SUCH_MODULE,
        applies: Spec::is_for_kubernetes,
        of_spec: nothing_of_spec,
        questions: |spec| {
            let modules = modules(spec);
            let proofs = modules.iter().filter_map(proof).map(Question::Sysctl);
            let proofs: Vec<_> = proofs.collect();
            modules
                .into_iter()
                .map(Question::Module)
                .chain(proofs)
                .collect()
        },
        of_host: no_such_module,
    },
    Entry {
        rule: NO_FORWARDING,
        applies: Spec::is_for_kubernetes,
        of_spec: nothing_of_spec,
        questions: |_| {
            let mut questions = sysctl::boot::questions();
            questions.push(Question::Sysctl(sysctl_key(IP_FORWARD)));
            questions
        },
        of_host: no_forwarding,
    },
    Entry {
        rule: CGROUP_V1,
        applies: |spec| spec.kubernetes.is_some(),
        of_spec: nothing_of_spec,
        questions: |spec| places(spec).questions(),
        of_host: cgroup_v1,
    },
    Entry {
        rule: FEW_INOTIFY_INSTANCES,
        applies: Spec::is_for_kubernetes,
        of_spec: nothing_of_spec,
        questions: |_| vec![Question::Sysctl(sysctl_key(INOTIFY_INSTANCES))],
        of_host: few_inotify_instances,
    },
    Entry {
        rule: BLOCKED_MODULE,
        applies: Spec::is_for_kubernetes,
        of_spec: nothing_of_spec,
        questions: |_| module::boot::questions(),
        of_host: blocked_module,
    },
];

const NO_SUCH_MODULE: Rule = Rule {
    id: "H016",
    title: "the running kernel lacks a module that containers need",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H016.md"),
};
const NO_FORWARDING: Rule = Rule {
    id: "H017",
    title: "packets are not forwarded, or will not be after a reboot",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H017.md"),
};
const CGROUP_V1: Rule = Rule {
    id: "H020",
    title: "the node has cgroup v1",
    severity: Severity::Error,
    page: include_str!("../../../docs/checks/H020.md"),
};
const FEW_INOTIFY_INSTANCES: Rule = Rule {
    id: "H024",
    title: "there are few inotify instances for many containers",
    severity: Severity::Note,
    page: include_str!("../../../docs/checks/H024.md"),
};
const BLOCKED_MODULE: Rule = Rule {
    id: "H026",
    title: "a module that containers need is kept from being loaded",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H026.md"),
};

const IP_FORWARD: &str = "net.ipv4.ip_forward";
const INOTIFY_INSTANCES: &str = "fs.inotify.max_user_instances";
/// What the kernel gives by itself (fs/notify/inotify/inotify_user.c).
const DEFAULT_INSTANCES: u64 = 128;
/// What Kubespray sets at least.
const ENOUGH_INSTANCES: u64 = 8192;

/// The modules that the spec names, and the one that every runtime's snapshots need.
fn modules(spec: &Spec) -> BTreeSet<ModuleName> {
    let listed = spec.node(&["modules"]).map_or(&[][..], Node::items);
    let named = listed
        .iter()
        .filter_map(|item| item.text().or_else(|| item.get("name")?.text()));
    named
        .chain(["overlay"])
        .filter_map(|name| name.parse().ok())
        .collect()
}

fn no_such_module(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let mut found = Vec::new();
    for name in modules(spec) {
        let module = state.module(&name)?;
        let is_there = module.loaded || module.builtin || module.in_sysfs || module.available;
        if !is_there && !is_functional(&name, state)? {
            let kernel = &state.facts().kernel;
            let help = "if the kernel was upgraded since the last boot, reboot; else install the package that has it for \
                        this very kernel: kernel-modules-extra-$(uname -r) on RHEL and its kin, \
                        linux-modules-extra-$(uname -r) on Ubuntu";
            found.push(
                NO_SUCH_MODULE
                    .found(format!(
                        "the running kernel {kernel} has no module `{name}`"
                    ))
                    .help(help)
                    .at(spec.place(&["modules"])),
            );
        }
    }
    Ok(found)
}

fn no_forwarding(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let names = [IP_FORWARD, "net.ipv4.conf.all.forwarding"].map(sysctl_key);
    let boot = state.reading::<sysctl::boot::Boot>()?;
    let winner = boot.winner(&names);
    let at_boot = winner.and_then(|winner| Some((winner.canonical()?, winner.place())));
    let running = match state.sysctl(&names[0])? {
        SysctlState::Value(value) => value.as_str(),
        SysctlState::Absent => return Ok(Vec::new()),
        SysctlState::Unreadable(reason) => return Err(Unanswered(reason.clone())),
    };
    let message = match (running, at_boot) {
        (_, Some((value, _))) if value == "1" && running == "1" => return Ok(Vec::new()),
        ("1", Some((value, place))) => {
            format!("{IP_FORWARD} is 1 now and will be {value} after a reboot: {place} sets it")
        }
        (_, Some((value, place))) => {
            format!("{IP_FORWARD} is {running}, and {place} sets it to {value} at boot")
        }
        ("1", None) => format!("{IP_FORWARD} is 1 now, and nothing sets it at boot"),
        (_, None) => format!("{IP_FORWARD} is {running}"),
    };
    let help = "set `net.ipv4.ip_forward: 1` in `sysctls`, and mend or remove the file that sets it otherwise; what Docker \
                or a network plugin sets hides this until it is gone";
    let place = spec.place(&["sysctls", IP_FORWARD]);
    Ok(vec![NO_FORWARDING.found(message).help(help).at(place)])
}

fn cgroup_v1(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let Some(version) = spec.kubernetes else {
        return Ok(Vec::new());
    };
    match state.facts().cgroup {
        CgroupVersion::V2 => return Ok(Vec::new()),
        CgroupVersion::None => {
            return Err(Unanswered("the host has no cgroups mounted".to_owned()));
        }
        CgroupVersion::V1 => {}
    }
    let help = "boot with cgroup v2: remove `systemd.unified_cgroup_hierarchy=0` from the kernel's command line, or move to a \
                distribution that has it";
    let found = match version.minor() {
        ..=30 => return Ok(Vec::new()),
        31..=34 => CGROUP_V1
            .found(format!(
                "the node has cgroup v1, which Kubernetes {version} only maintains and 1.35 refuses"
            ))
            .severity(Severity::Warning),
        _ if tolerates_v1(spec, state)? => CGROUP_V1
            .found(format!(
                "the node has cgroup v1, which the kubelet of {version} takes only because failCgroupV1 is false"
            ))
            .severity(Severity::Warning),
        _ => CGROUP_V1.found(format!(
            "the node has cgroup v1, with which the kubelet of {version} does not start"
        )),
    };
    Ok(vec![
        found.help(help).at(spec.place(&["kubernetes", "version"])),
    ])
}

/// Whether the kubelet's flags and files let it start with cgroup v1.
fn tolerates_v1(spec: &Spec, state: &State<'_>) -> Result<bool, Unanswered> {
    match places(spec).read(state)? {
        Some(configured) => configured.tolerates_cgroup_v1(),
        None => Ok(false),
    }
}

fn few_inotify_instances(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let value = match state.sysctl(&sysctl_key(INOTIFY_INSTANCES))? {
        SysctlState::Value(value) => value,
        SysctlState::Absent => return Ok(Vec::new()),
        SysctlState::Unreadable(reason) => return Err(Unanswered(reason.clone())),
    };
    if value
        .parse()
        .is_ok_and(|value: u64| value > DEFAULT_INSTANCES)
    {
        return Ok(Vec::new());
    }
    let message = format!("{INOTIFY_INSTANCES} is {value}, which some hundred containers use up");
    let help = format!("set `{INOTIFY_INSTANCES}: {{ min: {ENOUGH_INSTANCES} }}` in `sysctls`");
    let place = spec.place(&["sysctls", INOTIFY_INSTANCES]);
    Ok(vec![
        FEW_INOTIFY_INSTANCES.found(message).help(help).at(place),
    ])
}

fn blocked_module(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let boot = state.reading::<module::boot::Boot>()?;
    let blocked = modules(spec).into_iter().filter_map(|name| {
        let block = boot.blocks(&name)?;
        let message = format!(
            "`{}` in {} keeps `{name}` from being loaded: it {}",
            block.line, block.place, block.effect
        );
        let help = "remove the line; hardening profiles such as CIS bring it, and have an exception for container hosts";
        Some(
            BLOCKED_MODULE
                .found(message)
                .help(help)
                .at(spec.place(&["modules"])),
        )
    });
    Ok(blocked.collect())
}

fn sysctl_key(name: &str) -> SysctlKey {
    name.parse().expect("a sysctl key of this program")
}

#[cfg(test)]
mod tests {
    use crate::checks::tests::{found, found_by, with_kubelet};
    use crate::testing::Machine;

    const SPEC: &str = "kubernetes: { version: '1.31' }";

    /// A machine on which nothing is found.
    fn healthy() -> Machine {
        Machine::debian()
            .module("overlay", |module| module.available = true)
            .sysctl("net.ipv4.ip_forward", "1")
            .sysctl("fs.inotify.max_user_instances", "8192")
            .file("/etc/sysctl.d/99-k8s.conf", "net.ipv4.ip_forward = 1\n")
            .unit("chrony.service", &[])
    }

    #[test]
    fn a_healthy_kernel_passes() {
        assert_eq!(found(&healthy(), SPEC), [""; 0]);
    }

    #[test]
    fn a_module_that_the_kernel_lacks_is_found() {
        let machine = healthy().module("overlay", |module| module.available = false);
        assert_eq!(
            found(&machine, SPEC),
            ["H016 Stays the running kernel 6.1.0-30-amd64 has no module `overlay`"]
        );
        let by_effect = machine.facts(|facts| {
            facts.file_systems.insert("overlay".into());
        });
        assert_eq!(found(&by_effect, SPEC), [""; 0]);
    }

    #[test]
    fn forwarding_that_ends_with_a_reboot_is_found() {
        let gce = "/etc/sysctl.d/99-zz-gce.conf";
        for (running, line, expected) in [
            (
                "1",
                "net.ipv4.ip_forward=0",
                "is 1 now and will be 0 after a reboot: /etc/sysctl.d/99-zz-gce.conf:1 sets it",
            ),
            (
                "0",
                "net/ipv4/conf/all/forwarding = 0",
                "is 0, and /etc/sysctl.d/99-zz-gce.conf:1 sets it to 0 at boot",
            ),
            (
                "2",
                "net.ipv4.ip_forward=2",
                "is 2, and /etc/sysctl.d/99-zz-gce.conf:1 sets it to 2 at boot",
            ),
        ] {
            let machine = healthy()
                .sysctl("net.ipv4.ip_forward", running)
                .file(gce, line);
            assert_eq!(
                found(&machine, SPEC),
                [format!("H017 Stays net.ipv4.ip_forward {expected}")]
            );
        }
        let docker = healthy().at(
            "/etc/sysctl.d/99-k8s.conf",
            engine::question::FileState::Absent,
        );
        assert_eq!(
            found(&docker, SPEC),
            ["H017 Stays net.ipv4.ip_forward is 1 now, and nothing sets it at boot"]
        );
        let mended = format!("{SPEC}\nsysctls: {{ net.ipv4.ip_forward: 1 }}");
        assert_eq!(
            found(&docker, &mended),
            ["H017 Mended net.ipv4.ip_forward is 1 now, and nothing sets it at boot"]
        );
    }

    #[test]
    fn cgroup_v1_depends_on_the_kubernetes_version() {
        let v1 = healthy().facts(|facts| facts.cgroup = engine::facts::CgroupVersion::V1);
        let spec = |minor: u32| format!("kubernetes: {{ version: '1.{minor}' }}");
        assert_eq!(found(&v1, &spec(30)), [""; 0]);
        assert_eq!(
            found(&v1, &spec(31)),
            [
                "H020 Stays the node has cgroup v1, which Kubernetes 1.31 only maintains and 1.35 refuses"
            ]
        );
        assert_eq!(
            found(&v1, &spec(35)),
            ["H020 Stays the node has cgroup v1, with which the kubelet of 1.35 does not start"]
        );
        assert!(v1.plan(&spec(35)).checks.refusal().is_some());
        let tolerated = [
            "H020 Stays the node has cgroup v1, which the kubelet of 1.35 takes only because failCgroupV1 is false",
        ];
        let with = |config: &str| with_kubelet(v1.clone(), config);
        let tolerant = with("failCgroupV1: false # for now\n");
        assert_eq!(found_by("H020", &tolerant, &spec(35)), tolerated);
        assert_eq!(tolerant.plan(&spec(35)).checks.refusal(), None);
        let by_flag = with("").file(
            "/etc/default/kubelet",
            "KUBELET_EXTRA_ARGS=--fail-cgroupv1=false\n",
        );
        assert_eq!(found_by("H020", &by_flag, &spec(35)), tolerated);
        for fails in ["", "failCgroupV1: true\n", "# failCgroupV1: false\n"] {
            assert!(
                with(fails).plan(&spec(35)).checks.refusal().is_some(),
                "{fails}"
            );
        }
        let none = healthy().facts(|facts| facts.cgroup = engine::facts::CgroupVersion::None);
        assert_eq!(
            none.plan(&spec(35)).checks.unknown[0].check.as_str(),
            "H020"
        );
    }

    #[test]
    fn few_inotify_instances_are_found() {
        let machine = healthy().sysctl("fs.inotify.max_user_instances", "128");
        assert_eq!(
            found(&machine, SPEC),
            [
                "H024 Stays fs.inotify.max_user_instances is 128, which some hundred containers use up"
            ]
        );
        let mended =
            format!("{SPEC}\nsysctls: {{ fs.inotify.max_user_instances: {{ min: 8192 }} }}");
        assert!(found(&machine, &mended)[0].starts_with("H024 Mended"));
    }

    #[test]
    fn modules_that_are_kept_from_loading_are_found() {
        let cis = "/etc/modprobe.d/cis.conf";
        for (line, effect) in [
            (
                "install overlay /bin/false",
                "it runs instead of loading it, and reports success or failure of its own",
            ),
            (
                "blacklist overlay",
                "it is honoured at boot, although loading it by hand works",
            ),
        ] {
            let machine = healthy().file(cis, line);
            assert_eq!(
                found(&machine, SPEC),
                [format!(
                    "H026 Stays `{line}` in {cis}:1 keeps `overlay` from being loaded: {effect}"
                )]
            );
        }
        assert_eq!(
            found(&healthy().file(cis, "blacklist floppy"), SPEC),
            [""; 0]
        );
    }
}
