//! The editor for people: history, completion, entries of many lines.

use std::io;
use std::path::{Path, PathBuf};

use rustyline::completion::{Candidate, Completer};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Helper};

use crate::editor::{Editor, Knowledge, Line};

/// An editor on the terminal.
pub struct Terminal {
    editor: rustyline::Editor<Typist, FileHistory>,
    history: Option<PathBuf>,
    complaint: Option<String>,
}

impl Terminal {
    /// `history` is a file that keeps the entries from session to session.
    ///
    /// # Errors
    /// If there is no terminal.
    pub fn new(history: Option<&Path>) -> io::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .auto_add_history(true)
            .build();
        let mut editor = rustyline::Editor::with_config(config).map_err(io::Error::other)?;
        editor.set_helper(Some(Typist(None)));
        if let Some(path) = history {
            match editor.load_history(path) {
                Ok(()) => {}
                Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(io::Error::other(format!("the history `{}`: {error}", path.display())));
                }
            }
        }
        Ok(Terminal { editor, history: history.map(Path::to_owned), complaint: None })
    }
}

impl Editor for Terminal {
    fn read(&mut self, prompt: &str, knowledge: &Knowledge) -> io::Result<Line> {
        if let Some(typist) = self.editor.helper_mut() {
            typist.0 = Some(knowledge.clone());
        }
        match self.editor.readline(prompt) {
            Ok(text) => {
                // Somebody in an incident needs the session more than its history.
                if let Some(history) = &self.history
                    && let Err(error) = self.editor.append_history(history)
                {
                    let history = history.display();
                    self.complaint = Some(format!("entries are not kept in `{history}`: {error}"));
                    self.history = None;
                }
                Ok(Line::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    fn width(&mut self) -> Option<u16> {
        self.editor.dimensions().map(|(columns, _)| columns).filter(|columns| *columns > 0)
    }
}

/// Asks the session's knowledge for rustyline.
struct Typist(Option<Knowledge>);

/// A completion with its summary beside it.
struct Choice {
    text: String,
    shown: String,
}

impl Candidate for Choice {
    fn display(&self) -> &str {
        &self.shown
    }

    fn replacement(&self) -> &str {
        &self.text
    }
}

impl Completer for Typist {
    type Candidate = Choice;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Choice>)> {
        let Some(knowledge) = &self.0 else { return Ok((at, Vec::new())) };
        let (start, found) = knowledge.complete(line, at);
        let choices = found.into_iter().map(|completion| {
            let shown = match completion.summary.is_empty() {
                true => completion.text.clone(),
                false => format!("{}  {}", completion.text, completion.summary),
            };
            Choice { text: completion.text, shown }
        });
        Ok((start, choices.collect()))
    }
}

impl Validator for Typist {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let incomplete = self.0.as_ref().is_some_and(|knowledge| knowledge.is_incomplete(context.input()));
        Ok(if incomplete { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for Typist {
    type Hint = String;
}

impl Highlighter for Typist {}

impl Helper for Typist {}
