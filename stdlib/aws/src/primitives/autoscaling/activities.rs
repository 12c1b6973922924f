use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::rds::time;

/// Tells what a group of machines did, or could not do, the latest first.
///
/// ```rhai
/// let failed = autoscaling::activities("workers", #{ most: 20 }).filter(|of| of.status == "Failed");
/// assert(failed.len() == 0, `${failed[0].message}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetActivities {
    /// The group's name.
    #[arg(positional)]
    group: String,
    /// No more than so many (100).
    most: Option<u32>,
    /// The group's region; the target's if left out.
    region: Option<String>,
}

/// Something that a group did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Activity {
    pub(crate) description: String,
    /// Why it was done.
    pub(crate) cause: String,
    /// `Successful`, `Failed`, `InProgress`, …
    pub(crate) status: String,
    /// What went wrong.
    pub(crate) message: Option<String>,
    pub(crate) begun: Option<String>,
}

const USUAL_MOST: u32 = 100;

impl Primitive for GetActivities {
    const PATH: &'static str = "autoscaling::activities";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<Activity>;

    async fn run(self, cx: &Cx) -> Result<Vec<Activity>> {
        let client = Client::new(cx, self.region.as_deref())?;
        let most = usize::try_from(self.most.unwrap_or(USUAL_MOST)).unwrap_or(usize::MAX);
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let asked = client.autoscaling().describe_scaling_activities();
            let asked = asked.auto_scaling_group_name(&self.group).set_next_token(next).send();
            let tried = format!("asking what {} did", self.group);
            let page = client.call("autoscaling:DescribeScalingActivities", &tried, asked).await?;
            all.extend(page.activities().iter().map(Activity::of));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() || all.len() >= most {
                break;
            }
        }
        all.truncate(most);
        Ok(all)
    }
}

impl Activity {
    fn of(activity: &aws_sdk_autoscaling::types::Activity) -> Self {
        Activity {
            description: activity.description().unwrap_or_default().to_owned(),
            cause: activity.cause().unwrap_or_default().to_owned(),
            status: activity.status_code().map(|of| of.as_str().to_owned()).unwrap_or_default(),
            message: activity.status_message().filter(|text| !text.is_empty()).map(str::to_owned),
            begun: activity.start_time().and_then(time).map(|at| at.to_string()),
        }
    }
}
