//! Every grammar against names that are meant to slip through.

use super::*;

fn verdict<T: FromStr<Err = NameError>>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

#[test]
fn hostile_names_are_refused() {
    for text in [
        "-V",
        "-oProxyCommand=x",
        "ssh://h",
        "a b",
        "h%h",
        "$(x)",
        "a,b",
        "a@b",
        "a\nb",
        "wörker",
        "",
    ] {
        assert!(!verdict::<HostName>(text), "host {text:?}");
    }
    for text in [
        "-l",
        "root;id",
        "%r",
        "",
        "a\n",
        "4294967295",
        "99999999999",
    ] {
        assert!(!verdict::<UserName>(text), "user {text:?}");
    }
    for text in [
        "etc/x",
        "~/x",
        "/etc/../x",
        "/etc//x",
        "/etc/x/",
        "/etc/./x",
        "/a\nb",
        "",
    ] {
        assert!(!verdict::<AbsPath>(text), "path {text:?}");
    }
    for text in [
        "net/ipv4/ip_forward",
        "../etc",
        "kernel.bad key",
        "",
        "a.",
        "a..b",
        "vm",
        "a.b\nc",
    ] {
        assert!(!verdict::<SysctlKey>(text), "sysctl {text:?}");
    }
    for text in ["../x", "br_netfilter;id", "a b", "-v", ""] {
        assert!(!verdict::<ModuleName>(text), "module {text:?}");
    }
    for text in [
        "../../x.service",
        "--force",
        "containerd",
        "foo@.service",
        "a;b.service",
    ] {
        assert!(!verdict::<UnitName>(text), "unit {text:?}");
    }
    for text in ["-o APT::x", "./evil.deb", "foo=1", ""] {
        assert!(!verdict::<PackageName>(text), "package {text:?}");
    }
    for text in ["a/b", "-x", "a b", "../x", "a*"] {
        assert!(!verdict::<RepositoryName>(text), "repository {text:?}");
    }
    for text in ["0999", "1777777", "rw-", "4755", "64", "00644"] {
        assert!(!verdict::<FileMode>(text), "mode {text:?}");
    }
    for text in ["sysctl", "/x", "file/", "Sysctl/x", "file//a\nb"] {
        assert!(!verdict::<ResourceId>(text), "id {text:?}");
    }
}

#[test]
fn ordinary_names_are_taken_in_canonical_form() {
    assert_eq!(
        "br-netfilter".parse::<ModuleName>().unwrap().as_str(),
        "br_netfilter"
    );
    assert_eq!("644".parse::<FileMode>().unwrap().to_string(), "0644");
    assert_eq!(
        "file//etc/hosts".parse::<ResourceId>().unwrap().name(),
        "/etc/hosts"
    );
    assert!(verdict::<UnitName>("getty@tty1.service"));
    assert!(verdict::<PackageVersion>("1:1.6.20~ds1-1+deb12u2"));
    assert!(verdict::<PackageVersion>("2:1.0_rc1^git20240101-3.el9_4"));
    assert!(verdict::<PackageName>("mod_ssl"));
}

#[test]
fn sysctl_spellings_meet_in_one_key() {
    for spelling in [
        "net.ipv4.conf.eth0/100.forwarding",
        "net/ipv4/conf/eth0.100/forwarding",
    ] {
        let key = SysctlKey::from_file(spelling).unwrap();
        assert_eq!(key.proc_path(), "net/ipv4/conf/eth0.100/forwarding");
    }
}

#[test]
fn paths_of_windows_are_told_from_others() {
    let on_windows = |text: &str| text.parse::<AbsPath>().unwrap().on_windows();
    for (text, expected) in [
        (
            "/C:/Program Files/containerd/config.toml",
            r"C:\Program Files\containerd\config.toml",
        ),
        ("/d:/x", r"d:\x"),
        (
            "/pipe/containerd-containerd",
            r"\\.\pipe\containerd-containerd",
        ),
    ] {
        assert_eq!(on_windows(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "/etc/containerd/config.toml",
        "/C:",
        "/CC:/x",
        "/1:/x",
        "/C:/a:stream",
        "/C:/a\\b",
        "/C:/a./b",
        "/C:/a /b",
        "/C:/a*",
        "/C:/\"a\"",
        "/pipe/a/b",
        "/pipe/a b",
    ] {
        assert_eq!(on_windows(text), None, "{text}");
    }
}
