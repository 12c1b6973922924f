use opsrun_core::{Cx, Effect, Error, Primitive, Result, Settle, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Delivered, deliver};

/// Sends a message to a Slack channel through its incoming webhook.
///
/// The path of the webhook is its password: it is not shown, and better given as a secret. The message takes none. A text may have 40,000 characters; Slack would cut a longer one.
///
/// ```rhai
/// notify::slack(secret("env:SLACK_URL"), "deployed 1.2.3");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Slack {
    /// The webhook's address.
    #[arg(positional, secret)]
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
        self.check()?;
        let mut message = json!({ "text": self.text });
        if let (Some(blocks), Some(map)) = (self.blocks, message.as_object_mut()) {
            map.insert("blocks".into(), blocks);
        }
        deliver(cx, &self.url, message, Default::default()).await
    }
}

/// Slack's own limits (its reference of `chat.postMessage` and of layout blocks).
const LONGEST_TEXT: usize = 40_000;
const MOST_BLOCKS: usize = 50;

impl Slack {
    /// What Slack would refuse or cut is told before anything is sent.
    fn check(&self) -> Result<()> {
        let invalid = |what: String| Err(Error::invalid(format!("`notify::slack`: {what}")));
        let letters = self.text.chars().count();
        if self.text.trim().is_empty() && self.blocks.is_none() {
            return invalid("argument `text`: it is empty".to_owned());
        }
        if letters > LONGEST_TEXT {
            return invalid(format!(
                "argument `text`: it has {letters} characters, and a message can have {LONGEST_TEXT}"
            ));
        }
        match &self.blocks {
            None => Ok(()),
            Some(Value::Array(blocks)) if blocks.len() > MOST_BLOCKS => {
                let count = blocks.len();
                invalid(format!("option `blocks`: there are {count}, and a message can have {MOST_BLOCKS}"))
            }
            Some(Value::Array(_)) => Ok(()),
            Some(_) => invalid("option `blocks`: expected an array of blocks".to_owned()),
        }
    }
}
