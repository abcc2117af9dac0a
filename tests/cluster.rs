//! Nodes of a cluster: drained before what their pods would not outlive, one at a time, and let back in. The real kubectl
//! speaks to a stand-in for an API server, and the kubelets are stand-ins; systemd, containerd and Docker are real. What a
//! kubelet would tell its API server, the tests tell it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{EXAMPLES, Lab, Ran, finish, interrupt, run, start, wait_for};

const CONFIG_MAP: &str = "kubelet-config-1.23";

const KUBELET_CONFIG: &str = "# of the platform team\nkind: KubeletConfiguration\ncgroupDriver: cgroupfs # for now\n\
                              clusterDNS: [10.96.0.10]\n";

const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";

/// A stand-in for an API server, gone when the test ends.
struct ApiServer {
    process: Child,
    kubeconfig: PathBuf,
    log: PathBuf,
}

impl ApiServer {
    /// Starts one whose cluster has these nodes, each with a pod of a ReplicaSet and one of a DaemonSet. The eviction of
    /// pods of `guarded` nodes is refused.
    fn start(lab: &Lab, nodes: &[&str], guarded: &[&str], runtime: &str) -> Self {
        Self::of(lab, &cluster(nodes, guarded, runtime))
    }

    /// Starts one with this state, as JSON.
    fn of(lab: &Lab, state: &str) -> Self {
        let state = lab.write("cluster.json", state);
        let (kubeconfig, log) = (lab.path("kubeconfig"), lab.write("cluster.log", ""));
        let process = Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../tests/lab/standins/apiserver/apiserver"
            ))
            .args([&state, &kubeconfig, &log])
            .spawn()
            .expect("python3 runs");
        let api = Self {
            process,
            kubeconfig,
            log,
        };
        wait_for("the API server listens", || {
            api.kubectl(&["get", "nodes"]).code == Some(0)
        });
        api
    }

    fn kubectl(&self, words: &[&str]) -> Ran {
        run(Command::new("kubectl")
            .args(words)
            .env("KUBECONFIG", &self.kubeconfig))
    }

    /// Says for a kubelet that it is ready, since when it runs, and which runtime it uses. The kubectl of Debian 12 cannot.
    fn tell_status(&self, node: &str, since: &str, runtime: &str) {
        let server = "jsonpath={.clusters[0].cluster.server}";
        let server = self.kubectl(&["config", "view", "-o", server]).stdout;
        let status = serde_json::json!({ "status": {
            "conditions": [{ "type": "Ready", "status": "True", "lastHeartbeatTime": since }],
            "nodeInfo": { "containerRuntimeVersion": runtime },
        } });
        let told = run(Command::new("curl")
            .args([
                "-sf",
                "-X",
                "PATCH",
                "-H",
                "Content-Type: application/merge-patch+json",
            ])
            .args(["--data", &status.to_string()])
            .arg(format!("{server}/api/v1/nodes/{node}/status")));
        assert_eq!(told.code, Some(0), "{told:#?}");
    }

    /// Returns what changed in the cluster, a word or two each.
    fn history(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let calls = log.lines().filter(|line| !line.contains("/status "));
        calls.map(word).collect()
    }

    /// Returns the cluster's configuration of kubelets.
    fn kubelet_config(&self) -> String {
        let asked = self.kubectl(&["get", "-n", "kube-system", "cm", CONFIG_MAP, "-o", "json"]);
        let map: serde_json::Value = serde_json::from_str(&asked.stdout).unwrap();
        map["data"]["kubelet"].as_str().unwrap().to_owned()
    }

    /// Changes the ConfigMap of kubelets as somebody else would.
    fn patch_kubelet_config(&self, patch: &serde_json::Value) {
        let patch = patch.to_string();
        let patched = self.kubectl(&[
            "patch",
            "-n",
            "kube-system",
            "cm",
            CONFIG_MAP,
            "--type=merge",
            "-p",
            &patch,
        ]);
        assert_eq!(patched.code, Some(0), "{patched:#?}");
    }

    fn is_cordoned(&self, node: &str) -> bool {
        let path = "jsonpath={.spec.unschedulable}";
        let asked = self.kubectl(&["get", "node", node, "-o", path]);
        assert_eq!(asked.code, Some(0), "{asked:#?}");
        asked.stdout == "true"
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if self.process.kill().is_err() || self.process.wait().is_err() {
            eprintln!("the stand-in for the API server could not be ended");
        }
    }
}

