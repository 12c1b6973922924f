//! Alarms tell nobody for a while, and tell again.

use opsrun_core::{Cx, Inverse, Result, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::cloudwatch;

/// One name, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Names {
    One(String),
    Several(Vec<String>),
}

/// What became of the actions of alarms.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Switched {
    /// Those of which it was otherwise until now.
    changed: Vec<String>,
}

/// Enables or disables the actions of alarms; `back` is what takes it back.
///
/// # Errors
/// `NotFound` if there is no such alarm, before anything is changed; those of AWS.
pub(super) async fn switch(
    cx: &Cx,
    names: Names,
    region: Option<&str>,
    enabled: bool,
    back: &'static str,
) -> Result<Switched> {
    let client = Client::new(cx, region)?;
    let mut names = match names {
        Names::One(name) => vec![name],
        Names::Several(names) => names,
    };
    names.sort();
    names.dedup();
    let mut changed = Vec::new();
    for name in names {
        // An alarm that somebody has deleted meanwhile needs nothing to be taken back.
        let found = match cx.call().undoes {
            true => cloudwatch::alarm(&client, &name).await?,
            false => Some(cloudwatch::needed_alarm(&client, &name).await?),
        };
        changed.extend(found.filter(|found| found.actions_enabled != enabled).map(|_| name));
    }
    if !changed.is_empty() {
        let inverse = json!({ "alarms": changed, "region": client.region() });
        let _ = cx.undo(Inverse::call(back, inverse)).await?;
    }
    let (action, verb) = match enabled {
        true => ("cloudwatch:EnableAlarmActions", "enabling"),
        false => ("cloudwatch:DisableAlarmActions", "disabling"),
    };
    // One by one, so that what is granted and told is each of them.
    for name in &changed {
        let tried = format!("{verb} the actions of the alarm {name}");
        match enabled {
            true => {
                let asked = client.cloudwatch().enable_alarm_actions().alarm_names(name).send();
                client.call(action, &tried, asked).await?;
            }
            false => {
                let asked = client.cloudwatch().disable_alarm_actions().alarm_names(name).send();
                client.call(action, &tried, asked).await?;
            }
        }
    }
    // What this very call had done before the run broke off is what it had recorded.
    let before = cx.broken_off().filter(|before| before.wrote).map(|before| before.inverses.as_slice());
    for inverse in before.unwrap_or_default() {
        if let Inverse::Call { args, .. } = inverse {
            let alarms = args.get("alarms").and_then(Value::as_array).into_iter().flatten();
            changed.extend(alarms.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    changed.sort();
    changed.dedup();
    Ok(Switched { changed })
}
