//! A release of a program, as its packages and the program itself spell it.

use std::fmt;

use super::leading_number;

/// A release such as `1.6.20`, whatever a distribution put before or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    /// The first number.
    pub(crate) major: u32,
    /// The second.
    pub(crate) minor: u32,
    /// The third; 0 if there is none.
    pub(crate) patch: u32,
}

impl Release {
    /// Returns a release that is known when the program is written.
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads what a program or a package says, such as `v2.1.9`, `1.6.20~ds1`, `20.10.24+dfsg1-1+deb12u1` or
    /// `5:2.1.4-1~debian.12~bookworm`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let upstream = text.split_once(':').map_or(text, |(_epoch, rest)| rest);
        let upstream = upstream.strip_prefix('v').unwrap_or(upstream);
        let (major, rest) = leading_number(upstream)?;
        let (minor, rest) = leading_number(rest.strip_prefix('.')?)?;
        let patch = match rest.strip_prefix('.') {
            Some(rest) => leading_number(rest)?.0,
            None => 0,
        };
        Some(Self::new(major, minor, patch))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_programs_and_packages_are_read() {
        for (text, expected) in [
            ("1.6.20~ds1", "1.6.20"),
            ("1.6.20~ds1-1+b1", "1.6.20"),
            ("v2.1.9", "2.1.9"),
            ("2.1.9+unknown", "2.1.9"),
            ("1.7.27-1", "1.7.27"),
            ("2.1.4-1~debian.12~bookworm", "2.1.4"),
            ("5:2.3.0~rc.1-1", "2.3.0"),
            ("2.0", "2.0.0"),
            ("20.10.24+dfsg1-1+deb12u1+b2", "20.10.24"),
            ("26.1.5+dfsg1-9+b9", "26.1.5"),
            ("5:29.0.1-1~debian.13~trixie", "29.0.1"),
            ("0.3.16~3-0~debian-bookworm", "0.3.16"),
            ("v0.4.3", "0.4.3"),
        ] {
            let found = Release::parse(text).map(|release| release.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "v",
            "2",
            "20",
            "1.x",
            "2.x",
            "latest",
            "2.99999999999",
            "a:b",
        ] {
            assert_eq!(Release::parse(text), None, "{text}");
        }
    }
}
