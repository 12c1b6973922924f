//! What of PostgreSQL can be kept and brought back: a database, as `pg_dump` writes it, in its own format and not compressed: what is kept
//! compresses itself, and finds what it has already. A dump is of one moment, also while others write.
//!
//! `pg_dump` and `pg_restore` run on this machine, by grant (`program run pg_dump`). Their version must not be older than the server's.

use std::collections::BTreeMap;

use futures::{FutureExt, StreamExt, TryStreamExt};
use opsrun_core::{Cx, Error, ErrorKind, Inverse, Item, ItemKind, Items, Named, Result, SourceScheme, Value};
use serde::Deserialize;
use serde_json::json;

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::databases::{self, MAINTENANCE};
use crate::postgres::primitives::{DROP, create, of_schema};
use crate::postgres::programs;
use crate::postgres::statement::identifier;

pub(crate) const SOURCE: SourceScheme = SourceScheme {
    scheme: "postgres",
    form: "postgres:DATABASE",
    doc: "A database of PostgreSQL, as of one moment; `postgres:SERVER/DATABASE` of a server that the target names.",
    open: |cx, named| Box::pin(async move { open(&cx, &named).await }),
    preflight: None,
    restore: |cx, named, items| Box::pin(async move { restore(&cx, &named, items).await }),
    try_out: |cx, named, items| Box::pin(async move { try_out(&cx, &named, items).await }),
};

const DUMP: &str = "dump.pgdump";

/// A database that a source names.
struct Place {
    server: Option<String>,
    database: String,
}

impl Place {
    fn of(named: &Named) -> Result<Self> {
        let (server, database) = match named.name.split_once('/') {
            Some((server, database)) => (Some(server.to_owned()), database),
            None => (None, named.name.as_str()),
        };
        databases::check_name(database)?;
        Ok(Place { server, database: database.to_owned() })
    }

    async fn client(&self, cx: &Cx, database: &str) -> Result<Client> {
        Client::new(cx, self.server.as_deref(), Some(database)).await
    }
}

fn options<T: Default + serde::de::DeserializeOwned>(named: &Named, what: &str) -> Result<T> {
    let options: Option<T> = serde_json::from_value(named.options.clone())
        .map_err(|error| Error::invalid(format!("the {what} of `postgres:{}`: {error}", named.name)))?;
    Ok(options.unwrap_or_default())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeepOptions {
    /// Only these tables, `orders` or `sales.orders`.
    tables: Vec<String>,
    /// All but what is in these; the tables themselves are kept.
    without_rows_of: Vec<String>,
}

async fn open(cx: &Cx, named: &Named) -> Result<Items> {
    let options: KeepOptions = options(named, "options")?;
    let place = Place::of(named)?;
    let client = place.client(cx, &place.database).await?;
    // What it cannot be signed in with, and that there is no such database, is said better by us.
    of_schema(&client, Some("")).await?;
    let mut args = vec!["--format=custom".to_owned(), "--compress=0".to_owned()];
    args.extend(options.tables.iter().map(|table| format!("--table={table}")));
    args.extend(options.without_rows_of.iter().map(|table| format!("--exclude-table-data={table}")));
    args.push("--no-password".to_owned());
    let item = Item {
        path: DUMP.to_owned(),
        kind: ItemKind::File { size: None, content: programs::output(cx, &client, "pg_dump", args).await? },
        mode: 0o600,
        modified: cx.now(),
    };
    Ok(futures::stream::iter([Ok(item)]).boxed())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RestoreOptions {
    /// Drop what is there and stands in the dump as well.
    clean: bool,
    /// Only these tables.
    tables: Vec<String>,
}

async fn restore(cx: &Cx, named: &Named, items: Items) -> Result<Value> {
    let options: RestoreOptions = options(named, "options")?;
    let place = Place::of(named)?;
    let from = place.client(cx, MAINTENANCE).await?;
    let created = databases::find(&from, &place.database).await?.is_none();
    if created {
        let inverse = json!({ "name": place.database, "server": place.server });
        let _ = cx.undo(Inverse::call(DROP, inverse)).await?;
        create(&from, &place.database, None, None).await?;
    }
    let client = place.client(cx, &place.database).await?;
    let there = of_schema(&client, None).await?.len();
    if there > 0 && !options.clean {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("{} has {there} tables, and is not written over", client.place()),
        )
        .hint(format!(
            "bring it back beside it, as `to: \"postgres:{}_restored\"`, or say `options: #{{ clean: true }}`",
            place.database
        )));
    }
    let mut args = Vec::new();
    if options.clean {
        args.extend(["--clean".to_owned(), "--if-exists".to_owned()]);
    }
    args.extend(options.tables.iter().map(|table| format!("--table={table}")));
    let bytes = bring_back(cx, &client, args, items).await?;
    let tables = of_schema(&client, None).await?.len();
    Ok(json!({ "database": place.database, "created": created, "bytes": bytes, "tables": tables }))
}

