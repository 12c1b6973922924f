use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::server::{self, Sections};

/// Gives what a server tells of itself (`INFO`), section by section.
///
/// Numbers are numbers, and what Redis writes as `a=1,b=2` is a map.
///
/// ```rhai
/// let info = redis::info();
/// assert(info.memory.used_memory < 4000000000 && info.replication.role == "master");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Info {
    /// Only this section, such as `memory`.
    #[arg(positional)]
    section: Option<String>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
}

impl Primitive for Info {
    const PATH: &'static str = "redis::info";
    const EFFECT: Effect = Effect::Read;
    type Out = Sections;

    async fn run(self, cx: &Cx) -> Result<Sections> {
        info(&Client::new(cx, self.server.as_deref(), None).await?, self.section).await
    }
}

pub(crate) async fn info(client: &Client, section: Option<String>) -> Result<Sections> {
    let asked = Asked::read("info", client.database(), None);
    let told = client
        .converse(asked, |session| Box::pin(async move { server::info(session, section.as_deref()).await }));
    told.await
}
