//! Splits YAML text into tokens with go-yaml v2's rules, look-ahead and error texts (themselves libyaml's, YAML 1.1).
//! Assumes text that passed [`check_characters`]; knows neither nodes nor types.

use std::collections::{BTreeMap, VecDeque};

/// Nesting beyond this is refused. go-yaml allows 10,000; ours bounds the stack of whoever walks the result.
pub(super) const MAX_DEPTH: usize = 300;

/// How many characters a key may span and still be followed by its colon.
const SIMPLE_KEY_REACH: usize = 1_024;

pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    pub(super) pos: usize,
    pub(super) mark: Mark,
    pub(super) flow_level: usize,
    /// The column of the current block collection; -1 outside of any.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) simple_key_allowed: bool,
    /// One candidate for each flow level, the innermost last.
    simple_keys: Vec<SimpleKey>,
    simple_keys_by_token: BTreeMap<usize, usize>,
    tokens: VecDeque<Token>,
    /// How many tokens were handed out.
    taken: usize,
    ready: bool,
}

/// A place in the text, counted from 0 in characters.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Where it starts, counted from 0.
    pub(super) line: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    StreamEnd,
    Version { major: u8, minor: u8 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { value: String, plain: bool },
}

/// What is wrong with the text, and where. go-yaml reports lines of scanner and parser errors differently; `line` is what
/// it would print, `None` where it prints none.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: Option<usize>,
    pub(super) problem: String,
}

struct SimpleKey {
    possible: bool,
    /// A block key that must be there, as the line stands at the indentation of its mapping.
    required: bool,
    token: usize,
    mark: Mark,
}

type Scan<T> = Result<T, SyntaxError>;

