use opsrun_core::{Cx, Effect, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;

/// Tells how much of something the account may use in a region.
///
/// ```rhai
/// // Virtual processors of on-demand instances.
/// let most = quotas::get("ec2", "L-1216C47A");
/// log(`${most} virtual processors may run`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Get {
    /// The service, as Service Quotas calls it: `ec2`.
    #[arg(positional)]
    service: String,
    /// The quota's code: `L-1216C47A`.
    #[arg(positional)]
    quota: String,
    /// The region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Get {
    const PATH: &'static str = "quotas::get";
    const EFFECT: Effect = Effect::Read;
    type Out = f64;

    async fn run(self, cx: &Cx) -> Result<f64> {
        let client = Client::new(cx, self.region.as_deref())?;
        let tried = format!("asking for the quota {} of {}", self.quota, self.service);
        let asked =
            client.quotas().get_service_quota().service_code(&self.service).quota_code(&self.quota).send();
        let answer = client.call("servicequotas:GetServiceQuota", &tried, asked).await?;
        let value = answer.quota().and_then(|quota| quota.value());
        value.ok_or_else(|| opsrun_core::Error::failed(format!("{tried}: it has no value")))
    }
}
