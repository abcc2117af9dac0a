//! A plan as it is saved: what hosts have in common stands there once, under `plans`, and each host says which of them is
//! its own and where it is different. Ten thousand hosts that change alike are little more than ten thousand names.
//!
//! The file holds the digest of its own bytes, so that one that was damaged or edited is noticed. Who edits it and counts
//! the digest anew is not: for that, the digest of the file is compared with the one that was printed when it was reviewed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Error, Map, Value};

use crate::check::Checked;
use crate::cluster::{ClusterPlan, ClusterWide};
use crate::facts::Facts;
use crate::inventory::Shard;
use crate::name::{Digest, HostName, ResourceId};
use crate::question::Question;

use super::common::Shape;
use super::{Change, HostPlan, Inputs, PLAN_FORMAT, Plan, Unplanned, Unreachable, Via};

/// The most parts that the plans of all hosts may have: a small file must not become more than memory holds.
const MOST_PARTS: usize = 100_000_000;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedPlan {
    format: String,
    /// That of the whole file with zeros in this place.
    digest: Digest,
    tool: String,
    via: Via,
    shard: Option<Shard>,
    inputs: Inputs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<ClusterWide>,
    /// The different plans, each as the first of its hosts has it.
    plans: Vec<CommonPlan>,
    hosts: Vec<SavedHost>,
    unreachable: Vec<Unreachable>,
}

/// A [`HostPlan`] without its host.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommonPlan {
    facts: Facts,
    questions: Arc<[Question]>,
    guards: Vec<Arc<str>>,
    changes: Vec<Arc<Change>>,
    unplanned: Vec<Unplanned>,
    unchanged: Vec<ResourceId>,
    forgotten: Vec<ResourceId>,
    checks: Checked,
}

/// A host, the place of its plan in `plans`, and what it has instead of what stands there: facts by name, the others by
/// their place in the list.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedHost {
    host: HostName,
    plan: usize,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    facts: Map<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    guards: BTreeMap<usize, Arc<str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    changes: BTreeMap<usize, Arc<Change>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unplanned: BTreeMap<usize, Unplanned>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checks: Option<Checked>,
    /// What is done to the cluster names the host's own node, so it is of each host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterPlan>,
}

impl Plan {
    /// Returns the canonical bytes of the plan: the same inputs and observations give the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut plans: Vec<CommonPlan> = Vec::new();
        let mut by_shape: BTreeMap<Shape, usize> = BTreeMap::new();
        let mut hosts = Vec::with_capacity(self.hosts.len());
        for host in &self.hosts {
            let next = plans.len();
            let plan = *by_shape.entry(Shape::of(host)).or_insert(next);
            if plan == next {
                plans.push(CommonPlan::of(host));
            }
            hosts.push(SavedHost::of(host, plan, &plans[plan]));
        }
        let saved = SavedPlan {
            format: PLAN_FORMAT.to_owned(),
            digest: unknown_digest(),
            tool: self.tool.clone(),
            via: self.via,
            shard: self.shard,
            inputs: self.inputs.clone(),
            clusters: self.clusters.clone(),
            plans,
            hosts,
            unreachable: self.unreachable.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&saved)
            .expect("a plan has text keys and no number that JSON lacks");
        bytes.push(b'\n');
        let digest = Digest::of(&bytes);
        write_digest(&mut bytes, &unknown_digest(), &digest);
        bytes
    }

    /// Reads what [`Plan::to_bytes`] returned, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let saved: SavedPlan = serde_json::from_slice(bytes)?;
        if saved.format != PLAN_FORMAT {
            return Err(Error::custom(format!("the format is not `{PLAN_FORMAT}`")));
        }
        let (mut n_used, mut n_parts) = (0, 0_usize);
        let mut hosts = Vec::with_capacity(saved.hosts.len());
        for host in saved.hosts {
            let common = saved.plans.get(host.plan).filter(|_| host.plan <= n_used);
            let Some(common) = common else {
                let text = format!("the plan of {} is not one of `plans` in turn", host.host);
                return Err(Error::custom(text));
            };
            n_used = n_used.max(host.plan + 1);
            n_parts = n_parts.saturating_add(common.n_parts());
            if n_parts > MOST_PARTS {
                return Err(Error::custom("its hosts have more parts than fit a plan"));
            }
            hosts.push(host.restore(common)?);
        }
        if n_used < saved.plans.len() {
            return Err(Error::custom("`plans` has one that is of no host"));
        }
        let mut blank = bytes.to_vec();
        write_digest(&mut blank, &saved.digest, &unknown_digest());
        if Digest::of(&blank) != saved.digest {
            return Err(Error::custom("its digest is not that of its content"));
        }
        Ok(Self {
            format: saved.format,
            tool: saved.tool,
            via: saved.via,
            shard: saved.shard,
            inputs: saved.inputs,
            clusters: saved.clusters,
            hosts,
            unreachable: saved.unreachable,
        })
    }
}

