use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::rds::{self, Database};

/// Lists the databases of a region, by their names.
///
/// ```rhai
/// for db in rds::list() { log(`${db.name}: ${db.status}`); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct List {
    /// Their region; the target's if left out.
    region: Option<String>,
}

impl Primitive for List {
    const PATH: &'static str = "rds::list";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Database>;

    async fn run(self, cx: &Cx) -> Result<Vec<Database>> {
        rds::instances(&Client::new(cx, self.region.as_deref())?).await
    }
}
