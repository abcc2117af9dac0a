//! Questions in their wire form, and the request that asks them.

use crate::question::Question;
use crate::shell;

use super::field::encode;
use super::{Nonce, PROBE_PROGRAM, call};

/// Returns the request that asks a host some questions. The records of `keep` are of resources that are still wanted;
/// the questions of every other receipt on the host are answered too.
pub fn probe_request(questions: &[Question], keep: &[String], nonce: &Nonce) -> Vec<u8> {
    let lines = lines(questions, keep);
    call(&PROBE_PROGRAM, nonce, "probe", &[&shell::word(&lines)], &[])
}

/// Returns the lines that a probe reads.
pub(super) fn lines(questions: &[Question], keep: &[String]) -> String {
    let mut lines = String::with_capacity(80 * (questions.len() + keep.len()));
    for record in keep {
        lines.push_str("keep ");
        lines.push_str(record);
        lines.push('\n');
    }
    for question in questions {
        write(&mut lines, question);
        lines.push('\n');
    }
    lines.push_str("end\n");
    lines
}

/// Returns a question as one line, without its end.
pub(super) fn line(question: &Question) -> String {
    let mut line = String::new();
    write(&mut line, question);
    line
}

fn write(line: &mut String, question: &Question) {
    let mut words = |kind: &str, field: &str| {
        for part in [kind, " ", &encode(field)] {
            line.push_str(part);
        }
    };
    match question {
        Question::File(path) => words("file", path.as_str()),
        Question::Files { directory, suffix } => {
            words("files", directory.as_str());
            words("", suffix);
        }
        Question::Sysctl(key) => words("sysctl", &key.proc_path()),
        Question::Module(name) => words("module", name.as_str()),
        Question::Unit(name) => words("unit", name.as_str()),
        Question::Package(name) => words("package", name.as_str()),
        Question::Installed(name) => words("installed", name.as_str()),
        Question::Repository(name) => words("repository", name.as_str()),
        Question::Containerd(path) => words("containerd", path.as_str()),
        Question::Cri(socket) => words("cri", socket.as_str()),
        Question::Limits(unit) => words("limits", unit.as_str()),
        Question::Kubelet(unit) => words("kubelet", unit.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_one_line_each() {
        let file = Question::File("/etc/a b%c".parse().unwrap());
        assert_eq!(line(&file), "file /etc/a%20b%25c");
        let sysctl = Question::Sysctl("net.ipv4.conf.eth0/100.forwarding".parse().unwrap());
        assert_eq!(line(&sysctl), "sysctl net/ipv4/conf/eth0.100/forwarding");
        let all = Question::Files {
            directory: "/etc/x.d".parse().unwrap(),
            suffix: String::new(),
        };
        assert_eq!(line(&all), "files /etc/x.d ");
        let hostile = Question::Files {
            directory: "/etc".parse().unwrap(),
            suffix: "conf\nHARDSTAND".to_owned(),
        };
        assert_eq!(line(&hostile), "files /etc conf%0aHARDSTAND");
    }

    #[test]
    fn a_request_is_the_program_and_one_call() {
        let nonce = Nonce::new([7; 16]);
        let keep = "00112233445566778899aabbccddeeff".to_owned();
        let request = probe_request(
            &[Question::Module("overlay".parse().unwrap())],
            std::slice::from_ref(&keep),
            &nonce,
        );
        let text = String::from_utf8(request).unwrap();
        let call = text.strip_prefix("{\n").unwrap();
        let call = call.strip_prefix(PROBE_PROGRAM.as_str()).unwrap();
        assert_eq!(
            call,
            format!(
                "\nhardstand_main probe {nonce} 'keep {keep}\nmodule overlay\nend\n' <<'HARDSTAND-{nonce}'\n\
                 HARDSTAND-{nonce}\nexit\n}}\n"
            )
        );
    }
}
