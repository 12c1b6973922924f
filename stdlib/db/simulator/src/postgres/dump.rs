//! What `pg_dump` and `pg_restore` do where they are simulated: a database as lines of JSON, and back.
//!
//! It is a format of its own, whose first line says so, and whose last line says how much there is: what was cut off is no dump.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::PgError;
use crate::rows::{
    Check, Column, Database, Definition, ForeignKey, Identity, Index, OnDelete, Row, Sequence, Table,
    TableName,
};
use crate::value::{Datum, Type, from_text, to_text};

const FORMAT: &str = "opsrun-simulated-pg-dump";

/// What of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpOptions {
    pub schema_only: bool,
    pub data_only: bool,
    /// Only these, `orders` or `audit.events`; all if none is named.
    pub tables: Vec<String>,
    /// Of a restore: what is there of the same name goes first.
    pub clean: bool,
}

/// What a restore has brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    pub tables: usize,
    pub rows: usize,
}

impl DumpOptions {
    fn takes(&self, name: &TableName) -> bool {
        self.tables.is_empty() || self.tables.contains(&name.to_string())
    }
}

fn name_of(name: &TableName) -> Value {
    json!([&*name.schema, &*name.name])
}

/// A database, as it is.
///
/// # Errors
/// 42P01 for a table that is named and not there.
pub fn pg_dump(database: &Database, name: &str, options: &DumpOptions) -> Result<Vec<u8>, PgError> {
    if let Some(missing) =
        options.tables.iter().find(|wanted| !database.tables().any(|(name, _)| name.to_string() == **wanted))
    {
        return Err(PgError::new("42P01", format!("no matching tables were found: {missing}")));
    }
    let mut lines = vec![json!({ "format": FORMAT, "version": 1, "database": name })];
    let taken = || database.tables().filter(|(name, _)| options.takes(name));
    if !options.data_only {
        for (schema, _) in database.schemas() {
            lines.push(json!({ "schema": schema }));
        }
        lines.extend(taken().map(|(name, table)| json!({ "table": name_of(name), "as": definition(table) })));
    }
    for (name, sequence) in database.sequences() {
        let of_taken = sequence.owner.as_ref().is_none_or(|(owner, _)| options.takes(owner));
        if of_taken && (options.tables.is_empty() || sequence.owner.is_some()) {
            lines.push(json!({ "sequence": name_of(name), "as": {
                "start": sequence.start,
                "increment": sequence.increment,
                // Where it stands belongs to the data.
                "last": if options.schema_only { sequence.start } else { sequence.last },
                "called": sequence.called && !options.schema_only,
                "owner": sequence.owner.as_ref().map(|(owner, column)| json!([name_of(owner), column])),
            } }));
        }
    }
    let mut rows = 0;
    if !options.schema_only {
        for (name, table) in taken() {
            lines.push(json!({ "rows": name_of(name) }));
            for (_, row) in table.rows() {
                let columns = table.columns().iter().zip(row.iter());
                let values: Vec<Value> = columns
                    .map(
                        |(column, datum)| {
                            if datum.is_null() { Value::Null } else { to_text(datum, &column.kind).into() }
                        },
                    )
                    .collect();
                lines.push(Value::Array(values));
                rows += 1;
            }
        }
    }
    lines.push(json!({ "end": { "tables": taken().count(), "rows": rows } }));
    let mut out = String::new();
    for line in lines {
        out.push_str(&line.to_string());
        out.push('\n');
    }
    Ok(out.into_bytes())
}

