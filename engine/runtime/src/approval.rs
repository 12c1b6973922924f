//! Approvals: a run waits until somebody says that it may go on. A word comes from the terminal that the run sits at, or from
//! another process, by a file beside the journal, which is the runner's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use opsrun_core::{Error, ErrorKind, Note, Result, Span, Value};
use opsrun_gate::LogFile;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::branch::Branch;
use crate::event::Happening;
use crate::journal::Entry;
use crate::past::Course;
use crate::world::World;

/// How an approval is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApprovalTerms {
    /// What is to be approved of.
    pub message: String,
    /// Not by who runs it.
    pub by_other: bool,
    /// After so long it is too late.
    pub expires: Option<Span>,
}

/// What somebody says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub by: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub refused: bool,
}

/// An approval that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub name: String,
    pub message: String,
    pub runner: String,
    pub by_other: bool,
    pub since: Timestamp,
    pub expires: Option<Timestamp>,
}

/// Where words come from.
#[derive(Clone, Default)]
pub struct Approvals {
    /// Of a live run: other processes put them there.
    pub file: Option<PathBuf>,
    /// Whoever sits before a live run.
    pub asker: Option<Arc<dyn Asker>>,
    /// Of a rehearsal: what becomes of approvals, by name; those that are not named are given at once.
    pub rehearsed: BTreeMap<String, Rehearsed>,
}

/// Asks whoever sits there.
pub trait Asker: Send + Sync {
    /// Puts the question. It is not waited for.
    fn ask(&self, question: &str);
    /// What was typed since, a line at a time.
    fn typed(&self) -> Option<String>;
}

/// What becomes of an approval in a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Rehearsed {
    /// It is given after so long.
    After(Span),
    Refused,
    Never,
}

impl TryFrom<String> for Rehearsed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "refused" => Ok(Rehearsed::Refused),
            "never" => Ok(Rehearsed::Never),
            span => span.parse().map(Rehearsed::After).map_err(|_| {
                format!("`{text}` is not what can become of an approval: `refused`, `never`, or how long it takes, such as `10m`")
            }),
        }
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    #[serde(flatten)]
    word: Word,
}

const PATH: &str = "approve";
const POLL: Span = Span::from_secs(1);

/// The file of words for the run whose journal is at `journal`.
pub(crate) fn words_file(journal: &Path) -> PathBuf {
    journal.with_extension("approvals")
}

/// Says something of an approval that a run waits for.
///
/// # Errors
/// `Failed` if it cannot be written.
pub fn say(journal: &Path, name: &str, word: &Word) -> Result<()> {
    let line = Line { name: name.to_owned(), word: word.clone() };
    let line = serde_json::to_string(&line).map_err(|error| Error::failed(error.to_string()))?;
    let path = words_file(journal);
    LogFile::open(&path)?
        .append(format!("{line}\n").as_bytes(), true)
        .map_err(|error| Error::failed(format!("`{}` cannot be written: {error}", path.display())))
}

impl Branch {
    /// Waits until somebody approves; gives `by`, `at` and `reason`. A run that goes on does not ask again.
    ///
    /// # Errors
    /// `Denied` if somebody refuses, `Timeout` if nobody says anything in time, `Invalid` for a name that cannot be one.
    pub fn approve(self: &Arc<Self>, name: &str, terms: &ApprovalTerms) -> Result<Value> {
        if name.trim().is_empty() || name.contains(char::is_whitespace) {
            return Err(Error::invalid(format!(
                "`{name}` cannot be the name of an approval: it is one word"
            )));
        }
        let run = self.run();
        let scope = self.scope_now();
        let number = run.count(&scope, &format!("approve {name}"));
        let given = run.setup.past.approved.get(&(scope.clone(), name.to_owned(), number));
        if let Some(word) = given {
            return heard(name, word.clone());
        }
        if run.setup.course == Course::Back {
            // It had not got any further.
            return Err(Error::interrupted());
        }
        let now = run.now();
        let expires = terms.expires.map(|expires| expires.after(now));
        let asked = Entry::ApprovalAsked {
            scope: scope.clone(),
            name: name.to_owned(),
            number,
            message: terms.message.clone(),
            runner: run.setup.user.clone(),
            by_other: terms.by_other,
            expires,
        };
        self.record(asked, true)?;
        let word = match run.setup.world {
            World::Simulated(_) => self.rehearsed(name, expires)?,
            World::Live(_) => self.listen(name, terms, now, expires)?,
        };
        self.record(Entry::ApprovalGiven { scope, name: name.to_owned(), number, word: word.clone() }, true)?;
        heard(name, word)
    }

