//! Nodes that can be looked at and not be changed: without root, and without systemd. A plan goes as far as it can and says
//! what it cannot see; apply is refused before anything is written. And nodes on which something stands in the way: it is
//! named.

use std::path::{Path, PathBuf};

use crate::support::{Lab, Ran, run};

/// What anybody may read, and what only root may.
const MIXED: &str = "sysctls: { net.ipv4.ip_forward: 1 }\nfiles:\n  - { path: /etc/example.conf, content: x }\n  \
                     - { path: /root/example.conf, content: x }";

/// Returns the lab's inventory with a login that may not use sudo, and does not.
fn without_root(lab: &Lab) -> PathBuf {
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let inventory = inventory
        .replace("user: ops", "user: nosudo")
        .replace("become: sudo", "become: none");
    lab.write("nosudo.yaml", &inventory)
}

fn hardstand(lab: &Lab, command: &str, spec: &Path, inventory: &Path, more: &[&str]) -> Ran {
    let mut hardstand = lab.bare(command);
    let files = [spec, inventory];
    hardstand.args(files.iter().flat_map(|file| [Path::new("-f"), file]));
    run(hardstand.args(more))
}

fn expect(ran: &Ran, code: i32, said: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    for text in said {
        assert!(ran.stdout.contains(text), "{text}: {ran:#?}");
    }
}

#[test]
fn without_root_what_cannot_be_read_is_unknown_and_nothing_is_changed() {
    let Some(lab) = Lab::boot(&["a=trixie", "b=bookworm"]) else {
        return;
    };
    let inventory = without_root(&lab);
    let spec = lab.spec(MIXED);
    let planned = hardstand(&lab, "plan", &spec, &inventory, &[]);
    expect(
        &planned,
        1,
        &[
            "net.ipv4.ip_forward",
            "+ file",
            "/etc/example.conf",
            "`/root/example.conf` cannot be read: permission denied",
            "apply is refused: changes need root",
        ],
    );
    let applied = hardstand(&lab, "apply", &spec, &inventory, &["--yes"]);
    expect(&applied, 1, &["changes need root", "a,b  refused"]);
    let readable = lab.spec("files: [{ path: /etc/example.conf, content: x }]");
    let applied = hardstand(&lab, "apply", &readable, &inventory, &["--yes"]);
    expect(&applied, 3, &["changes need root"]);
    for node in ["a", "b"] {
        let _nothing = lab.ask(
            node,
            "test ! -e /etc/example.conf && test ! -e /var/lib/hardstand",
        );
    }

    // What hardstand keeps on a node is root's: what would be removed is not known either.
    lab.converge(&readable);
    let other = lab.spec("modules: [overlay]");
    let planned = hardstand(&lab, "plan", &other, &inventory, &[]);
    expect(&planned, 1, &["only root may read what hardstand keeps"]);
    let told = hardstand(&lab, "status", &other, &inventory, &[]);
    expect(&told, 1, &["unknown"]);
    assert!(!told.stdout.contains("idle"), "{told:#?}");
}

#[test]
fn without_systemd_units_are_refused_and_nothing_is_changed() {
    let Some(lab) = Lab::boot(&["a=bookworm-docker"]) else {
        return;
    };
    // This is how programs tell whether systemd is the init.
    let _hidden = lab.ask("a", "mv /run/systemd/system /run/systemd/hidden");
    let inventory = lab.inventory();
    let units =
        "\nservices: [{ name: cron.service, active: true }]\nruntime: { docker: {} }\nswap: off";
    let spec = lab.spec(&format!("{MIXED}{units}"));
    let planned = hardstand(&lab, "plan", &spec, &inventory, &[]);
    expect(
        &planned,
        1,
        &[
            "net.ipv4.ip_forward",
            "/root/example.conf",
            "x service  cron.service",
            "x service  docker.service",
            "the host does not run systemd",
            "apply is refused: changes need a host that runs systemd",
        ],
    );
    let applied = hardstand(&lab, "apply", &spec, &inventory, &["--yes"]);
    expect(&applied, 1, &["changes need a host that runs systemd"]);
    let applied = hardstand(&lab, "apply", &lab.spec(MIXED), &inventory, &["--yes"]);
    expect(&applied, 3, &["changes need a host that runs systemd"]);
    let _nothing = lab.ask(
        "a",
        "test ! -e /etc/example.conf && test ! -e /var/lib/hardstand",
    );
}

#[test]
fn what_stands_in_the_way_is_named() {
    let Some(lab) = Lab::boot(&["a=trixie"]) else {
        return;
    };
    let _mounted = lab.ask(
        "a",
        "mkdir /srv/small && mount -t tmpfs -o mode=755,ro none /srv/small && \
         echo mine >/etc/mine && mount --bind /etc/hostname /etc/mine",
    );
    let spec = lab.spec(
        "files:\n  - { path: /srv/small/file, content: x }\n  - { path: /etc/mine, content: x }",
    );
    let applied = hardstand(&lab, "apply", &spec, &lab.inventory(), &["--yes"]);
    expect(
        &applied,
        1,
        &[
            "nothing can be written to /srv/small: Read-only file system",
            "write /etc/mine: something is mounted there; unmount it",
        ],
    );

    let plan = || hardstand(&lab, "plan", &spec, &lab.inventory(), &[]);
    let _stray = lab.ask("a", "touch '/var/lib/hardstand/owed/no unit'");
    let stray = "/var/lib/hardstand/owed/no%20unit is not named like a unit";
    expect(&plan(), 4, &[stray]);
    let _away = lab.ask(
        "a",
        "rm /var/lib/hardstand/owed/*unit && mv /usr/bin/sha256sum /usr/bin/sha",
    );
    expect(&plan(), 1, &["cannot be read: there is no sha256sum"]);
    let applied = hardstand(&lab, "apply", &spec, &lab.inventory(), &["--yes"]);
    expect(&applied, 1, &["changes need the command sha256sum"]);
}
