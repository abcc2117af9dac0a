//! What most commands begin with: read the specs and inventories, take some of their hosts, compile what each should be.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::Mutex;

use engine::check::Rule;
use engine::compile::{Fleet, compile, for_this_machine, sections};
use engine::diagnostic::{Diagnostic, Problems, Severity};
use engine::fleet::Cancel;
use engine::inventory::{Host, Inventory, Selector};
use engine::name::{CheckId, HostName};
use engine::pipeline::FleetRun;
use engine::plan::{Inputs, Plan, Via};
use engine::probe::Limits;
use engine::resource::Provider;
use engine::source::{InputDocument, Sources};
use engine::spec::{Files, Loaded, NodeSpec, load, read_documents, undefined_variables};
use engine::step::Content;
use providers::{registry, registry_ignoring, rules};

use super::{invocation, reach};
use crate::args::{FleetArgs, InputArgs};
use crate::error::{CommandError, ErrorKind};
use crate::exit::ExitStatus;
use crate::interrupt::Interrupt;
use crate::ui::Ui;
use crate::ui::diagnostics;
use crate::ui::progress::{Progress, Task};

/// A host that says nothing for this long is given up, whatever `--timeout` allows.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(150);

/// What was read, and the knowledge to compile it.
pub(super) struct Session<'a> {
    ui: &'a Ui,
    documents: Vec<InputDocument>,
    files: Files,
    providers: Vec<Box<dyn Provider>>,
    pub(super) loaded: Loaded,
    via: Via,
}

impl<'a> Session<'a> {
    /// Reads what the command line names. Everything that is wrong is printed, and is an error.
    pub(super) fn open(ui: &'a Ui, input: &InputArgs, via: Via) -> Result<Self, CommandError> {
        Self::open_ignoring(ui, input, via, &[])
    }

    /// As [`Session::open`], with checks that are ignored.
    pub(super) fn open_ignoring(
        ui: &'a Ui,
        input: &InputArgs,
        via: Via,
        ignored: &[CheckId],
    ) -> Result<Self, CommandError> {
        let limit = input.limit.as_deref();
        let (session, problems) = Self::read(ui, input, via, ignored)?;
        let session = session.without(problems, limit)?;
        match via {
            Via::Ssh => Ok(session),
            Via::Local => session.on_this_machine(limit),
        }
    }

    /// As [`Session::open`], for what asks no host: without an inventory this machine is meant.
    pub(super) fn open_unasked(ui: &'a Ui, input: &InputArgs) -> Result<Self, CommandError> {
        let session = Self::open(ui, input, Via::Ssh)?;
        match session.loaded.inventory.hosts.is_empty() {
            true => session.on_this_machine(None),
            false => Ok(session),
        }
    }

    /// As [`Session::open`], for what is only about hosts: errors in NodeSpecs are printed and do not stop it. Returns how
    /// the process ends because of them.
    pub(super) fn open_inventory(
        ui: &'a Ui,
        input: &InputArgs,
    ) -> Result<(Self, ExitStatus), CommandError> {
        let (session, problems) = Self::read(ui, input, Via::Ssh, &[])?;
        let limit = input.limit.as_deref();
        if !problems.has_errors() || !session.loaded.inventory_is_whole {
            return Ok((session.without(problems, limit)?, ExitStatus::Done));
        }
        let problems = session.all_problems(problems, limit).into_sorted();
        ui.alert(&diagnostics::render(
            &problems,
            &session.loaded.sources,
            ui.width,
        ));
        Ok((session, ExitStatus::Error))
    }

    fn read(
        ui: &'a Ui,
        input: &InputArgs,
        via: Via,
        ignored: &[CheckId],
    ) -> Result<(Self, Problems), CommandError> {
        let providers = registry_ignoring(ignored_here(ignored)?);
        let documents = read_documents(&input.paths(), &mut io::stdin().lock())
            .map_err(|problems| report(ui, problems, &Sources::default()))
            .map_err(|error| match input.names_files() {
                true => error,
                false => {
                    error.hint("name specs and inventories, such as -f spec.yaml -i inventory.yaml")
                }
            })?;
        Ok(Self::load(ui, documents, Files::default(), via, providers))
    }

