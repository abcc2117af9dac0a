//! Swap that is on, or comes back at the next boot.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::question::Unanswered;
use engine::resource::{Decision, Resource as _, Situation};
use engine::spec::Value;
use engine::state::State;

use super::spec::Spec;
use super::{Entry, nothing_of_spec};
use crate::swap::Swap;

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: SWAP,
    applies: |spec| spec.is_for_kubernetes() && !is_wanted(spec),
    of_spec: nothing_of_spec,
    questions: |_| Swap.questions(),
    of_host: swap,
}];

const SWAP: Rule = Rule {
    id: "H019",
    title: "the node swaps, or will after a reboot",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H019.md"),
};

/// Whether the spec lets the kubelet run with swap.
fn is_wanted(spec: &Spec) -> bool {
    let node = spec.node(&["kubelet", "failSwapOn"]);
    node.is_some_and(|node| node.value == Value::Bool(false))
}

/// Asks the resource that would switch swap off: what it would change is what is on.
fn swap(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let situation = Situation::of(state);
    let found = |message: String| {
        let help =
            "say `swap: off`; or, if the nodes are meant to swap, `kubelet: { failSwapOn: false }`";
        SWAP.found(message).help(help).at(spec.place(&["swap"]))
    };
    let proposal = match Swap.decide(&situation)? {
        Decision::Converged => return Ok(Vec::new()),
        Decision::Change(proposal) => proposal,
        Decision::Refused { reason, .. } => return Ok(vec![found(reason)]),
        Decision::Unknown(reason) => return Err(Unanswered(reason)),
    };
    let told = proposal.differences.into_iter().map(|difference| {
        found(match difference.attribute.strip_prefix("boot ") {
            Some(source) => format!("swap comes back at boot: {source} {}", difference.before),
            None => format!("swap is on: {}", difference.before),
        })
    });
    Ok(told.collect())
}

#[cfg(test)]
mod tests {
    use crate::checks::tests::found;
    use crate::testing::Machine;

    #[test]
    fn swap_now_and_at_boot_is_found() {
        let spec = "kubelet: { cgroupDriver: systemd }";
        let swaps = |machine: &Machine, spec: &str| -> Vec<String> {
            let found = found(machine, spec).into_iter();
            found.filter(|line| line.starts_with("H019")).collect()
        };
        let machine = Machine::debian()
            .swap("/swapfile")
            .file("/etc/fstab", "/swapfile none swap sw 0 0\n");
        assert_eq!(
            swaps(&machine, spec),
            [
                "H019 Stays swap comes back at boot: fstab /swapfile",
                "H019 Stays swap is on: /swapfile"
            ]
        );
        assert_eq!(
            swaps(&machine, &format!("{spec}\nswap: off")),
            [
                "H019 Mended swap comes back at boot: fstab /swapfile",
                "H019 Mended swap is on: /swapfile"
            ]
        );
        assert_eq!(swaps(&Machine::debian(), spec), [""; 0]);
        assert_eq!(swaps(&machine, "sysctls: {}"), [""; 0]);
    }
}
