//! The time of a render grows with the size of the chart, and not faster.

#![allow(clippy::disallowed_methods)] // Tests measure how long they take.

mod support;
mod synthetic;

use std::time::{Duration, Instant};

use helm_render::{Chart, Files, Values, render};
use synthetic::ChartFiles;

/// The shortest of five renders, and how long the output is.
fn time(files: &ChartFiles) -> (Duration, usize) {
    let mut all = Files::new();
    files.iter().for_each(|(path, text)| all.insert(path, text.as_str()));
    let chart = Chart::from_files(all).expect("it loads");
    let run = || {
        let start = Instant::now();
        let rendered = render(&chart, &Values::new(), &support::options()).expect("it renders");
        (start.elapsed(), rendered.to_template_output().len())
    };
    (0..5).map(|_| run()).min().expect("five runs")
}

/// Four times the size takes about four times as long; sixteen times would be quadratic.
#[track_caller]
fn assert_linear(chart: fn(usize) -> ChartFiles, size: usize) {
    let (small, small_output) = time(&chart(size / 4));
    let (large, large_output) = time(&chart(size));
    assert!(large_output >= small_output, "there is no less output");
    // The machine may be busy: between four and sixteen there is room.
    assert!(large < small * 10 + Duration::from_millis(20), "{size}: {large:?}, a quarter of it: {small:?}");
}

#[test]
fn dependencies_are_linear() {
    assert_linear(synthetic::with_dependencies, 200);
}

#[test]
fn tpl_is_linear() {
    assert_linear(synthetic::with_tpl_calls, 5_000);
}

#[test]
fn includes_within_includes_are_linear() {
    assert_linear(synthetic::with_nested_includes, 2_000);
}
