//! A measurement, not a check: how long planning takes without a network. `tests/bench/run` runs it and reads its output.
//!
//! This machine is asked once for what every host then answers; each tenth host answers otherwise about one sysctl.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use engine::compile::{compile, sections};
use engine::fleet::Cancel;
use engine::inventory::Host;
use engine::pipeline::FleetRun;
use engine::plan::{Inputs, Plan, Via};
use engine::probe::Limits;
use engine::source::InputDocument;
use engine::spec::{Files, load};
use engine::transport::local::LocalConnector;
use engine::transport::{Connector, Ended, Privilege, Request, Target, Transport, TransportError};

use crate::args::DiffArg;
use crate::ui::plan::{Grouping, PlanView, Unchanged, render};

/// Names the file with the spec to measure with.
const SPEC_VARIABLE: &str = "HARDSTAND_BENCH_SPEC";

/// The fleets to measure, as numbers of hosts; each is planned that often.
const HOSTS: [usize; 3] = [1_000, 5_000, 10_000];
const REPETITIONS: usize = 5;

/// Names one other fleet, planned once, for tools that count instructions.
const HOSTS_VARIABLE: &str = "HARDSTAND_BENCH_HOSTS";

const THREADS: usize = 2;

/// A fleet of one recording.
#[derive(Debug, Default)]
struct Recorded {
    /// The first request and its answer, by length of the request: every host of a fleet is asked the same.
    answers: Mutex<BTreeMap<usize, Vec<u8>>>,
}

struct RecordedHost<'a> {
    fleet: &'a Recorded,
    is_tenth: bool,
}

impl Recorded {
    fn answer(&self, request: &Request<'_>) -> Result<Vec<u8>, TransportError> {
        let mut answers = self.answers.lock().expect("nobody panics with the lock");
        if let Some(answer) = answers.get(&request.stdin.len()) {
            return Ok(answer.clone());
        }
        let mut target = Target::new("localhost".parse().expect("a name"));
        target.privilege = Privilege::Login;
        let mut answer = Vec::new();
        let mut this_machine = LocalConnector.connect(&target)?;
        this_machine.run(request, &mut |chunk| answer.extend_from_slice(chunk))?;
        answers.insert(request.stdin.len(), answer.clone());
        Ok(answer)
    }
}

/// Returns the nonce of a request: the third word of its call.
fn nonce(request: &[u8]) -> &[u8] {
    let call = b"\nhardstand_main probe ";
    let place = request
        .windows(call.len())
        .rposition(|window| window == call)
        .expect("a probe");
    &request[place + call.len()..][..32]
}

impl Transport for RecordedHost<'_> {
    fn run(
        &mut self,
        request: &Request<'_>,
        on_output: &mut dyn FnMut(&[u8]),
    ) -> Result<Ended, TransportError> {
        let mut answer = self.fleet.answer(request)?;
        let (first, last) = ("HARDSTAND 1 ".len(), answer.len() - 33);
        let nonce = nonce(request.stdin);
        answer[first..][..32].copy_from_slice(nonce);
        answer[last..][..32].copy_from_slice(nonce);
        let value = b" value 0\n";
        let place = answer
            .windows(value.len())
            .position(|window| window == value);
        if let Some(place) = place.filter(|_| self.is_tenth) {
            answer[place..][..value.len()].copy_from_slice(b" value 1\n");
        }
        on_output(&answer);
        Ok(Ended {
            exit: Some(0),
            stderr: Vec::new(),
        })
    }
}

/// Leaks one recording, so that a transport may refer to it.
struct RecordedFleet(&'static Recorded);

impl Connector for RecordedFleet {
    fn connect(&self, target: &Target) -> Result<Box<dyn Transport>, TransportError> {
        Ok(Box::new(RecordedHost {
            fleet: self.0,
            is_tenth: target.endpoint.name.as_str().ends_with('0'),
        }))
    }
}

fn documents(n_hosts: usize) -> Vec<InputDocument> {
    let path = std::env::var_os(SPEC_VARIABLE).expect("checked before");
    let spec = std::fs::read_to_string(path).expect("a readable spec");
    let inventory = format!(
        "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  node[00001-{n_hosts:05}]: {{}}\n"
    );
    [("spec.yaml", spec), ("inventory.yaml", inventory)]
        .map(|(name, text)| InputDocument {
            name: name.to_owned(),
            text,
        })
        .into()
}

/// Reads, compiles, asks and plans.
fn planned(connector: &dyn Connector, n_hosts: usize) -> Plan {
    let providers = providers::registry();
    let (loaded, problems) = load(&documents(n_hosts), &sections(&providers));
    assert!(!problems.has_errors(), "{:?}", problems.into_sorted());
    let hosts: Vec<&Host> = loaded.inventory.hosts.iter().collect();
    let (fleet, problems) = compile(&loaded, &hosts, &providers, &Files::default());
    assert!(!problems.has_errors(), "{:?}", problems.into_sorted());
    let (sender, _events) = mpsc::channel();
    let limit = Duration::from_secs(60);
    let run = FleetRun {
        connector,
        fleet: &fleet,
        providers: &providers,
        forks: THREADS,
        connect_timeout: limit,
        limits: Limits {
            total: limit,
            silence: limit,
        },
        events: &Mutex::new(sender),
        cancel: &Cancel::new(),
    };
    run.plan(Inputs::default(), Via::Ssh)
}

/// Folds the hosts that are alike and draws the plan.
fn rendered(plan: &Plan) -> String {
    let view = PlanView {
        width: Some(120),
        diff: DiffArg::Full,
        grouping: Grouping::Folded,
        unchanged: Unchanged::Hidden,
    };
    render(plan, &view)
}

#[test]
fn pure_planning() {
    if std::env::var_os(SPEC_VARIABLE).is_none() {
        writeln!(
            io::stdout(),
            "skipped: a measurement takes minutes; tests/bench/run asks for it"
        )
        .expect("stdout");
        return;
    }
    let connector = RecordedFleet(Box::leak(Box::default()));
    drop(planned(&connector, 1));
    let mut out = io::stdout().lock();
    let one = std::env::var_os(HOSTS_VARIABLE).map(|n_hosts| {
        n_hosts
            .to_string_lossy()
            .parse()
            .expect("a number of hosts")
    });
    let (sizes, repetitions) = match &one {
        Some(n_hosts) => (std::slice::from_ref(n_hosts), 1),
        None => (&HOSTS[..], REPETITIONS),
    };
    for n_hosts in std::iter::repeat_n(sizes, repetitions).flatten().copied() {
        let began = Instant::now();
        let plan = planned(&connector, n_hosts);
        let planned_in = began.elapsed().as_secs_f64();
        let text = rendered(&plan);
        let rendered_in = began.elapsed().as_secs_f64() - planned_in;
        assert_eq!(plan.hosts.len(), n_hosts, "{text}");
        // Drawing counts: a plan that nobody sees is no plan.
        let seconds = planned_in + rendered_in;
        writeln!(
            out,
            "planned {n_hosts} hosts in {seconds:.3} s\nrendered {n_hosts} hosts in {rendered_in:.4} s"
        )
        .expect("stdout");
    }
    let saved: &[usize] = if one.is_none() { &[1, 10_000] } else { &[] };
    for n_hosts in saved.iter().copied() {
        let plan = planned(&connector, n_hosts);
        let began = Instant::now();
        let n_bytes = plan.to_bytes().len();
        let seconds = began.elapsed().as_secs_f64();
        writeln!(
            out,
            "saved {n_hosts} hosts as {n_bytes} bytes in {seconds:.3} s"
        )
        .expect("stdout");
    }
}
