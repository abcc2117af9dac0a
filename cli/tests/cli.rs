//! The binary as scripts see it: exit codes, and what goes to stdout and what to stderr.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use engine::plan::{Inputs, PLAN_FORMAT, Plan, Unreachable, Via};
use engine::source::InputDocument;

fn hardstand(directory: &Path, line: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardstand"));
    command.args(line).current_dir(directory).env_clear();
    command.output().unwrap()
}

fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout: {out}\nstderr: {err}"
    );
    assert!(
        out.contains(stdout) && (!stdout.is_empty() || out.is_empty()),
        "stdout: {out}"
    );
    assert!(
        err.contains(stderr) && (!stderr.is_empty() || err.is_empty()),
        "stderr: {err}"
    );
}

#[test]
fn usage_errors_exit_64() {
    let directory = tempfile::tempdir().unwrap();
    for line in [
        &["plam"][..],
        &[],
        &["plan", "--detailed-exitcode", "--no-such-flag"],
        &["plan", "-j", "0"],
        &["plan", "--timeout", "10"],
        &["plan", "--shard", "3/2"],
        &["plan", "--shard", "0/2"],
        &["apply", "plan.json", "-f", "site.yaml"],
    ] {
        check(&hardstand(directory.path(), line), 64, "", "--help");
    }
}

#[test]
fn help_and_version_are_results() {
    let directory = tempfile::tempdir().unwrap();
    check(
        &hardstand(directory.path(), &["--help"]),
        0,
        "143  interrupted",
        "",
    );
    check(
        &hardstand(directory.path(), &["apply", "--help"]),
        0,
        "hardstand apply plan.json",
        "",
    );
    check(&hardstand(directory.path(), &["-V"]), 0, "hardstand ", "");
    check(
        &hardstand(directory.path(), &["completions", "bash"]),
        0,
        "_hardstand",
        "",
    );
}

/// Returns a saved plan of one host that could not be reached.
fn saved_plan() -> String {
    plan_without(&["node01"])
}

/// Returns a saved plan of hosts that could not be reached.
fn plan_without(hosts: &[&str]) -> String {
    let inventory = InputDocument {
        name: "hosts.yaml".to_owned(),
        text: format!("{HEAD}Inventory\nhosts: {{ 'node[01-02]': {{}} }}\n"),
    };
    let unreachable = hosts.iter().map(|host| Unreachable {
        host: host.parse().unwrap(),
        reason: "\u{1b}[31mno route".to_owned(),
    });
    let plan = Plan {
        format: PLAN_FORMAT.to_owned(),
        tool: "0.1.0".to_owned(),
        via: Via::Ssh,
        shard: None,
        inputs: Inputs {
            documents: vec![inventory],
            ..Inputs::default()
        },
        clusters: Vec::new(),
        hosts: Vec::new(),
        unreachable: unreachable.collect(),
    };
    String::from_utf8(plan.to_bytes()).unwrap()
}

#[test]
fn a_saved_plan_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.json"), saved_plan()).unwrap();
    let shown = hardstand(directory.path(), &["show", "plan.json"]);
    check(
        &shown,
        0,
        "node01  UNREACHABLE  \\x1b[31mno route\n\nNothing was planned; 1 host unreachable.\n",
        "sha256",
    );
    let shown = hardstand(directory.path(), &["show", "--json", "-q", "plan.json"]);
    check(&shown, 0, "\"unreachable\": 1", "");
    let shown = hardstand(
        directory.path(),
        &["show", "--color", "always", "-q", "plan.json"],
    );
    check(&shown, 0, "\x1b[1mnode01\x1b[0m", "");
}

