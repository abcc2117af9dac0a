//! Reads what a container runtime said over the CRI: gRPC answers as curl prints them, or the output of crictl.
//!
//! Only the fields that are read are named, with the numbers they have in the published `runtime.v1` API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::Value;

use crate::question::{CriCgroupDriver, CriCondition, CriRuntime, CriRuntimeConfig, CriState};
use crate::untrusted::escape_up_to;

/// How much of what was said is worth showing.
const SHOWN: usize = 300;

/// gRPC's status for a service or method that is not there.
const UNIMPLEMENTED: u32 = 12;

/// Exit status of a curl to which nobody answered the door.
const COULD_NOT_CONNECT: u8 = 7;

/// Reads the words of an answer after its socket; none if it is no answer.
pub(super) fn read(words: &[&str]) -> Option<CriState> {
    Some(match words {
        ["absent"] => CriState::Absent,
        ["other"] => CriState::NotASocket,
        ["denied"] => CriState::Denied,
        ["unasked"] => CriState::Unasked,
        ["curl", said] => read_curl(&Said::decode(said)?),
        ["crictl", version, status, config] => read_crictl(
            &Said::decode(version)?,
            &Said::decode(status)?,
            &Said::decode(config)?,
        ),
        _ => return None,
    })
}

/// All that a command printed, and its exit status.
#[derive(Debug)]
struct Said {
    output: Vec<u8>,
    status: u8,
}

impl Said {
    /// Reads a field: the output in base64, and after it a line with the status.
    fn decode(field: &str) -> Option<Self> {
        let mut output = STANDARD.decode(field).ok()?;
        let end = output.iter().rposition(|byte| *byte == b'\n')?;
        let status = std::str::from_utf8(&output[end + 1..]).ok()?.parse().ok()?;
        output.truncate(end);
        Some(Self { output, status })
    }

