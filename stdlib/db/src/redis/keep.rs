//! What of Redis can be kept and brought back: a server with all its databases, as a replica fetches them, in one RDB file.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use opsrun_core::{
    Content, Counts, Cx, Effect, Error, Item, ItemKind, Items, Named, Result, SourceScheme, Span, Value,
};
use opsrun_db_simulator::rdb::Part;
use opsrun_db_simulator::redis::matches;
use serde::Deserialize;
use serde_json::json;

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::error::Failure;
use crate::redis::primitives::Cursor;
use crate::redis::rdb;
use crate::redis::restoring::{self, Begun, Contents, Reading, WITHIN};
use crate::redis::server;
use crate::redis::session::Session;
use crate::redis::wanted::Wanted;

pub(crate) const SOURCE: SourceScheme = SourceScheme {
    scheme: "redis",
    form: "redis:SERVER",
    doc: "All databases of a Redis, as of one moment: of a server that the target names; `redis:default` is its own.",
    open: |cx, named| Box::pin(async move { open(&cx, &named).await }),
    preflight: Some(|cx, named, items| Box::pin(async move { preflight(&cx, &named, items).await })),
    restore: |cx, named, items| Box::pin(async move { restore(&cx, &named, items).await }),
    try_out: |cx, named, items| Box::pin(async move { try_out(&cx, &named, items).await }),
};

const FILE: &str = "dump.rdb";
const OWN: &str = "default";

fn options<T: Default + serde::de::DeserializeOwned>(named: &Named, what: &str) -> Result<T> {
    let options: Option<T> = serde_json::from_value(named.options.clone())
        .map_err(|error| Error::invalid(format!("the {what} of `redis:{}`: {error}", named.name)))?;
    Ok(options.unwrap_or_default())
}

