//! A tolerant reading of unfinished text, for completion and hints. It never fails; the parser has the last word.

/// A piece of text with the byte at which it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    pub start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Number,
    /// A text, also one that is not closed.
    Text,
    Comment,
    /// One of `::`, `#{`, `?.`, `..`, or a single character.
    Symbol,
}

/// All tokens, blanks left out.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match first {
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            '/' if rest.starts_with("//") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => {
                (Kind::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2))
            }
            '"' | '`' | '\'' => (Kind::Text, text_length(rest, first)),
            _ if first.is_alphabetic() || first == '_' => {
                (Kind::Word, run(rest, |c| c.is_alphanumeric() || c == '_'))
            }
            _ if first.is_ascii_digit() => {
                (Kind::Number, run(rest, |c| c.is_ascii_alphanumeric() || c == '_'))
            }
            _ => {
                let pair = ["::", "#{", "?.", ".."].iter().find(|pair| rest.starts_with(**pair));
                (Kind::Symbol, pair.map_or(first.len_utf8(), |pair| pair.len()))
            }
        };
        tokens.push(Token { kind, text: &rest[..length], start: at });
        at += length;
    }
    tokens
}

/// The names that `let`, `const`, `for`, `fn`, `as`, `catch` and closures' bars define, each once, in order.
pub(crate) fn defined_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let tokens: Vec<_> = tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let mut add = |token: Option<&Token>| {
        if let Some(token) = token.filter(|token| token.kind == Kind::Word)
            && !names.iter().any(|name| name == token.text)
        {
            names.push(token.text.to_owned());
        }
    };
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "let" | "const" | "as" | "fn" => add(tokens.get(index + 1)),
            "for" => {
                // `for x in` and `for (x, i) in`
                tokens[index + 1..]
                    .iter()
                    .take_while(|token| token.text != "in")
                    .take(5)
                    .for_each(|token| add(Some(token)));
            }
            "catch" => add(tokens.get(index + 2)),
            "|" => {
                let inside: Vec<_> =
                    tokens[index + 1..].iter().take_while(|token| token.text != "|").take(16).collect();
                if inside.iter().all(|token| token.kind == Kind::Word || token.text == ",") {
                    inside.into_iter().for_each(|token| add(Some(token)));
                }
            }
            _ => {}
        }
    }
    names
}

fn run(text: &str, inside: impl Fn(char) -> bool) -> usize {
    text.find(|character| !inside(character)).unwrap_or(text.len())
}

/// Up to the closing quote, or to the end. Code within `${…}` counts as text.
fn text_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if character == quote => return at + character.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