    /// Returns the last line, for people.
    fn last_line(&self) -> String {
        let output = self.output.trim_ascii_end();
        match output.rsplit(|byte| *byte == b'\n').next() {
            Some(line) if !line.is_empty() => escape_up_to(line, SHOWN),
            Some(_) | None => format!("it said nothing and ended with {}", self.status),
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- messages

#[derive(Clone, PartialEq, Message)]
struct VersionResponse {
    #[prost(string, tag = "2")]
    runtime_name: String,
    #[prost(string, tag = "3")]
    runtime_version: String,
    #[prost(string, tag = "4")]
    runtime_api_version: String,
}

#[derive(Clone, PartialEq, Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<RuntimeStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct RuntimeStatus {
    #[prost(message, repeated, tag = "1")]
    conditions: Vec<RuntimeCondition>,
}

#[derive(Clone, PartialEq, Message)]
struct RuntimeCondition {
    #[prost(string, tag = "1")]
    r#type: String,
    #[prost(bool, tag = "2")]
    status: bool,
    #[prost(string, tag = "3")]
    reason: String,
    #[prost(string, tag = "4")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct RuntimeConfigResponse {
    #[prost(message, optional, tag = "1")]
    linux: Option<LinuxRuntimeConfiguration>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxRuntimeConfiguration {
    /// `SYSTEMD` is zero, so a field that is absent means systemd.
    #[prost(int32, tag = "1")]
    cgroup_driver: i32,
}

// ----------------------------------------------------------------------------------------------------------------- curl

/// Reads the answers to `Version`, `Status` and `RuntimeConfig`.
fn read_curl(said: &Said) -> CriState {
    let mut rest = &said.output[..];
    let version: VersionResponse = match call(&mut rest) {
        Ok(version) => version,
        Err(_) if said.status == COULD_NOT_CONNECT => return CriState::Refused,
        Err(CallError::Status {
            code: UNIMPLEMENTED,
            message,
        }) => {
            return CriState::NotServed(message);
        }
        Err(CallError::Status { code, message }) => {
            return CriState::Failed(format!("{message} (gRPC status {code})"));
        }
        Err(CallError::Garbled) => return CriState::Failed(said.last_line()),
    };
    let status: Option<StatusResponse> = call(&mut rest).ok();
    let conditions = status
        .and_then(|response| response.status)
        .map_or_else(Vec::new, |status| status.conditions);
    let condition = |name: &str| {
        let condition = conditions
            .iter()
            .find(|condition| condition.r#type == name)?;
        Some(CriCondition {
            holds: condition.status,
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        })
    };
    CriState::Answers(CriRuntime {
        name: version.runtime_name,
        version: version.runtime_version,
        api_version: version.runtime_api_version,
        runtime_ready: condition("RuntimeReady"),
        network_ready: condition("NetworkReady"),
        config: match call::<RuntimeConfigResponse>(&mut rest) {
            Ok(config) => driver(config.linux.map(|linux| linux.cgroup_driver)),
            Err(CallError::Status {
                code: UNIMPLEMENTED,
                ..
            }) => CriRuntimeConfig::NotImplemented,
            Err(CallError::Status { message, .. }) => CriRuntimeConfig::Untold(message),
            Err(CallError::Garbled) => CriRuntimeConfig::Untold(said.last_line()),
        },
    })
}

fn driver(number: Option<i32>) -> CriRuntimeConfig {
    match number {
        Some(0) => CriRuntimeConfig::Driver(CriCgroupDriver::Systemd),
        Some(1) => CriRuntimeConfig::Driver(CriCgroupDriver::Cgroupfs),
        Some(other) => CriRuntimeConfig::Untold(format!("it names the cgroup driver {other}")),
        None => CriRuntimeConfig::Untold("it names no cgroup driver".to_owned()),
    }
}

/// Why a call has no result.
#[derive(Debug)]
enum CallError {
    /// gRPC says so.
    Status { code: u32, message: String },
    /// It is no answer in gRPC.
    Garbled,
}

/// Reads the next answer, head, body and trailers, and moves behind it.
fn call<T: Message + Default>(rest: &mut &[u8]) -> Result<T, CallError> {
    let (head, body) = head(rest).ok_or(CallError::Garbled)?;
    if let Some(error) = failure(head) {
        // An answer without a body has its trailers in its head.
        *rest = body;
        return Err(error);
    }
    let (message, tail) = message(body).ok_or(CallError::Garbled)?;
    let trailers = trailers(tail);
    *rest = &tail[trailers.len()..];
    if let Some(error) = failure(trailers) {
        return Err(error);
    }
    if fields(trailers).all(|(name, _)| name != "grpc-status") {
        return Err(CallError::Garbled);
    }
    T::decode(message).map_err(|_| CallError::Garbled)
}

/// Cuts off a head, which begins with `HTTP/2 200` and ends with an empty line.
fn head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const END: &[u8] = b"\r\n\r\n";
    if !bytes.starts_with(b"HTTP/2 200") {
        return None;
    }
    let end = bytes.windows(END.len()).position(|window| window == END)?;
    Some((&bytes[..end], &bytes[end + END.len()..]))
}

/// Cuts off a message that is not compressed: a zero, four bytes of length, and as many bytes.
fn message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = bytes.split_first_chunk::<5>()?;
    let [0, length @ ..] = *prefix else {
        return None;
    };
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(length)).ok()?)
}

/// Returns the trailers: all up to the next head. curl prints no empty line after them.
fn trailers(bytes: &[u8]) -> &[u8] {
    const NEXT: &[u8] = b"\nHTTP/";
    let next = bytes.windows(NEXT.len()).position(|window| window == NEXT);
    &bytes[..next.map_or(bytes.len(), |next| next + 1)]
}

fn fields(lines: &[u8]) -> impl Iterator<Item = (String, String)> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    })
}

/// Returns the failure that head or trailers tell of.
fn failure(lines: &[u8]) -> Option<CallError> {
    let field = |wanted: &str| fields(lines).find(|(name, _)| name == wanted);
    let (_, code) = field("grpc-status")?;
    let message = field("grpc-message").map_or_else(String::new, |(_, message)| message);
    match code.parse() {
        Ok(0) => None,
        Ok(code) => Some(CallError::Status {
            code,
            message: escape_up_to(&percent_decoded(&message), SHOWN),
        }),
        Err(_) => Some(CallError::Garbled),
    }
}

/// gRPC encodes messages by percent signs; what is not so encoded stays.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| *first == b'%');
        let byte =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    bytes
}

// --------------------------------------------------------------------------------------------------------------- crictl