    /// Means this machine as it is, whatever any file says.
    pub(super) fn here(ui: &'a Ui) -> Result<Self, CommandError> {
        let this_machine = InputDocument {
            name: "this machine".to_owned(),
            text: "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts: { localhost: { become: none } }\n"
                .to_owned(),
        };
        let (session, problems) = Self::load(
            ui,
            vec![this_machine],
            Files::default(),
            Via::Local,
            registry(),
        );
        session.without(problems, None)
    }

    /// Takes what a plan carries.
    pub(super) fn of_plan(ui: &'a Ui, plan: &Plan) -> Result<Self, CommandError> {
        let Inputs { documents, files } = &plan.inputs;
        let files = files
            .iter()
            .map(|(path, content)| (path.clone(), Arc::from(content.bytes())));
        let files = Files::recorded(files.collect());
        let (session, problems) = Self::load(ui, documents.clone(), files, plan.via, registry());
        let session = session.without(problems, None)?;
        match plan.via {
            Via::Ssh => Ok(session),
            Via::Local => {
                session.on_this_machine(plan.hosts.first().map(|host| host.host.as_str()))
            }
        }
    }

    fn load(
        ui: &'a Ui,
        documents: Vec<InputDocument>,
        files: Files,
        via: Via,
        providers: Vec<Box<dyn Provider>>,
    ) -> (Self, Problems) {
        let (mut loaded, problems) = load(&documents, &sections(&providers));
        if let Some(home) = reach::home() {
            loaded.inventory = loaded.inventory.with_home(&home);
        }
        let session = Self {
            ui,
            documents,
            files,
            providers,
            loaded,
            via,
        };
        (session, problems)
    }

    /// Goes on if none of the problems is an error. All of them are printed.
    fn without(self, problems: Problems, limit: Option<&str>) -> Result<Self, CommandError> {
        if problems.has_errors() {
            let problems = self.all_problems(problems, limit);
            return Err(report(self.ui, problems, &self.loaded.sources));
        }
        warn(self.ui, problems, &self.loaded.sources);
        Ok(self)
    }

    /// Returns errors of loading, with what can be told all the same of what comes after it.
    fn all_problems(&self, mut problems: Problems, limit: Option<&str>) -> Problems {
        // A limit that selects nothing is complained about when there is nothing else.
        let hosts = self.selected(limit).unwrap_or_default();
        problems.append(undefined_variables(&self.loaded, &hosts));
        problems
    }

    /// Means this machine, as the host of a name if the inventory has it.
    pub(super) fn on_this_machine(mut self, like: Option<&str>) -> Result<Self, CommandError> {
        let like = like
            .map(|name| name.parse::<HostName>())
            .transpose()
            .map_err(|error| {
                CommandError::caused(
                    ErrorKind::Usage,
                    "--local takes one host with --limit",
                    error,
                )
            })?;
        self.loaded = for_this_machine(self.loaded, like.as_ref());
        Ok(self)
    }

    /// Returns the knowledge to compile it.
    pub(super) fn providers(&self) -> &[Box<dyn Provider>] {
        &self.providers
    }

    /// Returns the files that specs refer to.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Returns the hosts that are meant.
    pub(super) fn hosts(&self, input: &InputArgs) -> Result<Vec<&Host>, CommandError> {
        let hosts = self.selected(input.limit.as_deref())?;
        Ok(match input.shard.filter(|_| self.via == Via::Ssh) {
            Some(shard) => shard.take(&hosts).to_vec(),
            None => hosts,
        })
    }

