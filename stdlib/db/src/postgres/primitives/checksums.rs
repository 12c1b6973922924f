use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tables::{called, of_schema};
use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode, shaped};

/// Counts and sums up the rows of tables, so that two databases can be compared.
///
/// All tables are looked at in one snapshot, so what is told belongs together also while others write. A checksum is made of the rows' text,
/// whatever their order: the sum of the first fifteen digits of each row's MD5. Every row is read.
///
/// ```rhai
/// let before = postgres::checksums(#{ tables: ["orders", "order_items"] });
/// let restored = postgres::checksums(#{ tables: ["orders", "order_items"], database: "orders_restored" });
/// assert(before == restored, "the restored tables are not the same");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Checksums {
    /// Only these tables, `orders` or `sales.orders`.
    #[serde(default)]
    tables: Vec<String>,
    /// Only those of this schema.
    schema: Option<String>,
    /// How long one table may take (1 hour).
    timeout: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// What there is in a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Checksum {
    rows: i64,
    checksum: String,
}

const TIMEOUT: Span = Span::from_secs(3600);

impl Primitive for Checksums {
    const PATH: &'static str = "postgres::checksums";
    const EFFECT: Effect = Effect::Read;
    type Out = BTreeMap<String, Checksum>;

    async fn run(self, cx: &Cx) -> Result<BTreeMap<String, Checksum>> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let tables = called(of_schema(&client, self.schema.as_deref()).await?, &self.tables, &client)?;
        let client = client.within(Some(self.timeout.unwrap_or(TIMEOUT)), None);
        let watching = cx.clone();
        let summed = client.converse(Mode::Snapshot, Asked::query(client.database()), |session| {
            Box::pin(async move {
                let mut summed = BTreeMap::new();
                for table in tables {
                    let name = format!("{}.{}", table.schema, table.table);
                    watching.progress(format!("reading {name}"));
                    let sum = format!(
                        "select count(*) as rows, \
                         coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0)::text as checksum from {} t",
                        table.name()
                    );
                    let answer = session.extended(&sum, &[], None).await?;
                    let row = answer.rows.into_iter().next().unwrap_or_default();
                    summed.insert(name, shaped(row)?);
                }
                Ok(summed)
            })
        });
        summed.await
    }
}
