//! Tests of repositories.

use crate::testing::{Machine, change, compile, summary};
use engine::facts::PackageManager;
use engine::plan::{HostPlan, Verdict};
use engine::question::FileState;
use engine::step::Step;

const KEY: &str = "key: \"-----BEGIN PGP PUBLIC KEY BLOCK-----\\n\\nxxxx\\n-----END PGP PUBLIC KEY BLOCK-----\\n\"";
const OTHER_KEY: &str = "key: \"-----BEGIN PGP PUBLIC KEY BLOCK-----\\n\\nyyyy\\n-----END PGP PUBLIC KEY BLOCK-----\\n\"";

fn docker(key: &str) -> String {
    format!(
        "repositories: [{{name: docker, apt: {{uri: \"https://d.example.org/linux\", suite: bookworm, components: [stable], {key}}}}}]"
    )
}

fn debian() -> Machine {
    ["/etc/apt", "/etc/apt/keyrings", "/etc/apt/sources.list.d"]
        .iter()
        .fold(Machine::debian(), |machine, path| machine.directory(path))
}

fn red_hat() -> Machine {
    ["/etc/pki", "/etc/pki/rpm-gpg", "/etc/yum.repos.d"]
        .iter()
        .fold(Machine::debian(), |machine, path| machine.directory(path))
        .facts(|facts| facts.packages = PackageManager::Dnf)
}

