//! The kubelet's command line: every flag with the file and line that it comes from.
//!
//! A flag wins over every file, and it may hide in the unit, in a drop-in, or in a file of variables that either of them
//! names. What is read here is what systemd would start next, not the process that runs. Start with [`Arguments`]; [`removed`]
//! finds the flags that a kubelet no longer knows, and so does not start with.
//!
//! [`removed`]: Arguments::removed

use std::sync::LazyLock;

use engine::name::AbsPath;
use engine::question::{Question, Unanswered};
use engine::reading::{Outlook, Reading};

use crate::confdir::Fragment;
use crate::runtime::{KubernetesVersion, kubelet};
use crate::section::constant_path;
use crate::unitfile::{self, UnitText, Word, text_at};

/// Files of variables that units of the kubelet read: of kubeadm, of Debian's and of RPM packages, of Kubespray, of EKS, and
/// the host's own.
const ENVIRONMENT_FILES: [&str; 6] = [
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/kubernetes/kubelet.env",
    "/etc/eks/kubelet/environment",
    "/etc/environment",
];

/// What stands in for the unit where there is none yet: kubeadm's drop-in, in which the packages of Kubernetes agree.
static USUAL_UNIT: LazyLock<UnitText> = LazyLock::new(|| {
    let text = "\
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
EnvironmentFile=-/etc/sysconfig/kubelet
ExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
";
    UnitText::of(&[Fragment {
        path: "kubeadm".into(),
        text: text.into(),
    }])
});

/// Flags that later kubelets do not know, with the minor version that removed them. A kubelet that is given one exits.
const REMOVED: [(&str, u32); 11] = [
    ("cni-bin-dir", 24),
    ("cni-cache-dir", 24),
    ("cni-conf-dir", 24),
    ("docker-endpoint", 24),
    ("experimental-dockershim-root-directory", 24),
    ("image-pull-progress-deadline", 24),
    ("network-plugin", 24),
    ("network-plugin-mtu", 24),
    ("non-masquerade-cidr", 24),
    ("container-runtime", 27),
    ("pod-infra-container-image", 35),
];

/// Flags that take no word after them.
const SWITCHES: [&str; 2] = ["fail-swap-on", "protect-kernel-defaults"];

/// The flags that the kubelet is started with, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    flags: Vec<Flag>,
    has_unit: bool,
    unread: Option<String>,
}

/// A flag on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// Its name without dashes, such as `cgroup-driver`.
    pub(crate) name: String,
    /// Its value; none for a switch that stands alone.
    pub(crate) value: Option<String>,
    /// Where it is written, as `file:line`.
    pub(crate) place: String,
}

/// A flag that the kubelet of a version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removed<'a> {
    /// The flag, and where it hides.
    pub(crate) flag: &'a Flag,
    /// The minor version of Kubernetes that removed it.
    pub(crate) since: u32,
}

/// Returns what must be asked to know the command line.
pub(crate) fn questions() -> Vec<Question> {
    let mut questions = unitfile::questions(&kubelet());
    questions.extend(environment_files().map(Question::File));
    questions
}

/// Returns the files that may change the command line, and the directories of such files.
pub(crate) fn places() -> (Vec<AbsPath>, Vec<AbsPath>) {
    (
        environment_files().collect(),
        unitfile::drop_in_directories(&kubelet()).collect(),
    )
}

impl Reading for Arguments {
    /// Reads the command line as it will be once what was proposed is done.
    fn read(outlook: &Outlook<'_>) -> Result<Self, Unanswered> {
        let unit = unitfile::read(&kubelet(), outlook)?;
        let mut files = Vec::new();
        for path in environment_files() {
            if let Some(text) = text_at(&path, outlook)? {
                files.push(Fragment {
                    path: path.to_string().into(),
                    text: text.into(),
                });
            }
        }
        Ok(Self::of(unit.as_ref(), &files))
    }
}

impl Arguments {
    /// Returns the command line that a unit and some files of variables make up. Without a unit, it is what kubeadm's would be.
    pub(crate) fn of(unit: Option<&UnitText>, files: &[Fragment<'_>]) -> Self {
        let text = unit.unwrap_or(&USUAL_UNIT);
        let mut arguments = Self {
            flags: Vec::new(),
            has_unit: unit.is_some(),
            unread: None,
        };
        let Some(command) = text.command(files) else {
            arguments.unread = Some("the unit of the kubelet starts nothing".to_owned());
            return arguments;
        };
        let mut words = command.words.into_iter();
        if let Some(program) = words.next()
            && !is_kubelet(&program.text)
        {
            arguments.unread = Some(format!(
                "{} starts {}, and what that starts the kubelet with was not read",
                program.place,
                program.text.escape_debug()
            ));
        }
        // A file that was not read may set any of the variables.
        if let Some(used) = command.variables.last()
            && let Some(file) = unread_file(text)
        {
            arguments.unread = Some(format!(
                "{} uses {}, which the file {} may set, and that was not read: {} names it",
                used.place, used.text, file.text, file.place
            ));
        }
        arguments.flags = flags(words);
        arguments
    }

    /// Whether there is a unit, so that the flags are those of a kubelet and not of the one that is yet to come.
    pub(crate) fn has_unit(&self) -> bool {
        self.has_unit
    }

    /// Returns all flags, in their order.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &Flag> {
        self.flags.iter()
    }

