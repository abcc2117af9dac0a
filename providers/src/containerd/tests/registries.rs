//! Registries: what is written for them, and what is wrong with them before any host is asked.

use engine::step::Step;

use crate::testing::{Machine, compile, compile_at, written};

const DOCKER_IO: &str = "/etc/containerd/certs.d/docker.io/hosts.toml";

fn spec(registries: &str) -> String {
    format!("runtime: {{containerd: {{registries: {{{registries}}}}}}}")
}

fn host() -> Machine {
    Machine::debian()
        .directory("/etc/containerd")
        .unit("containerd.service", &[])
}

#[test]
fn hosts_are_written_in_the_order_in_which_they_are_tried() {
    let all = "docker.io: {\
        server: 'https://registry-1.docker.io', \
        hosts: [\
        {url: 'https://z.example:5000', capabilities: [pull, resolve], ca: /etc/ssl/z.pem, skipVerify: false},\
        {url: 'http://a.example/v2/hub', overridePath: true, header: {x-region: 'e\"u', x-a: b}}]}";
    for (registries, path, expected) in [
        (
            all,
            DOCKER_IO,
            "server = \"https://registry-1.docker.io\"\n\n\
             [host.\"https://z.example:5000\"]\n\
             capabilities = [\"pull\", \"resolve\"]\n\
             ca = \"/etc/ssl/z.pem\"\n\
             skip_verify = false\n\n\
             [host.\"http://a.example/v2/hub\"]\n\
             override_path = true\n\n\
             [host.\"http://a.example/v2/hub\".header]\n\
             x-a = \"b\"\n\
             x-region = 'e\"u'\n",
        ),
        (
            "_default: {hosts: [{url: 'https://m.example'}]}",
            "/etc/containerd/certs.d/_default/hosts.toml",
            "[host.\"https://m.example\"]\n",
        ),
        (
            "'r.example:5000': {server: 'http://r.example:5000'}",
            "/etc/containerd/certs.d/r.example:5000/hosts.toml",
            "server = \"http://r.example:5000\"\n",
        ),
    ] {
        let plan = host().plan(&spec(registries));
        let text = written(&plan, path);
        let (_header, text) = text.split_once('\n').unwrap();
        assert_eq!(text, expected);
        assert!(text.parse::<toml_edit::DocumentMut>().is_ok());
    }
}

