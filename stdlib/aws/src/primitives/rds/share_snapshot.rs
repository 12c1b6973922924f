use std::collections::BTreeSet;

use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::rds::{self, SnapshotName, SnapshotRef};

/// Lets other accounts restore and copy a snapshot, or with `revoke` lets them no longer.
///
/// They name it by its ARN. It is never made public. Who may already, or no longer, is left alone; undo gives back or takes away what
/// this has changed.
///
/// ```rhai
/// rds::share_snapshot("before-1-4-0", ["444455556666"]);
/// rds::share_snapshot("before-1-4-0", ["444455556666"], #{ revoke: true });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct ShareSnapshot {
    /// The snapshot's name.
    #[arg(positional)]
    snapshot: SnapshotName,
    /// Numbers of accounts, of 12 digits.
    #[arg(positional)]
    accounts: BTreeSet<String>,
    /// Take it away from them.
    #[serde(default)]
    revoke: bool,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// With whom a snapshot is shared.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Shared {
    /// Anything was not so already.
    changed: bool,
    /// All accounts that may restore and copy it.
    accounts: BTreeSet<String>,
}

const PATH: &str = "rds::share_snapshot";

impl Primitive for ShareSnapshot {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = Shared;

    async fn run(self, cx: &Cx) -> Result<Shared> {
        let is_number =
            |account: &&String| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(wrong) = self.accounts.iter().find(|account| !is_number(account)) {
            return Err(Error::invalid(format!(
                "`rds::share_snapshot`: `{wrong}` is no number of an account"
            ))
            .hint("it has 12 digits, as a text: `\"444455556666\"`"));
        }
        let client = Client::new(cx, self.region.as_deref())?;
        let named = SnapshotRef::Named(self.snapshot.clone());
        if cx.call().undoes && rds::snapshot(&client, &named).await?.is_none() {
            // With the snapshot it is gone.
            return Ok(Shared { changed: false, accounts: BTreeSet::new() });
        }
        rds::needed_snapshot(&client, &named).await?;
        rds::ready_snapshot(&client, &named, SHARED_WITHIN).await?;
        let mut with = self.shared_with(&client).await?;
        let differing: BTreeSet<String> =
            self.accounts.iter().filter(|account| with.contains(*account) == self.revoke).cloned().collect();
        let ours = cx.broken_off().is_some_and(|before| before.wrote);
        if differing.is_empty() {
            return Ok(Shared { changed: ours, accounts: with });
        }
        let inverse = json!({
            "snapshot": self.snapshot,
            "accounts": differing,
            "revoke": !self.revoke,
            "region": client.region(),
        });
        let _ = cx.undo(Inverse::call(PATH, inverse)).await?;
        let accounts: Vec<String> = differing.iter().cloned().collect();
        let asked =
            client.rds().modify_db_snapshot_attribute().db_snapshot_identifier(self.snapshot.as_str());
        let asked = asked.attribute_name("restore");
        let asked = match self.revoke {
            true => asked.set_values_to_remove(Some(accounts)),
            false => asked.set_values_to_add(Some(accounts)),
        };
        let tried = format!("sharing the snapshot {}", self.snapshot);
        client.call("rds:ModifyDBSnapshotAttribute", &tried, asked.send()).await?;
        match self.revoke {
            true => with.retain(|account| !differing.contains(account)),
            false => with.extend(differing),
        }
        Ok(Shared { changed: true, accounts: with })
    }
}

/// One that is just being made cannot be shared yet.
const SHARED_WITHIN: Span = rds::WITHIN;

impl ShareSnapshot {
    async fn shared_with(&self, client: &Client) -> Result<BTreeSet<String>> {
        let asked = client.rds().describe_db_snapshot_attributes();
        let asked = asked.db_snapshot_identifier(self.snapshot.as_str()).send();
        let tried = format!("asking with whom the snapshot {} is shared", self.snapshot);
        let found = client.call("rds:DescribeDBSnapshotAttributes", &tried, asked).await?;
        let attributes = found.db_snapshot_attributes_result().map(|result| result.db_snapshot_attributes());
        let restore =
            attributes.unwrap_or_default().iter().filter(|of| of.attribute_name() == Some("restore"));
        Ok(restore.flat_map(|of| of.attribute_values().iter().cloned()).collect())
    }
}
