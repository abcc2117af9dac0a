//! Units and generators that make swap at boot (systemd.swap(5), systemd-gpt-auto-generator(8), zram-generator.conf(5)).

use std::collections::BTreeSet;

use engine::name::{AbsPath, UnitName};
use engine::question::{FileState, Observed, Question, Unanswered};

use crate::section::constant_path;

/// Where an empty file switches the zram generator off.
pub(super) const ZRAM_OVERRIDE: &str = "/etc/systemd/zram-generator.conf";
/// The other places of its configuration, from the highest to the lowest.
const ZRAM_DISTRIBUTED: [&str; 3] = [
    "/run/systemd/zram-generator.conf",
    "/usr/local/lib/systemd/zram-generator.conf",
    "/usr/lib/systemd/zram-generator.conf",
];
/// Where an administrator's units and masks stand.
const UNITS: &str = "/etc/systemd/system";
/// Where links stand that enable units.
const WANTS: [&str; 2] = [
    "/etc/systemd/system/swap.target.wants",
    "/etc/systemd/system/multi-user.target.wants",
];
/// Where units stand for swap partitions that systemd found by their type.
const GENERATED: &str = "/run/systemd/generator.late";

/// Swap units that count at boot.
pub(super) struct SwapUnits {
    /// Units that are enabled.
    pub(super) enabled: BTreeSet<UnitName>,
    /// Units for partitions that are found at boot, and are not masked.
    pub(super) generated: BTreeSet<UnitName>,
}

impl SwapUnits {
    pub(super) fn questions() -> Vec<Question> {
        [UNITS, GENERATED]
            .into_iter()
            .chain(WANTS)
            .map(|directory| Question::Files {
                directory: constant_path(directory),
                suffix: "swap".to_owned(),
            })
            .collect()
    }

    pub(super) fn read(observed: &Observed) -> Result<Self, Unanswered> {
        let masked = names(observed, UNITS, |link| link == Some("/dev/null"))?;
        let mut enabled = BTreeSet::new();
        for directory in WANTS {
            enabled.extend(names(observed, directory, |_| true)?);
        }
        let generated = names(observed, GENERATED, |_| true)?;
        Ok(Self {
            enabled: enabled.difference(&masked).cloned().collect(),
            generated: generated.difference(&masked).cloned().collect(),
        })
    }
}

fn names(
    observed: &Observed,
    directory: &'static str,
    wanted: fn(Option<&str>) -> bool,
) -> Result<BTreeSet<UnitName>, Unanswered> {
    Ok(observed
        .files(&constant_path(directory), "swap")?
        .iter()
        .filter(|found| wanted(found.link.as_deref()))
        .filter_map(|found| found.path.file_name().parse().ok())
        .collect())
}

/// What the configuration of the zram generator says.
pub(super) enum ZramGenerator {
    /// It makes no swap.
    Off,
    /// This file of a distribution makes it.
    On(AbsPath),
    /// The administrator's own file makes it.
    Administered(AbsPath),
}

impl ZramGenerator {
    pub(super) fn questions() -> Vec<Question> {
        std::iter::once(ZRAM_OVERRIDE)
            .chain(ZRAM_DISTRIBUTED)
            .map(|path| Question::File(constant_path(path)))
            .collect()
    }

    pub(super) fn read(observed: &Observed) -> Result<Self, Unanswered> {
        let own = constant_path(ZRAM_OVERRIDE);
        match observed.file(&own)? {
            FileState::Absent => {}
            FileState::Regular(file) if has_section(file.content.as_deref()) => {
                return Ok(Self::Administered(own));
            }
            _ => return Ok(Self::Off),
        }
        for path in ZRAM_DISTRIBUTED.map(constant_path) {
            match observed.file(&path)? {
                FileState::Absent => {}
                FileState::Regular(file) if has_section(file.content.as_deref()) => {
                    return Ok(Self::On(path));
                }
                _ => return Ok(Self::Off),
            }
        }
        Ok(Self::Off)
    }
}

/// Whether a configuration makes any device: each is a section.
fn has_section(content: Option<&[u8]>) -> bool {
    let text = String::from_utf8_lossy(content.unwrap_or_default());
    text.lines().any(|line| line.trim_start().starts_with('['))
}
