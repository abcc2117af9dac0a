//! From an offset in a text to its place in the source.

use crate::source::{Sources, Span};

/// Returns the place of a part of a text that was written at a span, as far as it stands there as it is.
pub(crate) fn place_within(
    sources: &Sources,
    span: Span,
    text: &str,
    at: usize,
    length: usize,
) -> Span {
    let source = &sources.file(span.source).text;
    let written = source.get(span.start..span.end).unwrap_or("");
    match written.find(text) {
        Some(found) => {
            let start = (span.start + found + at).min(span.end);
            let end = (start + length).min(span.end);
            Span { start, end, ..span }
        }
        None => span,
    }
}
