//! What each stage of planning costs with the real providers: parse, compile, plan a host, draw a diff, save.
//!
//! Rendering is a part of the binary and is measured with all of planning by `cli/src/pure_planning.rs`.

use std::collections::BTreeMap;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use engine::compile::{Fleet, compile, sections};
use engine::facts::Facts;
use engine::inventory::Host;
use engine::name::{AbsPath, Digest};
use engine::plan::{HostPlan, Inputs, PLAN_FORMAT, Plan, Via, plan_host};
use engine::question::{
    Answer, Attributes, FileState, Observed, Question, RegularFile, SysctlState,
};
use engine::source::InputDocument;
use engine::spec::{Files, Loaded, load};

fn main() {
    divan::main();
}

/// A spec of sysctls and one file of a thousand lines, for some hosts.
fn documents(n_hosts: usize) -> [InputDocument; 1] {
    let sysctls: String = (0..40)
        .map(|n| format!("    net.ipv4.neigh.bench{n}.gc_stale_time: 1\n"))
        .collect();
    let lines: String = (0..1000).map(|n| format!("        line {n}\n")).collect();
    let text = format!(
        "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {{ name: bench }}\nspec:\n  hosts: all\n  \
         sysctls:\n{sysctls}  files:\n    - path: /etc/bench.conf\n      content: |\n{lines}---\n\
         apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  node[00001-{n_hosts:05}]: {{}}\n"
    );
    [InputDocument {
        name: "bench.yaml".to_owned(),
        text,
    }]
}

fn loaded(n_hosts: usize) -> Loaded {
    let providers = providers::registry();
    let (loaded, problems) = load(&documents(n_hosts), &sections(&providers));
    assert!(!problems.has_errors(), "{:?}", problems.into_sorted());
    loaded
}

fn compiled(loaded: &Loaded) -> Fleet {
    let hosts: Vec<&Host> = loaded.inventory.hosts.iter().collect();
    let (fleet, problems) = compile(loaded, &hosts, &providers::registry(), &Files::default());
    assert!(!problems.has_errors(), "{:?}", problems.into_sorted());
    fleet
}

/// A host on which every sysctl is 0, and each hundredth line of the file is another.
fn observed(fleet: &Fleet) -> Observed {
    let answer = |question: &Question| match question {
        Question::Sysctl(_) => Answer::Sysctl(SysctlState::Value("0".to_owned())),
        Question::Files { .. } => Answer::Files(Vec::new()),
        Question::File(path) => Answer::File(state(path)),
        question => Answer::Unanswered(format!("{question:?} is not simulated")),
    };
    let questions = fleet.hosts[0].graph.questions().iter();
    Observed {
        cluster: None,
        facts: Facts::default(),
        answers: questions
            .map(|question| (question.clone(), answer(question)))
            .collect(),
        receipts: BTreeMap::new(),
        owed: Vec::new(),
        guards: vec!["a guard".into()],
    }
}

fn state(path: &AbsPath) -> FileState {
    let attributes = Attributes {
        mode: 0o755,
        owner: "root".to_owned(),
        group: "root".to_owned(),
    };
    if path.as_str() != "/etc/bench.conf" {
        return FileState::Directory(attributes);
    }
    let line = |n: usize| match n % 100 {
        0 => format!("another line {n}\n"),
        _ => format!("line {n}\n"),
    };
    let content: String = (0..1000).map(line).collect();
    FileState::Regular(RegularFile {
        attributes,
        size: content.len() as u64,
        links: 1,
        modified: 0,
        digest: Digest::of(content.as_bytes()),
        content: Some(content.into_bytes()),
    })
}

fn planned(fleet: &Fleet, observed: &Observed) -> HostPlan {
    let host = &fleet.hosts[0];
    plan_host(
        &host.graph,
        &providers::registry(),
        &host.host.name,
        observed,
    )
}

#[divan::bench(args = [1, 1_000, 10_000])]
fn parse(bencher: Bencher<'_, '_>, n_hosts: usize) {
    let (documents, sections) = (documents(n_hosts), sections(&providers::registry()));
    bencher.bench(|| load(black_box(&documents), &sections));
}

#[divan::bench(args = [1, 1_000, 10_000])]
fn compile_hosts(bencher: Bencher<'_, '_>, n_hosts: usize) {
    let loaded = loaded(n_hosts);
    bencher
        .counter(ItemsCount::new(n_hosts))
        .bench(|| compiled(black_box(&loaded)));
}

#[divan::bench]
fn plan_a_host(bencher: Bencher<'_, '_>) {
    let fleet = compiled(&loaded(1));
    let mut observed = observed(&fleet);
    // Without the file nothing is compared line by line.
    let absent = Answer::File(FileState::Absent);
    let path = Question::File("/etc/bench.conf".parse().expect("a path"));
    observed.answers.insert(path, absent);
    bencher.bench(|| planned(&fleet, black_box(&observed)));
}

#[divan::bench]
fn plan_a_host_with_a_diff_of_a_thousand_lines(bencher: Bencher<'_, '_>) {
    let fleet = compiled(&loaded(1));
    let observed = observed(&fleet);
    let plan = planned(&fleet, &observed);
    assert!(plan.changes.iter().any(|change| !change.diffs.is_empty()));
    bencher.bench(|| planned(&fleet, black_box(&observed)));
}

#[divan::bench(args = [1, 1_000, 10_000])]
fn save(bencher: Bencher<'_, '_>, n_hosts: usize) {
    let plan = plan_of(n_hosts);
    bencher.bench(|| black_box(&plan).to_bytes());
}

#[divan::bench(args = [1, 1_000, 10_000])]
fn read_saved(bencher: Bencher<'_, '_>, n_hosts: usize) {
    let bytes = plan_of(n_hosts).to_bytes();
    bencher.bench(|| Plan::from_bytes(black_box(&bytes)));
}

fn plan_of(n_hosts: usize) -> Plan {
    let fleet = compiled(&loaded(n_hosts));
    let plan = planned(&fleet, &observed(&fleet));
    let host = |host: &engine::compile::FleetHost| HostPlan {
        host: host.host.name.clone(),
        ..plan.clone()
    };
    Plan {
        format: PLAN_FORMAT.to_owned(),
        tool: String::new(),
        via: Via::Ssh,
        shard: None,
        inputs: Inputs::default(),
        clusters: Vec::new(),
        hosts: fleet.hosts.iter().map(host).collect(),
        unreachable: Vec::new(),
    }
}