/// Says what a call to the API server did.
fn word(line: &str) -> String {
    let mut fields = line.splitn(3, ' ');
    let (_, path, rest) = (fields.next(), fields.next(), fields.next());
    let (path, rest) = (path.unwrap_or_default(), rest.unwrap_or_default());
    let node = path.rsplit('/').next().unwrap_or_default();
    match rest {
        rest if path.contains("/configmaps/") => {
            let by = if rest.contains("\"op\"") {
                "edit"
            } else {
                "somebody edits"
            };
            format!(
                "{by} {node} {}",
                rest.rsplit(' ').next().unwrap_or_default()
            )
        }
        _ if path.ends_with("/eviction") => {
            let pod = path.rsplit('/').nth(1).unwrap_or_default();
            format!(
                "evict {pod} {}",
                rest.rsplit(' ').next().unwrap_or_default()
            )
        }
        rest if rest.contains("\"unschedulable\": true") => format!("cordon {node}"),
        rest if rest.contains("\"unschedulable\": null") => format!("uncordon {node}"),
        rest if rest.contains("annotations") => format!("annotate {node}"),
        _ => line.to_owned(),
    }
}

fn cluster(nodes: &[&str], guarded: &[&str], runtime: &str) -> String {
    let node = |name: &&str| {
        format!(
            r#"{{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{name}","annotations":{{
                "kubeadm.alpha.kubernetes.io/cri-socket":"/var/run/dockershim.sock"}}}},"spec":{{}},
                "status":{{"conditions":[{{"type":"Ready","status":"True"}}],
                "nodeInfo":{{"containerRuntimeVersion":"{runtime}","kubeletVersion":"v1.23.17"}}}}}}"#
        )
    };
    let pods = |name: &&str| {
        let budget = if guarded.contains(name) { "0" } else { "1" };
        let pod = |pod: &str, space: &str, owner: &str| {
            format!(
                r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{pod}-{name}","namespace":"{space}",
                    "uid":"{pod}-{name}","annotations":{{"standin/budget":"{budget}"}},"ownerReferences":[
                    {{"apiVersion":"apps/v1","kind":"{owner}","name":"{pod}","controller":true,"uid":"{pod}"}}]}},
                    "spec":{{"nodeName":"{name}","containers":[]}},"status":{{"phase":"Running"}}}}"#
            )
        };
        format!(
            "{},{}",
            pod("web", "default", "ReplicaSet"),
            pod("cni", "kube-system", "DaemonSet")
        )
    };
    let joined = |parts: Vec<String>| parts.join(",");
    format!(
        r#"{{"nodes":[{}],"pods":[{}],
            "daemonsets":[{{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{{"name":"cni","namespace":"kube-system"}}}}],
            "configmaps":[{{"kind":"ConfigMap","apiVersion":"v1",
                "metadata":{{"name":"kubelet-config-1.23","namespace":"kube-system"}},
                "data":{{"kubelet":{}}}}}]}}"#,
        joined(nodes.iter().map(node).collect()),
        joined(nodes.iter().map(pods).collect()),
        serde_json::json!(KUBELET_CONFIG),
    )
}

