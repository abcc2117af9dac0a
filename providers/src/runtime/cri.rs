//! Which versions of the CRI a kubelet and a runtime speak. They need one in common.

use super::version::KubernetesVersion;

/// The versions of the CRI that a program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// `v1alpha2` and nothing else.
    V1Alpha2,
    /// `v1alpha2` and `v1`.
    Both,
    /// `v1` and nothing else.
    V1,
}

impl Spoken {
    /// Whether two programs have a version in common.
    pub(crate) fn fits(self, other: Self) -> bool {
        self == other || self == Self::Both || other == Self::Both
    }

    /// Returns it in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::V1Alpha2 => "only CRI v1alpha2",
            Self::Both => "CRI v1 and v1alpha2",
            Self::V1 => "only CRI v1",
        }
    }
}

impl KubernetesVersion {
    /// Returns what its kubelet speaks (kubernetes#106501, kubernetes#110618).
    pub(crate) fn spoken(self) -> Spoken {
        match self.minor() {
            0..=22 => Spoken::V1Alpha2,
            23..=25 => Spoken::Both,
            26.. => Spoken::V1,
        }
    }

    /// Whether its kubelet speaks CRI v1 and nothing older.
    pub(crate) fn speaks_only_v1(self) -> bool {
        self.spoken() == Spoken::V1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_in_common_is_enough() {
        for (one, other, fits) in [
            (Spoken::V1, Spoken::V1, true),
            (Spoken::V1, Spoken::Both, true),
            (Spoken::Both, Spoken::V1Alpha2, true),
            (Spoken::V1, Spoken::V1Alpha2, false),
        ] {
            assert_eq!(one.fits(other), fits, "{one:?} {other:?}");
            assert_eq!(other.fits(one), fits, "{other:?} {one:?}");
        }
    }
}
