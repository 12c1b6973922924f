//! What a table is made of: columns, indexes, constraints.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::value::{Datum, Json, Type, ValueError, from_text, to_text};

/// The name of a table or sequence, in its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    pub schema: Arc<str>,
    pub name: Arc<str>,
}

/// The schema of what is named without one.
pub const PUBLIC: &str = "public";

impl TableName {
    pub fn new(schema: &str, name: &str) -> Self {
        TableName { schema: schema.into(), name: name.into() }
    }
}

/// Of the schema `public`.
impl From<&str> for TableName {
    fn from(name: &str) -> Self {
        TableName::new(PUBLIC, name)
    }
}

impl fmt::Display for TableName {
    /// `orders`, or `audit.orders` where it is not in `public`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.schema {
            PUBLIC => f.write_str(&self.name),
            schema => write!(f, "{schema}.{}", self.name),
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Type,
    pub not_null: bool,
    /// SQL.
    pub default: Option<String>,
    pub identity: Option<Identity>,
}

/// Who gives the values of an identity column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    Always,
    ByDefault,
}

impl Column {
    pub fn new(name: &str, kind: Type) -> Self {
        Column { name: name.to_owned(), kind, not_null: false, default: None, identity: None }
    }
}

/// An index. What is not unique is known by its name and columns only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub oid: u32,
    pub name: String,
    /// Their places.
    pub columns: Vec<usize>,
    pub unique: bool,
    pub primary: bool,
    /// It is of a constraint, and goes with it.
    pub constraint: bool,
}

/// `CHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    /// SQL.
    pub expression: String,
}

/// `FOREIGN KEY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub name: String,
    pub columns: Vec<usize>,
    pub target: TableName,
    pub target_columns: Vec<String>,
    pub on_delete: OnDelete,
}

/// What becomes of rows whose target goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    Refuse,
    Cascade,
    SetNull,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Definition {
    pub oid: u32,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    pub checks: Vec<Check>,
    pub foreign: Vec<ForeignKey>,
}

impl Definition {
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    pub fn primary(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| index.primary)
    }

    /// The name of an index by its columns, as PostgreSQL shows them: `id, state`.
    pub fn names(&self, columns: &[usize]) -> String {
        let names: Vec<&str> = columns.iter().map(|place| self.columns[*place].name.as_str()).collect();
        names.join(", ")
    }
}

/// A value of a column as an estate file and other programs have it.
pub(super) fn to_json(datum: &Datum, kind: &Type) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Bool(is) => Value::Bool(*is),
        Datum::Int(number) => Value::from(*number),
        // What is no number for JSON is its text.
        Datum::Float(float) => {
            serde_json::Number::from_f64(*float).map_or_else(|| to_text(datum, kind).into(), Value::Number)
        }
        Datum::Json(json) => serde_json::from_str(&json.to_string()).unwrap_or(Value::Null),
        other => Value::String(to_text(other, kind)),
    }
}

/// # Errors
/// What the value is not.
pub(super) fn from_json(value: &Value, kind: &Type) -> Result<Datum, ValueError> {
    match (value, kind) {
        (Value::Null, _) => Ok(Datum::Null),
        (value, Type::Jsonb) => Ok(Datum::Json(Arc::new(Json::of_serde(value)))),
        (Value::String(text), kind) => from_text(text, kind),
        (value, kind) => from_text(&value.to_string(), kind),
    }
}

/// A row by the names of its columns.
pub type Fields = Map<String, Value>;
