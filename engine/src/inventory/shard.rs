//! A part of the hosts, for one of several runs that work on a fleet together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The K-th of N parts, written `K/N`.
///
/// The hosts are cut in natural order into parts of the same size, give or take one: each host is in exactly one part,
/// as long as the hosts are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    number: u32,
    of: u32,
}

/// A text is not a part of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write K/N with K from 1 to N, such as 2/4")]
pub struct ShardError;

impl Shard {
    /// Returns the hosts of this part.
    pub fn take<T>(self, hosts: &[T]) -> &[T] {
        let part = |n: u32| {
            let start = hosts.len() as u128 * u128::from(n) / u128::from(self.of);
            usize::try_from(start).unwrap_or(hosts.len())
        };
        &hosts[part(self.number - 1)..part(self.number)]
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (number, of) = text.split_once('/').ok_or(ShardError)?;
        let digits = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| ShardError),
            false => Err(ShardError),
        };
        let (number, of) = (digits(number)?, digits(of)?);
        match (1..=of).contains(&number) {
            true => Ok(Self { number, of }),
            false => Err(ShardError),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Serialize for Shard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_in_exactly_one_part() {
        for n_hosts in [0, 1, 7, 8, 100, 10_007] {
            let hosts: Vec<usize> = (0..n_hosts).collect();
            for of in [1, 2, 3, 8, 9, 1000] {
                let shards = (1..=of).map(|number| Shard { number, of });
                let parts: Vec<&[usize]> = shards.map(|shard| shard.take(&hosts)).collect();
                assert_eq!(parts.concat(), hosts, "{n_hosts} in {of}");
                let sizes = parts.iter().map(|part| part.len());
                let (least, most) = (sizes.clone().min(), sizes.max());
                assert!(most <= least.map(|least| least + 1), "{n_hosts} in {of}");
            }
        }
    }

    #[test]
    fn a_part_is_written_with_two_numbers() {
        for text in ["1/1", "2/4", "4294967295/4294967295"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "1",
            "0/2",
            "3/2",
            "1/0",
            "/",
            "1/",
            "+1/2",
            "-1/2",
            "1/2/3",
            "1 /2",
            "1/99999999999",
        ] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError), "{text}");
        }
    }
}
