//! Which of a chart's dependencies take part in a render, under which names, and which of their values the parent imports:
//! Helm's `ProcessDependencies`.

use gotemplate::{Map, Value};
use serde_json::Value as Json;

use crate::chart::Chart;
use crate::metadata::Dependency;
use crate::semver;
use crate::values::{Coalescer, path_value, table};

/// Drops disabled dependencies, applies aliases and imports values. The chart is changed: give a clone.
pub(crate) fn process(chart: &mut Chart, values: &Map, coalescer: &mut Coalescer) -> Result<(), String> {
    enable(chart, values, "", coalescer)?;
    import_all(chart, coalescer)
}

fn enable(chart: &mut Chart, values: &Map, path: &str, coalescer: &mut Coalescer) -> Result<(), String> {
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let found = std::mem::take(&mut chart.dependencies);
    let declared = &mut chart.metadata.dependencies;
    // Charts that nobody declares are part of the chart as they are.
    let mut charts: Vec<Chart> = found
        .iter()
        .filter(|chart| {
            !declared.iter().any(|d| d.name == chart.name() && semver::satisfies(&d.version, chart.version()))
        })
        .cloned()
        .collect();
    for dependency in declared.iter_mut() {
        let chart = found.iter().find(|chart| {
            chart.name() == dependency.name && semver::satisfies(&dependency.version, chart.version())
        });
        if let Some(chart) = chart {
            let mut chart = chart.clone();
            if !dependency.alias.is_empty() {
                chart.metadata.name = dependency.alias.clone();
            }
            charts.push(chart);
        }
        if !dependency.alias.is_empty() {
            dependency.name = dependency.alias.clone();
        }
        dependency.enabled = true;
    }
    chart.dependencies = charts;
    let values = coalescer.coalesce(chart, values)?;
    apply_tags(&mut chart.metadata.dependencies, &values, coalescer);
    apply_conditions(&mut chart.metadata.dependencies, &values, path, coalescer);
    let disabled: Vec<String> =
        chart.metadata.dependencies.iter().filter(|d| !d.enabled).map(|d| d.name.clone()).collect();
    chart.dependencies.retain(|chart| !disabled.iter().any(|name| name == chart.name()));
    chart.metadata.dependencies.retain(|dependency| !disabled.contains(&dependency.name));
    for child in &mut chart.dependencies {
        let path = format!("{path}{}.", child.metadata.name);
        enable(child, &values, &path, coalescer)?;
    }
    Ok(())
}

fn apply_tags(dependencies: &mut [Dependency], values: &Map, coalescer: &mut Coalescer) {
    let Some(tags) = table(values, "tags") else {
        return;
    };
    for dependency in dependencies {
        let (mut on, mut off) = (false, false);
        for tag in &dependency.tags {
            match tags.get(tag) {
                Some(Value::Bool(true)) => on = true,
                Some(Value::Bool(false)) => off = true,
                Some(_) => {
                    let message = format!("tag {tag} of chart {} is not a boolean", dependency.name);
                    coalescer.warnings.push(message);
                }
                None => {}
            }
        }
        dependency.enabled = on || !off;
    }
}

/// The first path of a condition that holds a boolean decides.
fn apply_conditions(dependencies: &mut [Dependency], values: &Map, path: &str, coalescer: &mut Coalescer) {
    for dependency in dependencies {
        for condition in dependency.condition.trim().split(',').filter(|condition| !condition.is_empty()) {
            match path_value(values, &format!("{path}{condition}")) {
                Some(Value::Bool(enabled)) => {
                    dependency.enabled = enabled;
                    break;
                }
                Some(_) => {
                    let message =
                        format!("condition {condition} of chart {} is not a boolean", dependency.name);
                    coalescer.warnings.push(message);
                }
                None => {}
            }
        }
    }
}

fn import_all(chart: &mut Chart, coalescer: &mut Coalescer) -> Result<(), String> {
    for child in &mut chart.dependencies {
        import_all(child, coalescer)?;
    }
    import_values(chart, coalescer)
}

fn import_values(chart: &mut Chart, coalescer: &mut Coalescer) -> Result<(), String> {
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let values = coalescer.merge(chart, &Map::new())?;
    let imported = Map::new();
    for dependency in &mut chart.metadata.dependencies {
        let mut done = Vec::new();
        for import in &dependency.import_values {
            let (child, parent) = match import {
                Json::Object(pair) => (go_text(pair.get("child")), go_text(pair.get("parent"))),
                Json::String(name) => (format!("exports.{name}"), ".".to_owned()),
                _ => continue,
            };
            done.push(serde_json::json!({ "child": child, "parent": parent }));
            let path = format!("{}.{child}", dependency.name);
            let Some(found) = table(&values, &path) else {
                coalescer.warnings.push(format!("import-values: there is no table {path}"));
                continue;
            };
            coalescer.merge_tables(&imported, &at_path(&parent, found));
        }
        dependency.import_values = done;
    }
    // Imported values may share maps with the chart's own: merging must not write through them.
    let values = values.deep_copy();
    // What the parent sets itself goes before what it imports.
    coalescer.merge_tables(&values, &imported);
    chart.values = values;
    Ok(())
}

/// A table that holds `data` at the path; `.` is the table itself.
fn at_path(path: &str, data: Map) -> Map {
    if path == "." {
        return data;
    }
    path.split('.').rev().fold(data, |inner, key| [(key, Value::Map(inner))].into_iter().collect())
}

/// Go's `%v` of what stands under `child` or `parent`.
fn go_text(value: Option<&Json>) -> String {
    let value = value.map_or(Value::Nil, crate::values::from_json);
    String::from_utf8_lossy(&gotemplate::format::sprintf(b"%v", &[value])).into_owned()
}
