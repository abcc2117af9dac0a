//! Sockets of runtimes, in one spelling.

/// Returns a socket in the form in which sockets can be compared: without its scheme, and below `/run`.
pub(crate) fn canonical(socket: &str) -> String {
    let path = socket.strip_prefix("unix://").unwrap_or(socket);
    match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path.to_owned(),
    }
}
