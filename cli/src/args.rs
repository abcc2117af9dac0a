//! The command line as types, and nothing else: what each flag is called, what it may hold and what its help says.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
};
use clap_complete::Shell;
use engine::inventory::Shard;
use engine::name::{CheckId, Digest};

/// Parses a command line. Help, version and complaints come back as an error for the ui to print.
pub(crate) fn parse(
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches_from(line)?;
    let cli = Cli::from_arg_matches(&matches)?;
    check_saved_plan(&cli, &matches)?;
    Ok(cli)
}

/// A saved plan holds its specs and inventories. Those named in the environment are no contradiction: they are for other
/// commands.
fn check_saved_plan(cli: &Cli, matches: &ArgMatches) -> Result<(), clap::Error> {
    let (ids, message) = match cli.command {
        Command::Apply(ApplyArgs {
            plan_file: Some(_), ..
        }) => (
            &["files", "inventories", "local", "ignored"][..],
            "a saved plan is applied as it is: --file, --inventory, --local and --ignore-check cannot be used with PLAN_FILE",
        ),
        Command::Show(ShowArgs {
            plan_file: Some(_), ..
        }) => (
            &["files", "inventories", "host"][..],
            "a saved plan is shown as it is: --file, --inventory and --host cannot be used with PLAN_FILE",
        ),
        _ => return Ok(()),
    };
    let Some((name, matches)) = matches.subcommand() else {
        return Ok(());
    };
    let given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if !ids.iter().any(given) {
        return Ok(());
    }
    let mut command = Cli::command();
    command.build();
    let command = command.find_subcommand_mut(name);
    let command = command.expect("its name comes from what was parsed");
    Err(command.error(ErrorKind::ArgumentConflict, message))
}

const EXIT_CODES: &str = "\
Exit codes:
    0  done, or nothing to do
    1  error: invalid input, a plan or a change failed
    2  only with --detailed-exitcode: planned, and changes are pending
    3  stale or refused plan; nothing was changed
    4  some hosts unreachable or not trusted; the others are fine
    5  policy refused
    6  some host was rolled back
    7  some host's outcome is unknown
    8  some host is wedged and needs a person
   64  usage
  130, 143  interrupted, after saying what was and was not done";

const EXAMPLES: &str = "\
Examples:
  hardstand validate -f site.yaml
  hardstand plan -f site.yaml --out plan.json
  hardstand apply plan.json";

const PLAN_EXAMPLES: &str = "\
Examples:
  hardstand plan                              plan all hosts of ./hardstand.yaml
  hardstand plan -f specs/ -i lab.yaml -l '@workers'
  hardstand plan --out plan.json              save the plan for review and apply
  hardstand plan --local                      compare this machine, without SSH
  hardstand plan --detailed-exitcode          exit 2 if changes are pending";

const APPLY_EXAMPLES: &str = "\
Examples:
  hardstand apply plan.json      apply exactly the plan that was reviewed
  hardstand apply -l node07      plan, ask, then apply
  hardstand apply --yes          plan and apply without asking";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Prepare fleets of Linux nodes for Kubernetes container runtimes, declaratively and over SSH
#[derive(Debug, Parser)]
#[command(name = "hardstand", version, styles = STYLES, max_term_width = 100)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"), disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what would change on each host, and why
    Plan(PlanArgs),
    /// Bring hosts to what the spec says, or execute a saved plan
    Apply(ApplyArgs),
    /// Show which resource comes after which
    Graph(GraphArgs),
    /// List the hosts and how each is reached
    Inventory(InventoryArgs),
    /// Check specs and inventories without touching a host
    Validate(ValidateArgs),
    /// Make the named checks of every host, and show what they find
    Check(CheckArgs),
    /// Explain a check (H012), a code (E119) or a field (spec.sysctls); or list all checks
    Explain(ExplainArgs),
    /// Show a saved plan, or a spec with its defaults filled in
    Show(ShowArgs),
    /// Look at hosts as they are, before there is any spec
    Doctor(DoctorArgs),
    /// Ask hosts whether a transaction is open, and which restarts are owed
    Status(StatusArgs),
    /// Remove hardstand's records from hosts, and nothing else
    Purge(PurgeArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// How results, progress and complaints are written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write the result to stdout as JSON
    #[arg(long, global = true, env = "HARDSTAND_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Use colors: when stdout or stderr is a terminal, always, or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "HARDSTAND_COLOR"
    )]
    pub(crate) color: When,
    /// Use no colors, as --color never
    #[arg(long, global = true, overrides_with = "color")]
    pub(crate) no_color: bool,
    /// Show progress on stderr as bars, as plain lines, or not
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        default_value = "auto",
        env = "HARDSTAND_PROGRESS"
    )]
    pub(crate) progress: ProgressArg,
    /// Print results and errors only
    #[arg(short, long, global = true, env = "HARDSTAND_QUIET",
        value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) quiet: bool,
    /// Print more of what happens
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "HARDSTAND_VERBOSE")]
    pub(crate) verbose: u8,
}