/// Reads the output of `version`, which is lines `Name:  value`, and of `info` and `runtime-config`, which is JSON.
fn read_crictl(version: &Said, status: &Said, config: &Said) -> CriState {
    if version.status != 0 {
        let last_line = version.last_line();
        return match last_line.contains("code = Unimplemented") {
            true => CriState::NotServed(last_line),
            false => CriState::Failed(last_line),
        };
    }
    let field = |wanted: &str| {
        let found = fields(&version.output).find(|(name, _)| name == wanted);
        found.map_or_else(String::new, |(_, value)| value)
    };
    let info = json(status);
    let condition = |name: &str| {
        let conditions = info.as_ref()?.pointer("/status/conditions")?.as_array()?;
        let condition = conditions
            .iter()
            .find(|condition| condition["type"] == name)?;
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        Some(CriCondition {
            holds: condition["status"].as_bool()?,
            reason: text("reason"),
            message: text("message"),
        })
    };
    CriState::Answers(CriRuntime {
        name: field("runtimename"),
        version: field("runtimeversion"),
        api_version: field("runtimeapiversion"),
        runtime_ready: condition("RuntimeReady"),
        network_ready: condition("NetworkReady"),
        config: crictl_config(config),
    })
}

fn crictl_config(said: &Said) -> CriRuntimeConfig {
    let Some(config) = json(said) else {
        let last_line = said.last_line();
        return match last_line.contains("code = Unimplemented") {
            true => CriRuntimeConfig::NotImplemented,
            false => CriRuntimeConfig::Untold(last_line),
        };
    };
    let named = config
        .pointer("/linux/cgroupDriver")
        .and_then(Value::as_str);
    match named {
        Some("SYSTEMD") => driver(Some(0)),
        Some("CGROUPFS") => driver(Some(1)),
        Some(_) | None => driver(None),
    }
}

