//! CloudWatch: metrics that are measured or put, and alarms that look at them when somebody asks.

mod alarms;
mod metrics;
mod section;
mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::alarms::Alarm;
use self::metrics::{Key, Sample, Stated};
pub use self::section::{AlarmSection, CloudWatchSection, MetricSection};
use crate::fault::{Answer, Fault};
use crate::protocol::{Call, Protocol};
use crate::world::{Aws, Caller};

/// CloudWatch in one region of an account.
#[derive(Debug, Clone, Default)]
pub(crate) struct CloudWatch {
    put: BTreeMap<Key, Vec<Sample>>,
    stated: BTreeMap<Key, Stated>,
    alarms: BTreeMap<String, Alarm>,
}

/// # Errors
/// Those of AWS.
pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    world.settle_databases(caller.now);
    // A form has its lists one level deeper, and everything as text.
    let in_form = call.protocol == Protocol::Query;
    let input = if in_form { wire::flat(&call.input) } else { call.input.clone() };
    let result = match call.operation.as_str() {
        "PutMetricData" => metrics::put(world, caller, &input),
        "GetMetricData" => metrics::data(world, caller, &input),
        "GetMetricStatistics" => metrics::statistics(world, caller, &input),
        "ListMetrics" => metrics::list(world, caller, &input),
        "DescribeAlarms" => alarms::describe(world, caller, &input),
        "PutMetricAlarm" => alarms::put(world, caller, &input),
        "DeleteAlarms" => alarms::delete(world, caller, &input),
        "EnableAlarmActions" => alarms::switch(world, caller, &input, true),
        "DisableAlarmActions" => alarms::switch(world, caller, &input, false),
        "SetAlarmState" => alarms::set_state(world, caller, &input),
        "ListTagsForResource" => alarms::tags(world, caller, &input),
        operation => Err(Fault::not_simulated("cloudwatch", operation)),
    }?;
    Ok(if in_form { wire::deep(result) } else { result })
}

/// CloudWatch where the caller asks.
fn of<'w>(world: &'w mut Aws, caller: &Caller) -> &'w mut CloudWatch {
    &mut world.region_of(caller).cloudwatch
}

impl CloudWatch {
    /// # Errors
    /// What of the section cannot be.
    pub(crate) fn start(section: &CloudWatchSection, now: Timestamp) -> Result<Self, String> {
        let mut cloudwatch = CloudWatch::default();
        for metric in &section.metrics {
            let (key, stated) = Stated::start(metric, now)
                .map_err(|why| format!("cloudwatch: metrics: {}/{}: {why}", metric.namespace, metric.name))?;
            cloudwatch.stated.insert(key, stated);
        }
        for (name, alarm) in &section.alarms {
            let alarm =
                Alarm::start(name, alarm, now).map_err(|why| format!("cloudwatch: alarms: {name}: {why}"))?;
            cloudwatch.alarms.insert(name.clone(), alarm);
        }
        Ok(cloudwatch)
    }

    /// Alarms; what state they are in follows from what they look at, and what was measured is no state.
    pub(crate) fn snapshot(&self, region: &str, things: &mut BTreeMap<String, Value>) {
        for (name, alarm) in &self.alarms {
            let thing = json!({ "definition": alarm.definition, "tags": alarm.tags });
            things.insert(format!("cloudwatch alarm {region}/{name}"), thing);
        }
    }
}
