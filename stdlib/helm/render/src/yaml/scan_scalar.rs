//! The tokens with an inside: scalars in their five styles, tags and directives.

use super::scan::{Mark, Scanner, SyntaxError, TokenKind, is_word};

type Scan<T> = Result<T, SyntaxError>;

/// Line breaks met between two pieces of text, still to be folded.
#[derive(Default)]
struct Breaks {
    first: Vec<u8>,
    rest: Vec<u8>,
}

impl Breaks {
    /// One line break becomes a space, more become one less; LS and PS stay.
    fn fold_into(&mut self, value: &mut Vec<u8>) {
        if self.first.first() == Some(&b'\n') {
            if self.rest.is_empty() {
                value.push(b' ');
            }
        } else {
            value.append(&mut self.first);
        }
        value.append(&mut self.rest);
        self.first.clear();
    }
}

impl Scanner<'_> {
    pub(super) fn scan_plain_scalar(&mut self) -> Scan<String> {
        let start = self.mark;
        let indent = self.indent + 1;
        let (mut value, mut blanks, mut breaks) = (Vec::new(), Vec::new(), Breaks::default());
        let mut leading_blanks = false;
        loop {
            if self.is_document_indicator(b'-') || self.is_document_indicator(b'.') || self.at(0) == b'#' {
                break;
            }
            while !self.is_blankz(0) {
                let ends = match self.at(0) {
                    b':' => self.is_blankz(1),
                    b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow_level > 0,
                    _ => false,
                };
                if ends {
                    break;
                }
                if leading_blanks {
                    breaks.fold_into(&mut value);
                    leading_blanks = false;
                }
                value.append(&mut blanks);
                self.read_run(&mut value, |b| {
                    b.is_ascii_graphic() && !matches!(b, b':' | b',' | b'?' | b'[' | b']' | b'{' | b'}')
                });
            }
            if !(self.is_blank(0) || self.is_break(0)) {
                break;
            }
            while self.is_blank(0) || self.is_break(0) {
                if self.is_blank(0) {
                    if leading_blanks && self.column() < indent && self.at(0) == b'\t' {
                        return Err(self.error(start, "found a tab character that violates indentation"));
                    }
                    if leading_blanks {
                        self.skip(1);
                    } else {
                        self.read(&mut blanks);
                    }
                } else if leading_blanks {
                    self.read_line(&mut breaks.rest);
                } else {
                    blanks.clear();
                    self.read_line(&mut breaks.first);
                    leading_blanks = true;
                }
            }
            if self.flow_level == 0 && self.column() < indent {
                break;
            }
        }
        if leading_blanks {
            self.simple_key_allowed = true;
        }
        Ok(text(value))
    }

    pub(super) fn scan_quoted_scalar(&mut self, single: bool) -> Scan<String> {
        let start = self.mark;
        let quote = if single { b'\'' } else { b'"' };
        self.skip(1);
        let (mut value, mut blanks, mut breaks) = (Vec::new(), Vec::new(), Breaks::default());
        loop {
            if self.is_document_indicator(b'-') || self.is_document_indicator(b'.') {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.at(0) == 0 {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut leading_blanks = false;
            while !self.is_blankz(0) {
                if single && self.at(0) == b'\'' && self.at(1) == b'\'' {
                    value.push(b'\'');
                    self.skip(2);
                } else if self.at(0) == quote {
                    break;
                } else if !single && self.at(0) == b'\\' {
                    if self.is_break(1) {
                        self.skip(1);
                        self.skip_line();
                        leading_blanks = true;
                        break;
                    }
                    self.scan_escape(start, &mut value)?;
                } else {
                    self.read_run(&mut value, |b| b.is_ascii_graphic() && !matches!(b, b'\'' | b'"' | b'\\'));
                }
            }
            if self.at(0) == quote {
                break;
            }
            while self.is_blank(0) || self.is_break(0) {
                if self.is_blank(0) {
                    if leading_blanks {
                        self.skip(1);
                    } else {
                        self.read(&mut blanks);
                    }
                } else if leading_blanks {
                    self.read_line(&mut breaks.rest);
                } else {
                    blanks.clear();
                    self.read_line(&mut breaks.first);
                    leading_blanks = true;
                }
            }
            if leading_blanks {
                breaks.fold_into(&mut value);
            } else {
                value.append(&mut blanks);
            }
        }
        self.skip(1);
        Ok(text(value))
    }

    fn scan_escape(&mut self, start: Mark, value: &mut Vec<u8>) -> Scan<()> {
        let digits = match self.at(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let Some(c) = escaped(other) else {
                    return Err(self.error(start, "found unknown escape character"));
                };
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                self.skip(2);
                return Ok(());
            }
        };
        self.skip(2);
        let mut code = 0_u32;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.at(ahead)).to_digit(16) else {
                return Err(self.error(start, "did not find expected hexdecimal number"));
            };
            code = (code << 4) + digit;
        }
        let Some(c) = char::from_u32(code) else {
            return Err(self.error(start, "found invalid Unicode character escape code"));
        };
        value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.skip(digits);
        Ok(())
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Scan<String> {
        let start = self.mark;
        self.skip(1);
        let mut keep = None;
        let mut increment = 0;
        for _ in 0..2 {
            match self.at(0) {
                c @ (b'+' | b'-') if keep.is_none() => {
                    keep = Some(c == b'+');
                    self.skip(1);
                }
                b'0' if increment == 0 => {
                    return Err(self.error(start, "found an indentation indicator equal to 0"));
                }
                c @ b'1'..=b'9' if increment == 0 => {
                    increment = isize::from(c - b'0');
                    self.skip(1);
                }
                _ => break,
            }
        }
        self.skip_to_line_end(start)?;

        let mut indent = if increment > 0 { self.indent.max(0) + increment } else { 0 };
        let mut value = Vec::new();
        let (mut leading_break, mut trailing_breaks) = (Vec::new(), Vec::new());
        self.scan_block_breaks(&mut indent, &mut trailing_breaks, start)?;
        let mut leading_blank = false;
        while self.column() == indent && self.at(0) != 0 {
            let trailing_blank = self.is_blank(0);
            let folds =
                !literal && !leading_blank && !trailing_blank && leading_break.first() == Some(&b'\n');
            if folds {
                if trailing_breaks.is_empty() {
                    value.push(b' ');
                }
                leading_break.clear();
            } else {
                value.append(&mut leading_break);
            }
            value.append(&mut trailing_breaks);
            leading_blank = self.is_blank(0);
            let from = self.pos;
            self.skip_to_break();
            value.extend_from_slice(&self.text[from..self.pos]);
            self.read_line(&mut leading_break);
            self.scan_block_breaks(&mut indent, &mut trailing_breaks, start)?;
        }
        if keep != Some(false) {
            value.append(&mut leading_break);
        }
        if keep == Some(true) {
            value.append(&mut trailing_breaks);
        }
        Ok(text(value))
    }

    /// Empty lines and indentation before a line of a block scalar; finds the indentation if it is not known yet.
    fn scan_block_breaks(&mut self, indent: &mut isize, breaks: &mut Vec<u8>, start: Mark) -> Scan<()> {
        let mut widest = 0;
        loop {
            let most = if *indent == 0 { isize::MAX } else { *indent - self.column() };
            self.skip_run(usize::try_from(most).unwrap_or(0), |b| b == b' ');
            widest = widest.max(self.column());
            if (*indent == 0 || self.column() < *indent) && self.at(0) == b'\t' {
                return Err(self.error(start, "found a tab character where an indentation space is expected"));
            }
            if !self.is_break(0) {
                break;
            }
            self.read_line(breaks);
        }
        if *indent == 0 {
            *indent = widest.max(self.indent + 1).max(1);
        }
        Ok(())
    }

    pub(super) fn scan_tag(&mut self) -> Scan<TokenKind> {
        let start = self.mark;
        let (handle, suffix);
        if self.at(1) == b'<' {
            self.skip(2);
            suffix = self.scan_tag_uri(String::new(), false, start)?;
            if self.at(0) != b'>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.skip(1);
            handle = String::new();
        } else {
            let found = self.scan_tag_handle(false, start)?;
            if found.len() > 1 && found.ends_with('!') {
                suffix = self.scan_tag_uri(String::new(), false, start)?;
                handle = found;
            } else {
                let uri = self.scan_tag_uri(found[1..].to_owned(), true, start)?;
                // A lone `!` is a tag by itself, not a handle.
                (handle, suffix) = if uri.is_empty() { (uri, "!".to_owned()) } else { ("!".to_owned(), uri) };
            }
        }
        if !self.is_blankz(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(TokenKind::Tag { handle, suffix })
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Scan<String> {
        if self.at(0) != b'!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        self.skip(1);
        let mut handle = "!".to_owned() + &self.take_while(is_word);
        if self.at(0) == b'!' {
            self.skip(1);
            handle.push('!');
        } else if directive && handle != "!" {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(handle)
    }

    fn scan_tag_uri(&mut self, head: String, mut found: bool, start: Mark) -> Scan<String> {
        let mut uri = head.into_bytes();
        loop {
            match self.at(0) {
                b'%' => self.scan_uri_escape(&mut uri, start)?,
                b if is_word(b) || b";/?:@&=+$,.!~*'()[]".contains(&b) => self.read(&mut uri),
                _ => break,
            }
            found = true;
        }
        if found { Ok(text(uri)) } else { Err(self.error(start, "did not find expected tag URI")) }
    }

    fn scan_uri_escape(&mut self, uri: &mut Vec<u8>, start: Mark) -> Scan<()> {
        let mut left = None;
        while left != Some(0) {
            let digit = |ahead| char::from(self.at(ahead)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.at(0), digit(1), digit(2)) else {
                return Err(self.error(start, "did not find URI escaped octet"));
            };
            let octet = (high * 16 + low) as u8;
            left = Some(match left {
                None => match octet {
                    0..=0x7F => 0,
                    0xC0..=0xDF => 1,
                    0xE0..=0xEF => 2,
                    0xF0..=0xF7 => 3,
                    _ => return Err(self.error(start, "found an incorrect leading UTF-8 octet")),
                },
                Some(_) if octet & 0xC0 != 0x80 => {
                    return Err(self.error(start, "found an incorrect trailing UTF-8 octet"));
                }
                Some(more) => more - 1,
            });
            uri.push(octet);
            self.skip(3);
        }
        Ok(())
    }

    pub(super) fn scan_directive(&mut self) -> Scan<TokenKind> {
        let start = self.mark;
        self.skip(1);
        let name = self.take_while(is_word);
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.is_blankz(0) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        let kind = match name.as_str() {
            "YAML" => {
                self.skip_blanks();
                let major = self.scan_version_number(start)?;
                if self.at(0) != b'.' {
                    return Err(self.error(start, "did not find expected digit or '.' character"));
                }
                self.skip(1);
                TokenKind::Version { major, minor: self.scan_version_number(start)? }
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.scan_tag_handle(true, start)?;
                if !self.is_blank(0) {
                    return Err(self.error(start, "did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.scan_tag_uri(String::new(), false, start)?;
                if !self.is_blankz(0) {
                    return Err(self.error(start, "did not find expected whitespace or line break"));
                }
                TokenKind::TagDirective { handle, prefix }
            }
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        self.skip_to_line_end(start)?;
        Ok(kind)
    }

    fn scan_version_number(&mut self, start: Mark) -> Scan<u8> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        match digits.len() {
            0 => Err(self.error(start, "did not find expected version number")),
            // Two digits fit.
            1 | 2 => Ok(digits.parse().unwrap_or(u8::MAX)),
            _ => Err(self.error(start, "found extremely long version number")),
        }
    }

    fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip(1);
        }
    }

    /// Blanks, a comment, and the line break.
    fn skip_to_line_end(&mut self, start: Mark) -> Scan<()> {
        self.skip_blanks();
        if self.at(0) == b'#' {
            self.skip_to_break();
        }
        if !self.is_breakz(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        if self.is_break(0) {
            self.skip_line();
        }
        Ok(())
    }
}

fn escaped(c: u8) -> Option<char> {
    Some(match c {
        b'0' => '\0',
        b'a' => '\x07',
        b'b' => '\x08',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\x0B',
        b'f' => '\x0C',
        b'r' => '\r',
        b'e' => '\x1B',
        b' ' | b'"' | b'\'' | b'\\' => char::from(c),
        b'N' => '\u{85}',
        b'_' => '\u{A0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        _ => return None,
    })
}

/// The pieces are cut at character boundaries of valid text; only escaped octets of a tag can be otherwise.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}
