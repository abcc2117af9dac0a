//! Tests of modules: what counts as present, what keeps one from being loaded at boot, and options.

use crate::testing::{Machine, change, compile, summary, written};
use engine::plan::Verdict;
use engine::question::FileState;
use engine::step::{Disruption, Step};

const SPEC: &str = "modules: [overlay]";
const LOAD: &str = "/etc/modules-load.d/hardstand.conf";

fn available() -> Machine {
    Machine::debian().module("overlay", |module| module.available = true)
}

#[test]
fn a_module_is_loaded_now_and_at_every_boot() {
    let mut host = available();
    let plan = host.converge(SPEC);
    let lines = summary(&plan);
    assert!(lines[0].starts_with("file//etc/modules-load.d/hardstand.conf: content"));
    assert_eq!(lines[1], "module/overlay: running not loaded->loaded");
    assert_eq!(plan.changes.len(), 2);
}

#[test]
fn what_works_is_present_however_it_came_to_be() {
    let functional = Machine::debian().facts(|facts| {
        facts.file_systems.insert("overlay".into());
    });
    for (name, host) in [
        ("loaded", available().module("overlay", |m| m.loaded = true)),
        (
            "built in",
            Machine::debian().module("overlay", |m| m.builtin = true),
        ),
        (
            "in sysfs of a kernel without modules",
            Machine::debian().module("overlay", |m| m.in_sysfs = true),
        ),
        ("functional", functional),
    ] {
        let plan = host.plan(SPEC);
        assert_eq!(plan.unplanned, [], "{name}");
        let kinds: Vec<_> = plan.changes.iter().map(|c| c.resource.kind()).collect();
        assert_eq!(kinds, ["file"], "{name}");
    }
    let bridge = Machine::debian().sysctl("net.bridge.bridge-nf-call-iptables", "1");
    let plan = bridge.plan("modules: [br_netfilter]");
    assert_eq!(plan.unchanged.len(), 1);
}

#[test]
fn a_module_that_is_blocked_at_boot_is_refused_with_the_line() {
    let loaded = || available().module("overlay", |module| module.loaded = true);
    for (name, host, expected) in [
        (
            "blacklist",
            loaded().file("/etc/modprobe.d/cis.conf", "# x\nblacklist overlay\n"),
            "`blacklist overlay` in /etc/modprobe.d/cis.conf:2 is honoured at boot",
        ),
        (
            "install",
            loaded().file("/etc/modprobe.d/cis.conf", "install overlay /bin/true\n"),
            "`install overlay /bin/true` in /etc/modprobe.d/cis.conf:1 runs instead",
        ),
        (
            "command line",
            loaded().facts(|f| f.kernel_command_line = "quiet modprobe.blacklist=x,overlay".into()),
            "`modprobe.blacklist=overlay` in the kernel's command line",
        ),
        (
            "command line of the kernel",
            loaded().facts(|f| f.kernel_command_line = "module_blacklist=overlay".into()),
            "`module_blacklist=overlay` in the kernel's command line",
        ),
    ] {
        let plan = host.plan(SPEC);
        let [unplanned] = &plan.unplanned[..] else {
            panic!("{name}: {plan:#?}");
        };
        assert_eq!(unplanned.verdict, Verdict::Refused, "{name}");
        assert!(
            unplanned.reason.contains(expected),
            "{name}: {}",
            unplanned.reason
        );
    }
}

#[test]
fn what_does_not_block_does_not() {
    for (name, host) in [
        (
            "part of a kernel without modules",
            Machine::debian()
                .module("overlay", |module| module.in_sysfs = true)
                .file("/etc/modprobe.d/a.conf", "blacklist overlay\n"),
        ),
        (
            "another module",
            available().file("/etc/modprobe.d/a.conf", "blacklist overlayfs\n"),
        ),
        (
            "a comment",
            available().file("/etc/modprobe.d/a.conf", "#blacklist overlay\n"),
        ),
        (
            "not a .conf",
            available().file("/etc/modprobe.d/a.conf.bak", "blacklist overlay\n"),
        ),
        (
            "masked",
            available()
                .file("/usr/lib/modprobe.d/a.conf", "blacklist overlay\n")
                .file("/etc/modprobe.d/a.conf", ""),
        ),
        (
            "install that loads",
            available().file(
                "/etc/modprobe.d/a.conf",
                "install overlay /sbin/modprobe -i overlay\n",
            ),
        ),
        (
            "built in",
            Machine::debian()
                .module("overlay", |module| module.builtin = true)
                .file("/etc/modprobe.d/a.conf", "blacklist overlay\n"),
        ),
    ] {
        assert_eq!(host.plan(SPEC).unplanned, [], "{name}");
    }
    let spec = "modules: [br-netfilter]";
    let host = Machine::debian()
        .module("br_netfilter", |module| module.available = true)
        .file("/etc/modprobe.d/a.conf", "blacklist br-netfilter\n");
    assert_eq!(
        host.plan(spec).unplanned.len(),
        1,
        "`-` and `_` are the same"
    );
}

#[test]
fn a_block_that_the_same_plan_removes_does_not_count() {
    let spec = "files: [{path: /etc/modprobe.d/cis.conf, state: absent}]\nmodules: [overlay]";
    available()
        .file("/etc/modprobe.d/cis.conf", "blacklist overlay\n")
        .converge(spec);
}

