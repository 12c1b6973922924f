//! Results for people: rows as a table, the rest as YAML. It knows no system: what nests is taken apart, and what tells one
//! row from another comes first.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{ContentArrangement, Table, presets};
use opsrun_core::{Value, yaml};

/// Wider cells are cut.
const CELL: usize = 40;
/// What is nested deeper is not looked for.
const DEPTH: usize = 3;
/// The blanks between two columns.
const GAP: usize = 2;

/// What names a row, in the order in which it is read.
const NAMES: &[&str] = &["namespace", "name", "id"];
/// What tells how it is.
const STATES: &[&str] = &[
    "ready",
    "phase",
    "state",
    "reason",
    "restartCount",
    "replicas",
    "readyReplicas",
    "updatedReplicas",
    "availableReplicas",
    "active",
    "succeeded",
    "failed",
    "revision",
    "version",
    "type",
    "message",
];

/// `value` in lines of about `width` columns.
pub fn show(value: &Value, width: u16) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(rows) if is_table(rows) => table(rows, usize::from(width)),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(fields) if fields.is_empty() => "#{}".to_owned(),
        Value::Array(_) | Value::Object(_) => yaml::to_string(value).unwrap_or_else(|_| value.to_string()),
        scalar => scalar.to_string(),
    }
}

fn is_table(rows: &[Value]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.as_object().is_some_and(|row| !row.is_empty()))
}

/// A row taken apart: each part by its path.
type Row = BTreeMap<Vec<String>, String>;

fn table(rows: &[Value], width: usize) -> String {
    let taken_apart: Vec<Row> = rows
        .iter()
        .map(|row| {
            let mut parts = Row::new();
            take_apart(row, &mut Vec::new(), &mut parts);
            parts
        })
        .collect();
    let columns = order(&taken_apart);
    let titles = titles(&columns);
    let mut shown = Vec::new();
    let mut used = 0;
    for (path, title) in columns.iter().zip(&titles) {
        let cells = taken_apart.iter().filter_map(|row| row.get(path)).map(|cell| cell.chars().count());
        let wide = cells.chain([title.chars().count()]).max().unwrap_or_default().min(CELL) + GAP;
        if shown.is_empty() || used + wide <= width + GAP {
            used += wide;
            shown.push((path, title));
        }
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(shown.iter().map(|(_, title)| title.to_uppercase()));
    for row in &taken_apart {
        table.add_row(shown.iter().map(|(path, _)| row.get(*path).map_or("", String::as_str)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    let mut text = lines.collect::<Vec<_>>().join("\n");
    let hidden: Vec<_> = titles
        .iter()
        .filter(|title| !shown.iter().any(|(_, known)| known == title))
        .map(String::as_str)
        .collect();
    match hidden.as_slice() {
        [] => {}
        few if few.len() <= 6 => text.push_str(&format!("\n(without {})", few.join(", "))),
        many => text.push_str(&format!("\n(without {} more columns)", many.len())),
    }
    text
}

/// The scalars of a value by their path; those of the maps in an array stand side by side.
fn take_apart(value: &Value, path: &mut Vec<String>, parts: &mut Row) {
    match value {
        Value::Null => {}
        Value::Object(fields) if path.len() < DEPTH && !fields.is_empty() => {
            for (key, value) in fields {
                path.push(key.clone());
                take_apart(value, path, parts);
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            for item in items {
                take_apart(item, path, parts);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            add(path, &value.to_string(), parts);
        }
        Value::Array(items) => {
            let items =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            add(path, &items.collect::<Vec<_>>().join(","), parts);
        }
        Value::String(text) => add(path, text.lines().next().unwrap_or_default(), parts),
        other => add(path, &other.to_string(), parts),
    }
}

fn add(path: &[String], text: &str, parts: &mut Row) {
    let cell = parts.entry(path.to_vec()).or_default();
    if !cell.is_empty() {
        cell.push(',');
    }
    cell.push_str(text);
    if let Some((end, _)) = cell.char_indices().nth(CELL) {
        // Cut once: what is added to it is not seen.
        cell.truncate(end);
        if !cell.ends_with('…') {
            cell.pop();
            cell.push('…');
        }
    }
}

/// The columns, the most telling ones first. In flat rows they stay as they are, but for their names.
fn order(taken_apart: &[Row]) -> Vec<Vec<String>> {
    let all: BTreeSet<&Vec<String>> = taken_apart.iter().flat_map(BTreeMap::keys).collect();
    let mut columns: Vec<Vec<String>> = all.into_iter().cloned().collect();
    let nested = columns.iter().any(|path| path.len() > 1);
    let same = |path: &Vec<String>| {
        let first = taken_apart.first().and_then(|row| row.get(path));
        taken_apart.len() > 1 && taken_apart.iter().all(|row| row.get(path) == first)
    };
    columns.sort_by_key(|path| {
        let last = path.last().map_or("", String::as_str);
        let shallow = path.len() <= 2;
        if let Some(place) = NAMES.iter().position(|name| *name == last).filter(|_| shallow) {
            return (0, place, path.len());
        }
        if !nested {
            return (1, 0, 0);
        }
        match STATES.iter().position(|state| *state == last) {
            Some(place) if path.first().is_some_and(|first| first == "status") => (1, place, path.len()),
            Some(place) if shallow => (2, place, path.len()),
            _ if same(path) => (5, 0, path.len()),
            _ if shallow => (3, 0, path.len()),
            _ => (4, 0, path.len()),
        }
    });
    columns
}

/// The last part of each path, and more of it where a column before has that title.
fn titles(columns: &[Vec<String>]) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    for path in columns {
        let title = |parts: usize| path[path.len().saturating_sub(parts)..].join(".");
        let free = (1..=path.len()).map(title).find(|title| !titles.contains(title));
        titles.push(free.unwrap_or_else(|| path.join(".")));
    }
    titles
}
