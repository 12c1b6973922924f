//! What images do when they run, as the estate file says: how they start, answer, log, end or fail.
//! A behaviour is data; the kubelet plays it, and it knows no pod.

mod answer;
mod shell;

use std::collections::BTreeMap;

use opsrun_core::Span;
use serde::{Deserialize, Serialize};

pub use self::answer::{HttpAnswer, HttpError};
pub use self::shell::{Environment, Played, Step, Unknown, play};

/// How every image does whose name matches a pattern. The default: it is pulled in 2 s, is up 1 s after its start and
/// healthy 1 s later, answers 200 on its container's ports, and runs until it is stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageBehaviour {
    /// The full name with `*` for anything: `*/app:1.2.*`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Whether it is on every node from the start.
    #[serde(default)]
    pub present: bool,
    /// How long a first pull takes on a node.
    #[serde(default = "two_seconds")]
    pub pull: Span,
    /// The registry's refusal: `manifest unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_error: Option<String>,
    /// What precedes a container's `args`.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// The programs it has, besides those of `commands`; if it is left out, it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programs: Option<Vec<String>>,
    /// From a container's start until it listens.
    #[serde(default = "one_second")]
    pub start: Span,
    /// From then on until it is healthy: before that it answers 503.
    #[serde(default = "one_second")]
    pub ready: Span,
    /// How long it takes to stop when told to; for ever if it is `null`.
    #[serde(default = "stop")]
    pub stop: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<Crash>,
    /// It does something and ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// What it logs when it is up.
    #[serde(default)]
    pub log: Vec<String>,
    /// The ports it listens on; if left out, those that its container declares, or any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
    /// Answers by path; anything else is 404. Without any, every path is 200.
    #[serde(default)]
    pub http: BTreeMap<String, Page>,
    /// What `exec` and exec probes can run, with `*` for anything.
    #[serde(default)]
    pub commands: BTreeMap<String, Command>,
    #[serde(default)]
    pub usage: Usage,
}

impl Default for ImageBehaviour {
    fn default() -> Self {
        Self {
            pattern: "*".to_owned(),
            present: false,
            pull: two_seconds(),
            pull_error: None,
            entrypoint: Vec::new(),
            programs: None,
            start: one_second(),
            ready: one_second(),
            stop: stop(),
            crash: None,
            run: None,
            log: Vec::new(),
            ports: None,
            http: BTreeMap::new(),
            commands: BTreeMap::new(),
            usage: Usage::default(),
        }
    }
}

impl ImageBehaviour {
    pub fn matches(&self, image: &str) -> bool {
        glob(&self.pattern, image)
    }

    /// What a command of the estate file answers.
    pub fn command(&self, line: &str) -> Option<&Command> {
        self.commands.iter().find(|(pattern, _)| glob(pattern, line)).map(|(_, command)| command)
    }

    /// Whether a program is known not to be there.
    pub fn lacks(&self, program: &str) -> bool {
        let base = program.rsplit('/').next().unwrap_or(program);
        self.programs
            .as_ref()
            .is_some_and(|programs| !programs.iter().any(|known| known == program || known == base))
    }

    /// What it answers to a request, once it listens.
    pub fn page(&self, path: &str) -> Page {
        let path = path.split('?').next().unwrap_or(path);
        let exact = self.http.get(path);
        let found =
            exact.or_else(|| self.http.iter().find(|(pattern, _)| glob(pattern, path)).map(|(_, page)| page));
        match found {
            Some(page) => page.clone(),
            None if self.http.is_empty() => Page::status(200),
            None => Page::status(404),
        }
    }
}

/// It ends by itself, again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    pub after: Span,
    #[serde(default = "one")]
    pub exit: i32,
    /// The kernel kills it for its memory: exit code 137, reason `OOMKilled`.
    #[serde(default)]
    pub oom: bool,
    #[serde(default)]
    pub log: Vec<String>,
    /// So many times only, counted for each container; then it stays up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    #[serde(rename = "for")]
    pub duration: Span,
    #[serde(default)]
    pub exit: i32,
    #[serde(default)]
    pub log: Vec<String>,
}

/// An answer: a status, or a status and a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a page is a status such as 200, or `{ status, body }`")]
pub enum Page {
    Status(u16),
    Full(FullPage),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullPage {
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default)]
    pub body: String,
}

impl Page {
    pub fn status(status: u16) -> Self {
        Self::Status(status)
    }

    pub fn code(&self) -> u16 {
        match self {
            Self::Status(status) => *status,
            Self::Full(page) => page.status,
        }
    }

    pub fn body(&self) -> &str {
        match self {
            Self::Status(_) => "",
            Self::Full(page) => &page.body,
        }
    }
}

/// What a command prints, or that and how it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a command is its output, or `{ output, error, exit }`")]
pub enum Command {
    Output(String),
    Full(FullCommand),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullCommand {
    #[serde(default)]
    pub output: String,
    /// On standard error.
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub exit: i32,
}

impl Command {
    pub fn full(&self) -> FullCommand {
        match self {
            Self::Output(output) => FullCommand { output: output.clone(), ..FullCommand::default() },
            Self::Full(full) => full.clone(),
        }
    }
}

/// What a container uses: of its request, or in all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    pub cpu: Amount,
    pub memory: Amount,
}

impl Default for Usage {
    fn default() -> Self {
        Self { cpu: Amount::Percent(10), memory: Amount::Percent(50) }
    }
}

/// `60%` of what was requested, or a quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Amount {
    Percent(u32),
    Quantity(String),
}

impl TryFrom<String> for Amount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not an amount: write `60%` of the request, or a quantity with its unit, `300m` or `300Mi`"
            )
        };
        if let Some(percent) = text.strip_suffix('%') {
            return percent.trim().parse().map(Self::Percent).map_err(|_| bad());
        }
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if digits.is_empty() || digits.len() == text.len() {
            return Err(bad());
        }
        Ok(Self::Quantity(text))
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Percent(percent) => format!("{percent}%"),
            Amount::Quantity(quantity) => quantity,
        }
    }
}

/// Whether a text is what a pattern describes, with `*` for any run of characters.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    // `split` gives one part at least.
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn one_second() -> Span {
    Span::from_secs(1)
}

fn two_seconds() -> Span {
    Span::from_secs(2)
}

fn stop() -> Option<Span> {
    Some(Span::from_millis(500))
}

fn one() -> i32 {
    1
}

fn ok() -> u16 {
    200
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, matches) in [
            ("*/app:1.2.*", "registry.example/team/app:1.2.7", true),
            ("*/app:1.2.*", "registry.example/team/app:1.3.0", false),
            ("app:1", "app:1", true),
            ("app:1", "app:10", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }
}
