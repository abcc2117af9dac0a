//! Versions of containerd, and what follows from them.

use std::fmt;

use super::format::Format;
use crate::runtime::{KubernetesVersion, Refusal, Release, Spoken};

/// A version of containerd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ContainerdVersion(Release);

/// What is recommended for a Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Least {
    /// This release of the branch.
    Release(ContainerdVersion),
    /// Another branch, such as that of this release.
    Branch(ContainerdVersion),
    /// Nothing that is known here.
    NotKnown,
}

impl ContainerdVersion {
    /// Returns a version that is known when the program is written.
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self(Release::new(major, minor, patch))
    }

    /// Reads what `containerd --version` or a package says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Release::parse(text).map(Self)
    }

    /// Refuses versions whose configuration is not known here.
    pub(crate) fn check_known(self, kubernetes: Option<KubernetesVersion>) -> Result<(), Refusal> {
        if self < Self::new(1, 6, 0) {
            return Err(too_old(self, kubernetes));
        }
        if self.0.major > 2 {
            return Err(Refusal::new(format!(
                "containerd {self} is newer than what hardstand knows how to configure"
            ))
            .help("containerd 1.6 to 2.x is known"));
        }
        Ok(())
    }

    /// Returns the newest format of the configuration that it reads.
    pub(super) fn newest_format(self) -> Format {
        if self.is_one() {
            Format::V2
        } else if self < Self::new(2, 3, 0) {
            Format::V3
        } else {
            Format::V4
        }
    }

    /// Returns the format that a new file is written in: the oldest that is this release's own, so that it outlives an
    /// upgrade or downgrade by a minor version.
    pub(super) fn format_of_new_file(self) -> Format {
        if self.is_one() {
            Format::V2
        } else {
            Format::V3
        }
    }

    /// Whether it is a 1.x, which neither knows format 3 nor merges an import into a table.
    pub(crate) fn is_one(self) -> bool {
        self.0.major < 2
    }

    /// Whether it takes a list of directories with CNI plugins, instead of one.
    pub(crate) fn takes_cni_bin_dirs(self) -> bool {
        self >= Self::new(2, 1, 0)
    }

    /// Whether its built-in `config_path` is not empty, so that `registry.mirrors` alone stop the CRI plugin
    /// (containerd#12612).
    pub(crate) fn has_registry_config_path(self) -> bool {
        (Self::new(2, 2, 0)..Self::new(2, 2, 2)).contains(&self)
    }

    /// Returns what it speaks.
    pub(crate) fn spoken(self) -> Spoken {
        if self < Self::new(1, 6, 0) {
            Spoken::V1Alpha2
        } else if self.is_one() {
            Spoken::Both
        } else {
            Spoken::V1
        }
    }

    /// Returns the tag of the pause image that it takes if nothing names one.
    pub(crate) fn pause_tag(self) -> Option<&'static str> {
        match (self.0.major, self.0.minor) {
            (1, 6) => Some("3.6"),
            (1, 7) => Some("3.8"),
            (2, 0 | 1) => Some("3.10"),
            (2, 2) => Some("3.10.1"),
            (2, 3) => Some("3.10.2"),
            _ => None,
        }
    }

    /// Returns the least release of its branch that is recommended for a Kubernetes, or why none is (containerd's
    /// RELEASES.md). Branches that came later are taken to do.
    pub(crate) fn least_for(self, kubernetes: KubernetesVersion) -> Least {
        let tested: &[Self] = match kubernetes.minor() {
            26..=29 => &[Self::new(1, 6, 15), Self::new(1, 7, 0)],
            30 => &[Self::new(1, 6, 28), Self::new(1, 7, 13), Self::new(2, 0, 0)],
            31 => &[Self::new(1, 6, 34), Self::new(1, 7, 20), Self::new(2, 0, 0)],
            32 => &[Self::new(1, 6, 36), Self::new(1, 7, 24), Self::new(2, 0, 1)],
            33 => &[Self::new(1, 6, 36), Self::new(1, 7, 24), Self::new(2, 0, 4)],
            34 => &[
                Self::new(1, 6, 39),
                Self::new(1, 7, 28),
                Self::new(2, 0, 6),
                Self::new(2, 1, 3),
            ],
            35 => &[Self::new(1, 7, 28), Self::new(2, 1, 5), Self::new(2, 2, 0)],
            36 => &[Self::new(2, 2, 0), Self::new(2, 3, 0)],
            _ => return Least::NotKnown,
        };
        let same_branch =
            |other: &&Self| (other.0.major, other.0.minor) == (self.0.major, self.0.minor);
        match (tested.iter().find(same_branch), tested.iter().max()) {
            (Some(least), _) => Least::Release(*least),
            (None, Some(newest)) if self > *newest => Least::Release(self),
            (None, Some(newest)) => Least::Branch(*newest),
            (None, None) => Least::NotKnown,
        }
    }

    /// Whether the drop-ins of `conf.d` are among its default imports.
    pub(crate) fn imports_conf_d(self) -> bool {
        self >= Self::new(2, 2, 0)
    }
}

