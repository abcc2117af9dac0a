//! What is known of single sysctl keys: which are refused and why, their bounds, their other names, their modules.

use engine::name::SysctlKey;

/// What hardstand keeps its hands off, with why. An ending `.` stands for all keys below.
const DANGEROUS: [(&str, &str); 10] = [
    (
        "kernel.core_pattern",
        "it names a program that the kernel runs as root",
    ),
    (
        "kernel.modprobe",
        "it names a program that the kernel runs as root",
    ),
    (
        "kernel.hotplug",
        "it names a program that the kernel runs as root",
    ),
    (
        "kernel.poweroff_cmd",
        "it names a program that the kernel runs as root",
    ),
    (
        "kernel.usermodehelper.",
        "it governs the programs that the kernel runs as root",
    ),
    ("fs.binfmt_misc.", "it names programs that the kernel runs"),
    (
        "kernel.modules_disabled",
        "it cannot be undone without a reboot, and a missing module can then not be loaded",
    ),
    (
        "kernel.kexec_load_disabled",
        "it cannot be undone without a reboot",
    ),
    (
        "kernel.sysrq-trigger",
        "writing it acts on the machine at once",
    ),
    (
        "kernel.cad_pid",
        "it names a process that the kernel signals",
    ),
];

/// What has no lasting value, with why.
const VOLATILE: [(&str, &str); 21] = [
    ("kernel.random.", "the kernel makes it up"),
    ("kernel.ns_last_pid", "it changes all the time"),
    ("kernel.pty.nr", "it only counts"),
    ("kernel.ostype", "it cannot be written"),
    ("kernel.osrelease", "it cannot be written"),
    ("kernel.version", "it cannot be written"),
    ("kernel.cap_last_cap", "it cannot be written"),
    ("kernel.ngroups_max", "it cannot be written"),
    ("fs.file-nr", "it only counts"),
    ("fs.inode-nr", "it only counts"),
    ("fs.inode-state", "it only counts"),
    ("fs.dentry-state", "it only counts"),
    ("fs.aio-nr", "it only counts"),
    ("fs.quota.", "it only counts"),
    ("net.netfilter.nf_conntrack_count", "it only counts"),
    (
        "net.ipv4.route.flush",
        "writing it acts once; it keeps no value",
    ),
    (
        "net.ipv6.route.flush",
        "writing it acts once; it keeps no value",
    ),
    (
        "vm.compact_memory",
        "writing it acts once; it keeps no value",
    ),
    ("vm.drop_caches", "writing it acts once; it keeps no value"),
    ("vm.stat_refresh", "writing it acts once; it keeps no value"),
    ("user.uts_namespace_count", "it only counts"),
];

/// What the kernel, or Kubernetes, accepts at least and at most.
const BOUNDS: [(&str, i64, i64); 14] = [
    ("net.ipv4.ip_forward", 0, 1),
    ("net.ipv4.conf.all.forwarding", 0, 1),
    ("net.ipv6.conf.all.forwarding", 0, 1),
    ("net.bridge.bridge-nf-call-iptables", 0, 1),
    ("net.bridge.bridge-nf-call-ip6tables", 0, 1),
    ("net.bridge.bridge-nf-call-arptables", 0, 1),
    ("net.ipv4.conf.all.rp_filter", 0, 2),
    ("net.ipv4.conf.default.rp_filter", 0, 2),
    ("net.ipv4.ip_default_ttl", 1, 255),
    ("vm.overcommit_memory", 0, 2),
    ("vm.panic_on_oom", 0, 2),
    ("vm.swappiness", 0, 200),
    ("kernel.panic_on_oops", 0, 1),
    ("kernel.pid_max", 301, 4_194_304),
];

/// Names of one and the same switch.
const SAME: [(&str, &str); 1] = [("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding")];

/// Keys that exist only while a module is loaded.
const OF_MODULES: [(&str, &str); 3] = [
    ("net.bridge.", "br_netfilter"),
    ("net.netfilter.nf_conntrack_", "nf_conntrack"),
    ("net.ipv4.vs.", "ip_vs"),
];

/// Returns why a key is not for a spec.
pub(super) fn refusal(key: &SysctlKey) -> Option<(&'static str, bool)> {
    let find = |list: &[(&str, &'static str)]| {
        list.iter()
            .find(|(name, _)| covers(name, key.as_str()))
            .map(|(_, why)| *why)
    };
    find(&DANGEROUS)
        .map(|why| (why, true))
        .or_else(|| find(&VOLATILE).map(|why| (why, false)))
}

/// Returns the least and the greatest value, where they are known.
pub(super) fn bounds(key: &SysctlKey) -> Option<(i64, i64)> {
    BOUNDS
        .iter()
        .find(|(name, _, _)| *name == key.as_str())
        .map(|(_, least, greatest)| (*least, *greatest))
}

/// Returns the other name of a switch that has two.
pub(super) fn other_name(key: &SysctlKey) -> Option<SysctlKey> {
    SAME.iter()
        .find_map(|(one, other)| match key.as_str() {
            name if name == *one => Some(other),
            name if name == *other => Some(one),
            _ => None,
        })
        .and_then(|name| name.parse().ok())
}

/// Returns the module without which a key does not exist.
pub(super) fn module(key: &SysctlKey) -> Option<&'static str> {
    OF_MODULES
        .iter()
        .find(|(prefix, _)| key.as_str().starts_with(prefix))
        .map(|(_, module)| *module)
}

/// Whether a key is IPv4's switch of forwarding; writing it sets some others of IPv4, so it comes first.
pub(super) fn is_forwarding(key: &SysctlKey) -> bool {
    SAME.iter()
        .any(|(one, other)| [*one, *other].contains(&key.as_str()))
}

/// Returns the names of IPv4's switch of forwarding.
pub(super) fn forwarding() -> [&'static str; 2] {
    [SAME[0].0, SAME[0].1]
}

/// Whether the kernel sets a key anew when forwarding of IPv4 is switched (ip-sysctl.rst; observed on Linux 6.18).
pub(super) fn is_set_by_forwarding(key: &SysctlKey) -> bool {
    let name = key.as_str();
    name == "net.ipv4.conf.all.accept_redirects"
        || (name.starts_with("net.ipv4.conf.") && name.ends_with(".forwarding"))
            && !is_forwarding(key)
}

fn covers(name: &str, key: &str) -> bool {
    match name.strip_suffix('.') {
        Some(_) => key.starts_with(name),
        None => key == name,
    }
}
