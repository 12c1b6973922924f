//! Cuts a template's text into the tokens of Go's `text/template`, trimming the space that `{{-` and `-}}` ask for.
//! Assumes the delimiters `{{` and `}}`; knows no grammar.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use crate::quote::{is_printable, quote};

/// Reads tokens one by one.
pub(crate) struct Lexer<'t> {
    input: &'t str,
    pos: usize,
    start: usize,
    start_line: usize,
    paren_depth: usize,
    inside_action: bool,
    /// `break` and `continue` are keywords unless there are functions of these names.
    pub(crate) break_ok: bool,
    pub(crate) continue_ok: bool,
    /// What a [`TokenKind::Error`] is about.
    pub(crate) problem: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind,
    pub(crate) pos: usize,
    pub(crate) text: &'t str,
    pub(crate) line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Error,
    Eof,
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Bool,
    Char,
    CharConstant,
    Complex,
    Number,
    Assign,
    Declare,
    Field,
    Identifier,
    Variable,
    Pipe,
    LeftParen,
    RightParen,
    RawString,
    String,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Token<'_> {
    /// What stands before the first token.
    pub(crate) fn none() -> Self {
        Token { kind: TokenKind::Error, pos: 0, text: "", line: 0 }
    }
}

impl TokenKind {
    fn is_keyword(self) -> bool {
        use TokenKind as T;
        matches!(
            self,
            T::Block
                | T::Break
                | T::Continue
                | T::Dot
                | T::Define
                | T::Else
                | T::End
                | T::If
                | T::Nil
                | T::Range
                | T::Template
                | T::With
        )
    }
}

/// As Go's parser names a token in its messages.
impl Display for Token<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.kind {
            TokenKind::Eof => f.write_str("EOF"),
            kind if kind.is_keyword() => write!(f, "<{}>", self.text),
            _ if self.text.len() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                write!(f, "{}...", quote(start.as_bytes()))
            }
            _ => f.write_str(&quote(self.text.as_bytes())),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];
/// A trim marker is a minus and the space beside it.
const TRIM_LEN: usize = 2;

impl<'t> Lexer<'t> {
    pub(crate) fn new(input: &'t str) -> Self {
        Lexer {
            input,
            pos: 0,
            start: 0,
            start_line: 1,
            paren_depth: 0,
            inside_action: false,
            break_ok: true,
            continue_ok: true,
            problem: Cow::Borrowed(""),
        }
    }

