//! Drop-ins of units that other sections than `services` ask for, such as `proxy`.
//!
//! Those sections only say what they want. `services` declares all drop-ins of a unit, so that whoever wants something of
//! it, the unit is one resource with one directory of drop-ins.

use engine::name::{AbsPath, ResourceId, UnitName};
use engine::resource::Sections;
use engine::source::Span;

use crate::{proxy, runtime};

/// A drop-in of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DropIn {
    /// The unit.
    pub(crate) unit: UnitName,
    /// Where the drop-in stands.
    pub(crate) path: AbsPath,
    /// Its whole content.
    pub(crate) text: String,
    /// Where the spec asks for it.
    pub(crate) span: Span,
    /// What comes first.
    pub(crate) after: Vec<ResourceId>,
}

impl DropIn {
    /// Returns a drop-in with a name that is known when the program is written.
    pub(crate) fn new(unit: UnitName, name: &'static str, text: &str, span: Span) -> Self {
        Self {
            path: format!("/etc/systemd/system/{unit}.d/{name}.conf")
                .parse()
                .expect("a unit name makes a file name"),
            unit,
            text: format!("# Written by hardstand, which owns this file whole.\n{text}"),
            span,
            after: Vec::new(),
        }
    }
}

/// Returns the drop-ins that sections other than `services` ask for.
pub(crate) fn asked_for(sections: &Sections<'_>) -> Vec<DropIn> {
    let mut drop_ins = runtime::drop_ins(sections);
    drop_ins.extend(proxy::drop_ins(sections));
    drop_ins
}

/// Returns those of one unit.
pub(crate) fn asked_of(unit: &UnitName, sections: &Sections<'_>) -> Vec<DropIn> {
    let mut drop_ins = asked_for(sections);
    drop_ins.retain(|drop_in| drop_in.unit == *unit);
    drop_ins
}