/// Which specs and inventories are read, and which hosts of them are meant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// Read specs and inventories from a file, a directory, or stdin with `-`; may be repeated; ./hardstand.yaml if no
    /// path is given
    #[arg(short, long = "file", value_name = "PATH", env = "HARDSTAND_FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Read more files, such as an inventory; may be repeated
    #[arg(
        short,
        long = "inventory",
        value_name = "PATH",
        env = "HARDSTAND_INVENTORY"
    )]
    pub(crate) inventories: Vec<PathBuf>,
    /// Take only the hosts that a selector names, such as `node[01-04]` or `@workers`
    #[arg(short, long, value_name = "SELECTOR", env = "HARDSTAND_LIMIT")]
    pub(crate) limit: Option<String>,
    /// Take only the K-th of N equal parts of these hosts, for one of N runs that share a fleet
    #[arg(long, value_name = "K/N", env = "HARDSTAND_SHARD")]
    pub(crate) shard: Option<Shard>,
}

/// Specs and inventories that are named without a flag.
#[derive(Debug, Clone, Args)]
pub(crate) struct PathArgs {
    /// Read specs and inventories from these paths, as with --file
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// What is read where no path is given.
const DEFAULT_FILE: &str = "hardstand.yaml";

impl InputArgs {
    /// Adds paths that were named without a flag.
    pub(crate) fn with(&self, more: &PathArgs) -> Self {
        let mut input = self.clone();
        input.files.extend(more.paths.iter().cloned());
        input
    }

    /// Whether any path is given.
    pub(crate) fn names_files(&self) -> bool {
        !self.files.is_empty() || !self.inventories.is_empty()
    }

    /// Returns all paths to read, or the default where none is given.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        if !self.names_files() {
            return vec![PathBuf::from(DEFAULT_FILE)];
        }
        self.files
            .iter()
            .chain(&self.inventories)
            .cloned()
            .collect()
    }
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Hosts")]
pub(crate) struct FleetArgs {
    /// Work on at most N hosts at once
    #[arg(short = 'j', long, value_name = "N", default_value_t = 50, env = "HARDSTAND_FORKS",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) forks: u16,
    /// Give up connecting to a host after this long, such as 10s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration,
        env = "HARDSTAND_CONNECT_TIMEOUT")]
    pub(crate) connect_timeout: Duration,
    /// Give up on a host after this long, such as 15m
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration, env = "HARDSTAND_TIMEOUT")]
    pub(crate) timeout: Duration,
}

/// Which named checks are ignored.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Checks")]
pub(crate) struct IgnoreArgs {
    /// Ignore what these checks find, such as H012; may be repeated, or be separated by commas
    #[arg(
        long = "ignore-check",
        value_name = "ID",
        value_delimiter = ',',
        env = "HARDSTAND_IGNORE_CHECK"
    )]
    pub(crate) ignored: Vec<CheckId>,
}

/// How much of a plan is shown.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct PlanViewArgs {
    /// Show texts that change in full, as counts of lines, or not
    #[arg(
        long,
        value_name = "HOW",
        default_value = "full",
        env = "HARDSTAND_DIFF"
    )]
    pub(crate) diff: DiffArg,
    /// Show every host by itself instead of hosts with the same plan together
    #[arg(long)]
    pub(crate) by_host: bool,
    /// Show resources that are as the spec says, too
    #[arg(long)]
    pub(crate) show_unchanged: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = format!("{PLAN_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) view: PlanViewArgs,
    #[command(flatten)]
    pub(crate) ignore: IgnoreArgs,
    /// Plan this machine, read-only and without SSH
    #[arg(long, help_heading = "Hosts")]
    pub(crate) local: bool,
    /// Save the plan to a file, to be reviewed and applied
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit 2 if changes are pending
    #[arg(long, env = "HARDSTAND_DETAILED_EXITCODE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) detailed_exitcode: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
#[command(after_help = format!("{APPLY_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct ApplyArgs {
    /// Execute exactly this saved plan, without asking
    #[arg(value_name = "PLAN_FILE")]
    pub(crate) plan_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) view: PlanViewArgs,
    #[command(flatten)]
    pub(crate) ignore: IgnoreArgs,
    /// Refuse PLAN_FILE unless this is its SHA-256, as it was printed when it was reviewed
    #[arg(long, value_name = "SHA256", requires = "plan_file")]
    pub(crate) digest: Option<Digest>,
    /// Apply to this machine, without SSH
    #[arg(long, help_heading = "Hosts")]
    pub(crate) local: bool,
    /// Apply without asking
    #[arg(short, long, env = "HARDSTAND_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) yes: bool,
}