    /// Returns the hosts that a selector means, or all.
    fn selected(&self, limit: Option<&str>) -> Result<Vec<&Host>, CommandError> {
        let Some(limit) = limit.filter(|_| self.via == Via::Ssh) else {
            return Ok(self.loaded.inventory.hosts.iter().collect());
        };
        let wrong = |error: &dyn std::error::Error| {
            CommandError::new(ErrorKind::Usage, format!("--limit {limit}: {error}"))
        };
        let selector: Selector = limit.parse().map_err(|error| wrong(&error))?;
        selector.select(&self.loaded.inventory).map_err(|error| {
            let message = wrong(&error);
            match &error.suggestion {
                Some(suggestion) => message.hint(format!("did you mean `{suggestion}`?")),
                None => message.hint("`hardstand inventory` lists all hosts"),
            }
        })
    }

    /// Returns the selection of one host by its name.
    pub(super) fn host(&self, name: &str, input: &InputArgs) -> Result<InputArgs, CommandError> {
        let hosts = &self.loaded.inventory.hosts;
        if !hosts.iter().any(|host| host.name.as_str() == name) {
            let error = CommandError::new(ErrorKind::Usage, format!("there is no host `{name}`"));
            return Err(match nearest_host(name, &self.loaded.inventory) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`hardstand inventory` lists all hosts"),
            });
        }
        Ok(InputArgs {
            limit: Some(name.to_owned()),
            shard: None,
            ..input.clone()
        })
    }

    /// Compiles what the hosts that are meant should be. A part of a small fleet may have no hosts.
    pub(super) fn fleet(&self, input: &InputArgs) -> Result<Fleet, CommandError> {
        let hosts = self.hosts(input)?;
        if hosts.is_empty() && input.shard.is_none() {
            return Err(CommandError::new(ErrorKind::Failed, "there are no hosts")
                .hint("give an inventory with -i, or plan this machine with --local"));
        }
        if self.loaded.specs.is_empty() {
            return Err(CommandError::new(ErrorKind::Failed, "there is no NodeSpec")
                .hint("give one with -f; `hardstand doctor` looks at hosts without any"));
        }
        let (fleet, problems) = compile(&self.loaded, &hosts, &self.providers, &self.files);
        if problems.has_errors() {
            return Err(report(self.ui, problems, &self.loaded.sources));
        }
        warn(self.ui, problems, &self.loaded.sources);
        if !fleet.unselected.is_empty() {
            let names: Vec<_> = fleet.unselected.iter().map(HostName::as_str).collect();
            self.ui.note(&format!(
                "No NodeSpec selects {}.\n",
                engine::inventory::fold(&names)
            ));
        }
        Ok(fleet)
    }

    /// Compiles the NodeSpecs where no inventory says who gets which: all together as this machine would get them, or, if
    /// they do not go together, each by itself. Returns the number of graphs.
    pub(super) fn graphs_without_hosts(&self) -> Result<usize, CommandError> {
        let compiled = |specs: &[NodeSpec]| {
            let mut loaded = self.loaded.clone();
            loaded.specs = specs.to_vec();
            let loaded = for_this_machine(loaded, None);
            let hosts: Vec<&Host> = loaded.inventory.hosts.iter().collect();
            compile(&loaded, &hosts, &self.providers, &self.files).1
        };
        let specs = &self.loaded.specs;
        let together = compiled(specs);
        let (n_graphs, problems) = match together.has_errors() {
            false => (1, together),
            true => {
                let mut alone = Problems::default();
                for spec in specs {
                    alone.append(compiled(std::slice::from_ref(spec)));
                }
                (specs.len(), alone)
            }
        };
        if problems.has_errors() {
            return Err(report(self.ui, problems, &self.loaded.sources));
        }
        warn(self.ui, problems, &self.loaded.sources);
        Ok(n_graphs)
    }

    /// Returns what a plan carries, so that it can be applied elsewhere.
    fn inputs(&self) -> Inputs {
        let files = self.files.all_read().into_iter();
        Inputs {
            documents: self.documents.clone(),
            files: files
                .map(|(path, bytes)| (path, Content::new(bytes.to_vec())))
                .collect(),
        }
    }

    /// Observes and plans a fleet.
    pub(super) fn plan(
        &self,
        args: &FleetArgs,
        fleet: &Fleet,
        watched: &Watched,
    ) -> Result<Plan, CommandError> {
        self.work(Task::Plan, args, fleet, watched, |run| {
            run.plan(self.inputs(), self.via)
        })
    }

    /// Does something with a fleet while progress is shown and signals are watched.
    pub(super) fn work<R>(
        &self,
        task: Task,
        args: &FleetArgs,
        fleet: &Fleet,
        watched: &Watched,
        work: impl FnOnce(&FleetRun<'_>) -> R,
    ) -> Result<R, CommandError> {
        let connector = reach::connector(self.via)?;
        let progress = Progress::start(self.ui, task, fleet.hosts.len(), watched.interrupt.flag());
        let events = Mutex::new(progress.sender());
        let cancel = Cancel::from(watched.interrupt.flag());
        let _watch = watched.interrupt.watch(&watched.status_command);
        let result = work(&FleetRun {
            connector: &*connector,
            fleet,
            providers: &self.providers,
            forks: usize::from(args.forks),
            connect_timeout: args.connect_timeout,
            limits: Limits {
                total: args.timeout,
                silence: SILENCE.min(args.timeout),
            },
            events: &events,
            cancel: &cancel,
        });
        drop(events);
        progress.finish();
        Ok(result)
    }
}

