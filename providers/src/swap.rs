//! No swap: neither now nor after a reboot (the `swap` section).
//!
//! Swap comes back at boot by many ways: fstab, swap units, partitions that systemd finds by their type, zram generators,
//! and services of distributions.

mod sources;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use engine::diagnostic::Problems;
use engine::name::{AbsPath, FileMode, ResourceId, UnitName};
use engine::question::{FileState, Question, RegularFile, Unanswered};
use engine::resource::{
    Action, Decision, Declared, Proposal, Provider, Resource, Section, Sections, Situation,
    TextChange,
};
use engine::step::{Content, Replaces, Step};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::file::{not_a_file, refused, root};
use crate::section::{check_not_managed, constant_path, schema};
use sources::{SwapUnits, ZramGenerator};

const FSTAB: &str = "/etc/fstab";
/// What a commented line of fstab starts with.
const MARK: &str = "# swap is off (hardstand): ";
/// Services of distributions that make swap at boot.
const SERVICES: [&str; 4] = [
    "dphys-swapfile.service",
    "zram-config.service",
    "zramswap.service",
    "rpi-zram-writeback.service",
];

/// The value of `swap`.
struct Off;

impl JsonSchema for Off {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Swap".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`off`: no swap now and at every boot, as the kubelet demands unless it is told otherwise. \
                What is swapped out is read back into memory, which must have room for it; the lines of /etc/fstab are \
                commented, and units and generators that make swap are disabled or masked.",
            "x-default": "left as it is",
            "x-changes": "swap is turned off, `/etc/fstab`, units and generators that make swap",
            "x-disrupts": "nothing restarts; what is swapped out must fit into memory",
            "anyOf": [
                { "type": "string", "enum": ["off"] },
                { "type": "boolean", "enum": [false] },
            ],
        })
    }
}

/// Owns `swap`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoSwap;

impl Provider for NoSwap {
    fn sections(&self) -> Vec<Section> {
        vec![Section {
            name: "swap",
            schema: schema::<Off>(),
        }]
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["swap"]
    }

    fn compile(&self, sections: &Sections<'_>, problems: &mut Problems) -> Vec<Declared> {
        let Some(section) = sections.all.get("swap") else {
            return Vec::new();
        };
        for edited in [FSTAB, sources::ZRAM_OVERRIDE] {
            let edited = constant_path(edited);
            check_not_managed(sections, &edited, ("swap", section.span), problems);
        }
        vec![Declared {
            resource: Box::new(Swap),
            span: section.span,
            written: Vec::new(),
        }]
    }
}

/// The swap of a host, all of it.
#[derive(Debug)]
pub(crate) struct Swap;

impl Resource for Swap {
    fn id(&self) -> ResourceId {
        ResourceId::new("swap", "off")
    }

    fn desired(&self) -> String {
        "swap off".to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = vec![Question::File(constant_path(FSTAB))];
        questions.extend(SwapUnits::questions());
        questions.extend(ZramGenerator::questions());
        questions.extend(services().map(Question::Unit));
        questions
    }

    fn decide(&self, situation: &Situation<'_>) -> Result<Decision, Unanswered> {
        let mut proposal = Proposal::new(Action::Update, Vec::new());
        match situation.observed.file(&constant_path(FSTAB))? {
            FileState::Absent => {}
            FileState::Regular(file) => match Fstab::read(file) {
                Ok(fstab) => fstab.propose(&mut proposal),
                Err(refused) => return Ok(*refused),
            },
            other => return Ok(not_a_file(&constant_path(FSTAB), other)),
        }
        match ZramGenerator::read(situation.observed)? {
            ZramGenerator::Off => {}
            ZramGenerator::On(path) => override_zram(&path, &mut proposal),
            ZramGenerator::Administered(path) => {
                return Ok(refused(
                    format!("`{path}` makes swap at boot"),
                    "remove it, or add it to `files` with an empty content",
                ));
            }
        }
        propose_units(situation, &mut proposal)?;
        propose_services(situation, &mut proposal)?;
        if !proposal.steps.is_empty() {
            proposal.steps.push(Step::ReloadUnitFiles);
        }
        propose_stop(situation, &mut proposal);
        Ok(if proposal.steps.is_empty() {
            Decision::Converged
        } else {
            Decision::Change(proposal)
        })
    }
}

fn services() -> impl Iterator<Item = UnitName> {
    SERVICES
        .into_iter()
        .map(|name| name.parse().expect("a unit name"))
}

fn differ(proposal: &mut Proposal, attribute: &str, before: String, after: &str) {
    let taken = std::mem::replace(proposal, Proposal::new(Action::Update, Vec::new()));
    *proposal = taken.difference(attribute, before, after);
}

