use std::path::PathBuf;

use opsrun_core::{Cx, Effect, Error, Primitive, Result, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

/// Renders a Handlebars template from a file.
///
/// The path counts from the project's folder. A name without a value is an error; nothing is escaped.
///
/// ```rhai
/// let message = template::render_file("messages/deployed.hbs", #{ app: "api", version: "1.2.3" });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct RenderFile {
    /// The file.
    #[arg(positional)]
    path: PathBuf,
    /// Values for its names.
    #[arg(positional, marker)]
    data: Value,
}

impl Primitive for RenderFile {
    const PATH: &'static str = "template::render_file";
    const EFFECT: Effect = Effect::Read;
    type Out = String;

    async fn run(self, cx: &Cx) -> Result<String> {
        let name = self.path.display().to_string();
        let text = String::from_utf8(cx.read_file(&self.path)?)
            .map_err(|_| Error::invalid(format!("`{name}` is no UTF-8 text")))?;
        super::render(&name, &text, &self.data)
    }
}
