//! Where entries come from.

use std::io::{self, BufRead};
use std::sync::Arc;

use opsrun_language::{Completion, Grammar, complete};
use opsrun_runtime::Registry;

use crate::COMMANDS;

/// Gives one entry after the other.
pub trait Editor {
    /// The next entry, of one line or more.
    ///
    /// # Errors
    /// If the input cannot be read.
    fn read(&mut self, prompt: &str, knowledge: &Knowledge) -> io::Result<Line>;

    /// How many columns there are to answer in, if that is known.
    fn width(&mut self) -> Option<u16> {
        None
    }

    /// What went wrong without ending the session, once.
    fn complaint(&mut self) -> Option<String> {
        None
    }
}

/// What an editor gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Text(String),
    /// Ctrl-C: what was typed is dropped.
    Interrupted,
    End,
}

/// What an editor may ask about the text that is being typed.
#[derive(Clone)]
pub struct Knowledge {
    pub(crate) registry: Registry,
    pub(crate) names: Vec<String>,
    pub(crate) grammar: Arc<Grammar>,
}

impl Knowledge {
    /// Whether the entry goes on in the next line.
    pub fn is_incomplete(&self, text: &str) -> bool {
        let command = text.trim_start().starts_with([':', '?']);
        !command && self.grammar.is_incomplete(text)
    }

    /// How the text may go on at byte `at`: what is replaced from which byte on.
    pub fn complete(&self, text: &str, at: usize) -> (usize, Vec<Completion>) {
        if let Some(command) = text.strip_prefix(':') {
            let found = COMMANDS.iter().filter(|(name, _)| at > 0 && name.starts_with(command));
            return (1, found.map(|(name, summary)| completion(name, summary)).collect());
        }
        match text.strip_prefix('?') {
            Some(_) => {
                let (start, found) = complete(&text[1..], at.saturating_sub(1), self.registry, &self.names);
                (start + 1, found)
            }
            None => complete(text, at, self.registry, &self.names),
        }
    }
}

fn completion(name: &str, summary: &str) -> Completion {
    Completion { text: name.to_owned(), summary: summary.to_owned() }
}

/// Entries from a file or a pipe, without prompts.
pub struct Pipe<R>(pub R);

impl<R: BufRead> Editor for Pipe<R> {
    fn read(&mut self, _: &str, knowledge: &Knowledge) -> io::Result<Line> {
        let mut text = String::new();
        loop {
            let before = text.len();
            if self.0.read_line(&mut text)? == 0 {
                // An entry that never ends is answered with what is missing.
                return Ok(if text.trim().is_empty() { Line::End } else { Line::Text(text) });
            }
            let blank = text[before..].trim().is_empty();
            if text.trim().is_empty() {
                text.clear();
            } else if blank || !knowledge.is_incomplete(&text) {
                return Ok(Line::Text(text));
            }
        }
    }
}
