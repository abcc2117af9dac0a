//! Tables of cases: what becomes of a file, and what is decided about a host.

mod edits;
