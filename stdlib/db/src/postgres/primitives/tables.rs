use opsrun_core::{Cx, Effect, Error, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::statement::identifier;

/// Lists the tables of a database with their rows and sizes.
///
/// The rows are what the server estimated when it last analysed the table, and `()` if it never did; with `exact` they are counted, all at the
/// same moment. Partitions and materialized views are tables of their own here; the server's own tables are left out.
///
/// ```rhai
/// for table in postgres::tables(#{ exact: true }) {
///     log(`${table.table}: ${table.rows} rows, ${table.bytes} bytes`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Tables {
    /// Only those of this schema.
    schema: Option<String>,
    /// Count the rows, and do not estimate them.
    #[serde(default)]
    exact: bool,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// A table.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) table: String,
    /// `()`: nobody knows.
    rows: Option<i64>,
    /// With its indexes and what is stored beside it.
    bytes: i64,
}

impl Primitive for Tables {
    const PATH: &'static str = "postgres::tables";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Table>;

    async fn run(self, cx: &Cx) -> Result<Vec<Table>> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let mut tables = of_schema(&client, self.schema.as_deref()).await?;
        if self.exact {
            let counts: Vec<String> =
                tables.iter().map(|table| format!("select count(*) as rows from {}", table.name())).collect();
            let counted = client.converse(Mode::Snapshot, Asked::query(client.database()), |session| {
                Box::pin(async move {
                    let mut counted = Vec::with_capacity(counts.len());
                    for count in counts {
                        let answer = session.extended(&count, &[], None).await?;
                        counted.push(
                            answer.rows.first().and_then(|row| row.get("rows")).and_then(Value::as_i64),
                        );
                    }
                    Ok(counted)
                })
            });
            for (table, rows) in tables.iter_mut().zip(counted.await?) {
                table.rows = rows;
            }
        }
        Ok(tables)
    }
}

impl Table {
    /// As it stands in a statement. Without what inherits from it: that is a table of its own.
    pub(crate) fn name(&self) -> String {
        format!("only {}.{}", identifier(&self.schema), identifier(&self.table))
    }

    /// Whether it is called so, with its schema or without.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        match name.split_once('.') {
            Some((schema, table)) => self.schema == schema && self.table == table,
            None => self.table == name,
        }
    }
}

/// The tables of a schema, or of all, by name.
pub(crate) async fn of_schema(client: &Client, schema: Option<&str>) -> Result<Vec<Table>> {
    let asked = "select n.nspname as schema, c.relname as table, \
                 case when c.reltuples >= 0 then c.reltuples::bigint end as rows, \
                 pg_total_relation_size(c.oid) as bytes \
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                 where c.relkind in ('r', 'm') and left(n.nspname, 3) <> 'pg_' and n.nspname <> 'information_schema' \
                 and ($1::text is null or n.nspname = $1::text) order by n.nspname, c.relname";
    client.rows(asked, vec![json!(schema)]).await
}

/// Those of `tables` that `names` are about; all, if there are no names.
///
/// # Errors
/// `NotFound` for a name that no table has.
pub(crate) fn called(tables: Vec<Table>, names: &[String], client: &Client) -> Result<Vec<Table>> {
    if let Some(unknown) = names.iter().find(|name| !tables.iter().any(|table| table.is_called(name))) {
        return Err(Error::not_found(format!("{} has no table `{unknown}`", client.place()))
            .hint("`postgres::tables()` lists them; one of another schema is written `schema.table`"));
    }
    let wanted = |table: &Table| names.is_empty() || names.iter().any(|name| table.is_called(name));
    Ok(tables.into_iter().filter(wanted).collect())
}