impl fmt::Display for ContainerdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn too_old(version: ContainerdVersion, kubernetes: Option<KubernetesVersion>) -> Refusal {
    let why = match kubernetes {
        Some(kubernetes) if kubernetes.speaks_only_v1() => {
            format!("it does not speak CRI v1, and a kubelet {kubernetes} speaks nothing else")
        }
        Some(_) | None => "hardstand configures containerd 1.6 and newer".to_owned(),
    };
    Refusal::new(format!("containerd {version} is too old: {why}"))
        .help("bring containerd to a supported release first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recommended_releases_follow_kubernetes() {
        let version = |text| ContainerdVersion::parse(text).unwrap();
        for (containerd, kubernetes, least) in [
            ("1.6.14", "1.26", Least::Release(version("1.6.15"))),
            ("2.1.0", "1.31", Least::Release(version("2.1.0"))),
            ("1.7.24", "1.34", Least::Release(version("1.7.28"))),
            ("2.0.9", "1.35", Least::Branch(version("2.2.0"))),
            ("1.7.99", "1.36", Least::Branch(version("2.3.0"))),
            ("2.4.0", "1.36", Least::Release(version("2.4.0"))),
            ("1.7.0", "1.99", Least::NotKnown),
            ("1.7.0", "1.25", Least::NotKnown),
        ] {
            let found = version(containerd).least_for(kubernetes.parse().unwrap());
            assert_eq!(found, least, "{containerd} {kubernetes}");
        }
    }

    #[test]
    fn formats_follow_the_version() {
        for (version, newest, new_file) in [
            ("1.6.20", Format::V2, Format::V2),
            ("1.7.24", Format::V2, Format::V2),
            ("2.0.0", Format::V3, Format::V3),
            ("2.2.5", Format::V3, Format::V3),
            ("2.3.0", Format::V4, Format::V3),
        ] {
            let version = ContainerdVersion::parse(version).unwrap();
            assert_eq!(version.newest_format(), newest, "{version}");
            assert_eq!(version.format_of_new_file(), new_file, "{version}");
        }
    }

    #[test]
    fn versions_that_are_not_known_are_refused_with_the_reason() {
        let check = |containerd: &str, kubernetes: Option<&str>| {
            let kubernetes = kubernetes.map(|text| text.parse().unwrap());
            ContainerdVersion::parse(containerd)
                .unwrap()
                .check_known(kubernetes)
                .err()
                .map(|refusal| refusal.reason)
        };
        assert_eq!(check("1.6.0", Some("1.31")), None);
        assert_eq!(check("2.9.0", None), None);
        assert!(check("1.5.18", Some("1.26")).unwrap().contains("CRI v1"));
        assert!(
            check("1.5.18", Some("1.25"))
                .unwrap()
                .contains("1.6 and newer")
        );
        assert!(check("3.0.0", None).unwrap().contains("newer than"));
    }
}
