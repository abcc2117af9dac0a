//! Selectors over a small fleet, and texts that are none.

use std::path::PathBuf;

use super::*;
use crate::diagnostic::Problems;
use crate::facts::Os;
use crate::inventory::{Become, Ssh, fold};
use crate::source::{Sources, Span};

fn inventory() -> Inventory {
    let source = Sources::default().add("i.yaml", "");
    let span = Span {
        source,
        start: 0,
        end: 0,
    };
    let host = |name: String, labels: &[(&str, &str)]| Host {
        address: name.clone(),
        name: name.parse().unwrap(),
        os: Os::Linux,
        ssh: Ssh {
            identity_file: Some(PathBuf::from("x")),
            ..Ssh::default()
        },
        privilege: Become::Sudo,
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        vars: [].into(),
        span,
    };
    let mut hosts: Vec<Host> = (1..=5)
        .map(|n| {
            host(
                format!("web{n}"),
                &[
                    ("role", "worker"),
                    ("zone", if n < 3 { "eu-1" } else { "us-1" }),
                ],
            )
        })
        .collect();
    hosts.push(host("db1".to_owned(), &[("role", "db"), ("gpu", "")]));
    Inventory::of(hosts, &mut Problems::default())
}

#[test]
fn selectors_mean_hosts() {
    for (text, expected) in [
        ("all", "db1,web[1-5]"),
        ("*", "db1,web[1-5]"),
        ("web2", "web2"),
        ("web[2-3,9]", "web[2-3]"),
        ("web[2-9/2]", "web[2,4]"),
        ("web*", "web[1-5]"),
        ("?b1", "db1"),
        ("w*[1-2]", "web[1-2]"),
        ("@worker", "web[1-5]"),
        ("@gpu", "db1"),
        ("role=db", "db1"),
        ("zone=eu-*", "web[1-2]"),
        ("web1,db1", "db1,web1"),
        ("@worker & zone=us-1", "web[3-5]"),
        ("@worker&!web4", "web[1-3,5]"),
        ("!@worker", "db1"),
        ("web1, web[2-5] & zone=eu-1", "web[1-2]"),
        ("(web1, web[2-5]) & !zone=eu-1", "web[3-5]"),
        ("!(web*)", "db1"),
        ("!!web1", "web1"),
        ("!web1&!web2&web*", "web[3-5]"),
    ] {
        let selector: Selector = text.parse().unwrap();
        let inventory = inventory();
        let names: Vec<&str> = selector
            .select(&inventory)
            .unwrap()
            .iter()
            .map(|host| host.name.as_str())
            .collect();
        assert_eq!(fold(&names), expected, "{text}");
    }
}

#[test]
fn matching_nothing_is_an_error_with_a_suggestion() {
    for (text, selector, suggestion) in [
        ("@workers", "@workers", Some("@worker")),
        ("web11", "web11", Some("web1")),
        ("web1,wbe2", "wbe2", Some("web2")),
        ("rol=db", "rol=db", Some("role=db")),
        ("zone=us-2", "zone=us-2", Some("zone=us-1")),
        ("cache*", "cache*", None),
        ("web1&db1", "web1&db1", Some("web1")),
        ("!all", "!all", None),
    ] {
        let found = text
            .parse::<Selector>()
            .unwrap()
            .select(&inventory())
            .unwrap_err();
        assert_eq!(
            (found.selector.as_str(), found.suggestion.as_deref()),
            (selector, suggestion),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_selector_is_refused_at_its_place() {
    for (text, at, reason) in [
        ("", 0, "a selector is empty"),
        (" ", 1, "a selector is empty"),
        ("a,", 2, "a name, `@label` or `label=value` is missing here"),
        (
            "a & & b",
            4,
            "a name, `@label` or `label=value` is missing here",
        ),
        ("a b", 2, "expected `,` or `&` here"),
        ("a)", 1, "`)` without `(`"),
        ("(a", 2, "expected `)` here"),
        ("web[1-", 3, "`[` without `]`"),
        (
            "web[x]",
            4,
            "brackets hold numbers and ranges of numbers, such as [01-20], not `x`",
        ),
        (
            "web[0-9999999]",
            0,
            "this stands for 10000000 names, more than 100000",
        ),
        ("a;b", 1, "';' is not expected here"),
        ("wörker", 1, "'ö' is not expected here"),
        ("@", 1, "a word is missing here"),
        ("role=", 5, "a word is missing here"),
        ("=x", 0, "a word is missing here"),
        ("role!=x", 4, "expected `,` or `&` here"),
        ("$(id)", 0, "'$' is not expected here"),
    ] {
        let error = text.parse::<Selector>().unwrap_err();
        assert_eq!((error.at, error.reason.as_str()), (at, reason), "{text:?}");
    }
    assert!("!".repeat(10_000).parse::<Selector>().is_err());
}