/// Arguments of `graph`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hardstand graph --host node07
  hardstand graph --format dot | dot -Tsvg > graph.svg")]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Draw an indented tree, Graphviz DOT, or Mermaid
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    pub(crate) format: GraphFormat,
    /// Draw the graph of this host; the first one if none is named
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
}

/// Arguments of `inventory`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hardstand inventory -i lab.yaml -l '@workers'
  hardstand inventory --json")]
pub(crate) struct InventoryArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hardstand validate
  hardstand validate -f specs/ -f inventory.yaml")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) ignore: IgnoreArgs,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits 1 if a check finds an error, or cannot be made.

Examples:
  hardstand check
  hardstand check -l node07 --ignore-check H012
  hardstand check --local")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) ignore: IgnoreArgs,
    /// Check this machine, read-only and without SSH
    #[arg(long, help_heading = "Hosts")]
    pub(crate) local: bool,
    /// Show every host by itself instead of hosts with the same findings together
    #[arg(long, help_heading = "Output")]
    pub(crate) by_host: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hardstand explain
  hardstand explain H012
  hardstand explain E119
  hardstand explain spec.runtime.containerd.sandboxImage
  hardstand explain spec.sysctls")]
pub(crate) struct ExplainArgs {
    /// Explain this check, such as H012, this code, such as E119, or this field, such as spec.sysctls; list all checks if
    /// none is named
    #[arg(value_name = "ID|CODE|FIELD")]
    pub(crate) topic: Option<String>,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hardstand show plan.json
  hardstand show plan.json --by-host --diff summary
  hardstand show --effective -f spec.yaml --host node07")]
pub(crate) struct ShowArgs {
    /// Read this saved plan; `-` is stdin
    #[arg(value_name = "PLAN_FILE", required_unless_present = "effective")]
    pub(crate) plan_file: Option<PathBuf>,
    /// Show what the specs come to for one host instead: merged, with every default that is filled in and its reason
    #[arg(long, conflicts_with = "plan_file")]
    pub(crate) effective: bool,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Show the spec of this host; that of the first one if none is named
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) view: PlanViewArgs,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed, and no NodeSpec is needed.

Examples:
  hardstand doctor -i lab.yaml
  hardstand doctor -i lab.yaml -l '@workers' --json
  hardstand doctor --local                    look at this machine, without SSH")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Look at this machine, without SSH
    #[arg(long, help_heading = "Hosts")]
    pub(crate) local: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hardstand status
  hardstand status -l node07")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Ask this machine, without SSH
    #[arg(long, help_heading = "Hosts")]
    pub(crate) local: bool,
}

/// Arguments of `purge`.
#[derive(Debug, Args)]
#[command(after_help = "\
What hardstand configured stays; only /var/lib/hardstand is removed.

Examples:
  hardstand purge -l node07
  hardstand purge --yes")]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    pub(crate) paths: PathArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Remove them from this machine, without SSH
    #[arg(long, help_heading = "Hosts")]
    pub(crate) local: bool,
    /// Remove without asking
    #[arg(short, long, env = "HARDSTAND_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) yes: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hardstand completions bash > /etc/bash_completion.d/hardstand")]
pub(crate) struct CompletionsArgs {
    /// Print the script for this shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// When colors are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    Auto,
    Bars,
    Plain,
    None,
}

/// How much of a text that changes is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffArg {
    Full,
    Summary,
    None,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Tree,
    Dot,
    Mermaid,
}

/// Reads a time such as `10s` or `2m`; a bare number is refused, since its unit would be a guess.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let signed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "write a number and a unit, such as 10s or 2m".to_owned())?;
    match Duration::try_from(signed) {
        Ok(duration) if duration >= Duration::from_secs(1) && duration <= LONGEST => Ok(duration),
        _ => Err("it must be between 1s and 24h".to_owned()),
    }
}

const LONGEST: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests;
