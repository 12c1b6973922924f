//! SQL as tokens, as PostgreSQL's own scanner has them, with `standard_conforming_strings` on: so much as is needed to tell statements apart.

/// A token; white space and comments are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'s> {
    /// A key word or a name without quotes.
    Word(&'s str),
    /// A name in double quotes, with them.
    Quoted(&'s str),
    /// A string of any kind, or a number.
    Literal,
    Sign(char),
}

/// The tokens of a text, each with where it begins.
pub(crate) struct Tokens<'s> {
    text: &'s str,
    at: usize,
}

impl<'s> Tokens<'s> {
    pub(crate) fn of(text: &'s str) -> Self {
        Tokens { text, at: 0 }
    }

    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start().len();
            self.at += match rest {
                _ if blanks > 0 => blanks,
                _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                _ if rest.starts_with("/*") => comment(rest),
                _ => return,
            };
        }
    }
}

impl<'s> Iterator for Tokens<'s> {
    type Item = (usize, Token<'s>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        let (begin, rest) = (self.at, self.rest());
        let first = rest.chars().next()?;
        let (token, length) = match first {
            '\'' => (Token::Literal, quoted(rest, '\'', false)),
            'e' | 'E' if rest[1..].starts_with('\'') => (Token::Literal, 1 + quoted(&rest[1..], '\'', true)),
            '"' => {
                let length = quoted(rest, '"', false);
                (Token::Quoted(&rest[..length]), length)
            }
            '$' if let Some(length) = dollar_quoted(rest) => (Token::Literal, length),
            _ if is_begin_of_word(first) => {
                let length = rest.find(|letter| !is_in_word(letter)).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
            _ if first.is_ascii_digit() => {
                (Token::Literal, rest.find(|letter| !is_in_word(letter)).unwrap_or(rest.len()))
            }
            _ => (Token::Sign(first), first.len_utf8()),
        };
        self.at += length;
        Some((begin, token))
    }
}

fn is_begin_of_word(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_' || !letter.is_ascii()
}

fn is_in_word(letter: char) -> bool {
    is_begin_of_word(letter) || letter.is_ascii_digit() || letter == '$'
}

/// How long a comment is, in which there may be others; one that is not closed goes to the end.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// How long a text in quotes is; a quote in it is doubled, or behind a backslash if that escapes.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && escapes {
            letters.next();
        } else if letter == quote {
            match letters.peek() {
                Some((_, next)) if *next == quote => letters.next(),
                _ => return at + 1,
            };
        }
    }
    text.len()
}

/// How long a text in dollars is, `$tag$…$tag$`; `None` for what is none, such as a parameter.
fn dollar_quoted(text: &str) -> Option<usize> {
    let end = text[1..].find('$')? + 2;
    let (delimiter, tag) = (&text[..end], &text[1..end - 1]);
    let is_tag = tag.chars().all(|letter| is_in_word(letter) && letter != '$')
        && tag.chars().next().is_none_or(is_begin_of_word);
    let close = || text[end..].find(delimiter).map_or(text.len(), |at| end + at + delimiter.len());
    is_tag.then(close)
}