/// Returns the JSON that a command printed, after warnings if there are any.
fn json(said: &Said) -> Option<Value> {
    let start = said.output.iter().position(|byte| *byte == b'{')?;
    let value = serde_json::from_slice(&said.output[start..]).ok()?;
    (said.status == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What curl 7.88 to 8.23 printed on nodes with Debian's containerd.
    const CONTAINERD_1_6: &str = include_str!("testdata/cri-1.6.b64");
    const CONTAINERD_1_7: &str = include_str!("testdata/cri-1.7.b64");
    const CONTAINERD_2_1_CGROUPFS: &str = include_str!("testdata/cri-2.1-cgroupfs.b64");
    const CONTAINERD_2_1_SYSTEMD: &str = include_str!("testdata/cri-2.1-systemd.b64");
    const FAILED_PLUGIN: &str = include_str!("testdata/cri-failed-plugin.b64");
    const REFUSED: &str = include_str!("testdata/cri-refused.b64");
    const DBUS: &str = include_str!("testdata/cri-dbus.b64");

    fn curl(field: &str) -> CriState {
        read(&["curl", field.trim_end()]).unwrap()
    }

    fn runtime(state: CriState) -> CriRuntime {
        match state {
            CriState::Answers(runtime) => runtime,
            other => panic!("it answers: {other:?}"),
        }
    }

    fn said(output: &[u8], status: u8) -> String {
        STANDARD.encode([output, format!("\n{status}").as_bytes()].concat())
    }

    #[test]
    fn runtimes_are_read_as_they_describe_themselves() {
        use CriCgroupDriver::{Cgroupfs, Systemd};
        let none = CriRuntimeConfig::NotImplemented;
        for (field, version, config) in [
            (CONTAINERD_1_6, "1.6.20~ds1", none.clone()),
            (CONTAINERD_1_7, "1.7.24~ds1", none),
            (
                CONTAINERD_2_1_CGROUPFS,
                "2.1.9+unknown",
                CriRuntimeConfig::Driver(Cgroupfs),
            ),
            (
                CONTAINERD_2_1_SYSTEMD,
                "2.1.9+unknown",
                CriRuntimeConfig::Driver(Systemd),
            ),
        ] {
            let runtime = runtime(curl(field));
            assert_eq!(
                (
                    runtime.name.as_str(),
                    runtime.version.as_str(),
                    runtime.api_version.as_str()
                ),
                ("containerd", version, "v1")
            );
            assert!(runtime.runtime_ready.unwrap().holds, "{version}");
            let network = runtime.network_ready.unwrap();
            assert!(!network.holds, "{version}");
            assert_eq!(network.reason, "NetworkPluginNotReady");
            assert!(network.message.contains("cni plugin not initialized"));
            assert_eq!(runtime.config, config, "{version}");
        }
    }

    #[test]
    fn what_is_no_runtime_is_told_apart() {
        let not_served = "unknown service runtime.v1.RuntimeService".to_owned();
        assert_eq!(curl(FAILED_PLUGIN), CriState::NotServed(not_served));
        assert_eq!(curl(REFUSED), CriState::Refused);
        let CriState::Failed(why) = curl(DBUS) else {
            panic!("D-Bus speaks no HTTP/2");
        };
        assert!(why.starts_with("curl: (5"), "{why}");
        for (words, state) in [
            (["absent"], CriState::Absent),
            (["other"], CriState::NotASocket),
            (["denied"], CriState::Denied),
            (["unasked"], CriState::Unasked),
        ] {
            assert_eq!(read(&words), Some(state));
        }
        let timed_out = CriState::Failed("it said nothing and ended with 124".to_owned());
        assert_eq!(curl(&said(b"", 124)), timed_out);
        let starting = b"HTTP/2 200 \r\ngrpc-status: 14\r\ngrpc-message: not%20yet%1b\r\n\r\n";
        let starting = curl(&said(starting, 0));
        assert_eq!(
            starting,
            CriState::Failed("not yet\\x1b (gRPC status 14)".to_owned())
        );
        for words in [
            &["curl"][..],
            &["curl", "?"],
            &["curl", "MA=="],
            &["sure"],
            &[],
        ] {
            assert_eq!(read(words), None, "{words:?}");
        }
    }

    #[test]
    fn a_runtime_that_falls_silent_after_its_version_still_has_one() {
        let output = STANDARD.decode(CONTAINERD_1_7.trim_end()).unwrap();
        let next = trailers(&output[40..]).len() + 40;
        let cut = [&output[..next], b"curl: (28) Operation timed out\n"].concat();
        let runtime = runtime(curl(&said(&cut, 28)));
        assert_eq!(runtime.version, "1.7.24~ds1");
        assert_eq!(runtime.runtime_ready, None);
        let why = "curl: (28) Operation timed out".to_owned();
        assert_eq!(runtime.config, CriRuntimeConfig::Untold(why));
    }

    #[test]
    fn cut_or_flipped_bytes_never_panic() {
        for field in [CONTAINERD_1_6, CONTAINERD_2_1_SYSTEMD, FAILED_PLUGIN] {
            let output = STANDARD.decode(field.trim_end()).unwrap();
            for index in 0..output.len() {
                drop(curl(&said(&output[..index], 0)));
                for flip in [0x01, 0x10, 0x20, 0x80, 0xff] {
                    let mut output = output.clone();
                    output[index] ^= flip;
                    drop(read(&["curl", &STANDARD.encode(output)]));
                }
            }
        }
    }

    #[test]
    fn crictl_is_read_too() {
        let version = "Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  v2.1.9\nRuntimeApiVersion:  v1\n";
        let info = "time=\"now\" level=warning msg=\"x\"\n{\"status\":{\"conditions\":[{\"type\":\"RuntimeReady\",\
                    \"status\":true,\"reason\":\"\",\"message\":\"\"}]}}\n";
        let config = "{\n  \"linux\": {\n    \"cgroupDriver\": \"SYSTEMD\"\n  }\n}\n";
        let old =
            "FATA[0000] rpc error: code = Unimplemented desc = unknown method RuntimeConfig\n";
        let read = |version: &str, status, config: &str, config_status| {
            let version = said(version.as_bytes(), status);
            let config = said(config.as_bytes(), config_status);
            read(&["crictl", &version, &said(info.as_bytes(), 0), &config]).unwrap()
        };
        let answered = runtime(read(version, 0, config, 0));
        assert_eq!(
            (
                answered.name.as_str(),
                answered.version.as_str(),
                answered.api_version.as_str()
            ),
            ("containerd", "v2.1.9", "v1")
        );
        assert!(answered.runtime_ready.unwrap().holds);
        assert_eq!(answered.network_ready, None);
        assert_eq!(
            answered.config,
            CriRuntimeConfig::Driver(CriCgroupDriver::Systemd)
        );
        let older = runtime(read(version, 0, old, 1));
        assert_eq!(older.config, CriRuntimeConfig::NotImplemented);
        assert!(matches!(read(old, 1, config, 0), CriState::NotServed(_)));
        assert!(
            matches!(read("FATA no\n", 1, config, 0), CriState::Failed(why) if why == "FATA no")
        );
    }
}
