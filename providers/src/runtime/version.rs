//! Versions of Kubernetes and what follows from them, and reading versions.

use std::fmt;
use std::str::FromStr;

/// A minor version of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KubernetesVersion {
    minor: u32,
}

impl KubernetesVersion {
    /// Returns its minor number.
    pub(crate) fn minor(self) -> u32 {
        self.minor
    }

    /// Whether its kubelet asks the runtime for the cgroup driver, and takes its own setting only if it is not told.
    pub(crate) fn asks_runtime(self) -> bool {
        self.minor >= 31
    }

    /// Returns the pause image that kubeadm of this version expects, if it is known.
    pub(crate) fn pause_image(self) -> Option<String> {
        let tag = match self.minor {
            21 => "3.4.1",
            22 => "3.5",
            23 => "3.6",
            24 => "3.7",
            25 => "3.8",
            26..=30 => "3.9",
            31..=33 => "3.10",
            34..=35 => "3.10.1",
            36 => "3.10.2",
            _ => return None,
        };
        Some(format!("registry.k8s.io/pause:{tag}"))
    }

    /// Returns the pause image that Kubernetes recommends for its Windows nodes, in the form that Microsoft signs. Its page
    /// "Windows containers in Kubernetes" named 3.5 for 1.22, and has named 3.6 ever since, up to 1.36.
    pub(crate) fn windows_pause_image(self) -> Option<String> {
        let tag = match self.minor {
            22 => "3.5",
            23..=36 => "3.6",
            _ => return None,
        };
        Some(format!("mcr.microsoft.com/oss/kubernetes/pause:{tag}"))
    }
}

impl KubernetesVersion {
    /// Reads the version of a package of the kubelet, such as `1.31.4-1.1`.
    pub(crate) fn of_package(text: &str) -> Option<Self> {
        let upstream = text.split_once(':').map_or(text, |(_epoch, rest)| rest);
        let (minor, _) = leading_number(upstream.strip_prefix("1.")?)?;
        Some(Self { minor })
    }
}

impl FromStr for KubernetesVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let minor = text.strip_prefix("1.").ok_or(())?;
        match leading_number(minor) {
            Some((number, "")) if number.to_string() == minor => Ok(Self { minor: number }),
            Some(_) | None => Err(()),
        }
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor)
    }
}

/// Splits a text into the number at its start and the rest.
pub(crate) fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_image_follows_kubernetes() {
        for (kubernetes, tag) in [
            ("1.25", "3.8"),
            ("1.28", "3.9"),
            ("1.31", "3.10"),
            ("1.35", "3.10.1"),
        ] {
            let version: KubernetesVersion = kubernetes.parse().unwrap();
            assert_eq!(
                version.pause_image(),
                Some(format!("registry.k8s.io/pause:{tag}"))
            );
        }
        assert_eq!(
            "1.99".parse::<KubernetesVersion>().unwrap().pause_image(),
            None
        );
        let of_package = KubernetesVersion::of_package("1.31.4-1.1").unwrap();
        assert_eq!(of_package.to_string(), "1.31");
        assert_eq!(KubernetesVersion::of_package("2.0"), None);
        for (kubernetes, tag) in [("1.22", Some("3.5")), ("1.36", Some("3.6")), ("1.21", None)] {
            let version: KubernetesVersion = kubernetes.parse().unwrap();
            let image = tag.map(|tag| format!("mcr.microsoft.com/oss/kubernetes/pause:{tag}"));
            assert_eq!(version.windows_pause_image(), image);
        }
        for text in ["1.031", "v1.31", "1.31.2", "1.", "2.0", "1.+1"] {
            assert!(text.parse::<KubernetesVersion>().is_err(), "{text}");
        }
    }
}
