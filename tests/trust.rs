//! Nodes that cannot be reached, trusted or asked: each with its own words, and without blocking the others.

use crate::support::{Lab, Ran, run};

/// Plans both nodes with a change to how `a` is reached; `b` must be planned all the same.
fn plan_with(lab: &Lab, defaults: &str, a: &str) -> Ran {
    let address = |node: &str| {
        lab.ask(
            node,
            "ip -4 -o addr show host0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'",
        )
    };
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let common = inventory
        .lines()
        .find(|line| line.contains("identityFile"))
        .unwrap();
    let ssh = common
        .trim()
        .trim_start_matches("ssh: {")
        .trim_end_matches('}')
        .trim();
    let mixed = lab.write(
        "mixed.yaml",
        &format!(
            "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\ndefaults:\n  ssh: {{ {ssh} }}\n  become: sudo\n{defaults}\
             hosts:\n  a: {{ ssh: {{ address: {}{a} }} }}\n  b: {{ ssh: {{ address: {} }} }}\n",
            address("a"),
            address("b"),
        ),
    );
    let spec = lab.spec("sysctls: { net.ipv4.ip_forward: 1 }");
    run(lab.bare("plan").arg("-f").arg(spec).arg("-f").arg(mixed))
}

fn expect_unreachable(planned: &Ran, words: &str) {
    assert_eq!(planned.code, Some(4), "{planned:#?}");
    assert!(
        planned.stdout.contains("net.ipv4.ip_forward"),
        "the other node is planned: {planned:#?}"
    );
    assert!(
        planned.stdout.contains(words),
        "wanted {words:?}: {planned:#?}"
    );
    assert!(!planned.stdout.contains('\u{1b}'), "{planned:#?}");
}

#[test]
fn every_way_not_to_get_in_has_its_own_words() {
    let Some(lab) = Lab::boot(&["a=trixie", "b=trixie"]) else {
        return;
    };
    let empty = lab.write("empty_known_hosts", "");
    let other = run(std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(lab.path("other")));
    assert_eq!(other.code, Some(0), "{other:#?}");
    let key = std::fs::read_to_string(lab.path("other.pub")).unwrap();
    let address = lab.ask(
        "a",
        "ip -4 -o addr show host0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'",
    );
    let changed = lab.write("changed_known_hosts", &format!("a,{address} {key}"));

    for (a, words) in [
        (format!(", knownHosts: {}", empty.display()), "host key"),
        (format!(", knownHosts: {}", changed.display()), "changed"),
        (", port: 2".to_owned(), "refused"),
        (
            format!(", identityFile: {}", lab.path("other").display()),
            "authentication",
        ),
        (", user: nosudo".to_owned(), "sudo"),
        (", user: fishy".to_owned(), "shell"),
        (", user: noisy".to_owned(), "welcome to this node"),
    ] {
        expect_unreachable(&plan_with(&lab, "", &a), words);
    }

    // The inventory of the last one is still there: what is asked of it ends alike.
    let mut purge = lab.bare("purge");
    let purged = run(purge.arg("-i").arg(lab.path("mixed.yaml")).arg("--yes"));
    assert_eq!(purged.code, Some(4), "{purged:#?}");
    assert!(purged.stdout.contains("b     purged"), "{purged:#?}");
}
