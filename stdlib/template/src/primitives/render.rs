use opsrun_core::{Cx, Effect, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

/// Renders a Handlebars template.
///
/// A name without a value is an error; nothing is escaped. Secrets in `data` stay references in the text.
///
/// ```rhai
/// let text = template::render("{{app}} is at {{version}}", #{ app: "api", version: "1.2.3" });
/// assert(text == "api is at 1.2.3", text);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Render {
    /// The template.
    #[arg(positional)]
    text: String,
    /// Values for its names.
    #[arg(positional, marker)]
    data: Value,
}

impl Primitive for Render {
    const PATH: &'static str = "template::render";
    const EFFECT: Effect = Effect::None;
    type Out = String;

    async fn run(self, _: &Cx) -> Result<String> {
        super::render("text", &self.text, &self.data)
    }
}