/// Makes a machine a node that has joined: a stand-in for the kubelet 1.23 with these flags of kubeadm, and its files.
fn join(lab: &Lab, node: &str, flags: &str) {
    for (path, text) in [
        (
            "/usr/bin/kubelet",
            include_str!("lab/standins/kubelet-1.23/kubelet"),
        ),
        (
            "/etc/systemd/system/kubelet.service",
            include_str!("lab/standins/kubelet-1.23/kubelet.service"),
        ),
        (
            "/var/lib/kubelet/config.yaml",
            "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: cgroupfs\n",
        ),
        (FLAGS, &format!("KUBELET_KUBEADM_ARGS=\"{flags}\"\n")),
        ("/etc/kubernetes/kubelet.conf", ""),
    ] {
        let _written = lab.ask(
            node,
            &format!(
                "mkdir -p $(dirname {path}) && cat > {path} <<'a-file-ends'\n{text}a-file-ends\n"
            ),
        );
    }
    let _started = lab.ask(
        node,
        "chmod 755 /usr/bin/kubelet && systemctl daemon-reload && systemctl enable -q --now kubelet",
    );
    lab.wait_until(node, "test -s /run/kubelet/runtime");
}

/// Boots nodes that have joined a cluster, with containerd 1.6.
fn joined(nodes: &[&str]) -> Option<Lab> {
    let images: Vec<_> = nodes
        .iter()
        .map(|node| format!("{node}=bookworm-containerd"))
        .collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let lab = Lab::boot(&images)?;
    for node in nodes {
        join(&lab, node, REMOTE);
    }
    Some(lab)
}

/// Tells the API server what the kubelet of a node would, if it runs. Returns since when that runs.
fn report_status(lab: &Lab, api: &ApiServer, node: &str) -> Option<String> {
    let asked = "cat /run/kubelet/runtime && \
                 date -u -d \"$(systemctl show -P ActiveEnterTimestamp kubelet)\" +%Y-%m-%dT%H:%M:%SZ";
    let told = lab.on(node, asked).stdout;
    let (runtime, since) = told.trim().split_once('\n')?;
    api.tell_status(node, since, runtime);
    Some(since.to_owned())
}

/// Does something while the nodes tell the API server since when their kubelets run, and which runtime they use.
fn while_kubelets_report<R>(
    lab: &Lab,
    api: &ApiServer,
    nodes: &[&str],
    work: impl FnOnce() -> R,
) -> R {
    struct Ended<'a>(&'a AtomicBool);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                for node in nodes {
                    let _told = report_status(lab, api, node);
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        });
        let _ended = Ended(&ended);
        work()
    })
}

fn told(command: &mut Command, api: &ApiServer) -> Ran {
    run(command.env("KUBECONFIG", &api.kubeconfig))
}

/// Saves a plan as `plan`, which must go well.
fn planned(lab: &Lab, spec: &Path, api: &ApiServer) -> Ran {
    let mut plan = lab.hardstand("plan", spec);
    let plan = told(plan.args(["--out", "plan"]), api);
    assert_eq!(plan.code, Some(0), "{plan:#?}");
    plan
}

fn expect_nothing_left(lab: &Lab, spec: &Path, api: &ApiServer) {
    let mut plan = lab.hardstand("plan", spec);
    let again = told(plan.arg("--detailed-exitcode"), api);
    assert_eq!(again.code, Some(0), "{again:#?}");
}

const REMOTE: &str = "--container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock";

const DRIVER: &str = "cluster: { drain: { timeoutSeconds: 8 } }\nruntime: { containerd: {} }\n\
                      kubelet: { cgroupDriver: systemd }";

#[test]
fn another_driver_drains_one_node_after_the_other() {
    let Some(lab) = joined(&["a", "b"]) else {
        return;
    };
    let api = ApiServer::start(&lab, &["a", "b"], &[], "containerd://1.6.20");
    // A person cordoned b, and it stays so.
    assert_eq!(api.kubectl(&["cordon", "b"]).code, Some(0));
    let spec = lab.spec(DRIVER);
    let plan = planned(&lab, &spec, &api);
    for said in [
        "@ cordon the node",
        "@ drain the node within 8 s",
        "@ uncordon the node",
        "2 nodes drained",
        "kubelet-config-1.23",
    ] {
        assert!(plan.stdout.contains(said), "{said}: {plan:#?}");
    }
    let applied = told(lab.bare("apply").arg("plan"), &api);
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    assert_eq!(
        api.history(),
        [
            "cordon b",
            "cordon a",
            "evict web-a 201",
            "uncordon a",
            "evict web-b 201"
        ]
    );
    assert!(api.is_cordoned("b") && !api.is_cordoned("a"));
    for node in ["a", "b"] {
        assert_stopped_and_started_in_order(&lab, node);
    }
    expect_nothing_left(&lab, &spec, &api);
}

