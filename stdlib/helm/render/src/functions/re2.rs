//! Translates RE2's syntax, as Go's `regexp/syntax` parses it, to that of Rust's `regex`: its classes are ASCII's, and what it
//! refuses is refused in its words.

use regex::Regex;

/// The most often that `{n,m}` may repeat.
const MAX_REPEAT: u32 = 1_000;

pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = Translator { pattern, rest: pattern, out: String::new(), open: 0 }
        .translate()
        .map_err(|problem| format!("error parsing regexp: {problem}"))?;
    // What is left are limits of size, and names of Unicode classes.
    Regex::new(&translated).map_err(|e| format!("error parsing regexp: {e}: `{pattern}`"))
}

struct Translator<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    /// Groups that are not closed yet.
    open: usize,
}

/// What stands before a repetition operator.
#[derive(Clone, Copy, PartialEq)]
enum Before<'a> {
    Nothing,
    Expression,
    Repetition(&'a str),
}

impl<'a> Translator<'a> {
    fn translate(mut self) -> Result<String, String> {
        let mut before = Before::Nothing;
        while let Some(c) = self.rest.chars().next() {
            let from = self.rest;
            before = match c {
                '(' => {
                    self.group()?;
                    Before::Nothing
                }
                ')' => {
                    if self.open == 0 {
                        return Err(format!("unexpected ): `{}`", self.pattern));
                    }
                    self.open -= 1;
                    self.copy(1);
                    Before::Expression
                }
                '|' => {
                    self.copy(1);
                    Before::Nothing
                }
                '[' => {
                    self.class()?;
                    Before::Expression
                }
                '*' | '+' | '?' => {
                    self.copy(1);
                    self.repetition(from, before)?
                }
                '{' => match bounds(self.rest) {
                    None => {
                        self.skip(1);
                        self.out.push_str(r"\{");
                        Before::Expression
                    }
                    Some((length, least, most)) => {
                        let text = &self.rest[..length];
                        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
                            return Err(format!("invalid repeat count: `{text}`"));
                        }
                        self.copy(length);
                        self.repetition(from, before)?
                    }
                },
                '}' | ']' => {
                    self.skip(1);
                    self.out.push('\\');
                    self.out.push(c);
                    Before::Expression
                }
                '\\' => {
                    self.escape()?;
                    Before::Expression
                }
                // Rust's engine reads these as they are only where its own extensions are off.
                '&' | '-' | '~' | '#' => {
                    self.skip(1);
                    self.out.push_str(&regex::escape(&c.to_string()));
                    Before::Expression
                }
                _ => {
                    self.copy(c.len_utf8());
                    Before::Expression
                }
            };
        }
        if self.open > 0 {
            return Err(format!("missing closing ): `{}`", self.pattern));
        }
        Ok(self.out)
    }

    /// After the operator: the `?` that makes it lazy.
    fn repetition(&mut self, from: &'a str, before: Before<'a>) -> Result<Before<'a>, String> {
        if self.rest.starts_with('?') {
            self.copy(1);
        }
        let operator = &from[..from.len() - self.rest.len()];
        match before {
            Before::Nothing => Err(format!("missing argument to repetition operator: `{operator}`")),
            Before::Expression => Ok(Before::Repetition(from)),
            Before::Repetition(first) => {
                let both = &first[..first.len() - self.rest.len()];
                Err(format!("invalid nested repetition operator: `{both}`"))
            }
        }
    }

    fn group(&mut self) -> Result<(), String> {
        self.open += 1;
        let Some(after) = self.rest.strip_prefix("(?") else {
            self.copy(1);
            return Ok(());
        };
        let is_look_behind = after.starts_with("<=") || after.starts_with("<!");
        if let Some(named) =
            after.strip_prefix("P<").or_else(|| if is_look_behind { None } else { after.strip_prefix('<') })
        {
            let Some(end) = named.find('>') else {
                return Err(format!("invalid named capture: `{}`", self.rest));
            };
            let name = &named[..end];
            let length = self.rest.len() - named.len() + end + 1;
            let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
            if name.is_empty() || !name.chars().all(is_word) {
                return Err(format!("invalid named capture: `{}`", &self.rest[..length]));
            }
            self.skip(length);
            self.out.push_str(&format!("(?P<{name}>"));
            return Ok(());
        }
        let flags = after.find(|c| !"imsU-".contains(c)).unwrap_or(after.len());
        let wrong = |length: usize| {
            let shown = self.rest.get(..length).unwrap_or(self.rest);
            Err(format!("invalid or unsupported Perl syntax: `{shown}`"))
        };
        match after[flags..].chars().next() {
            None => return wrong(self.rest.len()),
            Some(':' | ')') => {}
            Some(_) if is_look_behind => return wrong(4),
            Some(c) => return wrong(2 + flags + c.len_utf8()),
        }
        if after[..flags].ends_with('-') || after[..flags].matches('-').count() > 1 {
            return wrong(2 + flags + 1);
        }
        if after[flags..].starts_with(')') {
            self.open -= 1;
        }
        self.copy(2 + flags + 1);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.rest[1..].chars().next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        if let Some(class) = perl_class(c) {
            self.skip(2);
            self.out.push_str(&format!("[{class}]"));
            return Ok(());
        }
        match c {
            'A' | 'z' => self.copy(2),
            'b' => self.replace(2, r"(?-u:\b)"),
            'B' => self.replace(2, r"(?-u:\B)"),
            'C' => self.replace(2, "(?s:.)"),
            'Q' => {
                let literal = &self.rest[2..];
                let (literal, after) = literal.split_once(r"\E").unwrap_or((literal, ""));
                self.out.push_str(&regex::escape(literal));
                self.rest = after;
            }
            _ => self.escaped_character()?,
        }
        Ok(())
    }

    /// `\x41`, `\pL`, `\101`, `\.` and the like, inside of a class or out.
    fn escaped_character(&mut self) -> Result<(), String> {
        let invalid = |text: &str| Err(format!("invalid escape sequence: `{text}`"));
        let mut chars = self.rest[1..].chars();
        let Some(c) = chars.next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        match c {
            'p' | 'P' => {
                let after = chars.as_str();
                let length = match after.strip_prefix('{') {
                    Some(name) => match name.find('}') {
                        Some(end) => 2 + 1 + end + 1,
                        None => return Err(format!("invalid character class range: `{}`", self.rest)),
                    },
                    None => 2 + after.chars().next().map_or(0, char::len_utf8),
                };
                let class = &self.rest[..length];
                if Regex::new(class).is_err() {
                    return Err(format!("invalid character class range: `{class}`"));
                }
                self.copy(length);
            }
            'x' => {
                let after = chars.as_str();
                let (digits, length) = match after.strip_prefix('{') {
                    Some(braced) => match braced.split_once('}') {
                        Some((digits, _)) => (digits, digits.len() + 4),
                        None => return invalid(self.rest),
                    },
                    None => (after.get(..2).unwrap_or(""), 4),
                };
                let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                match code {
                    Some(c) => self.replace(length, &regex::escape(&c.to_string())),
                    None => {
                        let shown = self.rest.get(..length.min(self.rest.len())).unwrap_or(self.rest);
                        return invalid(shown);
                    }
                }
            }
            '0'..='7' => {
                let digits: String =
                    self.rest[1..].chars().take(3).take_while(|c| ('0'..='7').contains(c)).collect();
                // A single digit but 0 would be a reference back.
                if c != '0' && digits.len() < 2 {
                    return invalid(&self.rest[..2]);
                }
                let code = u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32).unwrap_or('\0');
                self.replace(1 + digits.len(), &regex::escape(&code.to_string()).replace('\0', r"\x00"));
            }
            'a' | 'f' | 't' | 'n' | 'r' | 'v' => self.copy(2),
            c if c.is_ascii_punctuation() => self.replace(2, &regex::escape(&c.to_string())),
            c => return invalid(&self.rest[..1 + c.len_utf8()]),
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let missing = || format!("missing closing ]: `{whole}`");
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        let mut first = true;
        loop {
            let c = self.rest.chars().next().ok_or_else(missing)?;
            if c == ']' && !first {
                self.copy(1);
                return Ok(());
            }
            first = false;
            if self.rest.starts_with("[:") && self.posix_class()? {
                continue;
            }
            if let Some(class) =
                self.rest.strip_prefix('\\').and_then(|after| after.chars().next()).and_then(perl_class)
            {
                self.skip(2);
                self.out.push_str(&if class.starts_with('^') {
                    format!("[{class}]")
                } else {
                    class.to_owned()
                });
                continue;
            }
            if self.rest.starts_with(r"\p") || self.rest.starts_with(r"\P") {
                self.escaped_character()?;
                continue;
            }
            self.range(missing)?;
        }
    }

    /// A character, or two with a dash between.
    fn range(&mut self, missing: impl Fn() -> String) -> Result<(), String> {
        let from = self.rest;
        let start = self.out.len();
        self.class_character()?;
        let low = self.out[start..].to_owned();
        let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
        if !is_range {
            return Ok(());
        }
        if self.rest.len() == 1 {
            return Err(missing());
        }
        self.copy(1);
        let start = self.out.len();
        self.class_character()?;
        let high = self.out[start..].to_owned();
        if last_char(&low) > last_char(&high) && !low.starts_with(r"\x") {
            let shown = &from[..from.len() - self.rest.len()];
            return Err(format!("invalid character class range: `{shown}`"));
        }
        Ok(())
    }

    fn class_character(&mut self) -> Result<(), String> {
        match self.rest.chars().next() {
            Some('\\') => self.escaped_character(),
            Some(c) => {
                self.skip(c.len_utf8());
                if "[]&~-^#".contains(c) || c.is_whitespace() {
                    self.out.push('\\');
                }
                self.out.push(c);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// `[:alpha:]`; false where there is no such closing.
    fn posix_class(&mut self) -> Result<bool, String> {
        let Some(end) = self.rest.find(":]") else { return Ok(false) };
        let class = &self.rest[..end + 2];
        let name = class[2..end].trim_start_matches('^');
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
            "space", "upper", "word", "xdigit",
        ];
        if !NAMES.contains(&name) {
            return Err(format!("invalid character class range: `{class}`"));
        }
        self.copy(class.len());
        Ok(true)
    }

    fn copy(&mut self, length: usize) {
        self.out.push_str(&self.rest[..length]);
        self.skip(length);
    }

    fn replace(&mut self, length: usize, with: &str) {
        self.out.push_str(with);
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }
}

/// What a Perl class stands for, without brackets.
fn perl_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "0-9",
        'D' => "^0-9",
        's' => r"\t\n\f\r ",
        'S' => r"^\t\n\f\r ",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        _ => return None,
    })
}

/// `{2}`, `{2,}` or `{2,3}` at the start: its length, the least and the most.
fn bounds(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let inner = &text[1..text.find('}')?];
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let has_padding = text.len() > 1 && text.starts_with('0');
        (is_number && !has_padding).then(|| text.parse().unwrap_or(u32::MAX))
    };
    let length = inner.len() + 2;
    match inner.split_once(',') {
        None => number(inner).map(|n| (length, n, Some(n))),
        Some((least, "")) => Some((length, number(least)?, None)),
        Some((least, most)) => Some((length, number(least)?, Some(number(most)?))),
    }
}

fn last_char(text: &str) -> Option<char> {
    text.chars().next_back()
}