fn nearest_host(name: &str, inventory: &Inventory) -> Option<String> {
    let selector: Selector = name.parse().ok()?;
    selector.select(inventory).err()?.suggestion
}

/// Returns the checks that the command line ignores, each with that as its reason.
fn ignored_here(ignored: &[CheckId]) -> Result<BTreeMap<CheckId, String>, CommandError> {
    let known: BTreeSet<CheckId> = rules().iter().map(Rule::check_id).collect();
    if let Some(unknown) = ignored.iter().find(|check| !known.contains(check)) {
        let message = format!("there is no check {unknown}");
        return Err(CommandError::new(ErrorKind::Usage, message)
            .hint("`hardstand explain` lists all checks"));
    }
    let reason = "on the command line";
    Ok(ignored
        .iter()
        .map(|check| (check.clone(), reason.to_owned()))
        .collect())
}

/// Who listens for signals, and what to tell those who interrupt twice.
pub(super) struct Watched {
    interrupt: Interrupt,
    status_command: String,
}

impl Watched {
    /// Listens for signals while something is done to these hosts.
    pub(super) fn install(ui: &Ui, input: &InputArgs) -> Result<Self, CommandError> {
        Ok(Self {
            interrupt: Interrupt::install(ui)?,
            status_command: invocation::line("status", input),
        })
    }

    /// Returns the command that asks the same hosts how they are.
    pub(super) fn status_command(&self) -> &str {
        &self.status_command
    }

    /// Returns how the process ends because of a signal, if there was one.
    pub(super) fn interrupted(&self) -> Option<ExitStatus> {
        self.interrupt.status()
    }
}

/// Says how hosts are reached.
pub(super) fn via(local: bool) -> Via {
    if local { Via::Local } else { Via::Ssh }
}

/// Prints all problems and returns the error that says so.
pub(super) fn report(ui: &Ui, problems: Problems, sources: &Sources) -> CommandError {
    let problems = problems.into_sorted();
    if ui.json {
        let written = ui.result(&diagnostics::render_json(&problems, sources));
        if let Err(error) = written {
            return error;
        }
    } else {
        ui.alert(&diagnostics::render(&problems, sources, ui.width));
    }
    CommandError::new(ErrorKind::Failed, diagnostics::tally(&problems)).told()
}

/// Prints warnings.
fn warn(ui: &Ui, problems: Problems, sources: &Sources) {
    let warnings: Vec<Diagnostic> = problems
        .into_sorted()
        .into_iter()
        .filter(|problem| problem.severity != Severity::Error)
        .collect();
    if !warnings.is_empty() {
        ui.alert(&diagnostics::render(&warnings, sources, ui.width));
    }
}
