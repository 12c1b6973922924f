use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::delete_alarm;
use crate::client::Client;
use crate::cloudwatch::{self, Comparison, Definition, Gap};

/// Makes an alarm on a metric, or changes it.
///
/// Of an alarm that is there, what is left out stays as it is; if nothing would change, nothing is done. Undo makes it what it was, or
/// deletes it if there was none.
///
/// ```rhai
/// cloudwatch::set_alarm("workflow-replica-lag", #{
///     namespace: "AWS/RDS", metric: "ReplicaLag", dimensions: #{ DBInstanceIdentifier: "workflow-prod-replica" },
///     statistic: "Maximum", period: 1.m, periods: 5, comparison: ">", threshold: 300,
///     actions: ["arn:aws:sns:us-west-2:111122223333:on-call"],
/// });
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct SetAlarm {
    /// Its name.
    #[arg(positional)]
    name: String,
    /// Whose metric it looks at: `AWS/RDS`.
    namespace: Option<String>,
    /// What it looks at: `ReplicaLag`.
    metric: Option<String>,
    /// Of what: all names and values that the metric is put with.
    dimensions: Option<BTreeMap<String, String>>,
    /// `Average` for a new one; `Minimum`, `Maximum`, `Sum`, `SampleCount`, `p99` …
    statistic: Option<String>,
    /// How long each period is; 1 minute for a new one.
    period: Option<Span>,
    /// So many periods are looked at; 1 for a new one.
    periods: Option<i32>,
    /// In so many of them the threshold has to be crossed; in all for a new one.
    datapoints: Option<i32>,
    /// What is not to be crossed.
    threshold: Option<f64>,
    /// `>` for a new one; `>=`, `<`, `<=`, or as AWS calls them.
    comparison: Option<Comparison>,
    /// What a period without data counts as.
    missing: Option<Gap>,
    /// Only what is put with this unit; empty: all.
    unit: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// ARNs of what is told when it goes off.
    actions: Option<Vec<String>>,
    /// ARNs of what is told when it is over.
    ok_actions: Option<Vec<String>>,
    /// ARNs of what is told when nothing is measured.
    insufficient_data_actions: Option<Vec<String>>,
    /// Whether anybody is told.
    actions_enabled: Option<bool>,
    /// Tags of a new one.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of an alarm.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Set {
    /// It was different until now, or was not there.
    changed: bool,
    alarm: cloudwatch::Alarm,
}

pub(super) const PATH: &str = "cloudwatch::set_alarm";

impl Primitive for SetAlarm {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = Set;

    async fn run(self, cx: &Cx) -> Result<Set> {
        let client = Client::new(cx, self.region.as_deref())?;
        let was = cloudwatch::held(&client, &self.name).await?;
        let wanted = self.wanted(was.as_ref().map(|(was, _)| was))?;
        let changes = was.as_ref().is_none_or(|(was, _)| *was != wanted);
        if changes {
            let inverse = match &was {
                Some((was, _)) => was.back(&client, &self.name, &BTreeMap::new()),
                None => {
                    let arguments = json!({ "name": self.name, "region": client.region() });
                    Inverse::call(delete_alarm::PATH, arguments)
                }
            };
            let _ = cx.undo(inverse).await?;
            wanted.put(&client, &self.name, &self.tags).await?;
        }
        // Or it was set by this very call, before the run broke off.
        let changed = changes || cx.broken_off().is_some_and(|before| before.wrote);
        Ok(Set { changed, alarm: cloudwatch::needed_alarm(&client, &self.name).await? })
    }
}

impl SetAlarm {
    fn wanted(&self, was: Option<&Definition>) -> Result<Definition> {
        let needed = |name: &str| {
            Error::invalid(format!(
                "`{PATH}`: there is no alarm {} yet, and a new one needs `{name}`",
                self.name
            ))
        };
        let period = self.period.map(|period| i32::try_from(period.duration().as_secs()));
        let period =
            period.transpose().map_err(|_| Error::invalid(format!("`{PATH}`: the period is too long")))?;
        let periods = self.periods.or(was.map(|was| was.periods)).unwrap_or(1);
        let datapoints = self.datapoints.or(was.and_then(|was| was.datapoints));
        if periods < 1 || datapoints.is_some_and(|datapoints| !(1..=periods).contains(&datapoints)) {
            return Err(Error::invalid(format!(
                "`{PATH}`: {} cannot look at {} of {periods} periods",
                self.name,
                datapoints.unwrap_or(periods)
            )));
        }
        let above = || Comparison::try_from(">".to_owned()).map_err(Error::invalid);
        let comparison = match self.comparison.as_ref().or(was.map(|was| &was.comparison)) {
            Some(comparison) => comparison.clone(),
            None => above()?,
        };
        macro_rules! or_was {
            ($field:ident) => {
                self.$field.clone().or_else(|| was.map(|was| was.$field.clone()))
            };
        }
        Ok(Definition {
            namespace: or_was!(namespace).ok_or_else(|| needed("namespace"))?,
            metric: or_was!(metric).ok_or_else(|| needed("metric"))?,
            dimensions: or_was!(dimensions).unwrap_or_default(),
            statistic: or_was!(statistic).unwrap_or_else(|| "Average".to_owned()),
            period: period.or(was.map(|was| was.period)).unwrap_or(60),
            periods,
            datapoints: datapoints.filter(|datapoints| *datapoints != periods),
            threshold: or_was!(threshold).ok_or_else(|| needed("threshold"))?,
            comparison,
            missing: or_was!(missing).unwrap_or(Gap::Missing),
            unit: or_was!(unit).unwrap_or_default(),
            description: or_was!(description).unwrap_or_default(),
            actions: or_was!(actions).unwrap_or_default(),
            ok_actions: or_was!(ok_actions).unwrap_or_default(),
            insufficient_data_actions: or_was!(insufficient_data_actions).unwrap_or_default(),
            actions_enabled: or_was!(actions_enabled).unwrap_or(true),
        })
    }
}