/// What the steps of a plan do, in order.
fn steps(plan: &HostPlan) -> Vec<String> {
    plan.changes
        .iter()
        .flat_map(|change| &change.steps)
        .map(|step| match step {
            Step::WriteFile { path, .. } => format!("write {path}"),
            Step::RemoveFile { path, .. } => format!("remove {path}"),
            Step::CreateDirectory { path, .. } => format!("mkdir {path}"),
            Step::RefreshPackages { repository } => format!("refresh {repository}"),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn text(machine: &Machine, path: &str) -> String {
    match machine.files.get(path) {
        Some(FileState::Regular(file)) => String::from_utf8(file.content.clone().unwrap()).unwrap(),
        other => panic!("{path} is {other:?}"),
    }
}

#[test]
fn a_repository_of_apt_is_two_files_and_an_index() {
    let mut machine = debian();
    let plan = machine.converge(&docker(KEY));
    assert_eq!(
        steps(&plan),
        [
            "write /etc/apt/keyrings/docker.asc",
            "write /etc/apt/sources.list.d/docker.sources",
            "refresh docker"
        ]
    );
    assert!(
        text(&machine, "/etc/apt/sources.list.d/docker.sources").ends_with(
            "Types: deb\nURIs: https://d.example.org/linux\nSuites: bookworm\nComponents: stable\n\
             Signed-By: /etc/apt/keyrings/docker.asc\n"
        )
    );
}

#[test]
fn a_repository_of_dnf_is_two_files_and_an_index() {
    let mut machine = red_hat();
    let spec = format!(
        "repositories: [{{name: docker, rpm: {{baseUrl: \"https://d.example.org/$releasever\", {KEY}}}}}]"
    );
    let plan = machine.converge(&spec);
    assert_eq!(
        steps(&plan),
        [
            "write /etc/pki/rpm-gpg/RPM-GPG-KEY-docker",
            "write /etc/yum.repos.d/docker.repo",
            "refresh docker"
        ]
    );
    assert!(text(&machine, "/etc/yum.repos.d/docker.repo").ends_with(
        "[docker]\nname=docker\nbaseurl=https://d.example.org/$releasever\nenabled=1\ngpgcheck=1\n\
         gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker\n"
    ));
}

#[test]
fn a_directory_that_is_missing_is_made() {
    let mut machine = debian();
    machine.files.remove("/etc/apt/keyrings");
    let plan = machine.converge(&docker(KEY));
    assert_eq!(steps(&plan)[0], "mkdir /etc/apt/keyrings");
}

#[test]
fn another_key_is_planned_and_an_index_that_was_not_fetched_is_owed() {
    let mut machine = debian();
    machine.converge(&docker(KEY));
    let plan = machine.plan(&docker(OTHER_KEY));
    assert_eq!(
        steps(&plan),
        ["write /etc/apt/keyrings/docker.asc", "refresh docker"]
    );
    assert!(plan.changes[0].differences[0].attribute == "key");
    machine.indexed.clear();
    let plan = machine.converge(&docker(KEY));
    assert_eq!(steps(&plan), ["refresh docker"]);
    assert_eq!(summary(&plan), ["index/docker: package lists ->fetched"]);
}

#[test]
fn what_no_spec_names_any_more_is_removed() {
    let mut machine = debian();
    machine.converge(&docker(KEY));
    let plan = machine.converge("repositories: []");
    assert_eq!(
        steps(&plan),
        [
            "remove /etc/apt/sources.list.d/docker.sources",
            "remove /etc/apt/keyrings/docker.asc"
        ]
    );
}

#[test]
fn a_short_form_suits_both_managers() {
    for (field, apt, dnf) in [
        (
            "kubernetes",
            "URIs: https://pkgs.k8s.io/core:/stable:/v1.31/deb/\nSuites: /\nSigned-By: ",
            "baseurl=https://pkgs.k8s.io/core:/stable:/v1.31/rpm/\n",
        ),
        (
            "crio",
            "URIs: https://download.opensuse.org/repositories/isv:/cri-o:/stable:/v1.31/deb/\nSuites: /\nSigned-By: ",
            "baseurl=https://download.opensuse.org/repositories/isv:/cri-o:/stable:/v1.31/rpm/\n",
        ),
    ] {
        let spec = format!(
            "kubernetes: {{version: '1.31'}}\nrepositories: [{{name: x, {field}: {{{KEY}}}}}]"
        );
        let (mut debian, mut red_hat) = (debian(), red_hat());
        debian.converge(&spec);
        red_hat.converge(&spec);
        let source = text(&debian, "/etc/apt/sources.list.d/x.sources");
        assert!(source.contains(apt), "{source}");
        let source = text(&red_hat, "/etc/yum.repos.d/x.repo");
        assert!(source.contains(dnf), "{source}");
    }
}

#[test]
fn a_repository_of_another_manager_is_refused() {
    let plan = red_hat().plan(&docker(KEY));
    assert_eq!(
        summary(&plan),
        [
            "repository/docker Refused: `docker` is a repository of Debian packages, and this host uses dnf",
            "index/docker Unknown: it requires repository/docker, which cannot be planned"
        ]
    );
    let none = debian().facts(|facts| facts.packages = PackageManager::None);
    assert_eq!(
        none.plan(&docker(KEY)).unplanned[0].verdict,
        Verdict::Refused
    );
}

/// With two keys for one repository apt would not work at all.
#[test]
fn a_repository_that_another_file_names_is_refused() {
    let list = "/etc/apt/sources.list.d/old.list";
    for (line, refused) in [
        (
            "deb [signed-by=/x.gpg] https://d.example.org/linux/ bookworm stable",
            true,
        ),
        ("# deb https://d.example.org/linux bookworm stable", false),
        ("deb https://d.example.org/linux trixie stable", false),
        ("deb https://d.example.org/other bookworm stable", false),
    ] {
        let machine = debian().file(list, line);
        let plan = machine.plan(&docker(KEY));
        assert_eq!(!plan.unplanned.is_empty(), refused, "{line}");
        let spec = format!("files: [{{path: {list}, state: absent}}]\n{}", docker(KEY));
        let plan = machine.plan(&spec);
        assert!(plan.unplanned.is_empty(), "{line}: {:#?}", plan.unplanned);
        let order: Vec<_> = plan
            .changes
            .iter()
            .map(|change| change.resource.kind())
            .collect();
        assert_eq!(order, ["file", "repository", "index"]);
    }
}

#[test]
fn packages_wait_for_repositories_and_their_version_is_not_promised() {
    for (candidate, entry, expected) in [
        (None, "kubelet", "version ->decided when installed"),
        (Some("1.0"), "kubelet", "version ->decided when installed"),
        (None, "{name: kubelet, version: \"1.31\"}", "version ->1.31"),
    ] {
        let machine = debian().package("kubelet", |package| {
            package.candidate = candidate.map(str::to_owned);
        });
        let plan = machine.plan(&format!("packages: [{entry}]\n{}", docker(KEY)));
        let install = change(&plan, "package/kubelet");
        assert_eq!(install.verdict(), Verdict::Conditional);
        let condition = install.condition.as_deref().unwrap();
        assert!(
            condition.ends_with("the package lists of repository/docker are fetched first"),
            "{condition}"
        );
        assert_eq!(install.requires, ["index/docker".parse().unwrap()]);
        let changes = summary(&plan);
        assert_eq!(changes[2], format!("package/kubelet: {expected}"));
    }
    let mut machine = debian();
    machine.converge(&docker(KEY));
    let machine = machine.package("kubelet", |package| package.candidate = Some("1.0".into()));
    let plan = machine.plan(&format!("packages: [kubelet]\n{}", docker(KEY)));
    assert_eq!(summary(&plan), ["package/kubelet: version ->1.0"]);
    assert_eq!(plan.changes[0].condition, None);
}

/// What a runtime's configuration looks like follows from its version.
#[test]
fn a_runtime_whose_version_is_not_known_is_not_configured_blindly() {
    let machine = debian().package("docker.io", |package| {
        package.candidate = Some("26.1".into());
    });
    let spec = format!(
        "runtime: {{docker: {{}}}}\npackages: [docker.io]\n{}",
        docker(KEY)
    );
    let plan = machine.plan(&spec);
    let reasons: Vec<_> = plan.unplanned.iter().map(|u| u.reason.as_str()).collect();
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("decided when installed")),
        "{reasons:#?}"
    );
}

#[test]
fn what_is_wrong_is_told_before_any_host_is_asked() {
    let apt = |fields: &str| format!("repositories: [{{name: a, apt: {{{fields}}}}}]");
    for (spec, expected) in [
        (
            "repositories: [{name: a}]".to_owned(),
            "E280 `a` is not exactly one kind of repository",
        ),
        (
            format!("repositories: [{{name: a, kubernetes: {{{KEY}}}}}]"),
            "E281 `a` has no version to be for",
        ),
        (
            format!(
                "kubernetes: {{version: '1.23'}}\nrepositories: [{{name: a, kubernetes: {{{KEY}}}}}]"
            ),
            "E281 pkgs.k8s.io has nothing before Kubernetes 1.24",
        ),
        (
            apt(&format!(
                "uri: \"ftp://x/\", suite: a, components: [b], {KEY}"
            )),
            "E282 `ftp://x/` is not the address of a repository",
        ),
        (
            apt(&format!(
                "uri: \"https://x/a b\", suite: a, components: [b], {KEY}"
            )),
            "E282 `https://x/a b` is not the address of a repository",
        ),
        (
            apt(&format!(
                "uri: \"https://me:secret@x/\", suite: a, components: [b], {KEY}"
            )),
            "E261 the address of the repository holds a user or a password",
        ),
        (
            apt(&format!("uri: \"https://x\", suite: a, {KEY}")),
            "E282 the suite `a` has no components",
        ),
        (
            apt(&format!(
                "uri: \"https://x\", suite: \"a/\", components: [b], {KEY}"
            )),
            "E282 the suite `a/` is a path, and has no components",
        ),
        (
            apt(&format!(
                "uri: \"https://x\", suite: \"a\\nb\", components: [b], {KEY}"
            )),
            "E282 `a\\nb` is no suite",
        ),
        (
            apt("uri: \"https://x\", suite: a, components: [b]"),
            "E210 the repository has neither `key` nor `keyFile`",
        ),
        (
            apt("uri: \"https://x\", suite: a, components: [b], key: abc"),
            "E283 the key of the repository is not a public key in ASCII armour",
        ),
        (
            apt(
                "uri: \"https://x\", suite: a, components: [b], key: \"-----BEGIN PGP PRIVATE KEY BLOCK-----\"",
            ),
            "E261 the key of the repository is a private one",
        ),
        (
            format!(
                "{}\nfiles: [{{path: /etc/apt/keyrings/docker.asc, content: x}}]",
                docker(KEY)
            ),
            "E201 `/etc/apt/keyrings/docker.asc` is managed twice",
        ),
        (
            apt(&format!(
                "uri: \"https://apt.kubernetes.io/\", suite: a, components: [b], {KEY}"
            )),
            "H060 apt.kubernetes.io was frozen in 2023 and is gone since 2024",
        ),
    ] {
        let (_, complaints) = compile(&spec);
        assert_eq!(complaints, [expected], "{spec}");
    }
}
