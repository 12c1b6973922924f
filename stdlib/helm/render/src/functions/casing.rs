//! Word cases as xstrings and goutils find words: by connectors, capitals, digits and punctuation.

use crate::letters::{
    is_letter, is_lower, is_number, is_punctuation, is_space, is_title, is_upper, to_lower, to_title,
    to_upper,
};

/// goutils' `SwapCase`: a word's first lower-case letter becomes title case.
pub(super) fn swap(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .map(|c| {
            if is_upper(c) || is_title(c) {
                starts = false;
                to_lower(c)
            } else if is_lower(c) {
                if std::mem::take(&mut starts) { to_title(c) } else { to_upper(c) }
            } else {
                starts = is_space(c);
                c
            }
        })
        .collect()
}

/// xstrings' `ToPascalCase`.
pub(super) fn pascal(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    let (mut first_is_upper, mut current) = (false, None);
    for c in chars.by_ref() {
        current = Some(c);
        if !is_connector(c) {
            first_is_upper = is_upper(c);
            current = Some(to_upper(c));
            break;
        }
        out.push(c);
    }
    let Some(mut current) = current else { return out };
    if chars.as_str().is_empty() {
        out.push(current);
        return out;
    }
    for c in chars {
        let previous = current;
        current = c;
        if is_connector(previous) {
            if is_connector(current) {
                out.push(previous);
                continue;
            }
            first_is_upper = is_upper(current);
            current = to_upper(current);
        } else {
            if first_is_upper {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    first_is_upper = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The end of the text.
    None,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// xstrings' `ToSnakeCase` and `ToKebabCase`.
pub(super) fn lower(text: &str, connector: char) -> String {
    let mut out = String::new();
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            write_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    write_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::None | Word::Punctuation | Word::Connector) {
                    out.push(connector);
                }
            }
            Word::Connector => write_lower(&mut out, previous, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind != Word::Alphabet {
                    write_lower(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        out.push(connector);
                    }
                    continue;
                }
                out.push(connector);
                write_lower(&mut out, Word::Number, number, connector);
                while matches!(kind, Word::Alphabet | Word::Number) {
                    write_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::None | Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
        }
    }
    write_lower(&mut out, kind, word, connector);
    out
}

/// The kind of the first word, the word, and what follows it.
fn next_word(text: &str) -> (Word, &str, &str) {
    let Some(first) = text.chars().next() else { return (Word::None, "", "") };
    let while_chars = |keep: &dyn Fn(char) -> bool| text.find(|c| !keep(c)).unwrap_or(text.len());
    let (kind, end) = if is_connector(first) {
        (Word::Connector, while_chars(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, while_chars(&is_punctuation))
    } else if is_upper(first) {
        (Word::Upper, upper_word_end(text))
    } else if is_alphabet(first) {
        (Word::Alphabet, while_chars(&|c| is_alphabet(c) && !is_upper(c)))
    } else if is_number(first) {
        (Word::Number, while_chars(&is_number))
    } else {
        let other = |c| !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punctuation(c));
        // A CJK letter is no alphabet, but begins such a word all the same.
        let length = first.len_utf8();
        (Word::Other, length + text[length..].find(|c| !other(c)).unwrap_or(text.len() - length))
    };
    (kind, &text[..end], &text[end..])
}

/// `HTTPServer` ends after `HTTP`, `Http` after its last letter.
fn upper_word_end(text: &str) -> usize {
    let capitals = text.find(|c| !is_upper(c)).unwrap_or(text.len());
    let first = text.chars().next().map_or(0, char::len_utf8);
    let followed_by_letter = text[capitals..].starts_with(is_alphabet);
    if capitals > first {
        let last = text[..capitals].chars().next_back().map_or(0, char::len_utf8);
        return if followed_by_letter { capitals - last } else { capitals };
    }
    text[first..].find(|c| !is_alphabet(c) || is_upper(c)).map_or(text.len(), |end| first + end)
}

fn write_lower(out: &mut String, kind: Word, word: &str, connector: char) {
    if !matches!(kind, Word::Upper | Word::Connector) {
        out.push_str(word);
        return;
    }
    out.extend(word.chars().map(|c| {
        if is_connector(c) {
            connector
        } else if is_upper(c) {
            to_lower(c)
        } else {
            c
        }
    }));
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// A letter of a script that has words: xstrings leaves CJK out.
fn is_alphabet(c: char) -> bool {
    is_letter(c)
        && !matches!(c,
            '\u{3400}'..='\u{4D85}' | '\u{4E00}'..='\u{9FCC}' | '\u{20000}'..='\u{2B81D}')
}
