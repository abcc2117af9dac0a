//! Tests of sysctls: the simulation of a boot, what is refused in a spec, and plans.

use super::boot::Boot;
use crate::confdir::Fragment;
use crate::testing::{Machine, change, compile, summary, written};
use engine::name::ResourceId;
use engine::plan::Verdict;
use engine::question::FileState;
use engine::resource::Reason;

const OURS: &str = "/etc/sysctl.d/99-zz-hardstand.conf";

/// Returns what sets a key at boot, as `value place`, with fragments in the order they are read.
fn winner(files: &[(&str, &str)], names: &[&str]) -> String {
    let fragments: Vec<_> = files
        .iter()
        .map(|(path, text)| Fragment {
            path: (*path).into(),
            text: (*text).into(),
        })
        .collect();
    let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
    match Boot::of(&fragments).winner(&names) {
        Some(winner) => {
            let value = winner.canonical().unwrap_or_else(|| "excluded".into());
            format!("{value} {}", winner.place())
        }
        None => "nothing".into(),
    }
}

#[test]
fn the_last_line_wins_however_it_is_spelled() {
    for (text, expected) in [
        ("", "nothing"),
        ("# vm.swappiness = 1\n; vm.swappiness = 1\n", "nothing"),
        ("vm.swappiness=1\nvm.swappiness = 2 ", "2 a:2"),
        ("vm/swappiness = 0x10", "16 a:1"),
        ("/vm/swappiness = 010", "8 a:1"),
        ("-vm.swappiness = 3", "3 a:1"),
        ("vm.swappiness = 3\n-vm.swappiness", "excluded a:2"),
        ("vm.* = 3", "3 a:1"),
        ("vm.swappiness = 4\nvm.* = 3", "4 a:1"),
        ("-vm.swappiness\nvm.* = 3", "excluded a:1"),
        ("vm.swap[!p]iness = 3", "nothing"),
        ("vm.s?app[a-j]ness = 3", "3 a:1"),
        ("vm.swappiness.x = 3\nnot an assignment", "nothing"),
        ("vm.swappiness = 1 # low", "1 # low a:1"),
    ] {
        assert_eq!(
            winner(&[("a", text)], &["vm.swappiness"]),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn two_names_of_one_switch_are_one() {
    let names = ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"];
    let text = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 0\n";
    assert_eq!(winner(&[("a", text)], &names), "0 a:2");
    let text = "net.ipv4.conf.all.forwarding = 0\nnet.ipv4.ip_forward = 1\n";
    assert_eq!(winner(&[("a", text)], &names), "1 a:2");
}

#[test]
fn what_no_host_should_see_is_refused() {
    for (spec, expected) in [
        (
            "{net.ipv4.ip_forward: \"1\\nkernel.core_pattern=x\"}",
            "E213 the value holds a line break",
        ),
        (
            "{vm.max_map_count: \"010\"}",
            "E215 the kernel reads a leading `0` as octal and `0x` as hexadecimal",
        ),
        (
            "{net.core.rmem_max: \"4096 0x10\"}",
            "E215 the kernel reads a leading `0` as octal and `0x` as hexadecimal",
        ),
        (
            "{vm.swappiness: \" \"}",
            "E215 the value is empty, which the kernel ignores",
        ),
        (
            "{vm.swappiness: 500}",
            "E215 `vm.swappiness` is a number from 0 to 200",
        ),
        (
            "{net.ipv4.ip_forward: 2}",
            "E215 `net.ipv4.ip_forward` is a number from 0 to 1",
        ),
        (
            "{vm.swappiness: {min: 300}}",
            "E215 `vm.swappiness` is a number from 0 to 200",
        ),
        (
            "{kernel.core_pattern: core}",
            "E214 `kernel.core_pattern` is too dangerous to be set from a spec",
        ),
        (
            "{kernel.modules_disabled: 1}",
            "E214 `kernel.modules_disabled` is too dangerous to be set from a spec",
        ),
        (
            "{kernel.usermodehelper.bset: 1}",
            "E214 `kernel.usermodehelper.bset` is too dangerous to be set from a spec",
        ),
        (
            "{vm.drop_caches: 3}",
            "E214 `vm.drop_caches` has no value that could be kept",
        ),
        (
            "{kernel.random.uuid: x}",
            "E214 `kernel.random.uuid` has no value that could be kept",
        ),
        (
            "{vm.swappiness: {value: 1, min: 1}}",
            "E210 `vm.swappiness` has both of `value` and `min`",
        ),
        (
            "{vm.swappiness: {}}",
            "E210 `vm.swappiness` has neither of `value` and `min`",
        ),
        (
            "{net.ipv4.ip_forward: 1, net.ipv4.conf.all.forwarding: 0}",
            "E239 `net.ipv4.ip_forward` and `net.ipv4.conf.all.forwarding` are one switch, and are set differently",
        ),
        (
            "{net.bridge.bridge-nf-call-iptables: 1}",
            "W301 `net.bridge.bridge-nf-call-iptables` exists only while `br_netfilter` is loaded",
        ),
    ] {
        let (_, complaints) = compile(&format!("sysctls: {spec}"));
        assert_eq!(complaints, [expected], "{spec}");
    }
    let (_, complaints) = compile("sysctls: {vm.swappiness: 0, kernel.core_uses_pid: \"-1\"}");
    assert_eq!(complaints, [""; 0]);
}

#[test]
fn plans_by_the_state_of_the_host() {
    let spec = "sysctls: {vm.swappiness: 10}";
    let foreign = "/etc/sysctl.d/zz.conf";
    let host = || Machine::debian().sysctl("vm.swappiness", "60");
    let persisted = |running| {
        let mut host = Machine::debian().sysctl("vm.swappiness", "10");
        host.converge(spec);
        host.sysctl("vm.swappiness", running)
    };
    for (name, host, expected) in [
        ("converged", persisted("10"), &[][..]),
        (
            "running differs",
            persisted("60"),
            &["sysctl/vm.swappiness: running 60->10"][..],
        ),
        (
            "earlier foreign line",
            persisted("10").file("/usr/lib/sysctl.d/50-x.conf", "vm.swappiness=1"),
            &[],
        ),
        (
            "masked foreign line",
            persisted("10")
                .file("/usr/lib/sysctl.d/zz.conf", "vm.swappiness=1")
                .at(foreign, FileState::Symlink("/dev/null".into())),
            &[],
        ),
        (
            "later foreign line",
            persisted("10").file(foreign, "# x\nvm.swappiness = 1\n"),
            &[
                "sysctl/vm.swappiness Refused: its boot value 1 is set by /etc/sysctl.d/zz.conf:2, which is read after ours",
            ],
        ),
        (
            "later foreign exclusion",
            persisted("10").file(foreign, "-vm.swappiness\n"),
            &["sysctl/vm.swappiness Refused: /etc/sysctl.d/zz.conf:1 excludes it at boot"],
        ),
        (
            "sysctl.conf by its link",
            persisted("10")
                .file("/etc/sysctl.conf", "vm.swappiness = 1")
                .at(
                    "/etc/sysctl.d/zz-sysctl.conf",
                    FileState::Symlink("../sysctl.conf".into()),
                ),
            &["sysctl/vm.swappiness Refused: its boot value 1 is set by /etc/sysctl.conf:1"],
        ),
        (
            "sysctl.conf without a link",
            persisted("10").file("/etc/sysctl.conf", "vm.swappiness = 1"),
            &[],
        ),
        (
            "no such key",
            Machine::debian(),
            &["sysctl/vm.swappiness Refused: the running kernel has no sysctl `vm.swappiness`"],
        ),
        (
            "our file is a link",
            host().at(OURS, FileState::Symlink("x".into())),
            &[
                "file//etc/sysctl.d/99-zz-hardstand.conf Refused",
                "sysctl/vm.swappiness Unknown: it requires",
            ],
        ),
    ] {
        let summary = summary(&host.plan(spec));
        assert_eq!(summary.len(), expected.len(), "{name}: {summary:#?}");
        for (line, expected) in summary.iter().zip(expected) {
            assert!(line.starts_with(expected), "{name}: {line}");
        }
    }
}

#[test]
fn what_a_later_file_overrides_is_refused_and_the_rest_goes_on() {
    let spec = "sysctls: {vm.swappiness: 10, vm.max_map_count: 262144}";
    let mut host = Machine::debian()
        .sysctl("vm.swappiness", "60")
        .sysctl("vm.max_map_count", "65530")
        .file("/etc/sysctl.d/zz.conf", "\n\nvm.swappiness = 1\n");
    let plan = host.plan(spec);
    let [refused] = &plan.unplanned[..] else {
        panic!("{plan:#?}");
    };
    assert_eq!(refused.verdict, Verdict::Refused);
    assert_eq!(
        refused.reason,
        "its boot value 1 is set by /etc/sysctl.d/zz.conf:3, which is read after ours"
    );
    let condition = change(&plan, &format!("file/{OURS}")).condition.clone();
    assert!(condition.is_some_and(|it| it.contains("sysctl/vm.swappiness stays as it is")));
    let text = written(&plan, OURS);
    assert!(!text.contains("swappiness") && text.ends_with("\nvm.max_map_count = 262144\n"));
    host.apply(&plan);
    let again = host.plan(spec);
    assert_eq!(again.changes, [], "no line comes and goes");
    assert_eq!(again.unplanned, plan.unplanned);
}

#[test]
fn the_line_of_what_is_refused_later_stays() {
    let both = "sysctls: {vm.swappiness: 10, vm.max_map_count: 262144}";
    let mut host = Machine::debian()
        .sysctl("vm.swappiness", "60")
        .sysctl("vm.max_map_count", "65530");
    host.converge(both);
    let host = host.file("/etc/sysctl.d/zz.conf", "vm.swappiness = 1\n");
    assert_eq!(host.plan(both).changes, []);
    let other = both.replace("10,", "20,").replace("262144", "262145");
    let text = written(&host.plan(&other), OURS);
    assert!(
        text.contains("vm.swappiness = 10\nvm.max_map_count = 262145\n"),
        "{text}"
    );
    let without = "sysctls: {vm.max_map_count: 262144}";
    let text = written(&host.plan(without), OURS);
    assert!(
        !text.contains("swappiness"),
        "what no spec names goes: {text}"
    );
}

#[test]
fn an_override_that_no_spec_names_any_more_goes_with_this_plan() {
    let foreign = "files: [{path: /etc/sysctl.d/zz.conf, content: \"vm.swappiness = 1\"}]";
    let mut host = Machine::debian().sysctl("vm.swappiness", "60");
    host.converge(foreign);
    host.converge("sysctls: {vm.swappiness: 10}");
}

#[test]
fn keys_of_a_module_that_is_refused_are_not_written() {
    let spec = "modules: [br_netfilter]\nsysctls: {net.bridge.bridge-nf-call-iptables: 1, vm.swappiness: 10}";
    let mut host = Machine::debian().sysctl("vm.swappiness", "60");
    let plan = host.plan(spec);
    let held_up: Vec<_> = plan.unplanned.iter().map(|it| it.resource.kind()).collect();
    assert_eq!(held_up, ["module", "sysctl"]);
    assert!(!written(&plan, OURS).contains("bridge"));
    host.apply(&plan);
    assert_eq!(host.plan(spec).changes, []);
}

#[test]
fn a_file_of_the_same_plan_that_removes_the_override_counts() {
    for file in [
        "{path: /etc/sysctl.d/zz.conf, state: absent}",
        "{path: /etc/sysctl.d/zz.conf, content: ''}",
    ] {
        let spec = format!("files: [{file}]\nsysctls: {{vm.swappiness: 10}}");
        let mut host = Machine::debian()
            .sysctl("vm.swappiness", "60")
            .file("/etc/sysctl.d/zz.conf", "vm.swappiness = 1\n");
        let plan = host.converge(&spec);
        assert_eq!(change(&plan, "sysctl/vm.swappiness").condition, None);
    }
}

#[test]
fn a_minimum_never_takes_away() {
    let spec = "sysctls: {fs.inotify.max_user_instances: {min: 8192}}";
    let key = "fs.inotify.max_user_instances";
    for (name, running, foreign, line, sets) in [
        ("too low", "128", None, "8192", true),
        ("high already", "65536", None, "65536", false),
        (
            "an earlier file sets more",
            "128",
            Some(("50-x.conf", "16384")),
            "16384",
            true,
        ),
        (
            "an earlier file sets less",
            "128",
            Some(("50-x.conf", "1024")),
            "8192",
            true,
        ),
        (
            "a later file sets more",
            "65536",
            Some(("zz.conf", "65536")),
            "65536",
            false,
        ),
    ] {
        let mut host = Machine::debian().sysctl(key, running);
        if let Some((file, value)) = foreign {
            host = host.file(
                &format!("/etc/sysctl.d/{file}"),
                &format!("{key}={value}\n"),
            );
        }
        let plan = host.converge(spec);
        let set = plan.changes.iter().any(|c| c.resource.kind() == "sysctl");
        assert_eq!(set, sets, "{name}");
        let text = match &host.files[OURS] {
            FileState::Regular(file) => String::from_utf8(file.content.clone().unwrap()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert!(
            text.ends_with(&format!("{key} = {line}\n")),
            "{name}: {text}"
        );
    }
}

#[test]
fn a_minimum_follows_what_others_raise() {
    let key = "fs.inotify.max_user_instances";
    let spec = "sysctls: {fs.inotify.max_user_instances: {min: 8192}}";
    let mut host = Machine::debian().sysctl(key, "128");
    host.converge(spec);
    let mut host = host.file("/etc/sysctl.d/50-x.conf", &format!("{key}=16384"));
    let plan = host.converge(spec);
    assert!(plan.changes[0].diffs[OURS].contains(&format!("+{key} = 16384")));
}

#[test]
fn a_later_file_below_the_minimum_is_named() {
    let spec = "sysctls: {fs.inotify.max_user_instances: {min: 8192}}";
    let host = Machine::debian()
        .sysctl("fs.inotify.max_user_instances", "8192")
        .file("/etc/sysctl.d/zz.conf", "fs.inotify.max_user_instances=128");
    let plan = host.plan(spec);
    assert!(plan.unplanned[0].reason.contains("zz.conf:1"), "{plan:#?}");
    assert_eq!(plan.changes, []);
}

#[test]
fn bridge_keys_come_with_their_module() {
    let spec = "modules: [br-netfilter]\nsysctls: {net.bridge.bridge-nf-call-iptables: 1}";
    let mut host = Machine::debian().module("br_netfilter", |module| module.available = true);
    let plan = host.converge(spec);
    let sysctl = change(&plan, "sysctl/net.bridge.bridge-nf-call-iptables");
    assert_eq!(sysctl.requires.len(), 2, "{:?}", sysctl.requires);
    let kinds: Vec<_> = plan.changes.iter().map(|c| c.resource.kind()).collect();
    assert_eq!(kinds, ["file", "module", "file", "sysctl"]);
}

#[test]
fn what_forwarding_sets_is_set_again() {
    let spec = "sysctls: {net.ipv4.conf.all.accept_redirects: 1, net.ipv4.ip_forward: 1}";
    let mut host = Machine::debian()
        .sysctl("net.ipv4.ip_forward", "0")
        .sysctl("net.ipv4.conf.all.accept_redirects", "1");
    let plan = host.converge(spec);
    let last = plan.changes.last().unwrap();
    assert_eq!(last.resource.name(), "net.ipv4.conf.all.accept_redirects");
    assert!(
        matches!(&last.reasons[..], [Reason::NotifiedBy(switch)] if switch.name() == "net.ipv4.ip_forward")
    );
    assert_eq!(last.steps.len(), 1);
}

#[test]
fn what_only_comes_first_holds_up_nothing() {
    let spec = "sysctls: {net.ipv4.conf.all.rp_filter: 2, net.ipv4.ip_forward: 1}\n\
         files: [{path: /etc/sysctl.d/50-x.conf, content: \"vm.swappiness = 1\\n\"}]";
    let host = Machine::debian()
        .directory("/etc/sysctl.d")
        .sysctl("net.ipv4.ip_forward", "0")
        .sysctl("net.ipv4.conf.all.rp_filter", "0");
    let names = |plan: &engine::plan::HostPlan| -> Vec<String> {
        let changes = plan.changes.iter();
        changes.map(|c| c.resource.name().to_owned()).collect()
    };
    let plan = host.clone().converge(spec);
    let [forward, filter] = ["net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter"];
    assert_eq!(
        names(&plan),
        ["/etc/sysctl.d/50-x.conf", OURS, forward, filter]
    );
    let filter = change(&plan, "sysctl/net.ipv4.conf.all.rp_filter");
    assert_eq!(filter.requires, [ResourceId::new("file", OURS)]);

    let overridden = host
        .clone()
        .file("/etc/sysctl.d/zz.conf", &format!("{forward}=0"));
    let plan = overridden.plan(spec);
    assert_eq!(plan.unplanned.len(), 1, "{plan:#?}");
    assert_eq!(plan.unplanned[0].resource.name(), forward);
    assert_eq!(plan.changes.len(), 3, "{plan:#?}");

    let in_the_way = host.directory("/etc/sysctl.d/50-x.conf");
    let plan = in_the_way.plan(spec);
    assert_eq!(plan.unplanned.len(), 1, "{plan:#?}");
    assert_eq!(names(&plan), [OURS, forward, "net.ipv4.conf.all.rp_filter"]);
}

#[test]
fn white_space_is_not_a_difference() {
    let spec = "sysctls: {net.ipv4.ip_local_port_range: \"32768  60999\"}";
    let mut host = Machine::debian().sysctl("net.ipv4.ip_local_port_range", "32768 60999");
    let plan = host.converge(spec);
    assert_eq!(plan.changes.len(), 1, "only the file");
}