#[test]
fn what_is_not_a_plan_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let plan = saved_plan();
    let damaged = plan.replace("\"hosts\"", "\"hots\"");
    let edited = plan.replace("node01", "node02");
    let newer = plan.replace("plan/v2", "plan/v9\\u001b[2J");
    let wrapped = format!("{{\"plan\":{plan},\"exitCode\":0}}");
    let doubled = format!("{plan}{plan}");
    for (text, code, complaint) in [
        (damaged.as_str(), 3, "damaged"),
        (&plan[..90], 3, "damaged"),
        (edited.as_str(), 3, "its digest is not that of its content"),
        ("apiVersion: hardstand.dev/v1alpha1\n", 3, "given with -f"),
        ("", 3, "damaged"),
        (doubled.as_str(), 3, "damaged"),
        (newer.as_str(), 3, "`hardstand.dev/plan/v9\\x1b[2J`"),
        (wrapped.as_str(), 3, "--out"),
    ] {
        fs::write(directory.path().join("plan.json"), text).unwrap();
        check(
            &hardstand(directory.path(), &["show", "plan.json"]),
            code,
            "",
            complaint,
        );
    }
    let large = fs::File::create(directory.path().join("large.json")).unwrap();
    large.set_len(65 * 1024 * 1024).unwrap();
    check(
        &hardstand(directory.path(), &["show", "large.json"]),
        3,
        "",
        "larger than 64 MiB",
    );
    check(
        &hardstand(directory.path(), &["show", "none.json"]),
        1,
        "",
        "because: No such file",
    );
    check(
        &hardstand(directory.path(), &["show", "."]),
        1,
        "",
        "cannot read the plan",
    );
}

#[test]
fn the_environment_sets_flags() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.json"), saved_plan()).unwrap();
    let show = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardstand"));
        command
            .args(["show", "plan.json"])
            .current_dir(directory.path())
            .env_clear();
        command
            .env("HARDSTAND_QUIET", "1")
            .env(name, value)
            .output()
            .unwrap()
    };
    check(&show("HARDSTAND_JSON", "1"), 0, "\"exitCode\": 0", "");
    check(&show("HARDSTAND_JSON", "0"), 0, "Nothing was planned", "");
    check(&show("CLICOLOR_FORCE", "1"), 0, "\x1b[1mnode01", "");
    check(&show("HARDSTAND_COLOR", "sometimes"), 64, "", "sometimes");
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardstand"));
    command
        .args(["completions", "zsh"])
        .current_dir(directory.path())
        .env_clear();
    let output = command.stdout(full).output().unwrap();
    check(
        &output,
        1,
        "",
        "error: cannot write to stdout\n  because: No space left",
    );
}

#[test]
fn what_is_asked_for_as_json_is_json() {
    let directory = tempfile::tempdir().unwrap();
    let spec = |key: &str| {
        format!(
            "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {{ name: a }}\n\
             spec: {{ hosts: all, {key}: {{ net.ipv4.ip_forward: 1 }} }}\n"
        )
    };
    fs::write(directory.path().join("good.yaml"), spec("sysctls")).unwrap();
    fs::write(directory.path().join("bad.yaml"), spec("sysctl")).unwrap();
    let json = |line: &[&str], code: i32| -> serde_json::Value {
        let output = hardstand(directory.path(), line);
        assert_eq!(output.status.code(), Some(code), "{line:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let valid = json(&["validate", "--json", "good.yaml"], 0);
    assert_eq!(
        (&valid["valid"], &valid["specs"]),
        (&true.into(), &1.into())
    );
    let invalid = json(&["validate", "--json", "bad.yaml"], 1);
    assert_eq!(invalid["diagnostics"][0]["code"], "E119");
    assert_eq!(invalid["diagnostics"][0]["at"]["line"], 4);
    assert_eq!(invalid["exitCode"], 1);
    let missing = json(&["apply", "--json", "none.json"], 1);
    assert_eq!(
        missing["error"]["message"],
        "cannot read the plan none.json"
    );
    assert!(
        missing["error"]["causes"][0]
            .as_str()
            .unwrap()
            .contains("No such file")
    );
    assert_eq!(missing["exitCode"], 1);
    let graph = json(&["graph", "--json", "good.yaml"], 0);
    assert_eq!(graph["edges"][0]["edge"], "requires");
}

const HEAD: &str = "apiVersion: hardstand.dev/v1alpha1\nkind: ";

#[test]
fn all_that_is_wrong_is_told_at_once_and_hosts_are_listed_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(directory.path().join(name), format!("{HEAD}{text}")).unwrap();
    };
    write(
        "spec.yaml",
        "NodeSpec\nmetadata: { name: a }\nspec:\n  hosts: all\n  sysctls: { vm.swappiness: \"${level}\" }\n  modulez: [overlay]\n",
    );
    write(
        "hosts.yaml",
        "Inventory\nhosts: { n1: { address: 10.0.0.1 }, n2: { vars: { level: 1 } } }\n",
    );
    let files = ["-f", "spec.yaml", "-f", "hosts.yaml"];
    let both = |output: &Output| {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        for code in ["E119", "E240"] {
            assert!(told.contains(code), "{code}: {told}");
        }
    };
    let run = |command: &str, more: &[&str]| {
        let line: Vec<_> = [&[command][..], &files, more].concat();
        hardstand(directory.path(), &line)
    };
    let validated = run("validate", &[]);
    check(&validated, 1, "", "on host `n1`");
    both(&validated);
    let limited = run("validate", &["-l", "n2"]);
    let told = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert!(told.contains("E119") && !told.contains("E240"), "{told}");

    let listed = run("inventory", &[]);
    check(&listed, 1, "10.0.0.1", "E119");
    both(&listed);
    // Hosts that cannot be read are not left out in silence.
    write(
        "hosts.yaml",
        "Inventory\nhosts: { n1: { adress: 10.0.0.1 }, n2: }\n",
    );
    check(&run("inventory", &[]), 1, "", "adress");
}

