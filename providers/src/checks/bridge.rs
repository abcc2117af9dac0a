//! Whether bridged traffic of pods passes the rules of kube-proxy, now and at the next boot.

use engine::check::{Found, Rule};
use engine::diagnostic::Severity;
use engine::name::{ModuleName, SysctlKey};
use engine::question::{Question, SysctlState, Unanswered};
use engine::state::State;

use super::spec::Spec;
use super::{Entry, nothing_of_spec};
use crate::module::boot as modules;
use crate::sysctl::boot as sysctls;

pub(super) const CHECKS: &[Entry] = &[Entry {
    rule: PASSES_BY,
    applies: Spec::is_for_kubernetes,
    of_spec: nothing_of_spec,
    questions: |_| {
        let mut questions = sysctls::questions();
        questions.extend(modules::questions());
        questions.push(Question::Module(br_netfilter()));
        questions.extend(KEYS.map(|name| Question::Sysctl(key(name))));
        questions
    },
    of_host: passes_by,
}];

const PASSES_BY: Rule = Rule {
    id: "H028",
    title: "bridged traffic of pods passes by the rules of kube-proxy",
    severity: Severity::Warning,
    page: include_str!("../../../docs/checks/H028.md"),
};

const KEYS: [&str; 2] = [
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
];

/// The first Kubernetes whose kubeadm leaves the keys to the network.
const LEFT_TO_NETWORKS: u32 = 30;

fn key(name: &'static str) -> SysctlKey {
    name.parse().expect("a key that is valid as written here")
}

fn br_netfilter() -> ModuleName {
    "br_netfilter".parse().expect("a module name")
}

fn passes_by(spec: &Spec, state: &State<'_>) -> Result<Vec<Found>, Unanswered> {
    let boot = state.reading::<sysctls::Boot>()?;
    let module = state.module(&br_netfilter())?;
    let modules = state.reading::<modules::Boot>()?;
    let comes_first = module.builtin || modules.loads(&br_netfilter());
    let not_loaded: &[&str] = match modules.blocks(&br_netfilter()) {
        Some(_) => &["H026"],
        None => &[],
    };
    let mut found = Vec::new();
    for name in KEYS {
        let written = spec.node(&["sysctls", name]);
        if written.is_some_and(wants_nothing) {
            continue;
        }
        let severity = match spec.kubernetes {
            Some(version) if version.minor() >= LEFT_TO_NETWORKS && written.is_none() => {
                Severity::Note
            }
            Some(_) | None => Severity::Warning,
        };
        let place = spec.place(&["sysctls", name]);
        let mut push = |message: String, help: String, follows| {
            let finding = PASSES_BY.found(message).help(help).severity(severity);
            found.push(finding.at(place.clone()).follows(follows));
        };
        let winner = boot.winner(&[key(name)]);
        let is_off = match state.sysctl(&key(name))? {
            SysctlState::Value(value) => value == "0",
            // It comes with its module.
            SysctlState::Absent => false,
            SysctlState::Unreadable(why) => {
                return Err(Unanswered(format!("cannot read {name}: {why}")));
            }
        };
        if is_off {
            push(
                format!("`{name}` is 0: bridged traffic of pods passes by the rules of kube-proxy"),
                format!(
                    "add `{name}: 1` to `sysctls`, unless the network of the cluster says otherwise"
                ),
                &[],
            );
        }
        let Some(winner) = winner.filter(|winner| winner.value.is_some()) else {
            continue;
        };
        if winner.canonical().as_deref() == Some("0") {
            push(
                format!("{} sets `{name}` to 0 at boot, and wins", winner.place()),
                format!("add `{name}: 1` to `sysctls`, or take that line out"),
                &[],
            );
        } else if !comes_first {
            push(
                format!(
                    "{} sets `{name}` at boot, when nothing has loaded `br_netfilter` yet: the line has no effect",
                    winner.place()
                ),
                "add `br_netfilter` to `modules`".to_owned(),
                not_loaded,
            );
        }
    }
    Ok(found)
}

/// Whether the spec itself wants the switch off.
fn wants_nothing(node: &engine::spec::Node) -> bool {
    use engine::spec::Value;
    let value = node.get("value").unwrap_or(node);
    value.value == Value::Integer(0) || value.text() == Some("0")
}