    /// Returns the flag of a name that wins: the last one.
    pub(crate) fn last(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().rev().find(|flag| flag.name == name)
    }

    /// Returns the flags of a name, in their order.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Flag> {
        self.flags.iter().filter(move |flag| flag.name == name)
    }

    /// Returns why there may be flags that are not known here; none if these are all.
    pub(crate) fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// Returns the flags that the kubelet of a version does not know, by their exact names, each as often as it is given.
    pub(crate) fn removed(&self, kubernetes: KubernetesVersion) -> Vec<Removed<'_>> {
        self.flags
            .iter()
            .filter_map(|flag| {
                let since = removed_since(&flag.name)?;
                (since <= kubernetes.minor()).then_some(Removed { flag, since })
            })
            .collect()
    }
}

/// Returns the minor version of Kubernetes that removed a flag, by its exact name.
pub(crate) fn removed_since(flag: &str) -> Option<u32> {
    REMOVED
        .iter()
        .find(|(name, _)| *name == flag)
        .map(|(_, since)| *since)
}

fn environment_files() -> impl Iterator<Item = AbsPath> {
    ENVIRONMENT_FILES.into_iter().map(constant_path)
}

/// Whether a program is the kubelet, whatever systemd is told before its name.
fn is_kubelet(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    let name = name.trim_start_matches(['-', '@', ':', '+', '!']);
    name == "kubelet" || name == "hyperkube"
}

/// Returns the first file of variables that a unit names and that nobody asked about.
fn unread_file(unit: &UnitText) -> Option<Word> {
    unit.assignments("Service", "EnvironmentFile")
        .into_iter()
        .map(|named| Word {
            text: named.value.trim_start_matches('-').to_owned(),
            place: named.place,
        })
        .find(|named| !ENVIRONMENT_FILES.contains(&named.text.as_str()))
}

