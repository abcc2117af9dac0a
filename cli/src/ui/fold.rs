//! Many host names as one: `worker[01-18,20-23]`.

/// Folds names, as the inventory would write them.
pub(crate) fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    engine::inventory::fold(&names.into_iter().collect::<Vec<_>>())
}
