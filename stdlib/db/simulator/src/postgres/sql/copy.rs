//! `COPY`: rows as lines of text, with tabs between their values, or as CSV.

use sqlparser::ast::{self, CopyLegacyOption, CopyOption, CopySource, CopyTarget};

use super::bind::Binder;
use super::context::Context;
use super::dml::{Change, Source, What, copied};
use super::expr::{Expr, Result};
use super::plan::Output;
use crate::postgres::{PgError, catalog};
use crate::value::{Datum, Type, from_text, to_text};

/// How lines are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    csv: bool,
    delimiter: char,
    null: String,
    header: bool,
}

/// Rows that a client is to send.
#[derive(Debug, Clone)]
pub(crate) struct CopyIn {
    change: Change,
    places: Vec<usize>,
    kinds: Vec<Type>,
    names: Vec<String>,
    defaults: Vec<Expr>,
    format: Format,
}

pub(crate) enum Copy {
    Out { lines: Vec<Vec<u8>>, columns: usize, rows: usize },
    In(Box<CopyIn>),
}

pub(crate) fn copy(
    cx: &Context<'_>,
    source: &CopySource,
    to: bool,
    target: &CopyTarget,
    options: &[CopyOption],
    legacy: &[CopyLegacyOption],
) -> Result<Copy> {
    let format = Format::of(options, legacy)?;
    match (to, target) {
        (true, CopyTarget::Stdout) => copy_out(cx, source, &format),
        (false, CopyTarget::Stdin) => copy_in(cx, source, format).map(|copy| Copy::In(Box::new(copy))),
        _ => Err(PgError::unsupported("COPY with a file or program of the server")),
    }
}

impl Format {
    fn of(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<Self> {
        let mut csv = false;
        let (mut delimiter, mut null, mut header) = (None, None, false);
        for option in options {
            match option {
                CopyOption::Format(name) => match name.value.to_ascii_lowercase().as_str() {
                    "text" => {}
                    "csv" => csv = true,
                    other => return Err(PgError::unsupported(format_args!("the format {other} of COPY"))),
                },
                CopyOption::Delimiter(character) => delimiter = Some(*character),
                CopyOption::Null(text) => null = Some(text.clone()),
                CopyOption::Header(is) => header = *is,
                CopyOption::Freeze(_) => {}
                other => return Err(PgError::unsupported(format_args!("{other} of COPY"))),
            }
        }
        for option in legacy {
            match option {
                CopyLegacyOption::Csv(inner) if inner.is_empty() => csv = true,
                CopyLegacyOption::Delimiter(character) => delimiter = Some(*character),
                CopyLegacyOption::Null(text) => null = Some(text.clone()),
                CopyLegacyOption::Header => header = true,
                other => return Err(PgError::unsupported(format_args!("{other} of COPY"))),
            }
        }
        Ok(Format {
            csv,
            delimiter: delimiter.unwrap_or(if csv { ',' } else { '\t' }),
            null: null.unwrap_or(if csv { String::new() } else { "\\N".to_owned() }),
            header,
        })
    }

    fn line(&self, fields: impl Iterator<Item = Option<String>>) -> Vec<u8> {
        let fields: Vec<String> = fields
            .map(|field| match field {
                None => self.null.clone(),
                Some(text) if self.csv => self.quoted(text),
                Some(text) => self.escaped(&text),
            })
            .collect();
        let mut line = fields.join(&self.delimiter.to_string()).into_bytes();
        line.push(b'\n');
        line
    }

    fn escaped(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\u{b}' => out.push_str("\\v"),
                other if other == self.delimiter => {
                    out.push('\\');
                    out.push(other);
                }
                other => out.push(other),
            }
        }
        out
    }

    fn quoted(&self, text: String) -> String {
        let plain = !text.contains(['"', '\n', '\r', self.delimiter]) && text != self.null && text != "\\.";
        if plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
    }

    /// The fields of a line of text.
    fn fields(&self, line: &str) -> Result<Vec<Option<String>>> {
        let mut fields = Vec::new();
        for raw in split(line, self.delimiter) {
            if raw == self.null {
                fields.push(None);
                continue;
            }
            fields.push(Some(unescaped(&raw)?));
        }
        Ok(fields)
    }

    /// The records of CSV.
    fn records(&self, text: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut records = Vec::new();
        let (mut record, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut characters = text.chars().peekable();
        let end = |field: &mut String, quoted: &mut bool| {
            let text = std::mem::take(field);
            let absent = !std::mem::take(quoted) && text == self.null;
            (!absent).then_some(text)
        };
        let mut some = false;
        while let Some(character) = characters.next() {
            some = true;
            match character {
                '"' => {
                    quoted = true;
                    loop {
                        match characters.next() {
                            Some('"') if characters.next_if_eq(&'"').is_some() => field.push('"'),
                            Some('"') => break,
                            Some(other) => field.push(other),
                            None => return Err(PgError::new("22P04", "unterminated CSV quoted field")),
                        }
                    }
                }
                '\r' if characters.peek() == Some(&'\n') => {}
                '\n' => {
                    record.push(end(&mut field, &mut quoted));
                    records.push(std::mem::take(&mut record));
                    some = false;
                }
                other if other == self.delimiter => record.push(end(&mut field, &mut quoted)),
                other => field.push(other),
            }
        }
        if some {
            record.push(end(&mut field, &mut quoted));
            records.push(record);
        }
        Ok(records)
    }
}

