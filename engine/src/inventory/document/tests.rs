//! Inventories as written, and what is said about bad ones.

use super::*;
use crate::inventory::{Inventory, fold};
use crate::spec::testing::lines;
use crate::spec::yaml;

fn read_text(text: &str) -> (Inventory, Vec<String>) {
    let mut sources = Sources::default();
    let source = sources.add("fleet/hosts.yaml", text);
    let mut problems = Problems::default();
    let mut hosts = Vec::new();
    for node in yaml::parse(&sources, source, &mut problems) {
        read(&sources, &node, node.span, &mut hosts, &mut problems);
    }
    let inventory = Inventory::of(hosts, &mut problems);
    (inventory, lines(&sources, problems))
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(read_text(text).1, expected, "{text:?}");
}

#[test]
fn hosts_are_filled_up_from_the_defaults() {
    let (inventory, problems) = read_text(
        "defaults:\n  ssh: {user: ops, port: 2222, identityFile: keys/id, knownHosts: ~/known, connectTimeout: 1m}\n  \
         become: none\n  labels: {role: worker, zone: a}\n  vars: {n: 4096, on: true, v: \"1.30\"}\n\
         hosts:\n  w[9-10]:\n  w1:\n    address: 10.0.0.1\n    ssh: {user: root, port: 22, jump: \"ops@a:1, b\", knownHosts: /k}\n    \
         become: sudo\n    labels: {zone: b}\n    vars: {n: 1}\n",
    );
    assert_eq!(problems, Vec::<String>::new());
    let names: Vec<&str> = inventory
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    assert_eq!(names, ["w1", "w9", "w10"], "natural order");
    let (one, ten) = (&inventory.hosts[0], &inventory.hosts[2]);
    assert_eq!(
        (one.address.as_str(), ten.address.as_str()),
        ("10.0.0.1", "w10")
    );
    assert_eq!((one.privilege, ten.privilege), (Become::Sudo, Become::None));
    assert_eq!((one.ssh.port, ten.ssh.port), (Some(22), Some(2222)));
    assert_eq!(ten.ssh.identity_file, Some(PathBuf::from("fleet/keys/id")));
    assert_eq!(ten.ssh.connect_timeout, Some(Duration::from_secs(60)));
    let jump: Vec<String> = one
        .ssh
        .jump
        .iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    assert_eq!(jump, ["ops@a:1", "b"]);
    assert_eq!(one.labels["role"], "worker");
    assert_eq!(one.labels["zone"], "b");
    let vars: Vec<&str> = ["n", "on", "v", "host.name", "host.address", "x"]
        .into_iter()
        .map(|name| one.var(name).unwrap_or("-"))
        .collect();
    assert_eq!(vars, ["1", "true", "1.30", "w1", "10.0.0.1", "-"]);
    let at_home = inventory.with_home(Path::new("/home/ops"));
    assert_eq!(
        at_home.hosts[2].ssh.known_hosts,
        Some(PathBuf::from("/home/ops/known"))
    );
    assert_eq!(at_home.hosts[0].ssh.known_hosts, Some(PathBuf::from("/k")));
}

#[test]
fn root_needs_no_sudo_unless_told() {
    let (inventory, _) =
        read_text("hosts: {a: {ssh: {user: root}}, b: , c: {ssh: {user: root}, become: sudo}}");
    let privileges: Vec<Become> = inventory.hosts.iter().map(|host| host.privilege).collect();
    assert_eq!(privileges, [Become::None, Become::Sudo, Become::Sudo]);
}

#[test]
fn windows_hosts_know_no_sudo() {
    let (inventory, problems) = read_text(
        "defaults: {become: sudo}\nhosts: {lin: , win: {os: windows}, other: {os: windows, become: none}}",
    );
    assert_eq!(problems, Vec::<String>::new());
    let hosts: Vec<_> = inventory
        .hosts
        .iter()
        .map(|host| (host.name.as_str(), host.os, host.privilege))
        .collect();
    assert_eq!(
        hosts,
        [
            ("lin", Os::Linux, Become::Sudo),
            ("other", Os::Windows, Become::None),
            ("win", Os::Windows, Become::None)
        ]
    );
    let told = "E330 `become: sudo` does not apply to a Windows host";
    for (text, place) in [
        ("hosts: {a: {os: windows, become: sudo}}", "1:34"),
        (
            "defaults: {os: windows}\nhosts: {a: {become: sudo}}",
            "2:21",
        ),
        (
            "defaults: {os: windows, become: sudo}\nhosts: {a: }",
            "1:33",
        ),
    ] {
        check(text, &[&format!("{place} {told}")]);
    }
    check(
        "hosts: {a: {os: window}}",
        &["1:17 E128 `os` cannot be \"window\""],
    );
}