/// The kubelet was stopped, then the runtime was restarted, and then the kubelet was started.
fn assert_stopped_and_started_in_order(lab: &Lab, node: &str) {
    let times = lab.ask(
        node,
        "for p in InactiveEnter ActiveEnter; do systemctl show -P ${p}TimestampMonotonic kubelet containerd; done",
    );
    let times: Vec<u64> = times
        .split_whitespace()
        .map(|time| time.parse().unwrap())
        .collect();
    let [
        kubelet_stopped,
        containerd_stopped,
        kubelet_started,
        containerd_started,
    ] = times[..]
    else {
        panic!("{times:?}");
    };
    assert!(
        [
            kubelet_stopped,
            containerd_stopped,
            containerd_started,
            kubelet_started
        ]
        .is_sorted(),
        "{times:?}"
    );
}

/// A digest of what a change of the driver would touch on a node, and when its services were started.
const STATE: &str = "sha256sum /etc/containerd/config.toml /var/lib/kubelet/config.yaml; \
                     systemctl show -P InvocationID kubelet containerd; ls /var/lib/hardstand 2>&1; true";

fn with_edit() -> String {
    DRIVER.replace("drain:", "editKubeletConfig: true, drain:")
}

#[test]
fn the_driver_of_a_cluster_is_migrated_as_one_plan() {
    let Some(lab) = joined(&["a", "b"]) else {
        return;
    };
    let api = ApiServer::start(&lab, &["a", "b"], &[], "containerd://1.6.20");
    let spec = Path::new(EXAMPLES).join("cgroup-driver/node.yaml");
    let plan = planned(&lab, &spec, &api);
    for said in [
        "@ set cgroupDriver to systemd in the ConfigMap kube-system/kubelet-config-1.23",
        "changes nothing on nodes by itself",
        "`kubeadm upgrade node` write each node's file from it",
        "- cgroupDriver: cgroupfs # for now",
        "+ cgroupDriver: systemd # for now",
        "1 ConfigMap to edit",
        "2 nodes drained",
    ] {
        assert_eq!(plan.stdout.matches(said).count(), 1, "{said}: {plan:#?}");
    }
    assert!(!plan.stdout.contains("note:"), "{plan:#?}");
    let before = report_status(&lab, &api, "a").unwrap();
    let applied = while_kubelets_report(&lab, &api, &["a", "b"], || {
        told(lab.bare("apply").args(["plan", "--json"]), &api)
    });
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    let report: serde_json::Value = serde_json::from_str(&applied.stdout).unwrap();
    let step = &report["report"]["clusters"][0]["steps"][0];
    assert_eq!(step["outcome"], "done", "{report:#}");
    assert_eq!(step["step"]["editKubeletConfig"]["cgroupDriver"], "systemd");
    // The cluster once and first, and then one node after the other.
    let node = |name: &str| {
        [
            format!("cordon {name}"),
            format!("evict web-{name} 201"),
            format!("uncordon {name}"),
        ]
    };
    let nodes: Vec<_> = [node("a"), node("b")].concat();
    assert_eq!(
        api.history(),
        [vec![format!("edit {CONFIG_MAP} 200")], nodes].concat()
    );
    assert_eq!(
        api.kubelet_config(),
        KUBELET_CONFIG.replace("cgroupfs", "systemd")
    );
    // The cluster took the node for ready all the time. It was let back in when its new kubelet had said so.
    let log = std::fs::read_to_string(&api.log).unwrap();
    let place = |is: &dyn Fn(&str) -> bool| log.lines().position(is).unwrap();
    let anew = place(&|line| line.contains("/nodes/a/status ") && !line.contains(&before));
    assert!(anew < place(&|line| word(line) == "uncordon a"), "{log}");
    for node in ["a", "b"] {
        assert_stopped_and_started_in_order(&lab, node);
    }
    expect_nothing_left(&lab, &spec, &api);
}

