//! The REPL: entries of a session read from an editor, answered on a writer. It evaluates nothing itself.
//! Whoever starts it lets Ctrl-C (SIGINT) call [`opsrun_runtime::Run::stop`]: that ends the call, and the session goes on.

mod editor;
mod show;
mod terminal;

use std::io::{self, Write};
use std::sync::Arc;

use opsrun_core::{Error, Result, Value};
use opsrun_language::{Entered, Grammar, Session, Sources, document};
use opsrun_runtime::{Branch, Level, Outcome};

pub use editor::{Editor, Knowledge, Line, Pipe};
pub use show::show;
pub use terminal::Terminal;

/// A conversation with a run. Reads are free; writes are held back until `:write "reason"`.
pub struct Repl<'o> {
    branch: Arc<Branch>,
    session: Session,
    grammar: Arc<Grammar>,
    out: &'o mut dyn Write,
    /// The target that `:target` chose.
    target: Option<String>,
    width: u16,
    on_estate: bool,
    writing: bool,
}

/// What may follow a colon, and what for.
const COMMANDS: &[(&str, &str)] = &[
    ("write", "let writes through from now on: `:write \"reason\"`"),
    ("read", "hold writes back again"),
    ("target", "act on this target; without a name, say which one it is"),
    ("undo", "take back what this session has done, latest first"),
    ("names", "the variables, functions and modules of this session"),
    ("help", "this"),
    ("quit", "leave; Ctrl-D does, too"),
];

