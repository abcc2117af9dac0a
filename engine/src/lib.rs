//! The pipeline of hardstand.
