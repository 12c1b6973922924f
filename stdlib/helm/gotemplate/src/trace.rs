//! Which line of a template wrote what: for messages about the output that name the source.

use std::sync::Arc;

/// From this byte of the output on, until the next mark, the output comes from this line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub offset: usize,
    /// The name under which the text was parsed.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
    /// The output is the template's own text, and each of its lines a line of the template; otherwise all of it was made
    /// by the action at this line.
    pub is_text: bool,
}

/// The file and line that wrote the byte at this offset of the output.
pub fn line_at<'a>(marks: &'a [Mark], output: &[u8], offset: usize) -> Option<(&'a str, usize)> {
    let mark = marks.iter().rev().find(|mark| mark.offset <= offset)?;
    let between = output.get(mark.offset..offset.min(output.len())).unwrap_or_default();
    let further = if mark.is_text { between.iter().filter(|b| **b == b'\n').count() } else { 0 };
    Some((&mark.file, mark.line + further))
}
