//! Why something cannot be written.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowError {
    NoTable(String),
    TableExists(String),
    /// The row has no value for the table's key.
    NoKey {
        table: String,
        key: String,
    },
    NoColumn {
        table: String,
        column: String,
    },
    /// A value is none of its column's type.
    NotOfType {
        table: String,
        column: String,
        why: String,
    },
    /// There is a row with these values of a unique index.
    Duplicate {
        table: String,
        index: String,
        columns: String,
        values: String,
    },
    /// Somebody else has changed it since it was read.
    Changed {
        table: String,
    },
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::NoTable(table) => write!(f, "there is no table `{table}`"),
            RowError::TableExists(table) => write!(f, "there is a table `{table}` already"),
            RowError::NoKey { table, key } => {
                write!(f, "a row of `{table}` has no `{key}`, which is the table's key")
            }
            RowError::NoColumn { table, column } => write!(f, "the table `{table}` has no column `{column}`"),
            RowError::NotOfType { table, column, why } => {
                write!(f, "the column `{column}` of `{table}` cannot have this value: {why}")
            }
            RowError::Duplicate { table, index, columns, values } => {
                write!(f, "`{table}` has a row with ({columns})=({values}) already, by its index `{index}`")
            }
            RowError::Changed { table } => {
                write!(f, "somebody else has changed a row of `{table}` in the meantime")
            }
        }
    }
}

impl std::error::Error for RowError {}