    pub(crate) fn next_token(&mut self) -> Token<'t> {
        if self.inside_action { self.action() } else { self.text() }
    }

    fn text(&mut self) -> Token<'t> {
        loop {
            let rest = &self.input[self.pos..];
            let Some(x) = rest.find(LEFT) else {
                self.pos = self.input.len();
                return self.token(if self.pos > self.start { TokenKind::Text } else { TokenKind::Eof });
            };
            if x > 0 {
                let text_start = self.start;
                let delim = self.pos + x;
                self.pos = delim;
                if has_left_trim(&self.input[delim + LEFT.len()..]) {
                    self.pos = self.start + self.input[self.start..delim].trim_end_matches(SPACES).len();
                }
                let has_text = self.pos > text_start;
                let token = self.token(TokenKind::Text);
                self.pos = delim;
                self.ignore();
                if has_text {
                    return token;
                }
            }
            self.pos += LEFT.len();
            let trim = if has_left_trim(&self.input[self.pos..]) { TRIM_LEN } else { 0 };
            if self.input[self.pos + trim..].starts_with("/*") {
                self.pos += trim;
                self.ignore();
                if let Err(token) = self.comment() {
                    return token;
                }
                continue;
            }
            let token = self.token(TokenKind::LeftDelim);
            self.inside_action = true;
            self.pos += trim;
            self.ignore();
            self.paren_depth = 0;
            return token;
        }
    }

    fn comment(&mut self) -> Result<(), Token<'t>> {
        self.pos += 2;
        let Some(x) = self.input[self.pos..].find("*/") else {
            return Err(self.error("unclosed comment"));
        };
        self.pos += x + 2;
        let Some(trim) = self.right_delim() else {
            return Err(self.error("comment ends before closing delimiter"));
        };
        self.pos += trim + RIGHT.len();
        if trim > 0 {
            self.skip_spaces();
        }
        self.ignore();
        Ok(())
    }

    fn action(&mut self) -> Token<'t> {
        if self.right_delim().is_some() {
            return if self.paren_depth == 0 {
                self.close_action()
            } else {
                self.error("unclosed left paren")
            };
        }
        let Some(c) = self.next() else {
            return self.error("unclosed action");
        };
        match c {
            c if is_space(c) => {
                self.pos -= 1;
                self.space()
            }
            '=' => self.token(TokenKind::Assign),
            ':' => {
                if self.next() == Some('=') {
                    self.token(TokenKind::Declare)
                } else {
                    self.error("expected :=")
                }
            }
            '|' => self.token(TokenKind::Pipe),
            '"' => self.quoted('"', TokenKind::String, "unterminated quoted string"),
            '`' => loop {
                match self.next() {
                    None => return self.error("unterminated raw quoted string"),
                    Some('`') => return self.token(TokenKind::RawString),
                    Some(_) => {}
                }
            },
            '$' => self.field_or_variable(TokenKind::Variable),
            '\'' => self.quoted('\'', TokenKind::CharConstant, "unterminated character constant"),
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => {
                if self.pos == self.input.len() {
                    self.pos -= 1;
                    return self.number();
                }
                self.field_or_variable(TokenKind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()
            }
            c if is_alphanumeric(c) => {
                self.pos -= c.len_utf8();
                self.identifier()
            }
            '(' => {
                self.paren_depth += 1;
                self.token(TokenKind::LeftParen)
            }
            ')' => {
                if self.paren_depth == 0 {
                    return self.error("unexpected right paren");
                }
                self.paren_depth -= 1;
                self.token(TokenKind::RightParen)
            }
            c if c.is_ascii() && is_printable(c) => self.token(TokenKind::Char),
            c => self.error(format!("unrecognized character in action: {}", code_point(Some(c)))),
        }
    }

    /// At a right delimiter: the length of its trim marker.
    fn right_delim(&self) -> Option<usize> {
        let rest = &self.input.as_bytes()[self.pos..];
        if rest.starts_with(RIGHT.as_bytes()) {
            return Some(0);
        }
        (has_right_trim(rest) && rest[TRIM_LEN..].starts_with(RIGHT.as_bytes())).then_some(TRIM_LEN)
    }

    fn close_action(&mut self) -> Token<'t> {
        let trim = self.right_delim().unwrap_or(0);
        if trim > 0 {
            self.pos += trim;
            self.ignore();
        }
        self.pos += RIGHT.len();
        let token = self.token(TokenKind::RightDelim);
        if trim > 0 {
            self.skip_spaces();
            self.ignore();
        }
        self.inside_action = false;
        token
    }

    /// A run of spaces; the last one may belong to a trim marker.
    fn space(&mut self) -> Token<'t> {
        self.skip_spaces();
        let last = self.pos - 1;
        let rest = &self.input.as_bytes()[last..];
        if has_right_trim(rest) && rest[TRIM_LEN..].starts_with(RIGHT.as_bytes()) {
            self.pos = last;
            if self.pos == self.start {
                return self.close_action();
            }
        }
        self.token(TokenKind::Space)
    }

    fn quoted(&mut self, mark: char, kind: TokenKind, unterminated: &'static str) -> Token<'t> {
        loop {
            match self.next() {
                Some('\\') => {
                    if matches!(self.next(), None | Some('\n')) {
                        return self.error(unterminated);
                    }
                }
                None | Some('\n') => return self.error(unterminated),
                Some(c) if c == mark => return self.token(kind),
                Some(_) => {}
            }
        }
    }

    fn field_or_variable(&mut self, kind: TokenKind) -> Token<'t> {
        if self.at_terminator() {
            return self.token(if kind == TokenKind::Variable { kind } else { TokenKind::Dot });
        }
        self.skip_word();
        if !self.at_terminator() {
            let bad = self.peek();
            return self.error(format!("bad character {}", code_point(bad)));
        }
        self.token(kind)
    }

    fn identifier(&mut self) -> Token<'t> {
        self.skip_word();
        if !self.at_terminator() {
            let bad = self.peek();
            return self.error(format!("bad character {}", code_point(bad)));
        }
        let kind = match &self.input[self.start..self.pos] {
            "block" => TokenKind::Block,
            "break" if self.break_ok => TokenKind::Break,
            "continue" if self.continue_ok => TokenKind::Continue,
            "define" => TokenKind::Define,
            "else" => TokenKind::Else,
            "end" => TokenKind::End,
            "if" => TokenKind::If,
            "range" => TokenKind::Range,
            "nil" => TokenKind::Nil,
            "template" => TokenKind::Template,
            "with" => TokenKind::With,
            "true" | "false" => TokenKind::Bool,
            _ => TokenKind::Identifier,
        };
        self.token(kind)
    }

    fn number(&mut self) -> Token<'t> {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || !self.input[..self.pos].ends_with('i') {
                return self.bad_number();
            }
            return self.token(TokenKind::Complex);
        }
        self.token(TokenKind::Number)
    }

    fn bad_number(&mut self) -> Token<'t> {
        let text = quote(&self.input.as_bytes()[self.start..self.pos]);
        self.error(format!("bad number syntax: {text}"))
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.skip_while(|c| digits.contains(c));
        if self.accept(".") {
            self.skip_while(|c| digits.contains(c));
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.skip_while(|c| c.is_ascii_digit() || c == '_');
        }
        self.accept("i");
        match self.peek() {
            Some(c) if is_alphanumeric(c) => {
                self.next();
                false
            }
            _ => true,
        }
    }

    /// Whether an identifier may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.input[self.pos..].starts_with(RIGHT),
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        match self.input.as_bytes().get(self.pos) {
            Some(b) if b.is_ascii() => Some(char::from(*b)),
            _ => self.input[self.pos..].chars().next(),
        }
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.pos += 1;
        }
        found
    }

    fn skip_while(&mut self, mut wanted: impl FnMut(char) -> bool) {
        let rest = &self.input[self.pos..];
        self.pos += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn skip_spaces(&mut self) {
        let rest = &self.input.as_bytes()[self.pos..];
        self.pos += rest.iter().take_while(|b| is_space(char::from(**b))).count();
    }

    /// Letters, digits and underscores; they are ASCII, as a rule.
    fn skip_word(&mut self) {
        let rest = &self.input.as_bytes()[self.pos..];
        self.pos += rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        if self.peek().is_some_and(|c| !c.is_ascii()) {
            self.skip_while(is_alphanumeric);
        }
    }

    fn token(&mut self, kind: TokenKind) -> Token<'t> {
        let text = if kind == TokenKind::Eof { "EOF" } else { &self.input[self.start..self.pos] };
        let token = Token { kind, pos: self.start, text, line: self.start_line };
        match kind {
            TokenKind::Text | TokenKind::Space | TokenKind::RawString => self.ignore(),
            // The others are within a line.
            _ => self.start = self.pos,
        }
        token
    }

    /// Ends the scan: all that follows is the end of the text.
    fn error(&mut self, message: impl Into<Cow<'static, str>>) -> Token<'t> {
        let token = Token { kind: TokenKind::Error, pos: self.start, text: "", line: self.start_line };
        self.problem = message.into();
        self.input = "";
        self.pos = 0;
        self.start = 0;
        token
    }

    fn ignore(&mut self) {
        self.start_line += self.input[self.start..self.pos].bytes().filter(|b| *b == b'\n').count();
        self.start = self.pos;
    }
}

fn is_space(c: char) -> bool {
    SPACES.contains(&c)
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn has_left_trim(text: &str) -> bool {
    matches!(text.as_bytes(), [b'-', b' ' | b'\t' | b'\r' | b'\n', ..])
}

fn has_right_trim(text: &[u8]) -> bool {
    matches!(text, [b' ' | b'\t' | b'\r' | b'\n', b'-', ..])
}

/// Go's `%#U`; the end of the text counts as the character -1.
fn code_point(c: Option<char>) -> String {
    match c {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
        Some(c) if is_printable(c) => format!("U+{:04X} '{c}'", u32::from(c)),
        Some(c) => format!("U+{:04X}", u32::from(c)),
    }
}