/// Returns the flags among some words. The kubelet takes `_` for `-` in their names.
fn flags(words: impl Iterator<Item = Word>) -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut words = words.peekable();
    while let Some(Word { text, place }) = words.next() {
        let Some(long) = text.strip_prefix("--") else {
            continue;
        };
        if long.is_empty() {
            break;
        }
        let (name, mut value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let name = name.replace('_', "-");
        if value.is_none() && !SWITCHES.contains(&name.as_str()) {
            value = words
                .next_if(|next| !next.text.starts_with('-'))
                .map(|next| next.text);
        }
        flags.push(Flag { name, value, place });
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "/usr/lib/systemd/system/kubelet.service";
    const KUBEADM: &str = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
    const FLAGS_ENV: &str = "/var/lib/kubelet/kubeadm-flags.env";
    const DEFAULTS: &str = "/etc/default/kubelet";

    fn fragments(texts: &[(&str, &str)]) -> Vec<Fragment<'static>> {
        texts
            .iter()
            .map(|(path, text)| Fragment {
                path: (*path).to_owned().into(),
                text: (*text).to_owned().into(),
            })
            .collect()
    }

    fn arguments(unit: &[(&str, &str)], files: &[(&str, &str)]) -> Arguments {
        let unit = UnitText::of(&fragments(unit));
        Arguments::of(Some(&unit), &fragments(files))
    }

    /// Returns the flags as `name=value@place`.
    fn shown(arguments: &Arguments) -> Vec<String> {
        arguments
            .flags
            .iter()
            .map(|Flag { name, value, place }| match value {
                Some(value) => format!("{name}={value}@{place}"),
                None => format!("{name}@{place}"),
            })
            .collect()
    }

    #[test]
    fn a_command_line_is_read_as_systemd_reads_it() {
        for (name, unit, expected) in [
            (
                "both forms",
                "ExecStart=/usr/bin/kubelet --a=1 --b 2 --c",
                &["a=1@u:2", "b=2@u:2", "c@u:2"][..],
            ),
            (
                "a switch takes no word",
                "ExecStart=/usr/bin/kubelet --fail-swap-on x",
                &["fail-swap-on@u:2"],
            ),
            (
                "quotes",
                "ExecStart=-/usr/bin/kubelet \"--a=1 2\" --b='x y' --c=\"\"",
                &["a=1 2@u:2", "b=x y@u:2", "c=@u:2"],
            ),
            (
                "escapes",
                "ExecStart=/usr/bin/kubelet --a=\\\"1\\\" --b=\\s",
                &["a=\"1\"@u:2", "b= @u:2"],
            ),
            (
                "continued lines",
                "ExecStart=/usr/bin/kubelet \\\n  --a=1 \\\n# why\n  --b=2",
                &["a=1@u:3", "b=2@u:5"],
            ),
            (
                "a blank line ends it",
                "ExecStart=/usr/bin/kubelet --a=1 \\\n\n  --b=2",
                &["a=1@u:2"],
            ),
            (
                "an escaped backslash ends it",
                "ExecStart=/usr/bin/kubelet --a=1 \\\\\n--b=2",
                &["a=1@u:2"],
            ),
            (
                "reset",
                "ExecStart=/usr/bin/kubelet --a=1\nExecStart=\nExecStart=/usr/bin/kubelet --a=2",
                &["a=2@u:4"],
            ),
            (
                "underscores",
                "ExecStart=/usr/bin/kubelet --cgroup_driver=cgroupfs",
                &["cgroup-driver=cgroupfs@u:2"],
            ),
            (
                "what follows two dashes",
                "ExecStart=/usr/bin/kubelet --a -- --b",
                &["a@u:2"],
            ),
            (
                "another command",
                "ExecStart=/usr/bin/kubelet --a ; /bin/x --b",
                &["a@u:2"],
            ),
            (
                "the variable is a list",
                "Environment=\"V=--a=1 --b '2 3'\"\nExecStart=/usr/bin/kubelet $V",
                &["a=1@u:2", "b=2 3@u:2"],
            ),
            (
                "the variable is a part",
                "Environment=V=1 W=2\nExecStart=/usr/bin/kubelet --a=${V} --b=$W --c=$$V",
                &["a=1@u:3", "b=$W@u:3", "c=$V@u:3"],
            ),
            (
                "a braced variable is one word",
                "Environment=\"V=--a --b\"\nExecStart=/usr/bin/kubelet ${V}",
                &["a --b@u:3"],
            ),
            (
                "a variable that nothing sets",
                "ExecStart=/usr/bin/kubelet $V --a=${W}",
                &["a=@u:2"],
            ),
            (
                "the last assignment wins",
                "Environment=V=--a\nEnvironment=V=--b\nExecStart=/usr/bin/kubelet $V",
                &["b@u:3"],
            ),
            (
                "variables are reset",
                "Environment=V=--a\nEnvironment=\nExecStart=/usr/bin/kubelet $V",
                &[],
            ),
            (
                "a variable over several lines",
                "Environment=\"V=--a \\\n  --b\"\nExecStart=/usr/bin/kubelet $V",
                &["a@u:2", "b@u:3"],
            ),
            (
                "another section",
                "ExecStart=/usr/bin/kubelet\n[Install]\nExecStart=/usr/bin/kubelet --a",
                &[],
            ),
        ] {
            let arguments = arguments(&[("u", &format!("[Service]\n{unit}\n"))], &[]);
            assert_eq!(shown(&arguments), expected, "{name}");
        }
    }

    #[test]
    fn files_of_variables_have_a_grammar_of_their_own() {
        let unit = "[Service]\nEnvironment=V=--unit\nEnvironmentFile=-/etc/default/kubelet\nExecStart=/usr/bin/kubelet $V";
        for (name, file, expected) in [
            (
                "plain",
                "V=--a=1 --b",
                &["a=1@/etc/default/kubelet:1", "b@/etc/default/kubelet:1"][..],
            ),
            (
                "quoted",
                "# V=--x\n\n V=\"--a=1 --b\"  \n",
                &["a=1@/etc/default/kubelet:3", "b@/etc/default/kubelet:3"],
            ),
            (
                "single quotes",
                "V='--a=1'\n",
                &["a=1@/etc/default/kubelet:1"],
            ),
            (
                "joined quotes",
                "V='--a='\"1\"",
                &["a=1@/etc/default/kubelet:1"],
            ),
            (
                "a quote within",
                "V=--a=\"1\"",
                &["a=1@/etc/default/kubelet:1"],
            ),
            (
                "continued",
                "V=--a \\\n--b\n",
                &["a@/etc/default/kubelet:1", "b@/etc/default/kubelet:2"],
            ),
            (
                "several lines in quotes",
                "V=\"--a\n--b\"\n",
                &["a@/etc/default/kubelet:1", "b@/etc/default/kubelet:2"],
            ),
            (
                "the last wins",
                "V=--a\nV=--b\n",
                &["b@/etc/default/kubelet:2"],
            ),
            (
                "behind a quoted part",
                "V=\"--a\" --b  \n",
                &["a--b@/etc/default/kubelet:1"],
            ),
            (
                "escapes",
                "V =\"--a=\\$x \\n\"\n",
                &["a=$x@/etc/default/kubelet:1"],
            ),
            ("empty", "V=\n", &[]),
            ("not set", "; V=--a\nexport V=--b\nW=--c\n", &["unit@u:2"]),
            ("hostile", "=\n\"\nV", &["unit@u:2"]),
        ] {
            let arguments = arguments(&[("u", unit)], &[(DEFAULTS, file)]);
            assert_eq!(shown(&arguments), expected, "{name}");
        }
    }

    #[test]
    fn kubeadms_places_count_in_its_order() {
        let unit = (UNIT, "[Service]\nExecStart=/usr/bin/kubelet --a=unit\n");
        let kubeadm = (
            KUBEADM,
            "[Service]\n\
             Environment=\"KUBELET_KUBECONFIG_ARGS=--kubeconfig=/etc/kubernetes/kubelet.conf\"\n\
             Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"\n\
             EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n\
             EnvironmentFile=-/etc/default/kubelet\n\
             ExecStart=\n\
             ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n",
        );
        let files = [
            (
                FLAGS_ENV,
                "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/a.sock --pod-infra-container-image=p\"\n",
            ),
            (DEFAULTS, "KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs\n"),
        ];
        let arguments = arguments(&[unit, kubeadm], &files);
        assert_eq!(
            shown(&arguments),
            [
                format!("kubeconfig=/etc/kubernetes/kubelet.conf@{KUBEADM}:2"),
                format!("config=/var/lib/kubelet/config.yaml@{KUBEADM}:3"),
                format!("container-runtime-endpoint=unix:///run/a.sock@{FLAGS_ENV}:1"),
                format!("pod-infra-container-image=p@{FLAGS_ENV}:1"),
                format!("cgroup-driver=cgroupfs@{DEFAULTS}:1"),
            ]
        );
        assert_eq!(arguments.unread(), None);
        assert_eq!(arguments.last("container-runtime"), None);
    }

    #[test]
    fn what_was_not_read_is_said() {
        for (unit, expected) in [
            ("ExecStart=/usr/bin/kubelet $V", None),
            (
                "EnvironmentFile=/etc/x\nExecStart=/usr/bin/kubelet --a",
                None,
            ),
            (
                "EnvironmentFile=-/etc/x\nExecStart=/usr/bin/kubelet $V",
                Some(
                    "u:3 uses $V, which the file /etc/x may set, and that was not read: u:2 names it",
                ),
            ),
            (
                "ExecStart=/bin/sh -c 'exec kubelet --a'",
                Some("u:2 starts /bin/sh, and what that starts the kubelet with was not read"),
            ),
            (
                "Type=simple",
                Some("the unit of the kubelet starts nothing"),
            ),
        ] {
            let arguments = arguments(&[("u", &format!("[Service]\n{unit}\n"))], &[]);
            assert_eq!(arguments.unread(), expected, "{unit}");
        }
    }

    #[test]
    fn removed_flags_are_found_by_their_exact_names() {
        let files = [
            (
                FLAGS_ENV,
                "KUBELET_KUBEADM_ARGS=\"--network-plugin=cni --container-runtime=remote --container-runtime-endpoint=unix:///a\"",
            ),
            (
                DEFAULTS,
                "# extra\nKUBELET_EXTRA_ARGS=\"--pod-infra-container-image p --network-plugin cni\"",
            ),
        ];
        let arguments = Arguments::of(None, &fragments(&files));
        assert!(!arguments.has_unit());
        let found = |version: &str| -> Vec<String> {
            arguments
                .removed(version.parse().unwrap())
                .iter()
                .map(|removed| {
                    format!(
                        "{} 1.{} {}",
                        removed.flag.name, removed.since, removed.flag.place
                    )
                })
                .collect()
        };
        let kubeadm = |rest: &str| format!("{rest} {FLAGS_ENV}:1");
        let extra = |rest: &str| format!("{rest} {DEFAULTS}:2");
        assert_eq!(found("1.23"), [""; 0]);
        assert_eq!(
            found("1.26"),
            [kubeadm("network-plugin 1.24"), extra("network-plugin 1.24")]
        );
        assert_eq!(
            found("1.35"),
            [
                kubeadm("network-plugin 1.24"),
                kubeadm("container-runtime 1.27"),
                extra("pod-infra-container-image 1.35"),
                extra("network-plugin 1.24"),
            ]
        );
    }
}