async fn client(cx: &Cx, server: &str, database: Option<u32>) -> Result<Client> {
    let server = (server != OWN).then_some(server);
    Ok(Client::new(cx, server, database).await?.within(WITHIN))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KeepOptions {
    /// How long it may take (1 hour).
    within: Option<Span>,
}

async fn open(cx: &Cx, named: &Named) -> Result<Items> {
    let options: KeepOptions = options(named, "options")?;
    let client = client(cx, &named.name, None).await?.within(options.within.unwrap_or(WITHIN));
    let content = rdb::fetched(client).await?;
    let item = Item {
        path: FILE.to_owned(),
        kind: ItemKind::File { size: None, content },
        mode: 0o600,
        modified: cx.now(),
    };
    Ok(futures::stream::iter([Ok(item)]).boxed())
}

/// The content of the one file that there is. What follows is for whoever has read it to the end: see [`at_end`].
async fn content(items: &mut Items) -> Result<Content> {
    while let Some(item) = items.try_next().await? {
        let ItemKind::File { content, .. } = item.kind else { continue };
        if item.path != FILE {
            return Err(Error::invalid(format!("`{}` of the snapshot is no file of Redis", item.path)));
        }
        return Ok(content);
    }
    Err(Error::invalid("the snapshot has no file of Redis"))
}

/// # Errors
/// `Invalid` if there is one more file.
async fn at_end(items: &mut Items) -> Result<()> {
    while let Some(item) = items.try_next().await? {
        if let ItemKind::File { .. } = item.kind {
            return Err(Error::invalid(format!("`{}` of the snapshot is one file too many", item.path)));
        }
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RestoreOptions {
    /// What is there goes first: all, or of the `database`, or what `keys` match.
    clean: bool,
    /// Only keys like these, of one database.
    keys: Vec<String>,
    /// Only the database of this number.
    database: Option<u32>,
    /// How long it may take (1 hour).
    within: Option<Span>,
}

async fn place(cx: &Cx, named: &Named) -> Result<(Client, Wanted)> {
    let options: RestoreOptions = options(named, "options")?;
    let client = client(cx, &named.name, options.database).await?.within(options.within.unwrap_or(WITHIN));
    let wanted = Wanted::new(options.database, client.database(), options.keys, options.clean);
    Ok((client, wanted))
}

async fn preflight(cx: &Cx, named: &Named, mut items: Items) -> Result<()> {
    let (client, wanted) = place(cx, named).await?;
    restoring::preflight(&client, &wanted, content(&mut items).await?).await?;
    at_end(&mut items).await
}

async fn restore(cx: &Cx, named: &Named, mut items: Items) -> Result<Value> {
    let (client, wanted) = place(cx, named).await?;
    let brought = restoring::bring_back(&client, &wanted, content(&mut items).await?).await?;
    at_end(&mut items).await?;
    Ok(json!(brought))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Assertions {
    /// Patterns that each have to match a key: `session:*`.
    keys: Vec<String>,
    /// A server with nothing in it, by its name in the target, into which the snapshot is brought back, and which is emptied again. Without it, the
    /// snapshot is read to its checksum.
    server: Option<String>,
}

/// Reads all of it, or brings it back into a server that is there for that; counts there, and looks.
async fn try_out(cx: &Cx, named: &Named, mut items: Items) -> Result<Counts> {
    let assertions: Assertions = options(named, "assertions")?;
    let content = content(&mut items).await?;
    let (contents, unmatched) = match &assertions.server {
        None => read(&assertions.keys, content).await?,
        Some(spare) => {
            let (own, spare) = (client(cx, &named.name, None).await?, client(cx, spare, None).await?);
            if own.is_of_server_of(&spare) {
                let message =
                    format!("{} is the server that the snapshot is of, and is not emptied", spare.place());
                return Err(Error::invalid(message).hint("name another one in `server`, with nothing in it"));
            }
            tried_in(&spare, &assertions.keys, content).await?
        }
    };
    at_end(&mut items).await?;
    if let Some(pattern) = unmatched {
        return Err(Error::failed(format!("no key is like `{pattern}`")));
    }
    let keys = contents.databases.into_iter();
    let mut counts: Counts =
        keys.map(|(number, keys)| (format!("keys of database {number}"), keys)).collect();
    counts.insert("libraries of functions".to_owned(), contents.functions);
    Ok(counts)
}

/// What there is, and a pattern that matches none of it.
type Looked = (Contents, Option<String>);

async fn read(patterns: &[String], content: Content) -> Result<Looked> {
    let mut reading = Reading::new(content);
    let mut contents = Contents::default();
    let mut unmatched: Vec<&String> = patterns.iter().collect();
    while let Some(part) = reading.next().await? {
        match part {
            Part::Key(entry) => {
                *contents.databases.entry(entry.database.to_string()).or_default() += 1;
                unmatched.retain(|pattern| !matches(pattern.as_bytes(), &entry.key));
            }
            Part::Functions(_) => contents.functions += 1,
        }
    }
    Ok((contents, unmatched.first().map(|pattern| (*pattern).clone())))
}

async fn tried_in(spare: &Client, patterns: &[String], content: Content) -> Result<Looked> {
    let begun = Begun::default();
    let looked = async {
        let mut contents = restoring::carry_out(spare, &Wanted::all(), content, &begun).await?;
        let patterns = patterns.to_vec();
        let asked = Asked::of_server("scan", Effect::Read);
        let looked = spare.converse(asked, |session| Box::pin(async move { look(session, patterns).await }));
        let unmatched;
        (contents.databases, unmatched) = looked.await?;
        Ok((contents, unmatched))
    };
    let looked = looked.await;
    if !begun.get() {
        return looked.map_err(|error: Error| {
            error.hint("what is tried out is deleted again: name a server with nothing in it, or empty it with `redis::flush`")
        });
    }
    // What is there is ours.
    let emptied = spare.converse(Asked::of_server("flush", Effect::Write), |session| {
        Box::pin(async move {
            session.sent = true;
            Wanted::all().clear(session).await
        })
    });
    match (looked, emptied.await) {
        (looked, Ok(())) => looked,
        (Err(error), Err(left)) => Err(error.detail(format!(
            "what was brought back into {} stays: {}",
            spare.place(),
            left.message()
        ))),
        (Ok(_), Err(left)) => {
            Err(left.context(format!("what was brought back into {} stays", spare.place())))
        }
    }
}

/// Keys by database, and a pattern that matches none.
async fn look(
    session: &mut Session,
    patterns: Vec<String>,
) -> Result<(BTreeMap<String, u64>, Option<String>), Failure> {
    let databases = server::keys_by_database(session).await?;
    let mut unmatched = None;
    for pattern in patterns {
        let mut found = false;
        for number in databases.keys().filter_map(|number| number.parse().ok()) {
            session.go_to(number).await?;
            let mut cursor = Cursor::new(Some(pattern.clone()), None);
            while let Some(keys) = cursor.next(session).await? {
                found |= !keys.is_empty();
            }
        }
        if !found {
            unmatched = unmatched.or(Some(pattern));
        }
    }
    Ok((databases, unmatched))
}