fn help_text() -> String {
    let commands = COMMANDS.iter().map(|(name, summary)| format!("  {:<9}{summary}\n", format!(":{name}")));
    format!(
        "Type an expression or a statement; `?` lists what there is, `?name` explains it.\n\
         Tab completes, Ctrl-R searches what was entered before, Ctrl-C stops a call.\n\n{}",
        commands.collect::<String>()
    )
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn broken(error: io::Error) -> Error {
    Error::failed(format!("the terminal cannot be used: {error}"))
}

const HELD: &str = "write `:write \"reason\"` to let writes through";

impl<'o> Repl<'o> {
    /// A session on `branch` that answers on `out`, in lines of at most `width` columns where the editor knows no better. Libraries are imported from
    /// `folder` through `sources`.
    pub fn new(
        branch: &Arc<Branch>,
        folder: &str,
        sources: Box<dyn Sources>,
        out: &'o mut dyn Write,
        width: u16,
    ) -> Self {
        branch.run().gate().hold_writes(Some(HELD.to_owned()));
        Repl {
            session: Session::new(branch, folder, sources),
            grammar: Arc::new(Grammar::new(branch.run().registry())),
            branch: branch.clone(),
            out,
            target: None,
            width,
            on_estate: false,
            writing: false,
        }
    }

    /// Says in the prompt that nothing here is real.
    #[must_use]
    pub fn on_estate(mut self) -> Self {
        self.on_estate = true;
        self
    }

    /// Says what a person who has just come must know.
    ///
    /// # Errors
    /// `Failed` if nothing can be written.
    pub fn greet(&mut self) -> Result<()> {
        let place = if self.on_estate { "This is the simulated estate. " } else { "" };
        self.say(&format!(
            "{place}Reads are free, a write needs `:write \"reason\"` first; `:help` tells the rest."
        ))
        .map_err(broken)
    }

    /// Answers entries until `:quit` or the end of the input.
    ///
    /// # Errors
    /// `Failed` if nothing can be read or written any more.
    pub fn run(&mut self, editor: &mut dyn Editor) -> Result<Value> {
        loop {
            match editor.read(&self.prompt(), &self.knowledge()).map_err(broken)? {
                Line::End => return Ok(Value::Null),
                Line::Interrupted => {}
                Line::Text(text) if matches!(text.trim(), ":quit" | ":q") => return Ok(Value::Null),
                Line::Text(text) => {
                    self.width = editor.width().unwrap_or(self.width);
                    self.answer(text.trim()).map_err(broken)?;
                }
            }
            if let Some(complaint) = editor.complaint() {
                self.say(&format!("warning: {complaint}")).map_err(broken)?;
            }
            // What was stopped was the call.
            self.branch.run().go_on();
        }
    }

    fn prompt(&self) -> String {
        let target = self.target.clone().unwrap_or_else(|| self.branch.target().name.clone());
        let state = match (self.on_estate, self.writing) {
            (false, false) => "",
            (true, false) => "(estate)",
            (false, true) => "(writes)",
            (true, true) => "(estate, writes)",
        };
        let words = [target.as_str(), state].into_iter().filter(|word| !word.is_empty());
        format!("{}> ", words.collect::<Vec<_>>().join(" "))
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge {
            registry: self.branch.run().registry(),
            names: self.session.names().into_iter().chain(self.session.imported_names()).collect(),
            grammar: self.grammar.clone(),
        }
    }

    fn answer(&mut self, text: &str) -> io::Result<()> {
        if let Some(name) = text.strip_prefix('?') {
            return self.help(name);
        }
        match text.strip_prefix(':') {
            Some(command) => self.command(command),
            None if text.is_empty() => Ok(()),
            None => self.evaluate(text),
        }
    }

    fn evaluate(&mut self, text: &str) -> io::Result<()> {
        let session = &mut self.session;
        let mut entered = None;
        match &self.target {
            None => entered = Some(session.enter(text)),
            Some(target) => {
                let told = self.branch.on(target, &mut |_| {
                    entered = Some(session.enter(text));
                    Ok(Value::Null)
                });
                if let Err(error) = told {
                    return self.say(&format!("error: {}", error.report()));
                }
            }
        }
        match entered {
            Some(Ok(Entered::Value(mut value))) => {
                // Before cells are cut.
                self.branch.run().redactor().show_value(&mut value);
                let shown = show(&value, self.width);
                self.say(&shown)
            }
            Some(Ok(Entered::Other(what))) => self.say(&format!("({what})")),
            Some(Ok(Entered::Nothing)) | None => Ok(()),
            Some(Err(failure)) => {
                let report = failure.report(|file| self.session.source(file));
                self.say(&report)
            }
        }
    }

    fn command(&mut self, command: &str) -> io::Result<()> {
        let (name, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let argument = argument.trim().trim_matches('"').trim();
        match name {
            "help" | "h" => self.say(&help_text()),
            "names" => {
                let names = self.session.names().join("\n");
                self.say(&names)
            }
            "write" if argument.is_empty() => self.say("say why: `:write \"reason\"`"),
            "write" => {
                self.branch.run().gate().hold_writes(None);
                self.writing = true;
                self.branch.log(Level::Info, format!("writes are let through: {argument}"), Value::Null);
                self.say("writes are let through; `:read` holds them back again")
            }
            "read" => {
                self.branch.run().gate().hold_writes(Some(HELD.to_owned()));
                self.writing = false;
                self.say("writes are held back")
            }
            "target" if argument.is_empty() => {
                let name = self.target.clone().unwrap_or_else(|| self.branch.target().name.clone());
                self.say(if name.is_empty() { "the run's own target" } else { &name })
            }
            "target" => match self.branch.on(argument, &mut |_| Ok(Value::Null)) {
                Ok(_) => {
                    self.target = Some(argument.to_owned());
                    Ok(())
                }
                Err(error) => self.say(&format!("error: {}", error.report())),
            },
            "undo" => self.undo(),
            other => self.say(&format!("there is no command `:{other}`; `:help` lists them")),
        }
    }

    /// What takes back are writes, too: whoever asks for it has a reason.
    fn undo(&mut self) -> io::Result<()> {
        match self.branch.take_back() {
            Outcome::Done(_) | Outcome::Failed(_) | Outcome::TakenBack { count: 0, .. } => {
                self.say("there is nothing to take back")
            }
            Outcome::Undone { left, .. } | Outcome::TakenBack { left, .. } if left.is_empty() => {
                self.say("taken back")
            }
            Outcome::Undone { left, .. } | Outcome::TakenBack { left, .. } => {
                self.say(&format!("taken back, except:\n  {}", left.join("\n  ")))
            }
            Outcome::BrokenOff { left, .. } => {
                self.say(&format!("error: stopped at once; {left} things may still be taken back"))
            }
            Outcome::UndoFailed { errors, .. } => {
                let errors = errors.iter().map(|(what, error)| format!("  {what}: {}", error.report()));
                let text = format!(
                    "error: not everything could be taken back\n{}",
                    errors.collect::<Vec<_>>().join("\n")
                );
                self.say(&text)
            }
        }
    }

    fn help(&mut self, name: &str) -> io::Result<()> {
        let registry = self.branch.run().registry();
        match name.trim() {
            "" => self.say(&document::overview(registry)),
            name => {
                let page = document::help(registry, name).unwrap_or_else(|nothing| nothing);
                self.say(&page)
            }
        }
    }

    /// Writes a text with its last line ended, without the values that are not to be shown.
    fn say(&mut self, text: &str) -> io::Result<()> {
        let text = self.branch.run().redactor().show(text).into_owned();
        self.out.write_all(text.trim_end_matches('\n').as_bytes())?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}
