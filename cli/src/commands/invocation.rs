//! Our own command line, to suggest what comes next.

use engine::plan::{Plan, Via};
use engine::shell;

use crate::args::InputArgs;

/// Returns the line that plans again what a plan was made from.
pub(crate) fn plan_again(plan: &Plan, limit: Option<&str>) -> String {
    let command = match plan.via {
        Via::Ssh => "plan",
        Via::Local => "plan --local",
    };
    let documents = plan.inputs.documents.iter();
    let input = InputArgs {
        files: documents
            .map(|document| document.name.clone().into())
            .collect(),
        inventories: Vec::new(),
        limit: limit.map(str::to_owned),
        shard: plan.shard,
    };
    line(command, &input)
}

/// Returns the line that runs a command on the same files and hosts, fit to be pasted into a shell.
pub(crate) fn line(command: &str, input: &InputArgs) -> String {
    let InputArgs {
        files,
        inventories,
        limit,
        shard,
    } = input;
    let files = files
        .iter()
        .map(|file| format!(" -f {}", shell::word(&file.to_string_lossy())));
    let inventories = inventories
        .iter()
        .map(|file| format!(" -i {}", shell::word(&file.to_string_lossy())));
    let limit = limit
        .iter()
        .map(|limit| format!(" -l {}", shell::word(limit)));
    let shard = shard.iter().map(|shard| format!(" --shard {shard}"));
    let flags: String = files.chain(inventories).chain(limit).chain(shard).collect();
    format!("hardstand {command}{flags}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command};

    #[test]
    fn the_same_files_and_hosts_are_named() {
        for (given, suggested) in [
            ("hardstand status", "hardstand plan"),
            (
                "hardstand status -f a.yaml -f b/ -i lab.yaml",
                "hardstand plan -f a.yaml -f b/ -i lab.yaml",
            ),
            ("hardstand status --shard 2/4", "hardstand plan --shard 2/4"),
            ("hardstand status -l n[1-2]", "hardstand plan -l 'n[1-2]'"),
            ("hardstand status -l it's", "hardstand plan -l 'it'\\''s'"),
        ] {
            let cli = args::parse(given.split(' ')).unwrap();
            let Command::Status(status) = cli.command else {
                unreachable!()
            };
            assert_eq!(line("plan", &status.input), suggested);
        }
    }
}
