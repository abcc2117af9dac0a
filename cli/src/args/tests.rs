//! The command line as it is taken and refused.

use super::*;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn times_need_a_unit_and_a_sane_size() {
    for (text, seconds) in [("10s", Some(10)), ("2m", Some(120)), ("1h30m", Some(5400))] {
        assert_eq!(
            parse_duration(text).ok().map(|time| time.as_secs()),
            seconds,
            "{text}"
        );
    }
    for text in ["10", "0s", "-5s", "1000h", "", "soon"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn bad_lines_are_refused() {
    for line in [
        "hardstand",
        "hardstand plam",
        "hardstand plan -j 0",
        "hardstand plan --timeout 0s",
        "hardstand apply plan.json -f site.yaml",
        "hardstand show",
    ] {
        assert!(parse(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn help_texts_are_sentences_without_a_full_stop() {
    for command in Cli::command().get_subcommands() {
        let helps = command.get_arguments().filter_map(clap::Arg::get_help);
        for help in helps.chain(command.get_about()) {
            assert!(
                !help.to_string().ends_with('.'),
                "{}: {help}",
                command.get_name()
            );
        }
    }
}

#[test]
fn files_named_in_the_environment_do_not_contradict_a_saved_plan() {
    assert!(parse(["hardstand", "apply", "plan.json", "-l", "node07"]).is_ok());
    assert!(parse(["hardstand", "apply", "plan.json", "-i", "lab.yaml"]).is_err());
}