#[test]
fn a_configuration_that_somebody_else_edits_is_left_alone_and_so_are_the_nodes() {
    let Some(lab) = joined(&["a"]) else {
        return;
    };
    let api = ApiServer::start(&lab, &["a"], &[], "containerd://1.6.20");
    let before = lab.ask("a", STATE);
    let spec = lab.spec(&with_edit());
    let plan = || planned(&lab, &spec, &api);
    let apply = |code: i32| {
        let applied = told(lab.bare("apply").arg("plan"), &api);
        assert_eq!(applied.code, Some(code), "{applied:#?}");
        applied.stdout
    };

    // Between plan and apply.
    let _plan = plan();
    let theirs = format!("{KUBELET_CONFIG}maxPods: 50\n");
    api.patch_kubelet_config(&serde_json::json!({ "data": { "kubelet": theirs } }));
    let stale = apply(3);
    for said in ["stale", "+maxPods: 50", "nothing was changed on the host"] {
        assert!(stale.contains(said), "{said}: {stale}");
    }
    assert_eq!(api.kubelet_config(), theirs);

    // While it is edited.
    let _plan = plan();
    let faster = format!("{theirs}# mine\n");
    api.patch_kubelet_config(
        &serde_json::json!({ "metadata": { "annotations": { "standin/faster": faster } } }),
    );
    let stale = apply(3);
    assert!(stale.contains("+# mine"), "{stale}");
    assert_eq!(api.kubelet_config(), faster);
    let somebody = format!("somebody edits {CONFIG_MAP} 200");
    let refused = format!("edit {CONFIG_MAP} 422");
    assert_eq!(
        api.history(),
        [somebody.clone(), somebody.clone(), refused.clone()]
    );
    assert_eq!(lab.ask("a", STATE), before);

    // By another run with the same plan.
    let _plan = plan();
    let done = faster.replace("cgroupfs", "systemd");
    api.patch_kubelet_config(&serde_json::json!({ "data": { "kubelet": done } }));
    let applied = apply(0);
    assert!(applied.contains("1 ConfigMap edited"), "{applied}");
    assert_eq!(
        api.history()[3..],
        [
            somebody,
            "cordon a".to_owned(),
            "evict web-a 201".to_owned(),
            "uncordon a".to_owned()
        ]
    );
    assert_eq!(api.kubelet_config(), done);
}