/// Stops swapping last, when nothing brings it back any more.
fn propose_stop(situation: &Situation<'_>, proposal: &mut Proposal) {
    let swaps: Vec<_> = situation
        .facts()
        .swaps
        .iter()
        .map(|swap| swap.path.as_str())
        .collect();
    if !swaps.is_empty() {
        proposal.steps.push(Step::StopSwap);
        differ(proposal, "running", swaps.join(" "), "none");
    }
}

fn propose_units(situation: &Situation<'_>, proposal: &mut Proposal) -> Result<(), Unanswered> {
    let units = SwapUnits::read(situation.observed)?;
    for name in units.enabled {
        differ(
            proposal,
            &format!("boot {name}"),
            "enabled".to_owned(),
            "disabled",
        );
        proposal.steps.push(Step::DisableUnit { name });
    }
    for name in units.generated {
        differ(
            proposal,
            &format!("boot {name}"),
            "found at boot".to_owned(),
            "masked",
        );
        proposal.steps.push(Step::MaskUnit { name });
    }
    Ok(())
}

fn propose_services(situation: &Situation<'_>, proposal: &mut Proposal) -> Result<(), Unanswered> {
    for name in services() {
        let unit = situation.observed.unit(&name)?;
        if unit.property("UnitFileState") == "enabled" {
            differ(
                proposal,
                &format!("boot {name}"),
                "enabled".to_owned(),
                "disabled",
            );
            proposal.steps.push(Step::DisableUnit { name });
        }
    }
    Ok(())
}

/// Puts an empty configuration over that of a distribution.
fn override_zram(distributed: &AbsPath, proposal: &mut Proposal) {
    let path = constant_path(sources::ZRAM_OVERRIDE);
    let text = format!("# Managed by hardstand: swap is off, so this replaces {distributed}.\n");
    differ(proposal, "boot zram", distributed.to_string(), "none");
    proposal.texts.push(TextChange {
        path: path.to_string(),
        before: None,
        after: Some(text.clone()),
    });
    proposal.steps.push(Step::WriteFile {
        path,
        content: Content::Text(text),
        mode: FileMode::new(0o644),
        owner: root(),
        group: root(),
        replaces: Replaces::Nothing,
        check: None,
        owes: Vec::new(),
    });
}

/// fstab with what it should be.
struct Fstab<'a> {
    file: &'a RegularFile,
    before: &'a str,
    after: String,
    areas: Vec<&'a str>,
}

impl<'a> Fstab<'a> {
    fn read(file: &'a RegularFile) -> Result<Self, Box<Decision>> {
        let Some(before) = file
            .content
            .as_deref()
            .and_then(|c| std::str::from_utf8(c).ok())
        else {
            return Err(Box::new(refused(
                format!("`{FSTAB}` is not readable text"),
                "mend it by hand",
            )));
        };
        let mut after = String::with_capacity(before.len());
        let mut areas = Vec::new();
        for line in before.split_inclusive('\n') {
            if let Some(area) = swap_area(line) {
                areas.push(area);
                after += MARK;
            }
            after += line;
        }
        if !areas.is_empty() && file.links > 1 {
            return Err(Box::new(refused(
                format!("`{FSTAB}` has several hard links"),
                "remove the others",
            )));
        }
        Ok(Self {
            file,
            before,
            after,
            areas,
        })
    }

    fn propose(self, proposal: &mut Proposal) {
        if self.areas.is_empty() {
            return;
        }
        differ(proposal, "boot fstab", self.areas.join(" "), "none");
        proposal.texts.push(TextChange {
            path: FSTAB.to_owned(),
            before: Some(self.before.to_owned()),
            after: Some(self.after.clone()),
        });
        let attributes = &self.file.attributes;
        proposal.steps.push(Step::WriteFile {
            path: constant_path(FSTAB),
            content: Content::Text(self.after),
            mode: FileMode::new(attributes.mode & 0o777),
            owner: attributes.owner.parse().unwrap_or_else(|_| root()),
            group: attributes.group.parse().unwrap_or_else(|_| root()),
            replaces: Replaces::File(self.file.digest.clone()),
            check: None,
            owes: Vec::new(),
        });
    }
}

/// Returns the area of a line that swaps at boot. One with `noauto` does not.
fn swap_area(line: &str) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let area = fields.next().filter(|area| !area.starts_with('#'))?;
    let kind = fields.nth(1)?;
    let options = fields.next().unwrap_or("");
    (kind == "swap" && !options.split(',').any(|option| option == "noauto")).then_some(area)
}