#[test]
fn registries_are_files_that_nothing_restarts_for() {
    let spec = spec("docker.io: {hosts: [{url: 'https://m.example'}]}");
    let plan = host().plan(&spec);
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|c| c.resource.to_string())
        .collect();
    assert_eq!(
        changes,
        [
            "directory//etc/containerd/certs.d",
            "directory//etc/containerd/certs.d/docker.io",
            &format!("file/{DOCKER_IO}"),
        ]
    );
    for step in plan.changes.iter().flat_map(|change| &change.steps) {
        match step {
            Step::WriteFile { owes, .. } => assert_eq!(owes[..], []),
            Step::CreateDirectory { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn containerd_is_told_where_they_are() {
    let config_path = |fields: &str| {
        let (graph, complaints) = compile(&format!("runtime: {{containerd: {{{fields}}}}}"));
        assert_eq!(complaints, [""; 0], "{fields}");
        let config = graph
            .nodes()
            .find(|node| node.id.kind() == "containerd")
            .unwrap();
        let desired = config.resource.desired();
        let line = desired
            .lines()
            .find(|line| line.starts_with("registryConfigPath"));
        line.unwrap().to_owned()
    };
    const ONE: &str = "registries: {docker.io: {server: 'https://x.example'}}";
    assert!(config_path("").ends_with("None"));
    assert!(config_path("registries: {}").ends_with("None"));
    assert!(config_path(ONE).contains("/etc/containerd/certs.d"));
    assert!(config_path(&format!("{ONE}, registryConfigPath: /etc/r")).contains("/etc/r"));
}

#[test]
fn the_directory_may_come_with_the_package() {
    let registries = "registries: {docker.io: {server: 'https://x.example'}}";
    let host = Machine::debian().package("containerd", |package| {
        package.candidate = Some("1.7.24-1".into());
    });
    let spec = format!("runtime: {{containerd: {{package: containerd, {registries}}}}}");
    let plan = host.plan(&spec);
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|c| c.resource.to_string())
        .collect();
    assert_eq!(changes[0], "package/containerd", "{changes:?}");
    assert!(
        changes.contains(&format!("file/{DOCKER_IO}")),
        "{changes:?}"
    );
    // Without the package nothing brings it.
    let plan = host.plan(&format!("runtime: {{containerd: {{{registries}}}}}"));
    assert!(
        plan.unplanned
            .iter()
            .any(|unplanned| unplanned.reason == "the directory `/etc/containerd` does not exist"),
        "{plan:#?}"
    );
}

#[test]
fn an_authority_is_put_beside_the_hosts() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
        ("other.pem", "-----BEGIN CERTIFICATE-----\nBBBB\n"),
        ("key.pem", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n"),
        ("empty.pem", ""),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let name = directory.path().join("spec.yaml");
    let compiled = |hosts: &str| {
        let spec = spec(&format!("docker.io: {{hosts: [{hosts}]}}"));
        compile_at(name.to_str().unwrap(), &spec)
    };
    let (graph, complaints) = compiled(
        "{url: 'https://m.example:5000/v2/a', ca: ca.pem}, {url: 'https://m.example:5000/v2/b', ca: ca.pem}",
    );
    assert_eq!(complaints, [""; 0]);
    let ids: Vec<_> = graph.nodes().map(|node| node.id.to_string()).collect();
    let certificate = "file//etc/containerd/certs.d/docker.io/m.example_5000.crt";
    let at = |id: &str| ids.iter().position(|known| known == id).unwrap();
    assert!(
        at(certificate) < at(&format!("file/{DOCKER_IO}")),
        "{ids:?}"
    );
    for (hosts, expected) in [
        (
            "{url: 'https://m.example', ca: ca.pem}, {url: 'https://m.example/b', ca: other.pem}",
            "E266 one host has two certificate authorities",
        ),
        (
            "{url: 'https://m.example', ca: key.pem}",
            "E261 `key.pem` holds a private key",
        ),
        (
            "{url: 'https://m.example', ca: empty.pem}",
            "E127 `empty.pem` holds no certificate",
        ),
        (
            "{url: 'https://m.example', ca: ../ca.pem}",
            "E211 `../ca.pem` must be a relative path that stays below the directory of the spec",
        ),
    ] {
        assert_eq!(compiled(hosts).1, [expected], "{hosts}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (registries, expected) in [
        (
            "docker.io: {}",
            &["E265 nothing is said of `docker.io`"][..],
        ),
        (
            "'https://docker.io': {server: 'https://x.example'}",
            &["E127 `https://docker.io` is not the name of a registry"],
        ),
        (
            "'..': {server: 'https://x.example'}",
            &["E127 `..` is not the name of a registry"],
        ),
        (
            "registry-1.docker.io: {server: 'https://x.example'}",
            &[
                "W265 containerd does not look for `registry-1.docker.io`: images of Docker Hub are on `docker.io`",
            ],
        ),
        (
            "r.example: {server: r.example, hosts: [{url: 'ftp://x'}, {url: 'https:///v2'}]}",
            &["E127 this is not the URL of a registry"],
        ),
        (
            "r.example: {hosts: [{url: 'https://u:p@m.example'}]}",
            &["E261 a user or password of a registry must not be in a spec"],
        ),
        (
            "r.example: {hosts: [{url: 'https://m.example'}, {url: 'https://m.example'}]}",
            &["E105 `hosts` lists this twice"],
        ),
        (
            "r.example: {hosts: [{url: 'https://m.example', header: {Authorization: x, 'a b': c}}]}",
            &[
                "E127 `a b` is not a header",
                "E261 the header `Authorization` carries credentials",
            ],
        ),
    ] {
        assert_eq!(compile(&spec(registries)).1, expected, "{registries}");
    }
    let twice = format!(
        "{}\nfiles: [{{path: {DOCKER_IO}, content: x}}]",
        spec("docker.io: {server: 'https://x.example'}")
    );
    assert_eq!(
        compile(&twice).1,
        [format!("E201 `file/{DOCKER_IO}` is managed twice")]
    );
}
