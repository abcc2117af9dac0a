//! What is wrong with a `proxy` section before any host is asked.

use engine::diagnostic::{Diagnostic, Problems};
use engine::spec::Node;

use super::ProxySection;

/// Schemes of a proxy that the daemons understand.
const SCHEMES: [&str; 3] = ["http://", "https://", "socks5://"];

/// Complains about what the schema cannot tell.
pub(super) fn check(section: &ProxySection, node: &Node, has_units: bool, problems: &mut Problems) {
    for (field, url) in [("http", &section.http), ("https", &section.https)] {
        if let Some(url) = url {
            check_url(field, url, node, problems);
        }
    }
    let entries = node.get("no").map_or(&[][..], Node::items);
    for (index, exception) in section.no.iter().enumerate() {
        check_exception(exception, entries.get(index).unwrap_or(node), problems);
    }
    for (index, unit) in section.services.iter().enumerate() {
        if !unit.as_str().ends_with(".service") {
            let units = node.get("services").map_or(&[][..], Node::items);
            let span = units.get(index).map_or(node.span, |unit| unit.span);
            let message = format!("`{unit}` runs no process that could use a proxy");
            problems.push(Diagnostic::error("E127", span, message).help("name a `.service`"));
        }
    }
    if !has_units {
        problems.push(
            Diagnostic::error("E263", node.span, "no unit uses this proxy")
                .help("choose a runtime in `runtime`, or name units in `services` here"),
        );
    }
    let has_proxy = section.http.is_some() || section.https.is_some();
    if !has_proxy && section.environment_file.is_none() {
        problems.push(
            Diagnostic::error("E263", node.span, "this names no proxy")
                .help("set `https` and `http`, or `environmentFile`"),
        );
    } else if has_proxy {
        warn(section, node, problems);
    }
}

/// Whoever may read the spec or a plan would read the password, and so could each process on the node: the environment of
/// a unit is no secret.
fn check_url(field: &str, url: &str, node: &Node, problems: &mut Problems) {
    let span = node.span_at(&[field]);
    let rest = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme));
    let authority = rest.unwrap_or(url).split(['/', '?', '#']).next();
    if authority.is_some_and(|authority| authority.contains('@')) {
        problems.push(
            Diagnostic::error("E261", span, "a user or password of a proxy must not be in a spec")
                .help(
                    "put `HTTPS_PROXY=…` into a file on the node that only root can read, and name it in `environmentFile`",
                ),
        );
        return;
    }
    let is_host = |authority: &str| !authority.is_empty() && !authority.starts_with(':');
    let fine = |c: char| c.is_ascii_graphic() && !"\"'\\`".contains(c);
    if rest.is_none() || !authority.is_some_and(is_host) || !url.chars().all(fine) {
        problems.push(
            Diagnostic::error("E127", span, "this is not the URL of a proxy")
                .help("write it as `http://proxy.example:3128`"),
        );
    }
}

fn check_exception(exception: &str, node: &Node, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:/*[]".contains(c);
    if !exception.is_empty() && exception.chars().all(allowed) && !exception.contains("//") {
        return;
    }
    let message = format!(
        "`{}` is no host, domain, address or network",
        exception.escape_debug()
    );
    problems.push(Diagnostic::error("E127", node.span, message).help(
        "write each as an item of its own, such as `.svc` or `10.96.0.0/12`, without a scheme",
    ));
}

/// Without these, what is inside the cluster is asked through the proxy, which mostly cannot reach it.
fn warn(section: &ProxySection, node: &Node, problems: &mut Problems) {
    let no: Vec<_> = section.no.iter().map(String::as_str).collect();
    if no.contains(&"*") {
        return;
    }
    let mut missing = Vec::new();
    if !no.iter().any(|exception| exception.contains('/')) {
        missing.push("the networks of pods and services");
    }
    if !no
        .iter()
        .any(|exception| exception.trim_start_matches('.') == "svc")
    {
        missing.push("`.svc`");
    }
    if missing.is_empty() {
        return;
    }
    let message = format!(
        "`no` lacks {}, so registries inside the cluster are asked through the proxy",
        missing.join(" and ")
    );
    problems.push(
        Diagnostic::warning("W260", node.span_at(&["no"]), message).help(
            "add them, such as `no: [10.244.0.0/16, 10.96.0.0/12, .svc, .cluster.local]`, and the addresses of the nodes",
        ),
    );
}