/// Refuses the characters that YAML forbids, as the reader of go-yaml does.
pub(super) fn check_characters(text: &[u8]) -> Result<&str, SyntaxError> {
    let refuse = |problem: &str| SyntaxError { line: None, problem: problem.to_owned() };
    let text = std::str::from_utf8(text).map_err(|e| {
        let bad = text[e.valid_up_to()];
        let rest = &text[e.valid_up_to()..];
        let width = match bad {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            _ => 0,
        };
        if width == 0 {
            refuse("invalid leading UTF-8 octet")
        } else if rest.len() < width {
            refuse("incomplete UTF-8 octet sequence")
        } else if rest[1..width].iter().any(|b| b & 0xC0 != 0x80) {
            refuse("invalid trailing UTF-8 octet")
        } else if bad == 0xED || bad > 0xF3 {
            refuse("invalid Unicode character")
        } else {
            refuse("invalid length of a UTF-8 sequence")
        }
    })?;
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..);
    // Text is nearly always ASCII, whose bytes are checked faster than decoded characters.
    let plain = |b: u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let all_plain = |chunk: &[u8]| chunk.iter().fold(true, |all, b| all & plain(*b));
    if text.as_bytes().chunks(64).all(all_plain) || text.chars().all(allowed) {
        Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
    } else {
        Err(refuse("control characters are not allowed"))
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Scanner {
            text: text.as_bytes(),
            pos: 0,
            mark: Mark::default(),
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey {
                possible: false,
                required: false,
                token: 0,
                mark: Mark::default(),
            }],
            simple_keys_by_token: BTreeMap::new(),
            tokens: VecDeque::new(),
            taken: 0,
            ready: false,
        }
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Scan<&Token> {
        if !self.ready {
            self.fetch_more()?;
        }
        Ok(self.tokens.front().expect("a successful fetch leaves a token"))
    }

    /// Takes the token that `peek` showed.
    pub(super) fn take(&mut self) -> Token {
        self.ready = false;
        self.taken += 1;
        self.tokens.pop_front().expect("only what was peeked is taken")
    }

    /// A token may only be handed out once no later colon can turn it into a key.
    fn fetch_more(&mut self) -> Scan<()> {
        loop {
            if !self.tokens.is_empty() {
                let Some(&key) = self.simple_keys_by_token.get(&self.taken) else { break };
                if !self.is_valid_key(key)? {
                    break;
                }
            }
            self.fetch_next()?;
        }
        self.ready = true;
        Ok(())
    }

    fn fetch_next(&mut self) -> Scan<()> {
        self.skip_to_next_token();
        self.unroll_indent(self.column());
        let c = self.at(0);
        if c == 0 {
            return self.fetch_stream_end();
        }
        if self.mark.column == 0 {
            if c == b'%' {
                return self.fetch_directive();
            }
            if self.is_document_indicator(b'-') {
                return self.fetch_document_indicator(TokenKind::DocumentStart);
            }
            if self.is_document_indicator(b'.') {
                return self.fetch_document_indicator(TokenKind::DocumentEnd);
            }
        }
        let in_flow = self.flow_level > 0;
        let before_blank = self.is_blankz(1);
        match c {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if before_blank => self.fetch_block_entry(),
            b'?' if in_flow || before_blank => self.fetch_key(),
            b':' if in_flow || before_blank => self.fetch_value(),
            b'*' | b'&' => self.fetch_anchor(c == b'*'),
            b'!' => self.fetch_tag(),
            b'|' | b'>' if !in_flow => self.fetch_block_scalar(c == b'|'),
            b'\'' | b'"' => self.fetch_quoted_scalar(c == b'\''),
            b'-' | b'?' | b':' => self.fetch_plain_scalar(),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                Err(self.error(self.mark, "found character that cannot start any token"))
            }
            _ => self.fetch_plain_scalar(),
        }
    }

    fn fetch_stream_end(&mut self) -> Scan<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(TokenKind::StreamEnd, self.mark.line);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.mark.line;
        let kind = self.scan_directive()?;
        self.push(kind, line);
        Ok(())
    }

    fn fetch_document_indicator(&mut self, kind: TokenKind) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(kind, self.mark.line);
        self.skip(3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind) -> Scan<()> {
        self.save_simple_key()?;
        let token = self.next_token_number();
        self.simple_keys.push(SimpleKey { possible: false, required: false, token, mark: self.mark });
        self.flow_level += 1;
        if self.flow_level + self.indents.len() > MAX_DEPTH {
            return Err(self.error(self.mark, &format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.simple_key_allowed = true;
        self.push_and_skip(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind) -> Scan<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.simple_keys.pop() {
                self.simple_keys_by_token.remove(&key.token);
            }
        }
        self.simple_key_allowed = false;
        self.push_and_skip(kind);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Scan<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_and_skip(TokenKind::FlowEntry);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(self.mark, "block sequence entries are not allowed in this context"));
            }
            self.roll_indent(None, TokenKind::BlockSequenceStart, self.mark)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_and_skip(TokenKind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(self.mark, "mapping keys are not allowed in this context"));
            }
            self.roll_indent(None, TokenKind::BlockMappingStart, self.mark)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_and_skip(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Scan<()> {
        let innermost = self.simple_keys.len() - 1;
        if self.is_valid_key(innermost)? {
            let key = &mut self.simple_keys[innermost];
            key.possible = false;
            let (token, mark) = (key.token, key.mark);
            self.tokens.insert(token - self.taken, Token { kind: TokenKind::Key, line: mark.line });
            self.roll_indent(Some(token), TokenKind::BlockMappingStart, mark)?;
            self.simple_keys_by_token.remove(&token);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error(self.mark, "mapping values are not allowed in this context"));
                }
                self.roll_indent(None, TokenKind::BlockMappingStart, self.mark)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_and_skip(TokenKind::Value);
        Ok(())
    }

    fn fetch_anchor(&mut self, alias: bool) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip(1);
        let name = self.take_while(is_word);
        let ended =
            self.is_blankz(0) || matches!(self.at(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ended {
            return Err(self.error(start, "did not find expected alphabetic or numeric character"));
        }
        self.push(if alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) }, start.line);
        Ok(())
    }

    fn fetch_tag(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.mark.line;
        let kind = self.scan_tag()?;
        self.push(kind, line);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, literal: bool) -> Scan<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let line = self.mark.line;
        let value = self.scan_block_scalar(literal)?;
        self.push(TokenKind::Scalar { value, plain: false }, line);
        Ok(())
    }

    fn fetch_quoted_scalar(&mut self, single: bool) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.mark.line;
        let value = self.scan_quoted_scalar(single)?;
        self.push(TokenKind::Scalar { value, plain: false }, line);
        Ok(())
    }

    fn fetch_plain_scalar(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.mark.line;
        let value = self.scan_plain_scalar()?;
        self.push(TokenKind::Scalar { value, plain: true }, line);
        Ok(())
    }

    fn is_valid_key(&mut self, index: usize) -> Scan<bool> {
        let key = &self.simple_keys[index];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.mark.line || key.mark.index + SIMPLE_KEY_REACH < self.mark.index {
            if key.required {
                return Err(self.error(key.mark, "could not find expected ':'"));
            }
            self.simple_keys[index].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Scan<()> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let required = self.flow_level == 0 && self.indent == self.column();
        let key = SimpleKey { possible: true, required, token: self.next_token_number(), mark: self.mark };
        self.remove_simple_key()?;
        let innermost = self.simple_keys.len() - 1;
        self.simple_keys_by_token.insert(key.token, innermost);
        self.simple_keys[innermost] = key;
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Scan<()> {
        let Some(key) = self.simple_keys.last_mut() else { return Ok(()) };
        if key.possible {
            if key.required {
                let mark = key.mark;
                return Err(self.error(mark, "could not find expected ':'"));
            }
            key.possible = false;
            self.simple_keys_by_token.remove(&key.token);
        }
        Ok(())
    }

    /// Opens a block collection when its first entry stands further right than the current one's.
    fn roll_indent(&mut self, before: Option<usize>, kind: TokenKind, mark: Mark) -> Scan<()> {
        let column = mark.column as isize;
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_DEPTH {
            return Err(self.error(mark, &format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let at = before.map_or(self.tokens.len(), |token| token - self.taken);
        self.tokens.insert(at, Token { kind, line: mark.line });
        Ok(())
    }

    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.mark.line);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn skip_to_next_token(&mut self) {
        loop {
            let tabs = self.flow_level > 0 || !self.simple_key_allowed;
            self.skip_run(usize::MAX, |b| b == b' ' || (b == b'\t' && tabs));
            if self.at(0) == b'#' {
                self.skip_to_break();
            }
            if !self.is_break(0) {
                return;
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    fn push(&mut self, kind: TokenKind, line: usize) {
        self.tokens.push_back(Token { kind, line });
    }

    fn push_and_skip(&mut self, kind: TokenKind) {
        self.push(kind, self.mark.line);
        self.skip(1);
    }

    fn next_token_number(&self) -> usize {
        self.taken + self.tokens.len()
    }
}

/// Reading characters.
impl Scanner<'_> {
    /// The byte this far ahead; 0 at the end, as the text contains no NUL.
    pub(super) fn at(&self, ahead: usize) -> u8 {
        self.text.get(self.pos + ahead).copied().unwrap_or(0)
    }

    pub(super) fn column(&self) -> isize {
        self.mark.column as isize
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.at(ahead), b' ' | b'\t')
    }

    /// A line feed, carriage return, NEL, LS or PS.
    pub(super) fn is_break(&self, ahead: usize) -> bool {
        match self.at(ahead) {
            b'\n' | b'\r' => true,
            0xC2 => self.at(ahead + 1) == 0x85,
            0xE2 => self.at(ahead + 1) == 0x80 && matches!(self.at(ahead + 2), 0xA8 | 0xA9),
            _ => false,
        }
    }

    pub(super) fn is_breakz(&self, ahead: usize) -> bool {
        self.at(ahead) == 0 || self.is_break(ahead)
    }

    pub(super) fn is_blankz(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_breakz(ahead)
    }

    /// Whether `---` or `...` stands here as a line of its own, given that this is a line's start.
    pub(super) fn is_document_indicator(&self, c: u8) -> bool {
        self.mark.column == 0 && self.at(0) == c && self.at(1) == c && self.at(2) == c && self.is_blankz(3)
    }

    pub(super) fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.pos = (self.pos + width(self.at(0))).min(self.text.len());
            self.mark.index += 1;
            self.mark.column += 1;
        }
    }

    pub(super) fn skip_to_break(&mut self) {
        while !self.is_breakz(0) {
            // Comments are long, and mostly plain letters.
            if self.skip_run(usize::MAX, |b| (b' '..0x7f).contains(&b)) == 0 {
                self.skip(1);
            }
        }
    }

    /// Passes ASCII characters as long as they are wanted, and no more than so many; says how many there were.
    pub(super) fn skip_run(&mut self, most: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.text[self.pos..].iter().take(most);
        let count = rest.take_while(|b| wanted(**b)).count();
        self.pos += count;
        self.mark.index += count;
        self.mark.column += count;
        count
    }

    /// Copies ASCII characters as long as they are wanted, or else the one that stands here.
    pub(super) fn read_run(&mut self, into: &mut Vec<u8>, wanted: impl Fn(u8) -> bool) {
        let from = self.pos;
        if self.skip_run(usize::MAX, wanted) == 0 {
            self.skip(1);
        }
        into.extend_from_slice(&self.text[from..self.pos]);
    }

    pub(super) fn skip_line(&mut self) {
        if self.at(0) == b'\r' && self.at(1) == b'\n' {
            self.pos += 1;
            self.mark.index += 1;
        }
        self.skip(1);
        self.mark.column = 0;
        self.mark.line += 1;
    }

    /// Copies a character.
    pub(super) fn read(&mut self, into: &mut Vec<u8>) {
        let from = self.pos;
        self.skip(1);
        into.extend_from_slice(&self.text[from..self.pos]);
    }

    /// Copies a line break, normalized to a line feed except for LS and PS.
    pub(super) fn read_line(&mut self, into: &mut Vec<u8>) {
        if !self.is_break(0) {
            return;
        }
        if self.at(0) == 0xE2 {
            into.extend_from_slice(&self.text[self.pos..self.pos + 3]);
        } else {
            into.push(b'\n');
        }
        self.skip_line();
    }

    pub(super) fn take_while(&mut self, accept: fn(u8) -> bool) -> String {
        let mut taken = Vec::new();
        while accept(self.at(0)) {
            self.read(&mut taken);
        }
        String::from_utf8_lossy(&taken).into_owned()
    }

    /// An error at the current place in something that began at `context`.
    pub(super) fn error(&self, context: Mark, problem: &str) -> SyntaxError {
        let line = match (self.mark.line, context.line) {
            (0, 0) => None,
            (0, line) => Some(line),
            (line, _) => Some(line + 1),
        };
        SyntaxError { line, problem: problem.to_owned() }
    }
}

pub(super) fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

fn width(lead: u8) -> usize {
    match lead {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
        _ => 1,
    }
}
