//! Docker Engine and cri-dockerd.

use super::*;
use crate::testing::compile;

const DOCKER: &str = "runtime: { docker: {} }";

fn with(docker: &str, cri_dockerd: &str) -> Machine {
    let install = |version: &str| {
        let version = version.to_owned();
        move |package: &mut engine::question::PackageState| package.installed = Some(version)
    };
    Machine::debian()
        .package("docker-ce", install(docker))
        .package("cri-dockerd", install(cri_dockerd))
        .unit("docker.service", &[])
}

#[test]
fn apis_that_do_not_fit_are_found_on_hosts() {
    let message = "cri-dockerd 0.3.15 speaks API 1.43 to Docker, and Docker Engine 29.0.1 wants 1.44 at least";
    let machine = with("5:29.0.1-1~debian.13~trixie", "0.3.15~3-0~debian-bookworm");
    assert_eq!(
        only("H021", &machine, DOCKER),
        [format!("Error Stays {message}")]
    );
    let any = "kubernetes: { version: '1.31' }";
    assert_eq!(
        only("H021", &machine, any),
        [format!("Warning Stays {message}")]
    );
    assert_eq!(only("H021", &machine, "runtime: { crio: {} }"), [""; 0]);
    assert_eq!(only("H021", &with("5:29.0.1", "0.3.16"), DOCKER), [""; 0]);
    assert_eq!(
        unknown("H021", &with("moby", "0.3.16"), DOCKER).as_deref(),
        Some("`moby` is no version of docker-ce that can be read")
    );
    let upgraded = "packages: [{ name: cri-dockerd, version: 0.3.20 }]\nruntime: { docker: {} }";
    assert_eq!(
        only("H021", &machine, upgraded),
        [format!("Error Mended {message}")]
    );
}

#[test]
fn a_floor_that_is_lowered_is_no_fault() {
    let machine = || with("5:29.0.1-1~debian.13~trixie", "0.3.15~3-0~debian-bookworm");
    let configured = |text: &str| machine().file("/etc/docker/daemon.json", text);
    let lowered = configured("{ \"min-api-version\": \"1.24\" }");
    assert_eq!(only("H021", &lowered, DOCKER), [""; 0]);
    assert_eq!(lowered.plan(DOCKER).checks.refusal(), None);
    let by_unit = machine().file(
        "/etc/systemd/system/docker.service",
        "[Service]\nEnvironment=DOCKER_MIN_API_VERSION=1.43\nExecStart=/usr/bin/dockerd\n",
    );
    assert_eq!(only("H021", &by_unit, DOCKER), [""; 0]);
    for kept in ["{}", "", "{ \"min-api-version\": \"1.44\" }"] {
        assert_eq!(only("H021", &configured(kept), DOCKER).len(), 1, "{kept}");
    }
    for hostile in ["{", "{ \"min-api-version\": \"\\u001b[2J\" }"] {
        assert!(
            unknown("H021", &configured(hostile), DOCKER).is_some(),
            "{hostile}"
        );
    }
}

#[test]
fn apis_that_do_not_fit_are_found_in_the_spec() {
    let spec = |docker: &str, cri_dockerd: &str| {
        format!(
            "packages: [{{ name: docker-ce, version: '{docker}' }}, {{ name: cri-dockerd, version: '{cri_dockerd}' }}]\n\
             runtime: {{ docker: {{ criDockerd: {{}} }} }}"
        )
    };
    let (_, complaints) = compile(&spec("5:29.0.1", "0.3.15"));
    assert_eq!(
        complaints,
        [
            "H021 cri-dockerd 0.3.15 speaks API 1.43 to Docker, and Docker Engine 29.0.1 wants 1.44 at least"
        ]
    );
    let (_, complaints) = compile(&spec("5:29.0.1", "0.3.20"));
    assert_eq!(complaints, [""; 0]);
}

#[test]
fn an_option_in_file_and_unit_stops_dockerd() {
    let unit = "/usr/lib/systemd/system/docker.service";
    let machine = |json: &str| {
        with("5:28.0.0", "0.3.20")
            .file(unit, "[Service]\nExecStart=/usr/bin/dockerd -H fd:// $OPTIONS\nEnvironmentFile=-/etc/default/docker\n")
            .file("/etc/default/docker", "OPTIONS=--log-opt=max-size=1m\n")
            .directory("/etc/docker")
            .file("/etc/docker/daemon.json", json)
    };
    let twice = machine("{\n  \"hosts\": [\"fd://\"],\n  \"log-opts\": {}\n}\n");
    assert_eq!(
        only("H022", &twice, DOCKER),
        [
            "Error Stays /etc/docker/daemon.json:2 sets `hosts`, and `--host` in /usr/lib/systemd/system/docker.service:2 does \
             too: dockerd does not start with both",
            "Error Stays /etc/docker/daemon.json:3 sets `log-opts`, and `--log-opt` in /etc/default/docker:1 does too: dockerd \
             does not start with both",
        ]
    );
    let any = only("H022", &twice, "kubelet: { cgroupDriver: systemd }");
    assert!(any[0].starts_with("Warning Stays"), "{any:?}");
    assert_eq!(
        only("H022", &machine("{ \"debug\": true }"), DOCKER),
        [""; 0]
    );
    assert_eq!(only("H022", &with("5:28.0.0", "0.3.20"), DOCKER), [""; 0]);
    let drop_in = "services: [{ name: docker.service, dropIns: { x: \"[Service]\\nExecStart=\\nExecStart=/usr/bin/dockerd\\n\" } }]\n";
    let mended = only(
        "H022",
        &twice,
        &format!("{drop_in}kubelet: {{ cgroupDriver: systemd }}"),
    );
    assert!(
        mended
            .iter()
            .all(|found| found.starts_with("Warning Mended"))
            && mended.len() == 2,
        "{mended:?}"
    );
    for text in ["", "{", "[]", "\u{1b}", "{\"a\": 1, \"a\": 2}"] {
        let _no_panic = only("H022", &machine(text), DOCKER);
    }
    assert!(unknown("H022", &machine("{"), DOCKER).is_some());
}
