//! What it costs to fold the names of a fleet, and to put them in order: both are done for every plan that is shown.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use engine::inventory::{expand, fold, natural_cmp};

fn main() {
    divan::main();
}

/// Names in an order of no use, in 97 racks.
fn names(n_names: usize) -> Vec<String> {
    let name = |n: usize| format!("r{}n{:05}", n % 97, n * 7919 % n_names);
    (0..n_names).map(name).collect()
}

#[divan::bench(args = [1_000, 10_000, 100_000])]
fn fold_names(bencher: Bencher<'_, '_>, n_names: usize) {
    let names = names(n_names);
    bencher
        .counter(ItemsCount::new(n_names))
        .bench(|| fold(black_box(&names)));
}

#[divan::bench(args = [1_000, 10_000, 100_000])]
fn expand_a_range(bencher: Bencher<'_, '_>, n_names: usize) {
    let range = format!("node[000001-{n_names:06}]");
    bencher
        .counter(ItemsCount::new(n_names))
        .bench(|| expand(black_box(&range)));
}

#[divan::bench(args = [1_000, 10_000, 100_000])]
fn sort_naturally(bencher: Bencher<'_, '_>, n_names: usize) {
    let names = names(n_names);
    bencher
        .counter(ItemsCount::new(n_names))
        .with_inputs(|| names.clone())
        .bench_refs(|names| names.sort_by(|a, b| natural_cmp(a, b)));
}