#[test]
fn a_file_that_only_a_runtime_asks_for_need_not_be_managed_twice() {
    let directory = tempfile::tempdir().unwrap();
    let helps = |more: &str| {
        let spec = format!(
            "{HEAD}NodeSpec\nmetadata: {{ name: x }}\nspec:\n  hosts: all\n  runtime: {{ crio: {{}} }}\n{more}  files:\n  \
             - {{ path: /etc/sysctl.d/99-zz-hardstand.conf, content: x }}\n"
        );
        fs::write(directory.path().join("spec.yaml"), spec).unwrap();
        let output = hardstand(directory.path(), &["validate", "spec.yaml"]);
        check(&output, 1, "", "error[E201]");
        String::from_utf8_lossy(&output.stderr).contains("`prerequisites: false` in `runtime.crio`")
    };
    assert!(helps(""));
    assert!(helps("  modules: [loop]\n"));
    assert!(!helps("  sysctls: { vm.swappiness: 1 }\n"));
}

const MIXED: &str = "\
apiVersion: hardstand.dev/v1alpha1
kind: Inventory
defaults: { ssh: { connectTimeout: 1s }, become: sudo }
hosts:
  lin.invalid: { labels: { os: linux } }
  win[1-2].invalid: { os: windows, labels: { os: windows } }
---
apiVersion: hardstand.dev/v1alpha1
kind: NodeSpec
metadata: { name: every-node }
spec: { hosts: all, kubernetes: { version: '1.31' }, runtime: { containerd: {} } }
---
apiVersion: hardstand.dev/v1alpha1
kind: NodeSpec
metadata: { name: linux-node }
spec: { hosts: os=linux, modules: [overlay] }
";

#[test]
fn a_fleet_with_windows_hosts_is_compiled_without_them() {
    let directory = tempfile::tempdir().unwrap();
    let run = |line: &[&str]| hardstand(directory.path(), line);
    fs::write(directory.path().join("site.yaml"), MIXED).unwrap();
    let valid = "Valid: 2 NodeSpecs, 3 hosts, 2 different graphs.\n";
    check(&run(&["validate", "-f", "site.yaml"]), 0, valid, "");
    let graph = &["graph", "-f", "site.yaml", "--limit", "win1.invalid"];
    let file = r"containerd/C:\Program Files\containerd\config.toml";
    check(&run(graph), 0, file, "");
    let planned = run(&["plan", "-q", "-f", "site.yaml"]);
    check(&planned, 4, "win1.invalid  UNREACHABLE", "");
    // The section is about Linux, and so is the runtime's default, which is why only one of them is an error.
    let both = MIXED.replace("hosts: os=linux", "hosts: all");
    fs::write(directory.path().join("site.yaml"), both).unwrap();
    let complaint = "error[E331]: `modules` is for Linux, and `win1.invalid` runs Windows";
    check(&run(&["validate", "-f", "site.yaml"]), 1, "", complaint);
}