    fn rehearsed(self: &Arc<Self>, name: &str, expires: Option<Timestamp>) -> Result<Word> {
        let after = match self.run().setup.approvals.rehearsed.get(name) {
            None => Span::from_secs(0),
            Some(Rehearsed::After(span)) => *span,
            Some(Rehearsed::Refused) => return Ok(self.word_of("the estate", true)),
            Some(Rehearsed::Never) => match expires {
                Some(expires) => until(self.run().now(), expires),
                None => {
                    return Err(Error::new(
                        ErrorKind::Timeout,
                        format!(
                            "nobody approves of `{name}` in this estate, and it would be waited for ever"
                        ),
                    )
                    .hint("say with `expires` how long to wait"));
                }
            },
        };
        match expires.map(|expires| until(self.run().now(), expires)).filter(|left| *left <= after) {
            Some(left) => {
                self.sleep(left)?;
                Err(too_late(name))
            }
            None => self.sleep(after).map(|()| self.word_of("the estate", false)),
        }
    }

    fn listen(
        self: &Arc<Self>,
        name: &str,
        terms: &ApprovalTerms,
        since: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<Word> {
        let run = self.run();
        let Approvals { file, asker, .. } = &run.setup.approvals;
        let whose = if terms.by_other {
            format!(", by somebody else than {}", run.setup.user)
        } else {
            String::new()
        };
        let what = if terms.message.is_empty() { String::new() } else { format!(" ({})", terms.message) };
        let waiting =
            format!("waits for the approval `{name}`{what}{whose}: `opsrun approve {} {name}`", run.name());
        self.tell(Happening::Note { path: PATH, note: Note::Progress(waiting) });
        let asker = asker.as_ref().filter(|_| !terms.by_other);
        if let Some(asker) = asker {
            asker.ask(&format!("Type `{name}` to approve, or `no` to refuse: "));
        }
        loop {
            match asker.and_then(|asker| asker.typed()) {
                Some(typed) if typed.trim() == name => return Ok(self.word_of(&run.setup.user, false)),
                Some(typed) if typed.trim() == "no" => return Ok(self.word_of(&run.setup.user, true)),
                Some(_) => {
                    asker.iter().for_each(|asker| asker.ask(&format!("Neither `{name}` nor `no`: ")));
                }
                None => {}
            }
            let words = file.as_deref().map(|file| words(file, name)).transpose()?.unwrap_or_default();
            // Who runs it may always refuse.
            let counts = |word: &Word| {
                word.at >= since && (word.refused || !terms.by_other || word.by != run.setup.user)
            };
            if let Some(word) = words.into_iter().find(counts) {
                return Ok(word);
            }
            if expires.is_some_and(|expires| run.now() >= expires) {
                return Err(too_late(name));
            }
            self.sleep(POLL)?;
        }
    }

    fn word_of(&self, by: &str, refused: bool) -> Word {
        Word { by: by.to_owned(), at: self.run().now(), reason: String::new(), refused }
    }
}

fn heard(name: &str, word: Word) -> Result<Value> {
    if !word.refused {
        return Ok(json!({ "by": word.by, "at": word.at.to_string(), "reason": word.reason }));
    }
    let error = Error::new(ErrorKind::Denied, format!("`{name}` was refused by {}", word.by));
    Err(if word.reason.is_empty() { error } else { error.detail(word.reason) })
}

fn too_late(name: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("nobody approved of `{name}` in time"))
}

fn until(now: Timestamp, deadline: Timestamp) -> Span {
    std::time::Duration::try_from(deadline.duration_since(now)).unwrap_or_default().into()
}

/// What was said of an approval, in order. A line that is still being written is left for the next time.
fn words(file: &Path, name: &str) -> Result<Vec<Word>> {
    let text = match opsrun_gate::read_text(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let lines = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    Ok(lines.filter(|line| line.name == name).map(|line| line.word).collect())
}
