//! How a run is shown: lines for people, or JSON lines for programs. Both pass the run's redactor.

pub(crate) mod failures;
mod json;
mod text;

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use opsrun_core::{Error, Redactor, Result, Value};
use opsrun_runtime::{Asker, Change, Outcome, Watcher};

pub(crate) use json::JsonLines;
pub(crate) use text::TextLines;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Shows a run from its first event to its end.
pub(crate) trait Show: Watcher {
    /// How it ended, with the report of a failure, and after which virtual or real time.
    fn ended(&self, outcome: &Outcome, report: &str, took: opsrun_core::Span);
    /// What is different in the estate.
    fn changed(&self, changes: &[Change]);
    /// A line beside the run's own: a heading, a hint.
    fn remark(&self, text: &str, fields: Value);
}

impl Form {
    /// `start`: from when on time is counted.
    pub(crate) fn show(self, start: Timestamp, redactor: Arc<Redactor>) -> Arc<dyn Show> {
        let stream = Stream::stdout(redactor);
        match self {
            Form::Text => Arc::new(TextLines::new(start, stream)),
            Form::Json => Arc::new(JsonLines::new(stream)),
        }
    }
}

/// Where lines go. A reader that went away ends the output, not the run.
pub(crate) struct Stream {
    out: Mutex<Box<dyn Write + Send>>,
    redactor: Arc<Redactor>,
}

impl Stream {
    fn stdout(redactor: Arc<Redactor>) -> Self {
        Stream { out: Mutex::new(Box::new(std::io::stdout())), redactor }
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(crate) fn line(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(out, "{}", self.redactor.show(text)).and_then(|()| out.flush());
    }
}

/// Says on the standard error what went wrong, with causes and hints.
pub(crate) fn complain(redactor: &Redactor, error: &Error) {
    let mut err = std::io::stderr().lock();
    // Nobody is left to be told that the standard error is gone.
    let _ = writeln!(err, "error: {}", redactor.show(&error.report()));
}

/// The same for a text that says it all.
pub(crate) fn complain_with(text: &str) {
    // As above.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Asks for approvals at the terminal, if somebody sits there.
pub(crate) fn asker() -> Option<Arc<dyn Asker>> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    is_terminal.then(|| Arc::new(Keyboard(Mutex::default())) as Arc<dyn Asker>)
}

/// Lines from the keyboard. They are read by a thread of its own, which nothing can end: what is asked may be answered elsewhere.
struct Keyboard(Mutex<Option<Receiver<String>>>);

impl Asker for Keyboard {
    fn ask(&self, question: &str) {
        complain_with(question);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get_or_insert_with(|| {
            let (sender, lines) = channel();
            std::thread::spawn(move || {
                let typed = std::io::stdin().lines().map_while(std::io::Result::ok);
                typed.map(|line| sender.send(line)).take_while(std::result::Result::is_ok).for_each(drop);
            });
            lines
        });
    }

    fn typed(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.as_ref().and_then(|lines| lines.try_recv().ok())
    }
}

/// Prints a text that is a command's result.
///
/// # Errors
/// `Failed` if nobody reads it.
pub(crate) fn print(text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