fn definition(table: &Table) -> Value {
    let of = table.definition();
    let columns = of.columns.iter().map(|column| {
        json!({
            "name": column.name,
            "type": column.kind.to_string(),
            "not-null": column.not_null,
            "default": column.default,
            "identity": column.identity.map(|identity| identity == Identity::Always),
        })
    });
    let indexes = of
        .indexes
        .iter()
        .map(|index| json!([index.name, index.columns, index.unique, index.primary, index.constraint]));
    let foreign = of.foreign.iter().map(|key| {
        let on_delete = match key.on_delete {
            OnDelete::Refuse => "refuse",
            OnDelete::Cascade => "cascade",
            OnDelete::SetNull => "set-null",
        };
        json!([key.name, key.columns, name_of(&key.target), key.target_columns, on_delete])
    });
    json!({
        "columns": columns.collect::<Vec<_>>(),
        "indexes": indexes.collect::<Vec<_>>(),
        "checks": of.checks.iter().map(|check| json!([check.name, check.expression])).collect::<Vec<_>>(),
        "foreign": foreign.collect::<Vec<_>>(),
    })
}

fn broken(line: usize, what: &str) -> PgError {
    PgError::new("XX001", format!("the dump is broken at line {line}: {what}"))
}

/// Brings a dump into a database. If it fails, nothing has been brought.
///
/// # Errors
/// XX001 for what is no dump, or not all of one; 42P07 for a table that is there, 42P01 for one that data is for and that is not;
/// those of rows that do not fit.
pub fn pg_restore(
    dump: &[u8],
    database: &mut Database,
    at: Timestamp,
    options: &DumpOptions,
) -> Result<Restored, PgError> {
    let text = std::str::from_utf8(dump).map_err(|_| broken(1, "it is no text"))?;
    let mut work = database.clone();
    let mut restore =
        Restore { work: &mut work, at, options, into: None, restored: Restored::default(), end: None };
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let value: Value = serde_json::from_str(line).map_err(|_| broken(number, "it is no JSON"))?;
        if at == 0 {
            if value["format"] != FORMAT || value["version"] != 1 {
                return Err(broken(1, "it is none of a simulated pg_dump"));
            }
            continue;
        }
        if restore.end.is_some() {
            return Err(broken(number, "there is something behind its end"));
        }
        restore.line(number, &value)?;
    }
    let restored = restore.restored;
    if restore.end.is_none() {
        return Err(broken(text.lines().count(), "its end is missing"));
    }
    *database = work;
    Ok(restored)
}

struct Restore<'r> {
    work: &'r mut Database,
    at: Timestamp,
    options: &'r DumpOptions,
    /// The table that rows are for, and whether they are taken.
    into: Option<(TableName, bool)>,
    restored: Restored,
    end: Option<()>,
}

