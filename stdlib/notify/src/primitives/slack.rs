use opsrun_core::{Cx, Effect, Primitive, Result, Settle, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Delivered, deliver};

/// Sends a message to a Slack channel through its incoming webhook.
///
/// ```rhai
/// notify::slack("https://hooks.slack.com/services/T0/B0/x", "deployed 1.2.3");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Slack {
    /// The webhook's address.
    #[arg(positional)]
    url: String,
    /// The message, in Slack's markup.
    #[arg(positional)]
    text: String,
    /// Slack's layout blocks, shown instead of the text where they can be.
    blocks: Option<Value>,
}

impl Primitive for Slack {
    const PATH: &'static str = "notify::slack";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a message that was read cannot be taken back");
    const SETTLE: Settle = Settle::Look("whether the message is in the channel");
    type Out = Delivered;

    async fn run(self, cx: &Cx) -> Result<Delivered> {
        let mut message = json!({ "text": self.text });
        if let (Some(blocks), Some(map)) = (self.blocks, message.as_object_mut()) {
            map.insert("blocks".into(), blocks);
        }
        deliver(cx, &self.url, message, Default::default()).await
    }
}
