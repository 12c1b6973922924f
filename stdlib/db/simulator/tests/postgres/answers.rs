//! What a server answers, as text that can be compared.

use std::time::Duration;

use tokio_postgres::types::{FromSql, Kind, Type};
use tokio_postgres::{Client, SimpleQueryMessage};

/// After so long there is no answer.
const LONGEST: Duration = Duration::from_secs(3);

/// The bytes of a value, whatever its type.
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Errors by their code, message, detail and place; hints are not what programs read.
fn error(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => {
            let place = error.position().map(|place| format!(" at {place:?}")).unwrap_or_default();
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{} {}{detail}{place}", error.code().code(), error.message())
        }
        None => format!("{error:?}"),
    }
}

/// By the simple protocol: rows as text, and what was changed.
pub(crate) async fn simple(client: &Client, sql: &str) -> String {
    let answer = tokio::time::timeout(LONGEST, client.simple_query(sql)).await;
    let messages = match answer {
        Ok(Ok(messages)) => messages,
        Ok(Err(failed)) => return error(&failed),
        Err(_) => return "no answer".to_owned(),
    };
    let lines = messages.iter().map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let fields = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
            fields.collect::<Vec<_>>().join("|")
        }
        SimpleQueryMessage::RowDescription(columns) => {
            columns.iter().map(|column| column.name()).collect::<Vec<_>>().join("|")
        }
        SimpleQueryMessage::CommandComplete(count) => format!("= {count}"),
        _ => "?".to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// By the extended protocol: names and types of columns, types of parameters, and rows in binary.
pub(crate) async fn extended(client: &Client, sql: &str) -> String {
    match tokio::time::timeout(LONGEST, in_steps(client, sql)).await {
        Ok(answer) => answer,
        Err(_) => "no answer".to_owned(),
    }
}

async fn in_steps(client: &Client, sql: &str) -> String {
    let statement = match client.prepare(sql).await {
        Ok(statement) => statement,
        Err(failed) => return error(&failed),
    };
    let parameters: Vec<&str> = statement.params().iter().map(Type::name).collect();
    let columns: Vec<String> = statement
        .columns()
        .iter()
        .map(|column| match column.type_().kind() {
            Kind::Array(element) => format!("{} {}[]", column.name(), element.name()),
            _ => format!("{} {}", column.name(), column.type_().name()),
        })
        .collect();
    let head = format!("({}) -> {}", parameters.join(", "), columns.join(", "));
    if !statement.params().is_empty() {
        return head;
    }
    match client.query(&statement, &[]).await {
        Err(failed) => format!("{head}\n{}", error(&failed)),
        Ok(rows) => {
            let lines = rows.iter().map(|row| {
                let fields = (0..row.len()).map(|at| match row.get::<_, Raw>(at).0 {
                    None => "NULL".to_owned(),
                    Some(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                });
                fields.collect::<Vec<String>>().join("|")
            });
            std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
        }
    }
}
