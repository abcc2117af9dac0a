//! The exit codes, in one list.

use std::process::ExitCode;

use engine::report::worst_exit_code;

use crate::summary::PlanSummary;

/// How the process ends; the numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done, or nothing to do.
    Done,
    /// Invalid input, or a plan or a change failed.
    Error,
    /// Planned with `--detailed-exitcode`, and changes are pending.
    Pending,
    /// A stale or refused plan; nothing was changed.
    Stale,
    /// Some hosts are unreachable or not trusted; the others are fine.
    Unreachable,
    /// Policy refused.
    Policy,
    /// Some host was rolled back.
    RolledBack,
    /// Some host's outcome is unknown.
    Unknown,
    /// Some host is wedged and needs a person.
    Wedged,
    /// The command line is wrong.
    Usage,
    /// SIGINT, after saying what was and was not done.
    Interrupted,
    /// SIGTERM, after saying what was and was not done.
    Terminated,
}

impl ExitStatus {
    const ALL: [Self; 12] = [
        Self::Done,
        Self::Error,
        Self::Pending,
        Self::Stale,
        Self::Unreachable,
        Self::Policy,
        Self::RolledBack,
        Self::Unknown,
        Self::Wedged,
        Self::Usage,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// Returns the number that the process exits with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Pending => 2,
            Self::Stale => 3,
            Self::Unreachable => 4,
            Self::Policy => 5,
            Self::RolledBack => 6,
            Self::Unknown => 7,
            Self::Wedged => 8,
            Self::Usage => 64,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns the status for a code of the engine; one that is not in the list is an error.
    pub(crate) fn from_code(code: u8) -> Self {
        let known = Self::ALL.into_iter().find(|status| status.code() == code);
        known.unwrap_or(Self::Error)
    }

    /// Returns how a `plan` ends that ended as this summary says. Pending changes count only if they were asked about.
    pub(crate) fn of_plan(summary: &PlanSummary, asked_for_changes: bool) -> Self {
        let codes = [
            (
                summary.unknown + summary.refused + summary.blocked_hosts > 0,
                Self::Error,
            ),
            (summary.unreachable > 0, Self::Unreachable),
            (asked_for_changes && summary.changes, Self::Pending),
        ];
        let codes = codes.into_iter().filter(|(holds, _)| *holds);
        Self::from_code(worst_exit_code(codes.map(|(_, status)| status.code())))
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_are_the_same_list() {
        for status in ExitStatus::ALL {
            assert_eq!(ExitStatus::from_code(status.code()), status);
        }
        assert_eq!(ExitStatus::from_code(99), ExitStatus::Error);
    }

    #[test]
    fn a_plan_ends_with_the_worst_that_happened() {
        let pending = PlanSummary {
            update: 1,
            changes: true,
            ..PlanSummary::default()
        };
        let partial = PlanSummary {
            unreachable: 1,
            ..pending
        };
        let blocked = PlanSummary {
            refused: 1,
            ..partial
        };
        let checked = PlanSummary {
            blocked_hosts: 1,
            ..pending
        };
        for (summary, asked, status) in [
            (PlanSummary::default(), true, ExitStatus::Done),
            (pending, false, ExitStatus::Done),
            (pending, true, ExitStatus::Pending),
            (partial, true, ExitStatus::Unreachable),
            (blocked, true, ExitStatus::Error),
            (checked, true, ExitStatus::Error),
        ] {
            assert_eq!(ExitStatus::of_plan(&summary, asked), status, "{summary:?}");
        }
    }
}
