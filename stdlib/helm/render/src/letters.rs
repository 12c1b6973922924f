//! Characters as Go's `unicode` package classes and maps them: by general category, one character to one.

use std::sync::LazyLock;

use regex::Regex;

/// Category L.
pub(crate) fn is_letter(c: char) -> bool {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| class(r"\p{L}"));
    if c.is_ascii() { c.is_ascii_alphabetic() } else { is_match(&LETTER, c) }
}

/// Category Nd.
pub(crate) fn is_decimal_digit(c: char) -> bool {
    static DIGIT: LazyLock<Regex> = LazyLock::new(|| class(r"\p{Nd}"));
    if c.is_ascii() { c.is_ascii_digit() } else { is_match(&DIGIT, c) }
}

/// Category Lu.
pub(crate) fn is_upper(c: char) -> bool {
    static UPPER: LazyLock<Regex> = LazyLock::new(|| class(r"\p{Lu}"));
    if c.is_ascii() { c.is_ascii_uppercase() } else { is_match(&UPPER, c) }
}

/// Category Ll.
pub(crate) fn is_lower(c: char) -> bool {
    static LOWER: LazyLock<Regex> = LazyLock::new(|| class(r"\p{Ll}"));
    if c.is_ascii() { c.is_ascii_lowercase() } else { is_match(&LOWER, c) }
}

/// Category Lt.
pub(crate) fn is_title(c: char) -> bool {
    static TITLE: LazyLock<Regex> = LazyLock::new(|| class(r"\p{Lt}"));
    !c.is_ascii() && is_match(&TITLE, c)
}

/// Category N.
pub(crate) fn is_number(c: char) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| class(r"\p{N}"));
    if c.is_ascii() { c.is_ascii_digit() } else { is_match(&NUMBER, c) }
}

/// Category P.
pub(crate) fn is_punctuation(c: char) -> bool {
    static PUNCTUATION: LazyLock<Regex> = LazyLock::new(|| class(r"\p{P}"));
    is_match(&PUNCTUATION, c)
}

/// White space as `unicode.IsSpace` has it, which is the property White_Space.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// The upper-case character; itself where only several characters could stand for it.
pub(crate) fn to_upper(c: char) -> char {
    single(c, c.to_uppercase())
}

pub(crate) fn to_lower(c: char) -> char {
    match c {
        'İ' => 'i',
        _ => single(c, c.to_lowercase()),
    }
}

/// The title-case character, which differs from the upper-case one for four digraphs.
pub(crate) fn to_title(c: char) -> char {
    match c {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        _ => to_upper(c),
    }
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn class(pattern: &str) -> Regex {
    Regex::new(&format!("^{pattern}$")).expect("the classes above are well-formed")
}

fn is_match(class: &Regex, c: char) -> bool {
    class.is_match(c.encode_utf8(&mut [0; 4]))
}