#[test]
fn a_cluster_that_refuses_or_cannot_be_asked_keeps_its_nodes_as_they_are() {
    let Some(lab) = joined(&["a"]) else {
        return;
    };
    let before = lab.ask("a", STATE);
    let spec = lab.spec(&with_edit());
    let state = cluster(&["a"], &[], "containerd://1.6.20");
    let forbidding = |what: &str| {
        let forbidden = format!("{{\"forbidden\":[\"{what} configmaps\"],");
        ApiServer::of(&lab, &state.replacen('{', &forbidden, 1))
    };

    let api = forbidding("patch");
    let refused = told(lab.hardstand("apply", &spec).arg("--yes"), &api);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    for said in ["was not edited", "cannot patch resource \"configmaps\""] {
        assert!(refused.stdout.contains(said), "{said}: {refused:#?}");
    }
    assert_eq!(api.history(), [format!("edit {CONFIG_MAP} 403")]);
    drop(api);

    let api = forbidding("get");
    let refused = told(lab.hardstand("apply", &spec).arg("--yes"), &api);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    let said = "it cannot be read: ";
    assert!(refused.stdout.contains(said), "{refused:#?}");
    assert_eq!(api.history(), [""; 0]);
    // Who does not ask for the edit gets the rest of the plan.
    let reading = lab.spec(DRIVER);
    let plan = planned(&lab, &reading, &api);
    for said in [
        "@ drain the node",
        "note: whether the cluster's kubelet-config",
    ] {
        assert!(plan.stdout.contains(said), "{said}: {plan:#?}");
    }
    let elsewhere =
        lab.spec(&with_edit().replace("cluster: {", "cluster: { kubectl: { context: other },"));
    let other = told(&mut lab.hardstand("plan", &elsewhere), &api);
    assert_eq!(other.code, Some(1), "{other:#?}");
    for said in ["cluster other unknown it could not be asked:", "context"] {
        assert!(flat(&other.stdout).contains(said), "{said}: {other:#?}");
    }
    let kubeconfig = api.kubeconfig.clone();
    drop(api);

    // Nobody listens any more.
    let reading = lab.spec(DRIVER);
    let run_with = |command: &mut Command| run(command.env("KUBECONFIG", &kubeconfig));
    let unasked = |ran: &Ran| {
        let said = "could not be asked: `kubectl get nodes --output=json` failed: The connection to the server 127.0.0.1";
        assert!(flat(&ran.stdout).contains(said), "{ran:#?}");
        assert!(!ran.stdout.contains("memcache.go"), "{ran:#?}");
    };
    let plan = run_with(&mut lab.hardstand("plan", &reading));
    assert_eq!(plan.code, Some(1), "{plan:#?}");
    unasked(&plan);
    let said = "its node would be drained first; nothing is planned for the host";
    assert!(flat(&plan.stdout).contains(said), "{plan:#?}");
    assert!(!plan.stdout.contains("~ containerd"), "{plan:#?}");
    let check = run_with(&mut lab.hardstand("check", &reading));
    assert_eq!(check.code, Some(1), "{check:#?}");
    unasked(&check);
    for said in ["on 1 host", "passed, 1 unknown"] {
        assert!(check.stdout.contains(said), "{said}: {check:#?}");
    }
    let harmless = lab.spec("cluster: { drain: {} }\nsysctls: { vm.swappiness: 7 }");
    let plan = run_with(&mut lab.hardstand("plan", &harmless));
    assert_eq!(plan.code, Some(0), "{plan:#?}");
    unasked(&plan);
    assert!(plan.stdout.contains("vm.swappiness"), "{plan:#?}");
    // A plan that needs the cluster, and was made while it answered.
    let applied = run_with(lab.bare("apply").arg("plan"));
    assert_eq!(applied.code, Some(4), "{applied:#?}");
    assert_eq!(lab.ask("a", STATE), before);
}

#[test]
fn a_run_that_is_interrupted_at_the_cluster_goes_on_with_the_nodes_the_next_time() {
    let Some(lab) = joined(&["a"]) else {
        return;
    };
    let api = ApiServer::start(&lab, &["a"], &[], "containerd://1.6.20");
    let before = lab.ask("a", STATE);
    let spec = lab.spec(&with_edit());
    // A kubectl that takes its time over a patch.
    let began = lab.path("began");
    let slow = format!(
        "#!/bin/sh\ncase \"$*\" in *--patch=*) touch {}; sleep 3 ;; esac\nexec /usr/bin/kubectl \"$@\"\n",
        began.display()
    );
    let kubectl = lab.write("kubectl", &slow);
    let executable = run(Command::new("chmod").arg("755").arg(&kubectl));
    assert_eq!(executable.code, Some(0), "{executable:#?}");
    let path = format!(
        "{}:/usr/sbin:/usr/bin:/sbin:/bin",
        kubectl.parent().unwrap().display()
    );
    let apply = start(
        lab.hardstand("apply", &spec)
            .arg("--yes")
            .env("PATH", path)
            .env("KUBECONFIG", &api.kubeconfig),
    );
    wait_for("the edit has begun", || began.exists());
    interrupt(&apply);
    let interrupted = finish(apply);
    assert_eq!(interrupted.code, Some(130), "{interrupted:#?}");
    for said in ["kubelet-config-1.23  done", "not started"] {
        assert!(
            interrupted.stdout.contains(said),
            "{said}: {interrupted:#?}"
        );
    }
    assert_eq!(api.history(), [format!("edit {CONFIG_MAP} 200")]);
    assert_eq!(lab.ask("a", STATE), before);

    let applied = told(lab.hardstand("apply", &spec).arg("--yes"), &api);
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    assert!(!applied.stdout.contains("ConfigMap"), "{applied:#?}");
    assert_eq!(
        api.history()[1..],
        ["cordon a", "evict web-a 201", "uncordon a"]
    );
    expect_nothing_left(&lab, &spec, &api);
}

