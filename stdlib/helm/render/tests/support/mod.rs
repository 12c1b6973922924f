//! Small charts for tests.

#![allow(dead_code)] // Not every test needs all of it.

use helm_render::{Chart, Files, RenderOptions, Values, render};

pub(crate) const CHART: &str = "apiVersion: v2\nname: app\nversion: 1.2.3\n";

/// A chart of these files, and a `Chart.yaml` unless that is one of them.
pub(crate) fn files(files: &[(&str, &str)]) -> Files {
    let mut all = Files::new();
    all.insert("Chart.yaml", CHART);
    files.iter().for_each(|(path, text)| all.insert(*path, *text));
    all
}

pub(crate) fn chart(list: &[(&str, &str)]) -> Chart {
    Chart::from_files(files(list)).expect("the chart loads")
}

pub(crate) fn options() -> RenderOptions {
    let now = jiff::Timestamp::from_second(1_700_000_000).expect("a time");
    RenderOptions::new("release-name", "default", now)
}

/// What `helm template` would print, or the message of what fails.
pub(crate) fn try_render(list: &[(&str, &str)]) -> Result<String, String> {
    let chart = Chart::from_files(files(list)).map_err(|e| e.to_string())?;
    let rendered = render(&chart, &Values::new(), &options()).map_err(|e| e.to_string())?;
    Ok(rendered.to_template_output())
}

#[track_caller]
pub(crate) fn render_one(list: &[(&str, &str)]) -> String {
    try_render(list).expect("it renders")
}

#[track_caller]
pub(crate) fn error(list: &[(&str, &str)]) -> String {
    try_render(list).expect_err("it fails")
}