#[test]
fn hostile_names_and_addresses_are_refused() {
    for (text, expected) in [
        (
            "hosts: {-V: }",
            "1:9 E301 a host name must start with a letter or a digit",
        ),
        (
            "hosts: {-oProxyCommand=x: }",
            "1:9 E301 a host name may not hold the character `=`",
        ),
        (
            "hosts: {\"ssh://h\": }",
            "1:9 E301 a host name may not hold the character `:`",
        ),
        (
            "hosts: {\"a b\": }",
            "1:9 E302 a host name may not hold the character ` `",
        ),
        (
            "hosts: {h%h: }",
            "1:9 E302 a host name may not hold the character `%`",
        ),
        (
            "hosts: {$(x): }",
            "1:9 E302 a host name may not hold the character `$`",
        ),
        (
            "hosts: {u@h: }",
            "1:9 E302 a host name may not hold the character `@`",
        ),
        (
            "hosts: {wörker: }",
            "1:9 E302 a host name may not hold the character `ö`",
        ),
        (
            "hosts: {\"127.1\": }",
            "1:9 E305 `127.1` is not an IPv4 address",
        ),
        (
            "hosts: {a: {address: -V}}",
            "1:22 E301 a host name must start with a letter or a digit",
        ),
        (
            "hosts: {a: {ssh: {address: h:22}}}",
            "1:28 E305 `h:22` is not an IPv6 address",
        ),
        (
            "hosts: {a: {address: \"fe80::1%eth0;x\"}}",
            "1:22 E305 `fe80::1%eth0;x` is not an IPv6 address",
        ),
        (
            "hosts: {a: {address: \"[::1]:22\"}}",
            "1:22 E305 `[::1]:22` is not a bare address",
        ),
        (
            "hosts: {a: {address: \"::ffff:1.2.3.4\"}}",
            "1:22 E305 `::ffff:1.2.3.4` is not written in the canonical way",
        ),
        (
            "hosts: {a: {address: b, ssh: {address: c}}}",
            "1:40 E126 the address is set twice",
        ),
        (
            "hosts: {\"a[1-2]\": {address: b}}",
            "1:29 E308 all of `a[1-2]` would be reached at `b`",
        ),
        ("hosts: {\"a[1-\": }", "1:11 E321 `[` without `]`"),
        (
            "hosts: {\"a[0-9999999999]\": }",
            "1:10 E321 this stands for 10000000000 names, more than 100000",
        ),
        (
            "defaults: {address: b}\nhosts: {a: }",
            "1:12 E119 unknown field `address`",
        ),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn connection_settings_are_checked() {
    for (ssh, expected) in [
        (
            "user: -l",
            "1:25 E303 a user name must start with a letter or a digit",
        ),
        (
            "user: root;id",
            "1:25 E303 a user name may not hold the character `;`",
        ),
        (
            "user: \"%r\"",
            "1:25 E303 a user name may not hold the character `%`",
        ),
        ("user: \"\"", "1:25 E303 a user name may not be empty"),
        (
            "port: 0",
            "1:25 E304 `port` is 0, and must be between 1 and 65535",
        ),
        (
            "port: 65536",
            "1:25 E304 `port` is 65536, and must be between 1 and 65535",
        ),
        (
            "port: -1",
            "1:25 E304 `port` is -1, and must be between 1 and 65535",
        ),
        (
            "port: 22x",
            "1:25 E304 `port`: expected a whole number, found the text \"22x\"",
        ),
        (
            "jump: \"a,b -oX\"",
            "1:28 E302 a host name may not hold the character ` `",
        ),
        (
            "jump: \"a,-oX\"",
            "1:28 E301 a host name must start with a letter or a digit",
        ),
        (
            "jump: [a, \"b:0\"]",
            "1:29 E304 `0` is not a port between 1 and 65535",
        ),
        (
            "identityFile: \"%d/x\"",
            "1:33 E307 the path \"%d/x\" holds a character that ssh may not take literally",
        ),
        (
            "knownHosts: \"a b\"",
            "1:31 E307 the path \"a b\" holds a character that ssh may not take literally",
        ),
        (
            "options: [x]",
            "1:19 E309 `options`: an inventory holds no options of ssh",
        ),
        (
            "proxyCommand: nc",
            "1:19 E309 `proxyCommand`: an inventory holds no options of ssh",
        ),
        (
            "password: x",
            "1:19 E310 `password`: an inventory holds no secrets",
        ),
        (
            "connectTimeout: 5 min",
            "1:35 E237 \"5 min\" is not a time between 1s and 600s",
        ),
        (
            "connectTimeout: 0s",
            "1:35 E237 \"0s\" is not a time between 1s and 600s",
        ),
        ("usr: x", "1:19 E119 unknown field `usr`"),
    ] {
        check(&format!("hosts: {{a: {{ssh: {{{ssh}}}}}}}"), &[expected]);
    }
}

#[test]
fn labels_and_variables_are_checked() {
    for (fields, expected) in [
        ("labels: {a b: c}", "1:27 E322 `a b: c` is not a label"),
        ("labels: {a: \"b,c\"}", "1:25 E322 `a: b,c` is not a label"),
        (
            "labels: {rack: 12}",
            "1:28 E113 `rack` must be a text in quotes, found `12`",
        ),
        (
            "vars: {host.name: x}",
            "1:20 E323 `host.name` is not a name of a variable",
        ),
        (
            "vars: {v: 1.30}",
            "1:23 E113 `v` must be a text in quotes, found `1.30`",
        ),
        (
            "vars: {v: [1]}",
            "1:20 E120 `v`: expected a text, a whole number or true or false, found a list",
        ),
        ("become: su", "1:21 E128 `become` cannot be \"su\""),
    ] {
        check(&format!("hosts: {{a: {{{fields}}}}}"), &[expected]);
    }
}

#[test]
fn a_host_is_declared_once() {
    check(
        "hosts: {a: , \"w[1-3]\": , \"w[2-5]\": }\n---\nhosts: {a: }\n",
        &[
            "1:26 E306 host `w[2-3]` is already declared",
            "3:9 E306 host `a` is already declared",
        ],
    );
}

#[test]
fn everything_wrong_is_said_at_once() {
    check(
        "defaults: {ssh: {user: -l}}\nhosts:\n  a: {address: -V}\n  b: {ssh: {port: 0}}\n  c: {x: 1}\n",
        &[
            "1:24 E303 a user name must start with a letter or a digit",
            "3:16 E301 a host name must start with a letter or a digit",
            "4:19 E304 `port` is 0, and must be between 1 and 65535",
            "5:7 E119 unknown field `x`",
        ],
    );
}

#[test]
fn hosts_have_a_budget() {
    let text: String = (0..50).map(|n| format!("  w{n}x[0-99999]:\n")).collect();
    check(
        &format!("hosts:\n{text}"),
        &["3:3 E324 there are more than 100000 hosts"],
    );
}

#[test]
fn large_fleets_are_read_quickly() {
    let start = std::time::Instant::now();
    let text: String = (0..10_000)
        .map(|n| format!("  w{n}: {{labels: {{rack: r{}}}}}\n", n % 40))
        .collect();
    let (inventory, problems) = read_text(&format!("hosts:\n{text}"));
    assert_eq!((inventory.hosts.len(), problems.len()), (10_000, 0));
    let names: Vec<&str> = inventory
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    assert_eq!(fold(&names), "w[0-9999]");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn two_names_for_one_machine_are_told() {
    check(
        "hosts:\n  a: {address: 10.0.0.1}\n  b: {address: 10.0.0.2}\n  c: {address: 10.0.0.1}\n",
        &["4:3 W306 hosts `a,c` are all reached at 10.0.0.1"],
    );
    // The second as it is written, whatever the names.
    check(
        "hosts:\n  c: {address: 10.0.0.1}\n  a: {address: 10.0.0.1}\n",
        &["3:3 W306 hosts `a,c` are all reached at 10.0.0.1"],
    );
    check(
        "hosts:\n  a: {ssh: {port: 22}}\n  b: {address: a, ssh: {port: 22}}\n",
        &["3:3 W306 hosts `a,b` are all reached at a port 22"],
    );
    for apart in [
        "a: {address: x, ssh: {port: 2201}}\n  b: {address: x, ssh: {port: 2202}}",
        "a: {address: x, ssh: {jump: east}}\n  b: {address: x, ssh: {jump: west}}",
    ] {
        check(&format!("hosts:\n  {apart}\n"), &[]);
    }
}

#[test]
fn what_other_inventories_write_is_told_how_it_is_written_here() {
    let text = "hosts:\n  a: {ansible_host: 10.0.0.1, ansible_user: ops}\n  b: {port: 22}\n  c: 10.0.0.3\n";
    let mut sources = Sources::default();
    let source = sources.add("hosts.yaml", text);
    let mut problems = Problems::default();
    let mut hosts = Vec::new();
    for node in yaml::parse(&sources, source, &mut problems) {
        read(&sources, &node, node.span, &mut hosts, &mut problems);
    }
    let told: Vec<(&str, &str)> = problems
        .iter()
        .map(|problem| (&*problem.message, problem.help.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(
        told,
        [
            ("unknown field `ansible_host`", "write `address: …`"),
            ("unknown field `ansible_user`", "write `ssh: { user: … }`"),
            ("unknown field `port`", "write `ssh: { port: … }`"),
            (
                "`c`: expected a map, found a text",
                "write `c: { address: 10.0.0.3 }`"
            ),
        ]
    );
    check(
        "hosts: {a: {ansible_become_pass: secret}}",
        &["1:13 E310 `ansible_become_pass`: an inventory holds no secrets"],
    );
}
