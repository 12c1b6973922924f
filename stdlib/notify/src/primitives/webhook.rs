use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Primitive, Result, Settle, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Delivered, deliver};

/// Posts JSON to a webhook; any status but a 2xx is an error.
///
/// Address, payload and headers take secrets: receivers want their keys in any of these.
///
/// ```rhai
/// notify::webhook("https://hooks.slack.com/services/T0/B0/x", #{ text: "hello" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Webhook {
    /// The webhook's address.
    #[arg(positional, secret)]
    url: String,
    /// What to post.
    #[arg(positional, secret)]
    payload: Value,
    /// Further headers.
    #[arg(secret)]
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Primitive for Webhook {
    const PATH: &'static str = "notify::webhook";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("what a webhook set off, only its receiver can take back");
    const SETTLE: Settle = Settle::Look("whether the receiver has got it");
    type Out = Delivered;

    async fn run(self, cx: &Cx) -> Result<Delivered> {
        deliver(cx, &self.url, self.payload, self.headers).await
    }
}