impl Restore<'_> {
    fn line(&mut self, number: usize, line: &Value) -> Result<(), PgError> {
        let wrong = |what: &str| broken(number, what);
        let fields = match line {
            Value::Array(values) => return self.row(number, values),
            Value::Object(fields) => fields,
            _ => return Err(wrong("it is of no known kind")),
        };
        let name = |key: &str| {
            fields.get(key).map(|value| table_name(value).ok_or_else(|| wrong("a name is none"))).transpose()
        };
        if let Some(schema) = fields.get("schema").and_then(Value::as_str) {
            if !self.options.data_only {
                self.work.set_schema(self.at, schema, true);
            }
        } else if let Some(table) = name("table")? {
            if !self.options.data_only && self.options.takes(&table) {
                if self.options.clean {
                    self.work.drop_table(self.at, table.clone());
                }
                let made =
                    self.definition(&fields["as"]).ok_or_else(|| wrong("a table's definition is none"))?;
                self.work.define(self.at, table, made)?;
                self.restored.tables += 1;
            }
        } else if let Some(sequence) = name("sequence")? {
            let made = self.sequence(&fields["as"]).ok_or_else(|| wrong("a sequence is none"))?;
            let owner = made.owner.as_ref().map(|(owner, _)| owner);
            let taken = owner.map_or(self.options.tables.is_empty(), |owner| self.options.takes(owner));
            let there = self.work.sequence(&sequence).is_some();
            if taken && (there || !self.options.data_only) {
                self.work.set_sequence(self.at, &sequence, Some(made));
            }
        } else if let Some(table) = name("rows")? {
            let taken = !self.options.schema_only && self.options.takes(&table);
            if taken && self.work.table(table.clone()).is_none() {
                return Err(PgError::new("42P01", format!("relation \"{table}\" does not exist")));
            }
            self.into = Some((table, taken));
        } else if fields.contains_key("end") {
            self.end = Some(());
        } else {
            return Err(wrong("it is of no known kind"));
        }
        Ok(())
    }

    fn row(&mut self, number: usize, values: &[Value]) -> Result<(), PgError> {
        let Some((table, taken)) = &self.into else { return Err(broken(number, "a row of no table")) };
        if !taken {
            return Ok(());
        }
        let kinds: Vec<Type> = match self.work.table(table.clone()) {
            Some(table) => table.columns().iter().map(|column| column.kind.clone()).collect(),
            None => return Err(broken(number, "a row of a table that is not there")),
        };
        if kinds.len() != values.len() {
            return Err(broken(number, "a row has not as many values as its table has columns"));
        }
        let row = values.iter().zip(&kinds).map(|(value, kind)| match value {
            Value::Null => Ok(Datum::Null),
            Value::String(text) => Ok(from_text(text, kind)?),
            _ => Err(broken(number, "a value is no text")),
        });
        let row: Row = row.collect::<Result<Vec<_>, PgError>>()?.into();
        self.work.insert(self.at, table, row)?;
        self.restored.rows += 1;
        Ok(())
    }

    fn definition(&mut self, value: &Value) -> Option<Definition> {
        let list = |key: &str| value[key].as_array();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let columns = list("columns")?.iter().map(|column| {
            Some(Column {
                name: text(&column["name"])?,
                kind: Type::named(column["type"].as_str()?)?,
                not_null: column["not-null"].as_bool()?,
                default: text(&column["default"]),
                identity: column["identity"]
                    .as_bool()
                    .map(|always| if always { Identity::Always } else { Identity::ByDefault }),
            })
        });
        let columns = columns.collect::<Option<Vec<_>>>()?;
        let mut indexes = Vec::new();
        for index in list("indexes")? {
            indexes.push(Index {
                oid: self.work.new_oid(),
                name: text(&index[0])?,
                columns: places(&index[1])?,
                unique: index[2].as_bool()?,
                primary: index[3].as_bool()?,
                constraint: index[4].as_bool()?,
            });
        }
        let checks = list("checks")?.iter();
        let checks = checks.map(|check| Some(Check { name: text(&check[0])?, expression: text(&check[1])? }));
        let checks = checks.collect::<Option<Vec<_>>>()?;
        let foreign = list("foreign")?.iter().map(|key| {
            Some(ForeignKey {
                name: text(&key[0])?,
                columns: places(&key[1])?,
                target: table_name(&key[2])?,
                target_columns: key[3].as_array()?.iter().map(text).collect::<Option<_>>()?,
                on_delete: match key[4].as_str()? {
                    "refuse" => OnDelete::Refuse,
                    "cascade" => OnDelete::Cascade,
                    "set-null" => OnDelete::SetNull,
                    _ => return None,
                },
            })
        });
        let foreign = foreign.collect::<Option<Vec<_>>>()?;
        Some(Definition { oid: 0, columns, indexes, checks, foreign })
    }

    fn sequence(&mut self, value: &Value) -> Option<Sequence> {
        let owner = match &value["owner"] {
            Value::Null => None,
            owner => Some((table_name(&owner[0])?, owner[1].as_str()?.to_owned())),
        };
        Some(Sequence {
            oid: self.work.new_oid(),
            start: value["start"].as_i64()?,
            increment: value["increment"].as_i64()?,
            last: value["last"].as_i64()?,
            called: value["called"].as_bool()?,
            owner,
        })
    }
}

fn table_name(value: &Value) -> Option<TableName> {
    Some(TableName::new(value[0].as_str()?, value[1].as_str()?))
}

fn places(value: &Value) -> Option<Vec<usize>> {
    value
        .as_array()?
        .iter()
        .map(|place| place.as_u64().and_then(|place| usize::try_from(place).ok()))
        .collect()
}
