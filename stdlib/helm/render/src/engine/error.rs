//! How Helm words the failure of a template: the places on the way to it, then the message.

use std::fmt;

use gotemplate::{ExecError, FnError, ParseError, Place, Value};
use thiserror::Error;

/// A template that does not parse or that failed. The text is Helm's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct TemplateError {
    text: String,
    /// The file that was being parsed or rendered.
    pub file: String,
    /// Where it failed, in the innermost template.
    pub place: Option<Place>,
    /// The line of a text that does not parse, counted from 1.
    pub line: Option<usize>,
    /// What failed, without where.
    pub message: String,
    /// The line of the chart that the failure is at.
    pub snippet: Option<Snippet>,
}

/// A line of a chart's file, to be shown with a mark under the place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// `CHART/templates/FILE`
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1; `None` if all of the line is meant.
    pub column: Option<usize>,
    /// The line itself.
    pub text: String,
}

/// The file and place, the line, and a caret under the column.
impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snippet { file, line, column, text } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        match column {
            Some(column) => writeln!(f, "{margin}--> {file}:{line}:{column}")?,
            None => writeln!(f, "{margin}--> {file}:{line}")?,
        }
        writeln!(f, "{margin} |")?;
        write!(f, "{number} | {text}")?;
        if let Some(column) = column {
            // Tabs stay tabs, so that the caret stands where the terminal puts the character.
            let before = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' });
            write!(f, "\n{margin} | {}^", before.collect::<String>())?;
        }
        Ok(())
    }
}

impl Snippet {
    /// The line of a text; the column is in bytes, counted from 0.
    fn of(text: &str, file: &str, line: usize, column: Option<usize>) -> Option<Self> {
        let text = text.split('\n').nth(line.checked_sub(1)?)?.trim_end_matches('\r');
        let column = column.map(|bytes| 1 + text.bytes().take(bytes).filter(|b| b & 0xc0 != 0x80).count());
        Some(Snippet { file: file.to_owned(), line, column, text: text.to_owned() })
    }
}

/// The text of a chart's file, if it is a template.
type Sources<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// The marks that Helm puts around the message of `fail` and `required`, to find it again in the error's text.
const START: &str = "HELM_ERR_START";
const END: &str = "HELM_ERR_END";

/// What `fail` and `required` return.
pub(super) fn warning(message: &Value) -> FnError {
    let message = message.as_str().map(|s| s.to_text().into_owned()).unwrap_or_default();
    FnError::new(format!("{START}{message}{END}"))
}

impl TemplateError {
    pub(super) fn parse(file: &str, error: &ParseError, sources: &Sources<'_>) -> Self {
        let full = error.to_string();
        let mut parts = full.split(": ");
        let location = parts.nth(1).unwrap_or(file).to_owned();
        let message = full.rsplit(": ").next().unwrap_or(&full).to_owned();
        TemplateError {
            text: format!("parse error at ({location}): {message}"),
            file: file.to_owned(),
            place: None,
            line: Some(error.line),
            message,
            snippet: sources(file).and_then(|text| Snippet::of(text, file, error.line, None)),
        }
    }

    pub(super) fn execution(file: &str, error: ExecError, sources: &Sources<'_>) -> Self {
        let full = error.to_string();
        let chain = chain(error);
        let innermost = chain.last();
        let place = chain.iter().rev().find_map(|link| link.place.clone());
        // What `tpl` renders has no file: then the place that called it is shown.
        let snippet = chain.iter().rev().find_map(|link| {
            let place = link.place.as_ref()?;
            Snippet::of(sources(&place.file)?, &place.file, place.line, Some(place.column))
        });
        let mut result = TemplateError {
            snippet,
            text: full.clone(),
            file: file.to_owned(),
            place,
            line: None,
            message: innermost.map_or_else(String::new, |link| link.message.clone()),
        };
        let mut parts = full.splitn(3, ": ");
        let (Some(_), Some(location), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            result.text = format!("execution error in ({file}): {full}");
            return result;
        };
        if let Some(message) = marked(rest) {
            result.text = format!("execution error at ({location}): {message}");
            message.clone_into(&mut result.message);
            return result;
        }
        if let Some(traced) = traced(&chain) {
            result.text = traced;
        }
        result
    }
}

/// One error of those that wrap each other.
struct Link {
    text: String,
    place: Option<Place>,
    message: String,
}

fn chain(error: ExecError) -> Vec<Link> {
    let mut links = Vec::new();
    let mut next = Some(FnError::Exec(Box::new(error)));
    while let Some(error) = next {
        let text = error.to_string();
        next = match error {
            FnError::Exec(exec) => {
                let message = exec.message.clone();
                links.push(Link { text, place: exec.place.clone(), message });
                exec.source.map(|source| *source)
            }
            FnError::Wrapped { source, .. } => {
                links.push(Link { message: text.clone(), text, place: None });
                Some(*source)
            }
            FnError::Message(_) | FnError::Parse(_) => {
                links.push(Link { message: text.clone(), text, place: None });
                None
            }
        };
    }
    links
}

/// The message between Helm's marks: from the first to the last.
fn marked(text: &str) -> Option<&str> {
    let start = text.find(START)? + START.len();
    let end = text.rfind(END)?;
    text.get(start..end)
}

/// All the errors with their places, one below the other; `None` if one of them is not a template's.
fn traced(chain: &[Link]) -> Option<String> {
    let mut text = String::new();
    let mut last = String::new();
    for link in chain {
        let entry = trace(&link.text)?;
        if entry != last {
            text.push_str(&entry);
        }
        last = entry;
    }
    Some(text.trim().to_owned())
}

fn trace(text: &str) -> Option<String> {
    let rest = text.strip_prefix("template: ")?;
    if rest.starts_with("no template ") {
        return Some(format!("{text}\n"));
    }
    let own_part = |message: &str| message.split(" template:").next().unwrap_or(message).to_owned();
    if let Some((location, after)) = rest.split_once(": executing ")
        && let Some((function, after)) = after.strip_prefix('"').and_then(|after| after.split_once('"'))
        && let Some((expression, message)) =
            after.strip_prefix(" at <").and_then(|after| after.split_once(">: "))
    {
        let message = own_part(message);
        return Some(format!("{location}\n  executing \"{function}\" at <{expression}>:\n    {message}\n"));
    }
    let (location, message) = rest.rsplit_once(": ")?;
    Some(format!("{location}\n  {}\n", own_part(message)))
}
