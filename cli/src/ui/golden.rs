//! Expected text in files below `tests/golden`; `UPDATE_GOLDEN=1` writes them anew, to be reviewed like code.

use std::path::PathBuf;
use std::{env, fs};

use similar::TextDiff;

/// Compares text with a file, and shows how they differ.
pub(crate) fn check(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let diff = TextDiff::from_lines(&expected, actual);
    let shown = diff.unified_diff().header("expected", "actual").to_string();
    assert!(
        expected == actual,
        "{name} differs (UPDATE_GOLDEN=1 accepts it):\n{shown}"
    );
}

/// Returns text without its styles, as it is printed without colors.
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