#[test]
fn shards_are_parts_of_the_inventory() {
    let directory = tempfile::tempdir().unwrap();
    let inventory =
        "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  node[1-10]: {}\n";
    fs::write(directory.path().join("i.yaml"), inventory).unwrap();
    let hosts = |shard: &str| {
        let line = [
            "inventory",
            "-i",
            "i.yaml",
            "-l",
            "node[1-9]",
            "--shard",
            shard,
        ];
        let output = hardstand(directory.path(), &line);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let words = text
            .split_whitespace()
            .filter(|word| word.starts_with("node"));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(hosts("1/2"), ["node1", "node2", "node3", "node4"]);
    assert_eq!(hosts("2/2"), ["node5", "node6", "node7", "node8", "node9"]);
}

#[test]
fn a_shard_without_hosts_is_a_plan_of_none() {
    let directory = tempfile::tempdir().unwrap();
    let text = "apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: { name: x }\nspec: { hosts: all }\n---\n\
                apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  a: {}\n  b: {}\n";
    fs::write(directory.path().join("hardstand.yaml"), text).unwrap();
    let shard = ["--shard", "1/3"];
    let planned = hardstand(
        directory.path(),
        &[&["plan", "--json"], &shard[..]].concat(),
    );
    check(&planned, 0, "\"shard\": \"1/3\"", "");
    check(&planned, 0, "\"hosts\": []", "");
    check(
        &hardstand(
            directory.path(),
            &[&["validate", "--json"], &shard[..]].concat(),
        ),
        0,
        "\"shard\": \"1/3\"",
        "",
    );
}

/// `UPDATE_GOLDEN=1` writes the expected specs anew.
#[test]
fn the_least_spec_of_each_runtime_is_filled_in() {
    let directory = tempfile::tempdir().unwrap();
    for (runtime, section) in [
        ("containerd", "containerd: {}"),
        ("crio", "crio: {}"),
        ("docker", "docker: { criDockerd: {} }"),
        ("mirantis", "mirantis: { criDockerd: {} }"),
    ] {
        let spec = format!(
            "{HEAD}NodeSpec\nmetadata: {{ name: least }}\nspec:\n  hosts: all\n  kubernetes: {{ version: \"1.31\" }}\n  \
             runtime: {{ {section} }}\n  kubelet: {{}}\n"
        );
        fs::write(directory.path().join("hardstand.yaml"), spec).unwrap();
        let shown = hardstand(directory.path(), &["show", "--effective"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let golden = golden.join(format!("effective.{runtime}.yaml"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &shown).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(shown, expected, "{runtime}");
        fs::write(directory.path().join("effective.yaml"), shown).unwrap();
        let valid = hardstand(directory.path(), &["validate", "effective.yaml"]);
        check(&valid, 0, "Valid", "");
    }
}

#[test]
fn a_field_is_explained_with_and_without_spec() {
    let directory = tempfile::tempdir().unwrap();
    let explain = |topic: &str| hardstand(directory.path(), &["explain", topic]);
    for topic in [
        "spec.runtime.containerd.sandboxImage",
        "runtime.containerd.sandboxImage",
    ] {
        for said in [
            "type      text",
            "default   the one that fits `kubernetes.version`",
            "example   `registry.k8s.io/pause:3.10`",
            "changes   keys of `configFile`",
            "disrupts  containerd restarts",
        ] {
            check(&explain(topic), 0, said, "");
        }
    }
    check(&explain("spec.sysctls"), 0, "<name>.min  whole number", "");
    check(&explain("spec"), 0, "runtime  map", "");
    check(&explain("H012"), 0, "# H012", "");
    check(&explain("E217"), 0, "E217  A service is masked", "");
    check(&explain("E217"), 0, "help: Keep one of the two", "");
    check(&explain("E999"), 64, "", "there is no code E999");
    let like = "did you mean `spec.files.mode`?";
    check(&explain("files.moed"), 64, "", like);
    check(&explain("H999"), 64, "", "there is no check H999");
}

#[test]
fn an_effective_spec_is_a_spec_that_says_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    for (runtime, pause) in [
        (
            "containerd",
            "sandboxImage: \"registry.k8s.io/pause:3.10\"  # default: the pause image that kubeadm",
        ),
        (
            "crio",
            "pauseImage: \"registry.k8s.io/pause:3.10\"  # default: the pause image that kubeadm",
        ),
        ("docker", "configFile: /etc/docker/daemon.json  # default: "),
    ] {
        let spec = format!(
            "{HEAD}NodeSpec\nmetadata: {{ name: a }}\nspec:\n  hosts: all\n  kubernetes: {{ version: \"1.31\" }}\n  \
             runtime: {{ {runtime}: {{}} }}\n  kubelet: {{}}\n  files: [{{ path: /etc/x, content: \"a: 'b'\\n# c\\n\" }}]\n"
        );
        write("hardstand.yaml", &spec);
        let shown = hardstand(directory.path(), &["show", "--effective"]);
        let driver = "cgroupDriver: systemd  # default: systemd is the init system";
        for expected in [
            driver,
            pause,
            "version: \"1.31\"  # hardstand.yaml:6",
            "that of `runtime.",
        ] {
            check(&shown, 0, expected, "");
        }
        let graph = |path: &str| {
            let output = hardstand(directory.path(), &["graph", "--json", "-f", path]);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let graph: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let nodes = graph["nodes"].as_array().unwrap().iter();
            let names = nodes.map(|node| node["resource"].clone());
            (names.collect::<Vec<_>>(), graph["edges"].clone())
        };
        let before = graph("hardstand.yaml");
        assert!(before.0.len() > 3 && !before.0[0].is_null(), "{before:?}");
        write("effective.yaml", &String::from_utf8(shown.stdout).unwrap());
        assert_eq!(graph("effective.yaml"), before);
        // Nothing is left to fill in.
        let line = ["show", "--effective", "-f", "effective.yaml"];
        let again = hardstand(directory.path(), &line);
        let again = String::from_utf8(again.stdout).unwrap();
        assert!(!again.contains("# default"), "{again}");
    }
}

#[test]
fn a_saved_plan_is_shown_for_the_hosts_that_are_meant() {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan_without(&["node01", "node02"]);
    fs::write(directory.path().join("plan.json"), plan).unwrap();
    let shown = hardstand(
        directory.path(),
        &["show", "-q", "plan.json", "-l", "node02"],
    );
    check(&shown, 0, "node02  UNREACHABLE", "");
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("node01"));
    for extra in [["-f", "x.yaml"], ["--host", "node01"]] {
        let line = [&["show", "plan.json"][..], &extra].concat();
        let refused = hardstand(directory.path(), &line);
        check(&refused, 64, "", "Usage: hardstand show");
    }
}

#[test]
fn what_a_plan_cannot_be_saved_to_is_refused_before_anything_is_read() {
    let directory = tempfile::tempdir().unwrap();
    for (path, complaint) in [
        ("-", "--json"),
        ("/dev/null", "not a regular file"),
        ("none/plan.json", "directory does not exist"),
    ] {
        let planned = hardstand(directory.path(), &["plan", "--out", path]);
        check(&planned, 64, "", complaint);
    }
}

#[test]
fn somebody_new_is_told_what_to_name() {
    let directory = tempfile::tempdir().unwrap();
    let planned = hardstand(directory.path(), &["plan"]);
    check(&planned, 1, "", "-f spec.yaml -i inventory.yaml");
    let text = "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts: {node1: {}}\n";
    fs::write(directory.path().join("inventory.yaml"), text).unwrap();
    for command in ["plan", "check"] {
        let done = hardstand(directory.path(), &[command, "-i", "inventory.yaml"]);
        check(&done, 1, "", "there is no NodeSpec");
    }
}

#[test]
fn a_host_that_does_not_exist_is_named_as_it_was_given() {
    let directory = tempfile::tempdir().unwrap();
    let text = "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts: {node1: {}}\n---\n\
                apiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {name: a}\n\
                spec: {hosts: all, swap: off}\n";
    fs::write(directory.path().join("site.yaml"), text).unwrap();
    for command in [&["graph"][..], &["show", "--effective"]] {
        let line = [command, &["-f", "site.yaml", "--host", "node7"]].concat();
        let shown = hardstand(directory.path(), &line);
        check(
            &shown,
            64,
            "",
            "there is no host `node7`\nhint: did you mean `node1`?",
        );
    }
}

#[test]
fn specs_of_different_hosts_are_valid_without_an_inventory() {
    let directory = tempfile::tempdir().unwrap();
    let spec = |name: &str, hosts: &str, runtime: &str| {
        format!(
            "---\napiVersion: hardstand.dev/v1alpha1\nkind: NodeSpec\nmetadata: {{name: {name}}}\n\
             spec: {{hosts: {hosts}, kubernetes: {{version: \"1.31\"}}, runtime: {{{runtime}: {{}}}}}}\n"
        )
    };
    let both = spec("a", "old*", "crio") + &spec("b", "new*", "containerd");
    fs::write(directory.path().join("site.yaml"), both).unwrap();
    let line = ["validate", "-f", "site.yaml"];
    let valid = "Valid: 2 NodeSpecs, 0 hosts, 2 different graphs.\n";
    check(&hardstand(directory.path(), &line), 0, valid, "");
    let wrong = spec("a", "old*", "crio") + &spec("b", "new*", "containerd").replace("1.31", "131");
    fs::write(directory.path().join("site.yaml"), wrong).unwrap();
    check(
        &hardstand(directory.path(), &line),
        1,
        "",
        "`131` is not a minor version",
    );
}
