//! What a spec says of the daemons of its runtime, as far as other sections build on it: their units, and where they answer.

use engine::name::{AbsPath, UnitName};
use engine::resource::Sections;
use engine::source::Span;

use crate::dropin::DropIn;
use crate::{containerd, crio, docker};

/// The daemons of the runtime that a spec chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Daemons {
    /// The unit that pulls images and runs containers.
    pub(crate) service: UnitName,
    /// The unit that speaks CRI for it, where that is another.
    pub(crate) cri_service: Option<UnitName>,
    /// The socket on which CRI is answered, if anything answers it.
    pub(crate) socket: Option<AbsPath>,
    /// How many files the daemon may have open, if the spec says so.
    pub(crate) limit_no_file: Option<u32>,
}

impl Daemons {
    /// Returns the units, the one that runs containers first.
    pub(crate) fn units(&self) -> impl Iterator<Item = &UnitName> {
        std::iter::once(&self.service).chain(&self.cri_service)
    }
}

/// Returns the daemons of the runtime that a spec chooses, and where it chooses it.
pub(crate) fn daemons(sections: &Sections<'_>) -> Option<(Daemons, Span)> {
    let entry = sections.all.get("runtime")?.entries().first()?;
    let daemons = match entry.key.as_str() {
        "containerd" => containerd::daemons(&entry.node),
        "crio" => crio::daemons(&entry.node),
        "docker" | "mirantis" => docker::daemons(&entry.node),
        _ => None,
    };
    Some((daemons?, entry.key_span))
}

/// Returns the drop-ins that the section `runtime` asks for.
pub(crate) fn drop_ins(sections: &Sections<'_>) -> Vec<DropIn> {
    let Some((daemons, span)) = daemons(sections) else {
        return Vec::new();
    };
    let limit = daemons.limit_no_file.map(|limit| {
        let text = format!("[Service]\nLimitNOFILE={limit}\n");
        DropIn::new(daemons.service, "limit-nofile", &text, span)
    });
    limit.into_iter().collect()
}
