//! Lays out a tree of scalars, sequences and mappings as libyaml's emitter does, byte for byte, in go-yaml's two dialects.
//! Knows no values: styles wanted are given, and changed only where the text does not allow them.

use super::resolve::Dialect;

pub(super) enum Tree {
    Scalar(Scalar),
    Sequence(Vec<Tree>),
    Mapping(Vec<(Scalar, Tree)>),
}

pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) style: Style,
    /// The text is the base64 of bytes.
    pub(super) binary: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// The document, with a line feed at its end.
pub(super) fn emit(tree: &Tree, dialect: Dialect) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        indent: -1,
        whitespace: true,
        indention: true,
        // go-yaml v3 never folds.
        best_width: if dialect == Dialect::V2 { 80 } else { usize::MAX },
        dialect,
    };
    emitter.node(tree, Place::Root);
    emitter.write_indent();
    emitter.out
}

const INDENT: isize = 2;
const BINARY: &str = "!!binary";
/// Longer keys are written with a question mark.
const SIMPLE_KEY_LENGTH: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    /// A value, or a key behind a question mark.
    Mapped,
    SimpleKey,
}

struct Emitter {
    out: String,
    column: usize,
    indent: isize,
    /// The last character was white space.
    whitespace: bool,
    /// The line holds nothing but indentation and indicators that indent.
    indention: bool,
    best_width: usize,
    dialect: Dialect,
}

impl Emitter {
    fn node(&mut self, tree: &Tree, place: Place) {
        match tree {
            Tree::Scalar(scalar) => self.scalar(scalar, place),
            Tree::Sequence(items) if items.is_empty() => self.empty_collection("[", "]"),
            Tree::Mapping(entries) if entries.is_empty() => self.empty_collection("{", "}"),
            Tree::Sequence(items) => self.sequence(items, place),
            Tree::Mapping(entries) => self.mapping(entries),
        }
    }

    fn empty_collection(&mut self, open: &str, close: &str) {
        self.write_indicator(open, true, true, false);
        self.write_indicator(close, false, false, false);
    }

    fn sequence(&mut self, items: &[Tree], place: Place) {
        let outer = self.indent;
        let indentless = self.dialect == Dialect::V2 && place == Place::Mapped && !self.indention;
        if outer < 0 {
            self.indent = 0;
        } else if !indentless {
            self.indent += INDENT;
        }
        for item in items {
            self.write_indent();
            self.write_indicator("-", true, false, true);
            self.node(item, Place::Item);
        }
        self.indent = outer;
    }

    fn mapping(&mut self, entries: &[(Scalar, Tree)]) {
        let outer = self.indent;
        self.indent = if outer < 0 { 0 } else { outer + INDENT };
        for (key, value) in entries {
            self.write_indent();
            if is_simple_key(key) {
                self.scalar(key, Place::SimpleKey);
                self.write_indicator(":", false, false, false);
            } else {
                self.write_indicator("?", true, false, true);
                self.scalar(key, Place::Mapped);
                self.write_indent();
                self.write_indicator(":", true, false, true);
            }
            self.node(value, Place::Mapped);
        }
        self.indent = outer;
    }

    fn scalar(&mut self, scalar: &Scalar, place: Place) {
        let style = self.style(scalar, place);
        if scalar.binary {
            self.put_space_if_needed();
            self.write_all(BINARY);
            self.whitespace = false;
            self.indention = false;
        }
        let outer = self.indent;
        self.indent = if outer < 0 { INDENT } else { outer + INDENT };
        let fold = place != Place::SimpleKey;
        match style {
            Style::Plain => self.write_plain(&scalar.text, fold),
            Style::SingleQuoted => self.write_single_quoted(&scalar.text, fold),
            Style::DoubleQuoted => self.write_double_quoted(&scalar.text, fold),
            Style::Literal => self.write_literal(&scalar.text),
        }
        self.indent = outer;
    }

    fn style(&self, scalar: &Scalar, place: Place) -> Style {
        let allowed = Allowed::of(&scalar.text, self.dialect);
        let mut style = scalar.style;
        if place == Place::SimpleKey && allowed.multiline {
            style = Style::DoubleQuoted;
        }
        let empty_key = scalar.text.is_empty() && place == Place::SimpleKey;
        if style == Style::Plain && (!allowed.plain || empty_key) {
            style = Style::SingleQuoted;
        }
        if style == Style::SingleQuoted && !allowed.single_quoted {
            style = Style::DoubleQuoted;
        }
        if style == Style::Literal && (!allowed.block || place == Place::SimpleKey) {
            style = Style::DoubleQuoted;
        }
        style
    }