/// Returns a text without its line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_node_that_cannot_be_drained_is_left_as_it_was() {
    let Some(lab) = joined(&["a"]) else {
        return;
    };
    let api = ApiServer::start(&lab, &["a"], &["a"], "containerd://1.6.20");
    let state = "sha256sum /etc/containerd/config.toml /var/lib/kubelet/config.yaml; \
                 systemctl show -P InvocationID kubelet containerd; cat /var/lib/hardstand/generation 2>&1";
    let before = lab.ask("a", &format!("{state}; true"));
    let spec = lab.spec(DRIVER);
    let applied = told(lab.hardstand("apply", &spec).arg("--yes"), &api);
    assert_eq!(applied.code, Some(3), "{applied:#?}");
    for said in [
        "could not be drained",
        "it is uncordoned again",
        "disruption budget",
    ] {
        assert!(applied.stdout.contains(said), "{said}: {applied:#?}");
    }
    assert_eq!(lab.ask("a", &format!("{state}; true")), before);
    assert!(!api.is_cordoned("a"));
    let history = api.history();
    assert_eq!(history.first().map(String::as_str), Some("cordon a"));
    assert!(
        history.contains(&"evict web-a 429".to_owned()),
        "{history:?}"
    );

    // What was planned is not what is there any more.
    let _plan = planned(&lab, &spec, &api);
    assert_eq!(api.kubectl(&["cordon", "a"]).code, Some(0));
    let stale = told(lab.bare("apply").arg("plan"), &api);
    assert_eq!(stale.code, Some(3), "{stale:#?}");
    assert!(
        stale.stdout.contains("+ node unschedulable=true"),
        "{stale:#?}"
    );
}

#[test]
fn a_node_that_did_not_converge_stays_cordoned_and_the_next_is_not_drained() {
    let Some(lab) = joined(&["a", "b"]) else {
        return;
    };
    // containerd starts with the old driver only.
    let _broken = lab.ask(
        "a",
        "mkdir -p /etc/systemd/system/containerd.service.d && printf '[Service]\\nExecStartPre=/bin/sh -c \"! grep -q \
         SystemdCgroup.*true /etc/containerd/config.toml\"\\n' > /etc/systemd/system/containerd.service.d/x.conf && \
         systemctl daemon-reload",
    );
    let api = ApiServer::start(&lab, &["a", "b"], &[], "containerd://1.6.20");
    let spec = lab.spec(DRIVER);
    let applied = told(lab.hardstand("apply", &spec).arg("--yes"), &api);
    assert_eq!(applied.code, Some(6), "{applied:#?}");
    for said in [
        "a is still cordoned",
        "kubectl uncordon a",
        "a was drained and did not come back",
    ] {
        assert!(applied.stdout.contains(said), "{said}: {applied:#?}");
    }
    assert_eq!(api.history(), ["cordon a", "evict web-a 201"]);
    assert!(api.is_cordoned("a"));
    // The kubelet that was paused runs again.
    lab.wait_until("a", "systemctl is-active --quiet kubelet containerd");
}

