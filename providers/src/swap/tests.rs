//! Tests of swap: every way by which it comes back.

use crate::testing::{Machine, compile, summary};
use engine::question::FileState;
use engine::step::Step;

const SPEC: &str = "swap: off";

#[test]
fn every_way_back_is_closed() {
    const FSTAB: &str = "# /etc/fstab\nUUID=1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n#/old none swap sw 0 0\n\
        /manual none swap noauto 0 0\n";
    for (name, host, expected) in [
        ("none", Machine::debian(), &[][..]),
        (
            "running",
            Machine::debian().swap("/dev/sda2"),
            &["running /dev/sda2->none"],
        ),
        (
            "fstab",
            Machine::debian().file("/etc/fstab", FSTAB),
            &["boot fstab /swap.img->none"],
        ),
        (
            "cloud image",
            Machine::debian()
                .file("/etc/fstab", FSTAB)
                .swap("/swap.img"),
            &["boot fstab /swap.img->none, running /swap.img->none"],
        ),
        (
            "a unit",
            Machine::debian()
                .file("/etc/systemd/system/swapfile.swap", "[Swap]")
                .at(
                    "/etc/systemd/system/swap.target.wants/swapfile.swap",
                    FileState::Symlink("../swapfile.swap".into()),
                ),
            &["boot swapfile.swap enabled->disabled"],
        ),
        (
            "a unit that is not enabled",
            Machine::debian().file("/etc/systemd/system/swapfile.swap", "[Swap]"),
            &[],
        ),
        (
            "a partition",
            Machine::debian().file("/run/systemd/generator.late/dev-sda2.swap", "[Swap]"),
            &["boot dev-sda2.swap found at boot->masked"],
        ),
        (
            "zram",
            Machine::debian().file("/usr/lib/systemd/zram-generator.conf", "[zram0]\n"),
            &["boot zram /usr/lib/systemd/zram-generator.conf->none"],
        ),
        (
            "zram, off",
            Machine::debian().file("/usr/lib/systemd/zram-generator.conf", "# nothing\n"),
            &[],
        ),
        (
            "zram, overridden",
            Machine::debian()
                .file("/usr/lib/systemd/zram-generator.conf", "[zram0]\n")
                .file("/etc/systemd/zram-generator.conf", ""),
            &[],
        ),
        (
            "Raspberry Pi OS",
            Machine::debian().unit("dphys-swapfile.service", &[]),
            &["boot dphys-swapfile.service enabled->disabled"],
        ),
    ] {
        let mut host = host;
        let plan = host.converge(SPEC);
        let expected: Vec<_> = expected
            .iter()
            .map(|line| format!("swap/off: {line}"))
            .collect();
        assert_eq!(summary(&plan), expected, "{name}");
    }
}

#[test]
fn fstab_keeps_every_other_byte() {
    let before = "UUID=1\t/  ext4 defaults 0 1\n  UUID=2 swap swap sw,nofail\n\n# end";
    let mut host = Machine::debian()
        .file("/etc/fstab", before)
        .with_file("/etc/fstab", |file| {
            file.attributes.mode = 0o600;
        });
    let plan = host.converge(SPEC);
    let [Step::WriteFile { content, mode, .. }, Step::ReloadUnitFiles] = &plan.changes[0].steps[..]
    else {
        panic!("{:?}", plan.changes[0].steps);
    };
    let after = "UUID=1\t/  ext4 defaults 0 1\n# swap is off (hardstand):   UUID=2 swap swap sw,nofail\n\n# end";
    assert_eq!(std::str::from_utf8(content.bytes()), Ok(after));
    assert_eq!(mode.bits(), 0o600);
}

#[test]
fn swap_stops_when_nothing_brings_it_back() {
    let host = Machine::debian()
        .file("/etc/fstab", "/s none swap sw 0 0\n")
        .swap("/s");
    let plan = host.plan(SPEC);
    assert_eq!(plan.changes[0].steps.last(), Some(&Step::StopSwap));
}

#[test]
fn what_is_not_ours_to_edit_is_refused() {
    for (name, host) in [
        (
            "fstab is a link",
            Machine::debian().at("/etc/fstab", FileState::Symlink("x".into())),
        ),
        (
            "the administrator's zram",
            Machine::debian().file("/etc/systemd/zram-generator.conf", "[zram0]"),
        ),
        (
            "hard links",
            Machine::debian()
                .file("/etc/fstab", "/s none swap sw 0 0\n")
                .with_file("/etc/fstab", |file| file.links = 2),
        ),
    ] {
        assert_eq!(host.plan(SPEC).unplanned.len(), 1, "{name}");
    }
    let (_, complaints) = compile("swap: off\nfiles: [{path: /etc/fstab, content: a}]");
    assert_eq!(complaints, ["E201 `/etc/fstab` is managed twice"]);
}