    fn write_plain(&mut self, text: &str, fold: bool) {
        if self.dialect == Dialect::V2 || !text.is_empty() {
            self.put_space_if_needed();
        }
        let mut spaces = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let is_space = c == ' ';
            if is_space && fold && !spaces && self.column > self.best_width && chars.peek() != Some(&' ') {
                self.write_indent();
            } else {
                self.put(c);
                if !is_space {
                    self.indention = false;
                }
            }
            spaces = is_space;
        }
        if self.dialect == Dialect::V2 || !text.is_empty() {
            self.whitespace = false;
        }
        self.indention = false;
    }

    fn write_single_quoted(&mut self, text: &str, fold: bool) {
        self.write_indicator("'", true, false, false);
        let (mut spaces, mut breaks) = (false, false);
        let mut chars = text.chars().enumerate().peekable();
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' {
                let inside = i > 0 && next.is_some_and(|next| next != ' ');
                if fold && !spaces && self.column > self.best_width && inside {
                    self.write_indent();
                } else {
                    self.put(c);
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.put_break();
                }
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
        self.write_indicator("'", false, false, false);
    }

    fn write_double_quoted(&mut self, text: &str, fold: bool) {
        self.write_indicator("\"", true, false, false);
        // go-yaml asks whether the text *begins* with a byte order mark wherever it means to ask about a character.
        let escape_all = text.starts_with('\u{FEFF}');
        let mut spaces = false;
        let mut chars = text.chars().enumerate().peekable();
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if escape_all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.write_all(&escape(c));
                spaces = false;
            } else if c == ' ' {
                let inside = i > 0 && next.is_some();
                if fold && !spaces && self.column > self.best_width && inside {
                    self.write_indent();
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.write_indicator("\"", false, false, false);
    }

    fn write_literal(&mut self, text: &str) {
        self.write_indicator("|", true, false, false);
        let mut from_end = text.chars().rev();
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.write_indicator("2", false, false, false);
        }
        match (from_end.next(), from_end.next()) {
            (Some(last), _) if !is_break(last) => self.write_indicator("-", false, false, false),
            (Some(_), None) => self.write_indicator("+", false, false, false),
            (Some(_), Some(before)) if is_break(before) => self.write_indicator("+", false, false, false),
            _ => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }

    fn write_indent(&mut self) {
        let indent = self.indent.max(0) as usize;
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn write_indicator(&mut self, indicator: &str, separate: bool, whitespace: bool, indents: bool) {
        if separate {
            self.put_space_if_needed();
        }
        self.write_all(indicator);
        self.whitespace = whitespace;
        self.indention = self.indention && indents;
    }

    fn put_space_if_needed(&mut self) {
        if !self.whitespace {
            self.put(' ');
        }
    }

    fn write_all(&mut self, text: &str) {
        for c in text.chars() {
            self.put(c);
        }
    }

    fn write_break(&mut self, c: char) {
        if c == '\n' {
            self.put_break();
        } else {
            self.out.push(c);
            self.column = 0;
        }
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        if self.dialect == Dialect::V3 {
            self.indention = true;
        }
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }
}

/// What a text's characters permit.
struct Allowed {
    multiline: bool,
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str, dialect: Dialect) -> Allowed {
        if text.is_empty() {
            return Allowed { multiline: false, plain: true, single_quoted: true, block: false };
        }
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut line_breaks, mut special, mut tabs) = (false, false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut preceded_by_blank = true;
        let mut previous = '\0';
        let mut chars = text.chars().enumerate().peekable();
        while let Some((i, c)) = chars.next() {
            let followed_by_blank = chars.peek().is_none_or(|(_, next)| is_blank(*next));
            indicators |= match c {
                '#' => i == 0 || preceded_by_blank,
                ':' => followed_by_blank,
                '?' | '-' => i == 0 && followed_by_blank,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    i == 0
                }
                _ => false,
            };
            if c == '\t' && dialect == Dialect::V3 {
                tabs = true;
            } else if !is_printable(c) {
                special = true;
            }
            break_space |= c == ' ' && is_break(previous);
            space_break |= is_break(c) && previous == ' ';
            line_breaks |= is_break(c);
            preceded_by_blank = is_blank(c) || is_break(c);
            previous = c;
        }
        let is_edge = |c: char| c == ' ' || is_break(c);
        let edges = text.starts_with(is_edge) || text.ends_with(is_edge);
        Allowed {
            multiline: line_breaks,
            plain: !(edges || break_space || space_break || special || tabs || line_breaks || indicators),
            single_quoted: !(break_space || space_break || special || tabs),
            block: !(text.ends_with(' ') || space_break || special),
        }
    }
}

fn is_simple_key(key: &Scalar) -> bool {
    let tag = if key.binary { BINARY.len() } else { 0 };
    !key.text.contains(is_break) && key.text.len() + tag <= SIMPLE_KEY_LENGTH
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What libyaml's emitter leaves as it is; nothing beyond the basic plane.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{A0}'..='\u{FFFD}') && c != '\u{FEFF}'
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0B' => 'v',
        '\x0C' => 'f',
        '\r' => 'r',
        '\x1B' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{A0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xFF => format!("\\x{code:02X}"),
                0x100..=0xFFFF => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
