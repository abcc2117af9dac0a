//! A section as a provider would declare it, and what is said about values that do not fit it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};

use super::*;
use crate::name::{AbsPath, FileMode, ModuleName, SysctlKey, UnitName};
use crate::spec::testing::{lines, parse_one};

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Section {
    /// Where it goes.
    path: Option<AbsPath>,
    mode: Option<FileMode>,
    version: Option<String>,
    enabled: Option<bool>,
    port: Option<u16>,
    modules: Option<Vec<ModuleName>>,
    #[schemars(extend("propertyNames" = { "format": "sysctl-key" }))]
    sysctls: Option<BTreeMap<SysctlKey, Limit>>,
    driver: Option<Driver>,
    swap: Option<Swap>,
    source: Option<Source>,
    runtime: Option<Runtime>,
    unit: Option<Unit>,
    #[schemars(length(min = 1, max = 3))]
    args: Option<Vec<String>>,
    names: Option<std::collections::BTreeSet<String>>,
    #[schemars(length(max = 4))]
    short: Option<String>,
    release: Option<Release>,
    choice: Option<Choice>,
    bounds: Option<Bounds>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Release {
    version: String,
}

#[derive(JsonSchema)]
#[schemars(extend("x-hardstand-one-of" = true))]
#[expect(dead_code, reason = "only its schema is used")]
struct Choice {
    left: Option<Bounds>,
    right: Option<Bounds>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Bounds {
    least: Option<i64>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Limit {
    Number(i64),
    Text(String),
    Range(Range),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Range {
    min: i64,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Driver {
    Systemd,
    Cgroupfs,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Swap {
    /// With a comment, each variant is a schema of its own.
    Off,
    /// As above.
    Keep,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Source {
    /// The text itself.
    Inline(String),
    /// From a file.
    File { path: AbsPath },
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields, extend("x-hardstand-one-of" = true))]
#[expect(dead_code, reason = "only its schema is used")]
struct Runtime {
    containerd: Option<Empty>,
    crio: Option<Empty>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Empty {}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Unit {
    name: UnitName,
    enabled: bool,
}

/// Checks a text in which every line is said to be wrong as expected: `line:column code message [help]`.
fn check_as(texts: Texts, text: &str, expected: &[&str]) {
    let (sources, node) = parse_one(text);
    let mut problems = Problems::default();
    let field = Field {
        name: "section".to_owned(),
        place: node.span,
        node: &node,
    };
    check(&field, &schema_for!(Section), texts, &mut problems);
    let helps: Vec<Option<String>> = problems
        .clone()
        .into_sorted()
        .into_iter()
        .map(|problem| problem.help)
        .collect();
    let found: Vec<String> = lines(&sources, problems)
        .into_iter()
        .zip(helps)
        .map(|(line, help)| match help {
            Some(help) => format!("{line} [{help}]"),
            None => line,
        })
        .collect();
    assert_eq!(found, expected, "{text:?}");
}

fn check_text(text: &str, expected: &[&str]) {
    check_as(Texts::Final, text, expected);
}

#[test]
fn what_fits_is_accepted() {
    check_text(
        "path: /etc/x\nmode: \"0644\"\nversion: \"1.30\"\nenabled: true\nport: 22\nmodules: [overlay]\n\
         sysctls: {vm.swappiness: 1, kernel.x: text, fs.x: {min: 1}}\ndriver: systemd\nswap: off\n\
         source: {file: {path: /a}}\nruntime: {crio: {}}\nunit: {name: a.service, enabled: false}\nargs: [x]\nnames:\n",
        &[],
    );
}

#[test]
fn values_of_the_wrong_kind_are_explained() {
    for (text, expected) in [
        (
            "mode: 0644",
            "1:7 E111 `mode` must be an octal text in quotes [write `mode: \"0644\"`]",
        ),
        (
            "mode: 644",
            "1:7 E111 `mode` must be an octal text in quotes [write `mode: \"0644\"`]",
        ),
        (
            "mode: 9",
            "1:7 E111 `mode` must be an octal text in quotes [write four octal digits in quotes, such as \"0644\"]",
        ),
        (
            "enabled: yes",
            "1:10 E112 expected true or false, found the text `yes` [write `true`]",
        ),
        (
            "enabled: off",
            "1:10 E112 expected true or false, found the text `off` [write `false`]",
        ),
        (
            "version: 1.30",
            "1:10 E113 `version` must be a text in quotes, found `1.30` [write \"1.30\"]",
        ),
        (
            "version: 2",
            "1:10 E113 `version` must be a text in quotes, found `2` [write \"2\"]",
        ),
        (
            "version: true",
            "1:10 E113 `version` must be a text in quotes, found `true` [write \"true\"]",
        ),
        (
            "version: 1e3",
            "1:10 E114 `version` is the ambiguous number `1e3` [write \"1e3\" for the text, or a plain decimal number]",
        ),
        (
            "port: 0x10",
            "1:7 E114 `port` is the ambiguous number `0x10` [write a plain decimal number, without leading zero, sign, point or exponent]",
        ),
        (
            "sysctls: {vm.x: 010}",
            "1:17 E114 `vm.x` is the ambiguous number `010` [write \"010\" for the text, or a plain decimal number]",
        ),
        (
            "sysctls:\n  vm.x:",
            "2:3 E115 `vm.x` is empty [expected a whole number, a text or a map; write it, or remove the field]",
        ),
        (
            "modules: [a,]\nargs: [x, ~]",
            "2:11 E115 `args[1]` is empty [expected a text; write it, or remove the field]",
        ),
        (
            "args:\n  - x\n  -\nport: 1",
            "3:4 E115 `args[1]` is empty [expected a text; write it, or remove the field]",
        ),
        (
            "modules: {a: 1}",
            "1:1 E120 `modules`: expected a list, found a map [start each item with `- `]",
        ),
        (
            "modules: overlay",
            "1:10 E120 `modules`: expected a list, found the text \"overlay\" [write `[overlay]`]",
        ),
        (
            "sysctls: [a]",
            "1:1 E120 `sysctls`: expected a map, found a list [write `name: value` lines, without `- `]",
        ),
        (
            "port: \"22\"",
            "1:7 E120 `port`: expected a whole number, found the text \"22\" [remove the quotes]",
        ),
        (
            "swap: false",
            "1:7 E120 `swap`: expected `off` or `keep`, found `false`",
        ),
        (
            "sysctls: {vm.x: true}",
            "1:17 E120 `vm.x`: expected a whole number, a text or a map, found `true` [write `1`]",
        ),
        (
            "port: 22s",
            "1:7 E120 `port`: expected a whole number, found the text \"22s\" [write a number without a unit, such as `22`]",
        ),
        (
            "release: 1.30",
            "1:10 E120 `release`: expected a map, found the number `1.30` [write `{ version: \"1.30\" }`]",
        ),
        (
            "release: next",
            "1:10 E120 `release`: expected a map, found the text \"next\" [write `{ version: next }`]",
        ),
        (
            "choice: left",
            "1:9 E120 `choice`: expected a map, found the text \"left\" [write `choice: { left: {} }`]",
        ),
        (
            "bounds: true",
            "1:9 E120 `bounds`: expected a map, found `true` [write `bounds: {}` for its defaults]",
        ),
        (
            "enabled: \"true\"",
            "1:10 E112 expected true or false, found the text `true` [remove the quotes]",
        ),
        (
            "driver: [x]",
            "1:1 E120 `driver`: expected `systemd` or `cgroupfs`, found a list",
        ),
    ] {
        check_text(text, &[expected]);
    }
}

#[test]
fn names_and_words_are_checked() {
    for (text, expected) in [
        (
            "sysctl: {}",
            "1:1 E119 unknown field `sysctl` [did you mean `sysctls`?]",
        ),
        (
            "unit: {name: a.service, enabled: true, x: 1}",
            "1:40 E119 unknown field `x` [expected `enabled` or `name`]",
        ),
        (
            "driver: systmd",
            "1:9 E128 `driver` cannot be \"systmd\" [did you mean `systemd`?]",
        ),
        (
            "swap: sometimes",
            "1:7 E128 `swap` cannot be \"sometimes\" [expected `off` or `keep`]",
        ),
        (
            "path: etc/x",
            "1:7 E203 a path must be absolute and literal, starting with `/`",
        ),
        (
            "path: /etc/../x",
            "1:7 E204 a path may not hold the component `..` [write the path it leads to]",
        ),
        (
            "mode: \"0999\"",
            "1:7 E207 `0999` is not a file mode [write three octal digits, quoted, such as \"0644\"]",
        ),
        (
            "modules: [a, ../x]",
            "1:14 E216 a module name may not hold the character `.`",
        ),
        (
            "sysctls: {net/ipv4/ip_forward: 1}",
            "1:11 E212 a sysctl key is written with dots [write `net.ipv4.ip_forward`]",
        ),
        (
            "unit: {name: a, enabled: true}",
            "1:14 E229 a unit name needs its suffix [write `a.service`]",
        ),
        (
            "short: abcde",
            "1:8 E118 `short` is longer than 4 characters",
        ),
        (
            "port: 65536",
            "1:7 E125 `port` is 65536, and must be between 0 and 65535",
        ),
        (
            "port: -1",
            "1:7 E125 `port` is -1, and must be between 0 and 65535",
        ),
        ("args: []", "1:1 E115 `args` is empty"),
        (
            "args: [a, b, c, d]",
            "1:1 E129 `args` must have at most 3 items",
        ),
        ("names: [a, b, a]", "1:15 E105 `names` lists this twice"),
        (
            "unit: {enabled: true}",
            "1:1 E122 `unit` lacks the field `name`",
        ),
        (
            "sysctls: {a.b: {max: 1}}",
            "1:11 E122 `a.b` lacks the field `min`|1:17 E119 unknown field `max` [expected `min`]",
        ),
    ] {
        check_text(text, &expected.split('|').collect::<Vec<_>>());
    }
}

#[test]
fn exactly_one_alternative_is_chosen() {
    for (text, expected) in [
        (
            "source: {}",
            &["1:1 E126 `source` must choose one [write one of `file` or `inline`]"][..],
        ),
        (
            "source: {inline: x, file: {path: /a}}",
            &["1:21 E126 `source` must choose one, and has both `inline` and `file`"],
        ),
        (
            "source: {fil: {path: /a}}",
            &["1:10 E119 unknown field `fil` [did you mean `file`?]"],
        ),
        (
            "source: {file: {path: x}}",
            &["1:23 E203 a path must be absolute and literal, starting with `/`"],
        ),
        (
            "source: {inline: 1}",
            &["1:18 E113 `inline` must be a text in quotes, found `1` [write \"1\"]"],
        ),
        (
            "runtime: {}",
            &["1:1 E126 `runtime` must choose one [write one of `containerd` or `crio`]"],
        ),
        (
            "runtime: {crio: {}, containerd: {}}",
            &["1:21 E126 `runtime` must choose one, and has both `crio` and `containerd`"],
        ),
        (
            "runtime: {crio: }",
            &["1:11 E115 `crio` is empty [write `crio: {}` for its defaults]"],
        ),
    ] {
        check_text(text, expected);
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    check_text(
        "mode: 0644\nenabled: yes\nversion: 1.30\nmodulez: []\n",
        &[
            "1:7 E111 `mode` must be an octal text in quotes [write `mode: \"0644\"`]",
            "2:10 E112 expected true or false, found the text `yes` [write `true`]",
            "3:10 E113 `version` must be a text in quotes, found `1.30` [write \"1.30\"]",
            "4:1 E119 unknown field `modulez` [did you mean `modules`?]",
        ],
    );
}

#[test]
fn texts_with_variables_are_checked_once_they_are_final() {
    let text = "path: /etc/${x}/../y\nmode: ${mode}\nport: ${port}\ndriver: x-${y}\nenabled: a${b}";
    check_as(
        Texts::WithVariables,
        text,
        &["5:10 E112 expected true or false, found the text `a${b}`"],
    );
}