/// At each delimiter without a backslash before it.
fn split(line: &str, delimiter: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '\\' => {
                fields[last].push('\\');
                fields[last].extend(characters.next());
            }
            other if other == delimiter => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

fn unescaped(raw: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut characters = raw.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let Some(next) = characters.next() else { break };
        let mut digits = |first: u32, radix: u32, most: usize| {
            let mut code = first;
            for _ in 0..most {
                let Some(digit) = characters.peek().and_then(|next| next.to_digit(radix)) else { break };
                code = code * radix + digit;
                characters.next();
            }
            u8::try_from(code & 0xff).unwrap_or(0)
        };
        match next {
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            'x' => bytes.push(digits(0, 16, 2)),
            '0'..='7' => bytes.push(digits(next.to_digit(8).unwrap_or(0), 8, 2)),
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

fn copy_out(cx: &Context<'_>, source: &CopySource, format: &Format) -> Result<Copy> {
    let (columns, rows): (Vec<Output>, Vec<Vec<Datum>>) = match source {
        CopySource::Query(query) => {
            let bound = Binder::new(cx, Vec::new()).query(query, None)?;
            let rows = bound.rows(cx, None)?;
            (bound.columns, rows)
        }
        CopySource::Table { table_name, columns } => {
            let binder = Binder::new(cx, Vec::new());
            let (name, table) = binder.target(table_name)?;
            let places = places(&binder, &name, &table, columns)?;
            let outputs = places.iter().map(|place| {
                let column = &table.columns()[*place];
                Output { name: column.name.clone(), kind: column.kind.clone(), of: None }
            });
            let rows = table.rows().map(|(_, row)| places.iter().map(|place| row[*place].clone()).collect());
            (outputs.collect(), rows.collect())
        }
    };
    let mut lines = Vec::with_capacity(rows.len() + 1);
    if format.header {
        lines.push(format.line(columns.iter().map(|column| Some(column.name.clone()))));
    }
    for row in &rows {
        lines.push(format.line(row.iter().zip(&columns).map(|(datum, column)| {
            (!datum.is_null()).then(|| match column.kind {
                Type::Regclass => catalog::relation_name(cx, datum),
                _ => to_text(datum, &column.kind),
            })
        })));
    }
    Ok(Copy::Out { lines, columns: columns.len(), rows: rows.len() })
}

fn places(
    binder: &Binder<'_, '_>,
    name: &crate::rows::TableName,
    table: &crate::rows::Table,
    columns: &[ast::Ident],
) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok((0..table.columns().len()).collect());
    }
    let columns: Vec<ast::ObjectName> =
        columns.iter().map(|column| ast::ObjectName::from(vec![column.clone()])).collect();
    binder.places(name, table, &columns)
}

fn copy_in(cx: &Context<'_>, source: &CopySource, format: Format) -> Result<CopyIn> {
    let CopySource::Table { table_name, columns } = source else {
        return Err(PgError::new("42601", "COPY query must be used with TO"));
    };
    super::ddl::read_only(cx, "COPY FROM")?;
    let binder = Binder::new(cx, Vec::new());
    let (name, table) = binder.target(table_name)?;
    let places = places(&binder, &name, &table, columns)?;
    let kinds = places.iter().map(|place| table.columns()[*place].kind.clone()).collect();
    let names = places.iter().map(|place| table.columns()[*place].name.clone()).collect();
    let defaults = (0..table.columns().len())
        .map(|place| binder.default(&name, &table, place))
        .collect::<Result<_>>()?;
    let change = Change {
        constraints: binder.constraints(&table)?,
        table: name,
        what: What::Insert { source: Source::Lines(Vec::new()), columns: Vec::new(), conflict: None },
        returning: Vec::new(),
        columns: Vec::new(),
    };
    Ok(CopyIn { change, places, kinds, names, defaults, format })
}

impl CopyIn {
    pub(crate) fn columns(&self) -> usize {
        self.places.len()
    }

    /// Takes all that the client has sent; gives the number of rows.
    pub(crate) fn take(&self, cx: &Context<'_>, data: &[u8]) -> Result<usize> {
        let text = std::str::from_utf8(data)
            .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
        let mut records = match self.format.csv {
            true => self.format.records(text)?,
            false => {
                let lines = text.lines().take_while(|line| *line != "\\.");
                lines.map(|line| self.format.fields(line)).collect::<Result<Vec<_>>>()?
            }
        };
        if self.format.header && !records.is_empty() {
            records.remove(0);
        }
        let mut lines = Vec::with_capacity(records.len());
        for record in records {
            if record.len() > self.kinds.len() {
                return Err(PgError::new("22P04", "extra data after last expected column"));
            }
            let mut line = Vec::with_capacity(record.len());
            for (at, kind) in self.kinds.iter().enumerate() {
                let field = record.get(at).ok_or_else(|| {
                    PgError::new("22P04", format!("missing data for column \"{}\"", self.names[at]))
                })?;
                line.push(match field {
                    None => Datum::Null,
                    Some(text) => from_text(text, kind)?,
                });
            }
            lines.push(line);
        }
        copied(cx, &self.change, &self.places, &self.defaults, lines)
    }
}