#[test]
fn a_module_that_cannot_be_is_refused() {
    let plan = Machine::debian().plan(SPEC);
    assert_eq!(plan.unplanned[0].verdict, Verdict::Refused);
    assert!(plan.unplanned[0].reason.contains("has no module `overlay`"));
    let plan = available()
        .sysctl("kernel.modules_disabled", "1")
        .plan(SPEC);
    assert!(plan.unplanned[0].reason.contains("loads no more modules"));
    let plan = available()
        .at(
            "/etc/modules-load.d/hardstand.conf",
            FileState::Symlink("x".into()),
        )
        .module("overlay", |module| module.loaded = true)
        .plan(SPEC);
    assert_eq!(plan.unplanned.len(), 2, "the boot is not taken for granted");
}

#[test]
fn a_package_of_the_plan_may_bring_the_module() {
    let spec = "packages: [linux-modules-extra]\nmodules: [{name: overlay, requires: [package/linux-modules-extra]}]";
    let host = Machine::debian().package("linux-modules-extra", |package| {
        package.candidate = Some("6.1".into());
    });
    let plan = host.plan(spec);
    assert_eq!(
        change(&plan, "module/overlay").verdict(),
        Verdict::Conditional
    );
}

#[test]
fn options_take_effect_when_a_module_is_loaded() {
    let spec = "modules: [{name: loop, options: {max_loop: 64, verbose: 'Y'}}]";
    let host = |parameter: &str| {
        Machine::debian().module("loop", |module| {
            module.available = true;
            module.loaded = true;
            module
                .parameters
                .insert("max_loop".into(), parameter.into());
            module.parameters.insert("verbose".into(), "1".into());
        })
    };
    host("64").converge(spec);
    let plan = host("8").plan(spec);
    let module = change(&plan, "module/loop");
    assert_eq!(module.disruption, Disruption::Reboot);
    assert_eq!(module.verdict(), Verdict::Conditional);
    assert_eq!(module.steps, []);
    let plan = host("64")
        .file("/etc/modprobe.d/zz.conf", "options loop max_loop=8")
        .plan(spec);
    let reason = &plan.unplanned[0].reason;
    assert_eq!(
        reason,
        "its option max_loop=8 is set by /etc/modprobe.d/zz.conf:1, which is read after ours"
    );
}

#[test]
fn options_of_a_built_in_module_come_from_the_command_line() {
    let spec = "modules: [{name: loop, options: {max_loop: 64}}]";
    let host = || Machine::debian().module("loop", |module| module.builtin = true);
    let help = host().plan(spec).unplanned[0].help.clone().unwrap();
    assert!(help.contains("loop.max_loop=64"), "{help}");
    let host = host().facts(|facts| facts.kernel_command_line = "loop.max_loop=64".into());
    assert_eq!(host.plan(spec).unplanned, []);
}

#[test]
fn odd_specs_are_refused() {
    let (_, complaints) = compile("modules: [br_netfilter, br-netfilter]");
    assert_eq!(complaints, ["E201 `module/br_netfilter` is managed twice"]);
    let file = "files: [{path: /etc/modules-load.d/hardstand.conf, content: x}]";
    let (_, complaints) = compile(&format!("modules: [overlay]\n{file}"));
    let expected = "E201 `file//etc/modules-load.d/hardstand.conf` is managed twice";
    assert_eq!(complaints, [expected]);
    let (_, complaints) = compile("modules: [{name: x, options: {a: \"1 b=2\"}}]");
    assert_eq!(complaints, ["E127 `a=1 b=2` is not a module option"]);
}

#[test]
fn loading_comes_after_the_options() {
    let spec = "modules: [{name: overlay, options: {metacopy: 1}}]";
    let plan = available().plan(spec);
    let Step::WriteFile { content, .. } =
        &change(&plan, "file//etc/modprobe.d/hardstand.conf").steps[0]
    else {
        panic!("no file is written");
    };
    assert!(content.bytes().ends_with(b"\noptions overlay metacopy=1\n"));
    assert_eq!(change(&plan, "module/overlay").requires.len(), 2);
}

#[test]
fn a_module_that_is_refused_is_not_named_to_the_boot() {
    let spec = "modules: [overlay, no_such_module, {name: loop, options: {max_loop: 64}}]";
    let mut host = available()
        .module("loop", |module| module.available = true)
        .file("/etc/modprobe.d/cis.conf", "blacklist loop\n");
    let plan = host.plan(spec);
    let refused: Vec<_> = plan.unplanned.iter().map(|it| it.resource.name()).collect();
    assert_eq!(refused, ["no_such_module", "loop"]);
    let text = written(&plan, LOAD);
    assert!(text.ends_with(".\noverlay\n"), "{text}");
    let condition = change(&plan, &format!("file/{LOAD}")).condition.clone();
    assert_eq!(
        condition.as_deref(),
        Some(
            "what it says of module/no_such_module, module/loop stays as it is, since that cannot be planned"
        )
    );
    assert_eq!(plan.changes.len(), 2, "no file of options: {plan:#?}");
    host.apply(&plan);
    let again = host.plan(spec);
    assert_eq!(again.changes, []);
    assert_eq!(again.unplanned, plan.unplanned);
}

#[test]
fn a_module_that_is_refused_later_keeps_its_line() {
    let mut host = available();
    host.converge(SPEC);
    let host = host.file("/etc/modprobe.d/cis.conf", "blacklist overlay\n");
    let plan = host.plan(SPEC);
    assert_eq!(plan.changes, []);
    assert_eq!(plan.unplanned.len(), 1);
}
