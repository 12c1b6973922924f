use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::get::{Parameter, told};
use crate::client::Client;

/// Lists the parameters of Systems Manager below a path, by their names.
///
/// Those that are encrypted come without their values.
///
/// ```rhai
/// for parameter in ssm::list("/app") { log(parameter.name); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct List {
    /// The path, such as `/app`.
    #[arg(positional)]
    path: String,
    /// Not those of paths below it.
    #[serde(default)]
    shallow: bool,
    /// Their region; the target's if left out.
    region: Option<String>,
}

impl Primitive for List {
    const PATH: &'static str = "ssm::list";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Parameter>;

    async fn run(self, cx: &Cx) -> Result<Vec<Parameter>> {
        if !self.path.starts_with('/') {
            return Err(Error::invalid(format!("`ssm::list`: `{}` is no path", self.path))
                .hint(format!("it begins with a slash: `/{}`", self.path)));
        }
        let client = Client::new(cx, self.region.as_deref())?;
        let tried = format!("listing the parameters below `{}`", self.path);
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let asked = client.ssm().get_parameters_by_path().path(&self.path).recursive(!self.shallow);
            let page = asked.set_next_token(next).send();
            let page = client.call("ssm:GetParametersByPath", &tried, page).await?;
            all.extend(page.parameters().iter().map(told));
            next = page.next_token().filter(|next| !next.is_empty()).map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }
}
