//! Metrics and alarms of CloudWatch: what is asked of them and compared. What is done with them is in the primitives.

mod alarm;
mod definition;
mod metric;

pub(crate) use self::alarm::{Alarm, alarm, alarms, held, needed_alarm};
pub(crate) use self::definition::{Comparison, Definition, Gap, tags};
pub(crate) use self::metric::{Bound, Metric, Series, dimensions, series};

use opsrun_core::Span;

/// So long is waited if nobody says how long.
pub(crate) const WITHIN: Span = Span::from_secs(3600);

/// How often is asked meanwhile: what is measured is measured once a minute.
pub(crate) const EVERY: Span = Span::from_secs(15);
