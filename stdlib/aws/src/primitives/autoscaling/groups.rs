use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use super::describe::{DESCRIBE, ScalingGroup};
use crate::client::Client;

/// Lists the groups of machines of a region, by their names.
///
/// ```rhai
/// for group in autoscaling::groups() {
///     log(`${group.name}: ${group.in_service} of ${group.desired}`);
/// }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct ListGroups {
    /// The region; the target's if left out.
    region: Option<String>,
}

impl Primitive for ListGroups {
    const PATH: &'static str = "autoscaling::groups";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<ScalingGroup>;

    async fn run(self, cx: &Cx) -> Result<Vec<ScalingGroup>> {
        let client = Client::new(cx, self.region.as_deref())?;
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let asked = client.autoscaling().describe_auto_scaling_groups().set_next_token(next).send();
            let page = client.call(DESCRIBE, "listing the Auto Scaling groups", asked).await?;
            all.extend(page.auto_scaling_groups().iter().map(ScalingGroup::of));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        all.sort_by(|a: &ScalingGroup, b| a.name.cmp(&b.name));
        Ok(all)
    }
}