/// Returns what stands for a digest that is not known yet.
fn unknown_digest() -> Digest {
    "0".repeat(64)
        .parse()
        .expect("sixty-four zeros are a digest")
}

/// Puts one digest in the place of another, which is the first of a file.
fn write_digest(bytes: &mut [u8], old: &Digest, new: &Digest) {
    let old = old.as_str().as_bytes();
    let at = bytes.windows(old.len()).position(|window| window == old);
    if let Some(at) = at {
        bytes[at..at + old.len()].copy_from_slice(new.as_str().as_bytes());
    }
}

impl CommonPlan {
    fn of(plan: &HostPlan) -> Self {
        let HostPlan {
            host: _,
            facts,
            questions,
            guards,
            changes,
            unplanned,
            unchanged,
            forgotten,
            checks,
            cluster: _,
        } = plan.clone();
        Self {
            facts,
            questions,
            guards,
            changes,
            unplanned,
            unchanged,
            forgotten,
            checks,
        }
    }

    fn n_parts(&self) -> usize {
        let Facts {
            file_systems,
            commands,
            swaps,
            ..
        } = &self.facts;
        let n_facts = 16 + file_systems.len() + commands.len() + swaps.len();
        let n_resources = self.unplanned.len() + self.unchanged.len() + self.forgotten.len();
        let Checked {
            findings,
            unknown,
            passed,
        } = &self.checks;
        let n_findings = findings.len() + unknown.len() + passed.len();
        n_facts + self.guards.len() + self.changes.len() + n_resources + n_findings
    }
}

impl SavedHost {
    fn of(host: &HostPlan, plan: usize, common: &CommonPlan) -> Self {
        Self {
            host: host.host.clone(),
            plan,
            facts: other_facts(&host.facts, &common.facts),
            guards: others(&host.guards, &common.guards),
            changes: others(&host.changes, &common.changes),
            unplanned: others(&host.unplanned, &common.unplanned),
            checks: (host.checks != common.checks).then(|| host.checks.clone()),
            cluster: host.cluster.clone(),
        }
    }

    fn restore(self, common: &CommonPlan) -> Result<HostPlan, Error> {
        Ok(HostPlan {
            facts: with_facts(&common.facts, self.facts)?,
            questions: common.questions.clone(),
            guards: with_others(&common.guards, self.guards, &self.host)?,
            changes: with_others(&common.changes, self.changes, &self.host)?,
            unplanned: with_others(&common.unplanned, self.unplanned, &self.host)?,
            unchanged: common.unchanged.clone(),
            forgotten: common.forgotten.clone(),
            checks: self.checks.unwrap_or_else(|| common.checks.clone()),
            cluster: self.cluster,
            host: self.host,
        })
    }
}

/// Returns the parts that are different, by their place.
fn others<T: PartialEq + Clone>(parts: &[T], common: &[T]) -> BTreeMap<usize, T> {
    let pairs = parts.iter().zip(common).enumerate();
    pairs
        .filter(|(_, (part, common))| part != common)
        .map(|(place, (part, _))| (place, part.clone()))
        .collect()
}

fn with_others<T: Clone>(
    common: &[T],
    others: BTreeMap<usize, T>,
    host: &HostName,
) -> Result<Vec<T>, Error> {
    let mut parts = common.to_vec();
    for (place, other) in others {
        match parts.get_mut(place) {
            Some(part) => *part = other,
            None => {
                let text =
                    format!("{host} has something else at {place}, where its plan has nothing");
                return Err(Error::custom(text));
            }
        }
    }
    Ok(parts)
}

fn other_facts(facts: &Facts, common: &Facts) -> Map<String, Value> {
    if facts == common {
        return Map::new();
    }
    let (mut others, common) = (by_name(facts), by_name(common));
    others.retain(|name, value| common.get(name) != Some(value));
    others
}

fn with_facts(common: &Facts, others: Map<String, Value>) -> Result<Facts, Error> {
    if others.is_empty() {
        return Ok(common.clone());
    }
    let mut facts = by_name(common);
    facts.extend(others);
    serde_json::from_value(Value::Object(facts))
}

fn by_name(facts: &Facts) -> Map<String, Value> {
    match serde_json::to_value(facts) {
        Ok(Value::Object(facts)) => facts,
        Ok(_) | Err(_) => unreachable!("facts are fields with names"),
    }
}
