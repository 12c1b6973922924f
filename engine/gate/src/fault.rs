//! Faults on demand: `k8s patch deployments: 403`. A rule strikes once unless it says how often.

use std::fmt;
use std::str::FromStr;

use http::StatusCode;
use opsrun_core::{Access, AccessPattern, Span};

/// `ACCESS: WHAT [after N] [N times | always]`, where WHAT is an HTTP status, `refused` (nobody listens), `lost` (gone on the
/// way), `lost-answer` (it arrived, the answer did not) or `slow SPAN`.
#[derive(Debug, Clone)]
pub struct FaultRule {
    text: String,
    pattern: AccessPattern,
    action: Action,
    /// How many matching requests pass first.
    spare: u64,
    /// How many it strikes after that.
    left: u64,
    fired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Status(StatusCode),
    Refuse,
    Lose,
    LoseAnswer,
    Delay(Span),
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{rule}` is not a fault: {why}; write it like `k8s patch deployments: 403`, `k8s create pods/eviction: 429 3 times`, \
     `http: refused always`, `k8s patch: lost-answer after 2` or `k8s get: slow 30s`"
)]
pub struct FaultError {
    rule: String,
    why: String,
}

impl FaultRule {
    /// What happens to the write of this number, from 1, whatever it asks for; `action` is as a rule has it.
    ///
    /// # Errors
    /// As for any rule.
    pub fn of_write(number: u64, action: &str) -> Result<Self, FaultError> {
        format!("* write: {action} after {}", number.saturating_sub(1)).parse()
    }

    pub(crate) fn strike(&mut self, access: &Access) -> Option<Action> {
        if self.left == 0 || !self.pattern.matches(access) {
            return None;
        }
        if self.spare > 0 {
            self.spare -= 1;
            return None;
        }
        self.left -= 1;
        self.fired = true;
        Some(self.action)
    }

    /// Which requests it strikes.
    pub fn pattern(&self) -> &AccessPattern {
        &self.pattern
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.fired
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let bad = |why: &str| FaultError { rule: text.to_owned(), why: why.to_owned() };
        let (pattern, what) =
            text.rsplit_once(": ").ok_or_else(|| bad("it has no `: ` before what happens"))?;
        let pattern =
            pattern.trim().parse().map_err(|error: opsrun_core::PatternError| bad(&error.to_string()))?;
        let words: Vec<&str> = what.split_whitespace().collect();
        let (action, rest) = action(&words).ok_or_else(|| {
            bad("what happens is a status, `refused`, `lost`, `lost-answer` or `slow SPAN`")
        })?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| bad(&format!("`{text}` is no number")));
        let (spare, rest) = match rest {
            ["after", n, rest @ ..] => (number(n)?, rest),
            rest => (0, rest),
        };
        let left = match rest {
            [] => 1,
            ["always"] => u64::MAX,
            [n, "times" | "time"] => number(n)?,
            _ => return Err(bad("after what happens comes `after N`, `N times` or `always`")),
        };
        Ok(FaultRule { text: text.to_owned(), pattern, action, spare, left, fired: false })
    }
}

fn action<'w, 't>(words: &'w [&'t str]) -> Option<(Action, &'w [&'t str])> {
    match words {
        ["refused", rest @ ..] => Some((Action::Refuse, rest)),
        ["lost", rest @ ..] => Some((Action::Lose, rest)),
        ["lost-answer", rest @ ..] => Some((Action::LoseAnswer, rest)),
        ["slow", span, rest @ ..] => Some((Action::Delay(span.parse().ok()?), rest)),
        [status, rest @ ..] => {
            let status =
                StatusCode::from_bytes(status.as_bytes()).ok().filter(|status| status.as_u16() >= 400)?;
            Some((Action::Status(status), rest))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use opsrun_core::Effect;

    use super::*;

    fn patch() -> Access {
        Access {
            system: "k8s".into(),
            verb: "patch".into(),
            resource: "deployments".into(),
            name: Some("api".into()),
            namespace: None,
            effect: Effect::Write,
        }
    }

    fn strikes(rule: &str, requests: usize) -> String {
        let mut rule: FaultRule = rule.parse().expect(rule);
        (0..requests).map(|_| if rule.strike(&patch()).is_some() { 'x' } else { '.' }).collect()
    }

    #[test]
    fn a_rule_strikes_once_unless_it_says_how_often() {
        assert_eq!(strikes("k8s patch deployments: 403", 4), "x...");
        assert_eq!(strikes("k8s: 503 2 times", 4), "xx..");
        assert_eq!(strikes("k8s write: refused always", 4), "xxxx");
        assert_eq!(strikes("k8s patch: lost-answer after 1 2 times", 5), ".xx..");
        assert_eq!(strikes("http: 500 always", 4), "....");
    }

    #[test]
    fn a_rule_that_cannot_be_read_says_why_and_how_to_write_it() {
        for (rule, why) in [
            ("k8s patch deployments 403", "it has no `: `"),
            ("k8s: 200", "what happens is a status"),
            ("k8s: explode", "what happens is a status"),
            ("k8s: slow", "what happens is a status"),
            ("k8s: 403 often", "after what happens comes"),
            ("k8s: 403 x times", "`x` is no number"),
        ] {
            let error = rule.parse::<FaultRule>().expect_err(rule).to_string();
            assert!(error.contains(why) && error.contains("write it like"), "{error}");
        }
    }
}
