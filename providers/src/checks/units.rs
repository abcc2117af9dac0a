//! Services of a node that should not be missing, or not run beside each other.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::UnitName;
use engine::question::{Question, Unanswered};
use engine::state::State;

use super::spec::{Runtime, Spec};
use super::{Entry, nothing_of_spec};

pub(super) const CHECKS: &[Entry] = &[
    Entry {
        rule: TIME,
        applies: Spec::is_for_kubernetes,
        of_spec: nothing_of_spec,
        questions: |_| {
            CLOCKS
                .into_iter()
                .map(|name| Question::Unit(unit(name)))
                .collect()
        },
        of_host: time,
    },
    Entry {
        rule: SEVERAL_RUNTIMES,
        applies: |spec| spec.runtime.is_some(),
        of_spec: nothing_of_spec,
        questions: |_| {
            RUNTIMES
                .into_iter()
                .map(|name| Question::Unit(unit(name)))
                .collect()
        },
        of_host: several_runtimes,
    },
];

const TIME: Rule = Rule {
    id: "H030",
    title: "no service, or more than one, sets the node's clock",
    severity: Severity::Note,
    page: include_str!("../../../docs/checks/H030.md"),
};
const SEVERAL_RUNTIMES: Rule = Rule {
    id: "H031",
    title: "another container runtime is enabled beside the chosen one",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H031.md"),
};

/// Services that set the clock, under the names that distributions give them.
const CLOCKS: [&str; 7] = [
    "chrony.service",
    "chronyd.service",
    "ntp.service",
    "ntpd.service",
    "ntpsec.service",
    "openntpd.service",
    "systemd-timesyncd.service",
];
/// Services of runtimes. containerd may be Docker's own.
const RUNTIMES: [&str; 4] = [
    "containerd.service",
    "cri-docker.service",
    "crio.service",
    "docker.service",
];

fn time(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let mut active: Vec<(&str, &str)> = Vec::new();
    for name in CLOCKS {
        let unit = unit(name);
        if !state.is_active(&unit)? {
            continue;
        }
        // Two names may be one unit: chronyd.service is an alias of chrony.service on Debian.
        let fragment = state.property(&unit, "FragmentPath")?;
        if !active
            .iter()
            .any(|(_, known)| !known.is_empty() && *known == fragment)
        {
            active.push((name, fragment));
        }
    }
    let found = match &active[..] {
        [_] => return Ok(Vec::new()),
        [] => TIME
            .found("no service sets the node's clock")
            .help("certificates and logs need the right time: run chrony or systemd-timesyncd"),
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| *name).collect();
            TIME.found(format!(
                "several services set the node's clock: {}",
                names.join(", ")
            ))
            .severity(Severity::Warning)
            .help("keep one of them")
        }
    };
    Ok(vec![found.at(spec.place(&["timeSync"]))])
}

fn several_runtimes(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let Some(chosen) = spec.runtime else {
        return Ok(Vec::new());
    };
    // Docker runs on a containerd of its own.
    let belong: &[&str] = match chosen {
        Runtime::Containerd => &["containerd.service"],
        Runtime::Crio => &["crio.service"],
        Runtime::Docker | Runtime::Mirantis => {
            &["containerd.service", "cri-docker.service", "docker.service"]
        }
    };
    let mut others = Vec::new();
    for name in RUNTIMES.into_iter().filter(|name| !belong.contains(name)) {
        let unit = unit(name);
        if state.is_active(&unit)?
            || state
                .property(&unit, "UnitFileState")?
                .starts_with("enabled")
        {
            others.push(name);
        }
    }
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let message = format!(
        "the spec chooses {}, and {} is enabled as well",
        chosen.field(),
        others.join(", ")
    );
    let help = "stop and disable what the kubelet does not use, in `services`; docker.socket starts docker.service again, so \
                that one too. Docker also sets net.ipv4.ip_forward, which hides that nothing else does";
    let place = spec.place(&["runtime", chosen.field()]);
    Ok(vec![SEVERAL_RUNTIMES.found(message).help(help).at(place)])
}

fn unit(name: &str) -> UnitName {
    name.parse().expect("a unit of this program")
}

#[cfg(test)]
mod tests {
    use engine::step::Step;

    use crate::checks::tests::found;
    use crate::testing::Machine;

    fn of(check: &str, machine: &Machine, spec: &str) -> Vec<String> {
        let found = found(machine, spec).into_iter();
        found.filter(|line| line.starts_with(check)).collect()
    }

    #[test]
    fn one_service_sets_the_clock() {
        let spec = "kubernetes: { version: '1.31' }";
        let none = Machine::debian();
        assert_eq!(
            of("H030", &none, spec),
            ["H030 Stays no service sets the node's clock"]
        );
        let alias = none
            .unit(
                "chrony.service",
                &[("FragmentPath", "/lib/systemd/system/chrony.service")],
            )
            .unit(
                "chronyd.service",
                &[("FragmentPath", "/lib/systemd/system/chrony.service")],
            );
        assert_eq!(of("H030", &alias, spec), [""; 0]);
        let two = alias.unit("systemd-timesyncd.service", &[]);
        assert_eq!(
            of("H030", &two, spec),
            [
                "H030 Stays several services set the node's clock: chrony.service, systemd-timesyncd.service"
            ]
        );
    }

    #[test]
    fn a_runtime_beside_the_chosen_one_is_found() {
        let spec = "runtime: { crio: {} }";
        let crio = Machine::debian().unit("crio.service", &[]);
        assert_eq!(of("H031", &crio, spec), [""; 0]);
        let both = crio.unit("containerd.service", &[("ActiveState", "inactive")]);
        assert_eq!(
            of("H031", &both, spec),
            ["H031 Stays the spec chooses crio, and containerd.service is enabled as well"]
        );
        let mended = format!("{spec}\nservices: [{{ name: containerd.service, enabled: false }}]");
        assert!(of("H031", &both, &mended)[0].starts_with("H031 Mended"));
        // A package may start and enable its services again.
        let installs = format!(
            "{spec}\npackages: [{{ name: curl }}]\nfiles: [{{ path: /etc/systemd/system/x.service, content: '[Unit]' }}]\n\
             services: [{{ name: x.service }}]"
        );
        let package = both.package("curl", |package| package.candidate = Some("8".into()));
        let left = of("H031", &package, &installs);
        assert!(left[0].starts_with("H031 Stays"), "{left:?}");
        let changes = package.plan(&installs).changes;
        let steps = || changes.iter().flat_map(|change| &change.steps);
        let reload = steps().position(|step| *step == Step::ReloadUnitFiles);
        let install = steps().position(|step| matches!(step, Step::InstallPackage { .. }));
        assert!(install.is_some() && install < reload);
    }
}