#[test]
fn docker_gives_way_to_containerd() {
    let Some(lab) = Lab::boot(&["a=bookworm-docker"]) else {
        return;
    };
    join(
        &lab,
        "a",
        "--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.6",
    );
    assert_eq!(
        lab.ask("a", "cat /run/kubelet/runtime"),
        "docker://20.10.24"
    );
    let api = ApiServer::start(&lab, &["a"], &[], "docker://20.10.24");
    let spec = Path::new(EXAMPLES).join("off-docker/node.yaml");
    let before = doctor(&lab, 0);
    for said in [
        "dockershim  in use",
        "Docker Engine 20.10",
        "v1.23.17, runs, has joined a cluster",
        "replaces: docker",
    ] {
        assert!(before.contains(said), "{said}: {before}");
    }
    let plan = planned(&lab, &spec, &api);
    assert!(plan.stdout.contains("autoremove"), "{plan:#?}");
    let applied = while_kubelets_report(&lab, &api, &["a"], || {
        told(lab.bare("apply").arg("plan"), &api)
    });
    assert_eq!(applied.code, Some(0), "{applied:#?}");
    assert_eq!(
        api.history(),
        ["cordon a", "evict web-a 201", "annotate a", "uncordon a"]
    );
    assert_eq!(
        lab.ask("a", &format!("cat {FLAGS}")),
        format!(
            "KUBELET_KUBEADM_ARGS=\"--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.6 {REMOTE}\""
        )
    );
    assert_eq!(
        lab.ask("a", "cat /run/kubelet/runtime"),
        "containerd://1.6.20"
    );
    for unit in ["docker.service", "docker.socket"] {
        let state = lab.ask(
            "a",
            &format!("systemctl show -P ActiveState -P UnitFileState {unit} | xargs"),
        );
        assert_eq!(state, "inactive disabled", "{unit}");
    }
    assert_eq!(
        lab.ask("a", "dpkg-query -W -f '${db:Status-Status}' docker.io"),
        "installed"
    );
    expect_nothing_left(&lab, &spec, &api);
    lab.lab("reboot", "a");
    // The kubelet tries until containerd listens.
    lab.wait_until("a", "test -s /run/kubelet/runtime");
    assert_eq!(
        lab.ask("a", "cat /run/kubelet/runtime"),
        "containerd://1.6.20"
    );
    expect_nothing_left(&lab, &spec, &api);
    let after = doctor(&lab, 0);
    for said in [
        "dockershim  not in use",
        "containerd 1.6.20~ds1, runs, at /run/containerd/containerd.sock",
        "Docker Engine 20.10.24+dfsg1-1",
    ] {
        assert!(after.contains(said), "{said}: {after}");
    }
    assert!(after.contains(", stopped\n"), "{after}");
}

/// Runs `hardstand doctor` on the nodes, and on those of more inventories in `more.yaml`, and expects this exit code.
fn doctor(lab: &Lab, code: i32) -> String {
    let more = lab.path("more.yaml");
    let mut doctor = lab.bare("doctor");
    doctor.arg("-i").arg(lab.inventory());
    if more.exists() {
        doctor.arg("-i").arg(more);
    }
    let told = run(&mut doctor);
    assert_eq!(told.code, Some(code), "{told:#?}");
    told.stdout
}

#[test]
fn the_doctor_needs_no_spec_and_tells_the_cure() {
    let Some(lab) = Lab::boot(&["a=trixie-containerd", "b=trixie-containerd"]) else {
        return;
    };
    let well = doctor(&lab, 0);
    for said in [
        "a,b  2 hosts",
        "Debian GNU/Linux 13",
        "systemd, cgroup",
        "containerd 1.7",
        "not in use: there is no kubelet",
    ] {
        assert!(well.contains(said), "{said}: {well}");
    }
    let _more = lab.write(
        "more.yaml",
        "apiVersion: hardstand.dev/v1alpha1\nkind: Inventory\nhosts:\n  gone: { address: 127.0.0.1, ssh: { port: 1 } }\n",
    );
    let ill = doctor(&lab, 4);
    for said in ["gone  UNREACHABLE", "3 hosts: 2 reached, 1 unreachable"] {
        assert!(ill.contains(said), "{said}: {ill}");
    }
    let _sudo = lab.ask("b", "rm /etc/sudoers.d/lab");
    let ill = doctor(&lab, 4);
    assert!(
        ill.contains("b  UNREACHABLE") && ill.contains("sudo"),
        "{ill}"
    );
}
