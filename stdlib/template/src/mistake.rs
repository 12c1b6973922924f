//! What is wrong with a template, in its author's words: the tag, its line with a mark below it, and the way out.
//! The engine only knows which of its grammar's rules it expected; this reads the tags again and knows nothing of values.

use opsrun_core::Error;

/// A place in a template and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// In bytes.
    at: usize,
    what: String,
}

/// Finds the mistake in a text that the engine does not read; `line` and `column` (from 1) are where it gave up.
pub(crate) fn find(text: &str, place: Option<(usize, usize)>) -> Mistake {
    let gave_up = place.map_or(0, |(line, column)| offset(text, line, column));
    match in_blocks(text) {
        Err(mistake) => mistake,
        Ok(tags) => {
            let around = tags.iter().find(|tag| tag.from <= gave_up && gave_up < tag.to);
            in_tag(text, around.or_else(|| tags.iter().rev().find(|tag| tag.to <= gave_up)), gave_up)
        }
    }
}

/// The error for a mistake in the template `name`, with the line that it is in.
pub(crate) fn told(name: &str, text: &str, doing: &str, mistake: &Mistake) -> Error {
    let error = Error::invalid(format!("the template `{name}` cannot be {doing}: {}", mistake.what));
    let before = &text[..floor(text, mistake.at)];
    let number = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let column = before[start..].chars().count();
    let margin = " ".repeat(number.to_string().len());
    error
        .detail(format!("{margin}--> {name}:{number}:{}", column + 1))
        .detail(format!("{margin} |"))
        .detail(format!("{number} | {line}"))
        .detail(format!("{margin} | {}^", " ".repeat(column)))
}

/// A mistake that the engine found while it rendered.
pub(crate) fn at(text: &str, place: Option<(usize, usize)>, what: String) -> Mistake {
    Mistake { at: place.map_or(0, |(line, column)| offset(text, line, column)), what }
}

/// `{{…}}`, from the first brace to behind the last.
#[derive(Debug, Clone, Copy)]
struct Tag<'t> {
    from: usize,
    to: usize,
    inside: &'t str,
}

/// Whether every tag and every block that is opened is closed; then all tags.
fn in_blocks(text: &str) -> Result<Vec<Tag<'_>>, Mistake> {
    let mut open: Vec<(Tag<'_>, &str)> = Vec::new();
    let mut tags = Vec::new();
    let mut from = 0;
    while let Some(tag) = next_tag(text, from)? {
        from = tag.to;
        let inside = tag.inside.trim_matches('~').trim();
        if let Some(block) = inside.strip_prefix('#') {
            open.push((tag, name(block)));
        } else if let Some(closed) = inside.strip_prefix('/') {
            let closed = name(closed);
            match open.pop() {
                None => {
                    return Err(Mistake {
                        at: tag.from,
                        what: format!("`{{{{/{closed}}}}}` closes nothing"),
                    });
                }
                Some((opener, opened)) if opened != closed => {
                    let line = text[..opener.from].matches('\n').count() + 1;
                    let what = format!(
                        "`{{{{/{closed}}}}}` stands where `{{{{#{opened}}}}}` of line {line} has to be closed with \
                         `{{{{/{opened}}}}}`"
                    );
                    return Err(Mistake { at: tag.from, what });
                }
                Some(_) => {}
            }
        } else if (name(inside) == "else" || inside.starts_with('^')) && open.is_empty() {
            return Err(Mistake { at: tag.from, what: "`{{else}}` stands outside of a block".to_owned() });
        }
        tags.push(tag);
    }
    match open.pop() {
        Some((tag, opened)) => Err(Mistake {
            at: tag.from,
            what: format!("`{{{{#{opened}}}}}` is not closed: it needs a `{{{{/{opened}}}}}`"),
        }),
        None => Ok(tags),
    }
}

/// The next tag from `from` on, comments and escaped ones left out; raw blocks count as one tag.
fn next_tag(text: &str, mut from: usize) -> Result<Option<Tag<'_>>, Mistake> {
    while let Some(found) = text[from..].find("{{") {
        let start = from + found;
        let backslashes = text[..start].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes == 1 {
            from = start + 2;
            continue;
        }
        let rest = &text[start..];
        let (opening, closing) = match rest {
            _ if rest.starts_with("{{!--") => ("{{!--", "--}}"),
            _ if rest.starts_with("{{!") => ("{{!", "}}"),
            _ if rest.starts_with("{{{{") => ("{{{{", "}}}}"),
            _ if rest.starts_with("{{{") => ("{{{", "}}}"),
            _ => ("{{", "}}"),
        };
        let inside = start + opening.len();
        let Some(length) = end_of_tag(&text[inside..], closing, opening.starts_with("{{!")) else {
            return Err(Mistake {
                at: start,
                what: format!("`{opening}` is not closed: it needs a `{closing}`"),
            });
        };
        let to = inside + length + closing.len();
        if opening.starts_with("{{!") {
            from = to;
            continue;
        }
        return Ok(Some(Tag { from: start, to, inside: &text[inside..inside + length] }));
    }
    Ok(None)
}

/// How far it is to the end of a tag: not within quotes, and not beyond the begin of another one.
fn end_of_tag(rest: &str, closing: &str, is_comment: bool) -> Option<usize> {
    if is_comment {
        return rest.find(closing);
    }
    let mut quote = None;
    for (at, letter) in rest.char_indices() {
        match quote {
            Some(open) if open == letter => quote = None,
            Some(_) => {}
            None if rest[at..].starts_with(closing) => return Some(at),
            None if rest[at..].starts_with("{{") => return None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None => {}
        }
    }
    None
}

fn name(inside: &str) -> &str {
    let inside = inside.trim_start_matches(['*', '>', ' ', '\t', '\n']).trim();
    inside.split(|letter: char| letter.is_whitespace() || letter == '~').next().unwrap_or_default()
}

/// A tag that is closed, but says nothing that can be read.
fn in_tag(text: &str, tag: Option<&Tag<'_>>, gave_up: usize) -> Mistake {
    let Some(tag) = tag else {
        return Mistake { at: gave_up, what: "it cannot be read from here on".to_owned() };
    };
    let shown = text[tag.from..tag.to].split_whitespace().collect::<Vec<_>>().join(" ");
    if tag.inside.trim_matches(|letter: char| letter.is_whitespace() || "#/>&^~".contains(letter)).is_empty()
    {
        return Mistake { at: tag.from, what: format!("`{shown}` names nothing") };
    }
    let at = gave_up.clamp(tag.from, tag.to.saturating_sub(1));
    let what = match text[floor(text, at)..].chars().next() {
        Some('}') => format!("`{shown}` ends too early"),
        Some(letter) if !letter.is_whitespace() && at > tag.from => {
            format!("`{letter}` cannot stand there in `{shown}`")
        }
        _ => format!("`{shown}` cannot be read"),
    };
    Mistake { at, what }
}

/// The byte at which a line and a column (both from 1) are.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text[start.min(text.len())..].char_indices().nth(column.saturating_sub(1));
    start + rest.map_or_else(|| text[start.min(text.len())..].trim_end().len(), |(at, _)| at)
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}
