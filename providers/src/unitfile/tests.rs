//! Unit files, their drop-ins and their commands.

use super::*;

fn unit(texts: &[(&str, &str)]) -> UnitText {
    let texts: Vec<_> = texts
        .iter()
        .map(|(path, text)| Fragment {
            path: (*path).into(),
            text: (*text).into(),
        })
        .collect();
    UnitText::of(&texts)
}

#[test]
fn the_last_command_after_an_empty_one_counts() {
    let base = (
        "/lib/x.service",
        "[Unit]\nExecStart=no\n[Service]\nExecStart=/a \\\n  # why\n  --b\n",
    );
    let command = |texts: &[(&str, &str)]| unit(texts).exec_start().unwrap();
    assert_eq!(command(&[base]).value, "/a --b");
    assert_eq!(command(&[base]).place, "/lib/x.service:4");
    let drop_in = (
        "/etc/x.service.d/a.conf",
        "[Service]\nExecStart=\nExecStart=/c\n",
    );
    assert_eq!(command(&[base, drop_in]).value, "/c");
    assert_eq!(command(&[base, drop_in]).place, "/etc/x.service.d/a.conf:3");
}

#[test]
fn words_lose_their_quotes() {
    for (line, expected) in [
        ("/a -H fd://  --b=c", &["/a", "-H", "fd://", "--b=c"][..]),
        ("a \"b c\" 'd'e \"\"", &["a", "b c", "de", ""]),
        ("a\\ b", &["a b"]),
        ("", &[]),
    ] {
        assert_eq!(words(line), expected, "{line}");
    }
}
