mod alarm;
mod alarms;
mod delete_alarm;
mod disable_alarm_actions;
mod enable_alarm_actions;
mod metric;
mod put_metric;
mod set_alarm;
mod switch;
mod wait;
mod wait_metric;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<metric::Metric>(),
    Declaration::of::<wait_metric::WaitMetric>(),
    Declaration::of::<put_metric::PutMetric>(),
    Declaration::of::<alarms::Alarms>(),
    Declaration::of::<alarm::Alarm>(),
    Declaration::of::<wait::Wait>(),
    Declaration::of::<set_alarm::SetAlarm>(),
    Declaration::of::<delete_alarm::DeleteAlarm>(),
    Declaration::of::<disable_alarm_actions::DisableAlarmActions>(),
    Declaration::of::<enable_alarm_actions::EnableAlarmActions>(),
];