/// All of it, or nothing.
async fn bring_back(cx: &Cx, client: &Client, mut args: Vec<String>, mut items: Items) -> Result<u64> {
    let always =
        ["--exit-on-error", "--single-transaction", "--no-password", "--no-owner", "--no-privileges"];
    args.extend(always.map(str::to_owned));
    args.push(format!("--dbname={}", client.database()));
    let mut bytes = None;
    while let Some(item) = items.try_next().await? {
        let ItemKind::File { content, .. } = item.kind else { continue };
        if item.path != DUMP || bytes.is_some() {
            return Err(Error::invalid(format!("`{}` of the snapshot is no dump of PostgreSQL", item.path)));
        }
        bytes = Some(programs::input(cx, client, "pg_restore", args.clone(), content).await?);
    }
    bytes.ok_or_else(|| Error::invalid("the snapshot has no dump of PostgreSQL"))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Assertions {
    /// Statements whose first value has to be true: `select count(*) > 1000 from orders`.
    queries: Vec<String>,
}

/// Brings it back into a database of its own, counts there and looks, and drops it.
async fn try_out(cx: &Cx, named: &Named, items: Items) -> Result<BTreeMap<String, u64>> {
    let assertions: Assertions = options(named, "assertions")?;
    let place = Place::of(named)?;
    let from = place.client(cx, MAINTENANCE).await?;
    let name = format!("opsrun_verify_{:08x}", cx.random() >> 32);
    let inverse = json!({ "name": name, "server": place.server });
    let slot = cx.undo(Inverse::call(DROP, inverse)).await?;
    create(&from, &name, None, None).await?;
    let client = place.client(cx, &name).await?;
    let looked = async {
        bring_back(cx, &client, Vec::new(), items).await?;
        look(&client, &assertions.queries).await
    };
    let looked = looked.await;
    let sql = format!("drop database if exists {} with (force)", identifier(&name));
    let dropped = from.converse(Mode::Alone, Asked::write("drop", &name), |session| {
        async move {
            session.committed = true;
            session.simple(&sql).await.map(drop)
        }
        .boxed()
    });
    match dropped.await {
        Ok(()) => slot.forget().await?,
        // It stays among what can be taken back.
        Err(error) => cx.warn(format!("the database `{name}` stays: {}", error.report())),
    }
    looked
}

async fn look(client: &Client, queries: &[String]) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for table in of_schema(client, None).await? {
        let count: Counted =
            client.row(&format!("select count(*) as rows from {}", table.name()), Vec::new()).await?;
        counts.insert(format!("rows of {}.{}", table.schema, table.table), count.rows);
    }
    for query in queries {
        let rows: Vec<serde_json::Map<String, Value>> = client.rows(query, Vec::new()).await?;
        let first = rows.first().and_then(|row| row.values().next());
        if first != Some(&Value::Bool(true)) {
            let said = first.map_or_else(|| "no row".to_owned(), Value::to_string);
            return Err(Error::failed(format!("`{query}` gives {said}, and not true")));
        }
    }
    Ok(counts)
}

#[derive(Deserialize)]
struct Counted {
    rows: u64,
}
