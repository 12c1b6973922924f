//! Results for people: rows as a table, the rest as YAML.

use comfy_table::{ContentArrangement, Table, presets};
use opsrun_core::{Value, yaml};

/// A table has no more columns than this; what is nested in a row is shown in brief.
const COLUMNS: usize = 8;
const CELL: usize = 40;

/// `value` in lines of about `width` columns.
pub fn show(value: &Value, width: u16) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(rows) if is_table(rows) => table(rows, width),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(fields) if fields.is_empty() => "#{}".to_owned(),
        Value::Array(_) | Value::Object(_) => yaml::to_string(value).unwrap_or_else(|_| value.to_string()),
        scalar => scalar.to_string(),
    }
}

fn is_table(rows: &[Value]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.as_object().is_some_and(|row| !row.is_empty()))
}

fn table(rows: &[Value], width: u16) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for key in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    // What names a thing comes first.
    columns.sort_by_key(|column| !matches!(*column, "name" | "namespace" | "kind" | "id"));
    let hidden = columns.split_off(columns.len().min(COLUMNS));
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    for row in rows {
        table.add_row(columns.iter().map(|column| cell(row.get(*column).unwrap_or(&Value::Null))));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    let mut text = lines.collect::<Vec<_>>().join("\n");
    if !hidden.is_empty() {
        text.push_str(&format!("\n(without {})", hidden.join(", ")));
    }
    text
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(CELL) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
