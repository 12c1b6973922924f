use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::rds::{self, Database, InstanceName};

/// Tells what a database is and how it is.
///
/// If there is none of this name, the error names those that there are.
///
/// ```rhai
/// let db = rds::describe("workflow-prod");
/// assert(db.status == "available" && db.multi_az);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Describe {
    /// The instance's name.
    #[arg(positional)]
    instance: InstanceName,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Describe {
    const PATH: &'static str = "rds::describe";
    const EFFECT: Effect = Effect::Read;
    type Out = Database;

    async fn run(self, cx: &Cx) -> Result<Database> {
        let client = Client::new(cx, self.region.as_deref())?;
        rds::needed_instance(&client, self.instance.as_str()).await
    }
}
