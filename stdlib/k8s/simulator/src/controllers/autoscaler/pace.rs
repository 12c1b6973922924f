//! How fast an autoscaler may go: stabilisation windows over its recommendations, and rates over its changes.
//! Without `behavior` the rules are those of old: a window of 5 min downwards, twice the size (4 at least) upwards.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::controllers::object::{int, int_or, list, text_at};

/// What was recommended and what was changed, newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    recommended: Vec<(Timestamp, i64)>,
    changes: Vec<(Timestamp, i64)>,
}

/// Why a wish is not followed to the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) reason: &'static str,
    pub(super) message: &'static str,
}

const HELD_DOWN: Held = Held {
    reason: "ScaleDownStabilized",
    message: "recent recommendations were higher than current one, applying the highest recent recommendation",
};
const HELD_UP: Held = Held {
    reason: "ScaleUpStabilized",
    message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
};
const UP_RATE: Held = Held {
    reason: "ScaleUpLimit",
    message: "the desired replica count is increasing faster than the maximum scale rate",
};
const DOWN_RATE: Held = Held {
    reason: "ScaleDownLimit",
    message: "the desired replica count is decreasing faster than the maximum scale rate",
};
const TOO_MANY: Held = Held {
    reason: "TooManyReplicas",
    message: "the desired replica count is more than the maximum replica count",
};
const TOO_FEW: Held = Held {
    reason: "TooFewReplicas",
    message: "the desired replica count is less than the minimum replica count",
};
/// The longest window and period that an autoscaler may ask for.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

impl Pace {
    /// The size that is found at first counts as recommended.
    pub(super) fn begin(&mut self, now: Timestamp, current: i64) {
        if self.recommended.is_empty() {
            self.recommended.push((now, current));
        }
    }

    /// Notes a change of size.
    pub(super) fn changed(&mut self, now: Timestamp, by: i64) {
        self.changes.retain(|(at, _)| *at + LONGEST + LONGEST > now);
        self.changes.push((now, by));
    }

    /// The recommendation that the windows allow.
    pub(super) fn stabilise(
        &mut self,
        now: Timestamp,
        rules: &Value,
        current: i64,
        wanted: i64,
    ) -> (i64, Option<Held>) {
        let window = |pointer, default| SignedDuration::from_secs(int_or(rules, pointer, default));
        let (up, down) = (
            window("/scaleUp/stabilizationWindowSeconds", 0),
            window("/scaleDown/stabilizationWindowSeconds", 300),
        );
        let within = |window: SignedDuration| {
            self.recommended.iter().filter(move |(at, _)| *at + window > now).map(|(_, size)| *size)
        };
        let lowest = within(up).min().map_or(wanted, |least| least.min(wanted));
        let highest = within(down).max().map_or(wanted, |most| most.max(wanted));
        self.recommended.retain(|(at, _)| *at + LONGEST > now);
        self.recommended.push((now, wanted));
        // Without rules only the way down is held.
        let stable = if rules.is_null() { highest } else { current.max(lowest).min(highest.max(lowest)) };
        let held = if wanted >= current && !rules.is_null() { HELD_UP } else { HELD_DOWN };
        (stable, (stable != wanted).then_some(held))
    }

    /// The size within the limits that the rates allow now.
    pub(super) fn limit(
        &self,
        now: Timestamp,
        rules: &Value,
        current: i64,
        wanted: i64,
        (least, most): (i64, i64),
    ) -> (i64, Option<Held>) {
        if rules.is_null() {
            let rate = (2 * current).max(4);
            let (top, why) = if most > rate { (rate, UP_RATE) } else { (most, TOO_MANY) };
            return clamp(wanted, (least, TOO_FEW), (top, why));
        }
        if wanted > current {
            let rate = self.up_rate(now, &rules["scaleUp"], current).max(current);
            let (top, why) = if most > rate { (rate, UP_RATE) } else { (most, TOO_MANY) };
            return clamp(wanted, (i64::MIN, TOO_FEW), (top, why));
        }
        if wanted < current {
            let rate = self.down_rate(now, &rules["scaleDown"], current).min(current);
            let (bottom, why) = if least < rate { (rate, DOWN_RATE) } else { (least, TOO_FEW) };
            return clamp(wanted, (bottom, why), (i64::MAX, TOO_MANY));
        }
        (wanted, None)
    }

    fn up_rate(&self, now: Timestamp, rules: &Value, current: i64) -> i64 {
        let select = text_at(rules, "/selectPolicy");
        let sizes = list(rules, "/policies").iter().map(|policy| {
            let start = self.start(now, policy, current);
            let value = int(policy, "/value");
            if policy["type"] == "Pods" {
                start + value
            } else {
                (start * (100 + value) + 99).div_euclid(100)
            }
        });
        match select {
            "Disabled" => current,
            "Min" => sizes.min().unwrap_or(i64::MAX),
            _ => sizes.max().unwrap_or(i64::MAX),
        }
    }

    fn down_rate(&self, now: Timestamp, rules: &Value, current: i64) -> i64 {
        let sizes = list(rules, "/policies").iter().map(|policy| {
            let start = self.start(now, policy, current);
            let value = int(policy, "/value");
            if policy["type"] == "Pods" { start - value } else { (start * (100 - value)).div_euclid(100) }
        });
        match text_at(rules, "/selectPolicy") {
            "Disabled" => current,
            "Min" => sizes.max().unwrap_or(i64::MIN),
            _ => sizes.min().unwrap_or(i64::MIN),
        }
    }

    /// The size at the beginning of a policy's period.
    fn start(&self, now: Timestamp, policy: &Value, current: i64) -> i64 {
        let period = SignedDuration::from_secs(int(policy, "/periodSeconds"));
        let changes = self.changes.iter().filter(|(at, _)| *at + period > now).map(|(_, by)| *by);
        current - changes.sum::<i64>()
    }
}

fn clamp(wanted: i64, (least, few): (i64, Held), (most, many): (i64, Held)) -> (i64, Option<Held>) {
    if wanted < least {
        (least, Some(few))
    } else if wanted > most {
        (most, Some(many))
    } else {
        (wanted, None)
    }
}
