//! Certificate authorities of registries, which come with the spec.

use std::sync::Arc;

use engine::diagnostic::{Diagnostic, Problems};
use engine::resource::Sections;
use engine::source::Span;

/// Reads a certificate authority that is named relative to the spec. A plan carries it, so it must hold no private key.
pub(crate) fn read_authority(
    name: &str,
    span: Span,
    sections: &Sections<'_>,
    problems: &mut Problems,
) -> Option<Arc<[u8]>> {
    let spec = &sections.sources.file(span.source).name;
    let content = match sections.files.read(spec, name) {
        Ok(content) => content,
        Err(error) => {
            problems.push(error.at(span));
            return None;
        }
    };
    let text = String::from_utf8_lossy(&content);
    if text.contains("PRIVATE KEY-----") {
        problems.push(
            Diagnostic::error("E261", span, format!("`{name}` holds a private key"))
                .help("name the file that holds only the certificate of the authority"),
        );
        return None;
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        problems.push(
            Diagnostic::error("E127", span, format!("`{name}` holds no certificate"))
                .help("it must be PEM, with a line `-----BEGIN CERTIFICATE-----`"),
        );
        return None;
    }
    Some(content)
}
