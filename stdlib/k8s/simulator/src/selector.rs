//! Label and field selectors as queries write them.
//! It knows texts and maps; which fields a kind has is the kind's to say.

use serde_json::Value;

use crate::registry::Served;
use crate::status::{Result, Status};

/// Both selectors of a list or watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Labels,
    fields: Vec<(String, bool, String)>,
}

/// A selector of labels: `app=web,tier in (a,b),!old`; an empty one selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Requirement>);

impl Labels {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        parse_labels(text).map(Self)
    }

    pub(crate) fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`; fields are checked against what the kind supports.
    pub(crate) fn of(served: &Served, labels: Option<&str>, fields: Option<&str>) -> Result<Self> {
        let labels = Labels::parse(labels.unwrap_or_default())?;
        let fields = parse_fields(fields.unwrap_or_default())?;
        for (label, _, _) in &fields {
            let known = label == "metadata.name"
                || label == "metadata.namespace" && served.resource.namespaced
                || served.kind.field(&Value::Null, label).is_some();
            if !known {
                return Err(Status::bad_request(served.kind.unsupported_field(label)));
            }
        }
        Ok(Self { labels, fields })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.0.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, served: &Served, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.matches(labels)
            && self.fields.iter().all(|(label, equal, wanted)| {
                let found = match label.as_str() {
                    "metadata.name" => object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                    "metadata.namespace" => {
                        object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned()
                    }
                    _ => served.kind.field(object, label).unwrap_or_default(),
                };
                (found == *wanted) == *equal
            })
    }
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        let number = |text: &str| text.parse::<i64>().ok();
        match self.operator {
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::In => value.is_some_and(|value| self.values.iter().any(|v| v == value)),
            Operator::NotIn => value.is_none_or(|value| self.values.iter().all(|v| v != value)),
            Operator::GreaterThan => {
                value.and_then(number) > self.values.first().and_then(|v| number(v)) && value.is_some()
            }
            Operator::LessThan => match (value.and_then(number), self.values.first().and_then(|v| number(v)))
            {
                (Some(value), Some(limit)) => value < limit,
                _ => false,
            },
        }
    }
}

/// Whether a `LabelSelector` object selects these labels; an empty one selects all, none selects nothing.
pub(crate) fn label_selector_matches(selector: &Value, labels: &Value) -> bool {
    if !selector.is_object() {
        return false;
    }
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    equal.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().all(|expression| {
            let operator = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                _ => Operator::DoesNotExist,
            };
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values.map(|value| value.as_str().unwrap_or_default().to_owned()).collect();
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            Requirement { key, operator, values }.matches(labels)
        })
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>> {
    let mut lexer = Lexer { rest: text };
    let mut requirements = Vec::new();
    if lexer.peek() == Token::End {
        return Ok(requirements);
    }
    loop {
        requirements.push(requirement(&mut lexer).map_err(|why| bad_selector(&why))?);
        match lexer.next() {
            Token::End => break,
            Token::Comma => {
                if !matches!(lexer.peek(), Token::Word(_) | Token::Not) {
                    return Err(bad_selector(&format!(
                        "found '{}', expected: identifier after ','",
                        lexer.peek().text()
                    )));
                }
            }
            other => {
                return Err(bad_selector(&format!(
                    "found '{}', expected: ',' or 'end of string'",
                    other.text()
                )));
            }
        }
    }
    requirements.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(requirements)
}

fn requirement(lexer: &mut Lexer<'_>) -> Result<Requirement, String> {
    let negated = lexer.peek() == Token::Not;
    if negated {
        lexer.next();
    }
    let key = match lexer.next() {
        Token::Word(key) => key.to_owned(),
        other => return Err(format!("found '{}', expected: identifier", other.text())),
    };
    if let Some(why) = crate::names::qualified(&key).first() {
        return Err(format!("<nil>: Invalid value: {key:?}: {why}").replacen("<nil>", "key", 1));
    }
    let made = |operator, values| Ok(Requirement { key: key.clone(), operator, values });
    if negated {
        return made(Operator::DoesNotExist, Vec::new());
    }
    if matches!(lexer.peek(), Token::End | Token::Comma) {
        return made(Operator::Exists, Vec::new());
    }
    let (operator, list) = match lexer.next() {
        Token::Equals => (Operator::In, false),
        Token::NotEquals => (Operator::NotIn, false),
        Token::Greater => (Operator::GreaterThan, false),
        Token::Less => (Operator::LessThan, false),
        Token::Word("in") => (Operator::In, true),
        Token::Word("notin") => (Operator::NotIn, true),
        other => {
            return Err(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", other.text()));
        }
    };
    let values = if list {
        value_list(lexer)?
    } else {
        match lexer.peek() {
            Token::End | Token::Comma => vec![String::new()],
            Token::Word(value) => {
                lexer.next();
                vec![value.to_owned()]
            }
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        }
    };
    for value in &values {
        if let Some(why) = crate::names::label_value(value).first() {
            return Err(format!("values[0][{key}]: Invalid value: {value:?}: {why}"));
        }
    }
    made(operator, values)
}

fn value_list(lexer: &mut Lexer<'_>) -> Result<Vec<String>, String> {
    match lexer.next() {
        Token::Open => {}
        other => return Err(format!("found '{}' expected: '('", other.text())),
    }
    let mut values = Vec::new();
    loop {
        match lexer.next() {
            Token::Word(value) => {
                values.push(value.to_owned());
                match lexer.next() {
                    Token::Comma => {}
                    Token::Close => break,
                    other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
                }
            }
            Token::Comma => values.push(String::new()),
            Token::Close => {
                values.push(String::new());
                break;
            }
            other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
        }
    }
    values.sort();
    values.dedup();
    Ok(values)
}

fn bad_selector(why: &str) -> Status {
    Status::bad_request(format!("unable to parse requirement: {why}"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Equals,
    NotEquals,
    Greater,
    Less,
    Not,
    Comma,
    Open,
    Close,
    End,
}

impl Token<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Equals => "=",
            Self::NotEquals => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::Not => "!",
            Self::Comma => ",",
            Self::Open => "(",
            Self::Close => ")",
            Self::End => "",
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Token<'a> {
        Lexer { rest: self.rest }.next()
    }

    fn next(&mut self) -> Token<'a> {
        self.rest = self.rest.trim_start();
        let symbols = [
            ("==", Token::Equals),
            ("!=", Token::NotEquals),
            ("=", Token::Equals),
            ("!", Token::Not),
            (">", Token::Greater),
            ("<", Token::Less),
            (",", Token::Comma),
            ("(", Token::Open),
            (")", Token::Close),
        ];
        for (symbol, token) in symbols {
            if let Some(rest) = self.rest.strip_prefix(symbol) {
                self.rest = rest;
                return token;
            }
        }
        let end =
            self.rest.find(|c: char| c.is_whitespace() || "=!><,()".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() { Token::End } else { Token::Word(word) }
    }
}

/// `a=b,c!=d`, with backslashes before `,`, `=` and backslashes.
fn parse_fields(text: &str) -> Result<Vec<(String, bool, String)>> {
    let mut fields = Vec::new();
    for part in split_unescaped(text) {
        if part.is_empty() {
            continue;
        }
        let Some((label, equal, value)) = split_term(&part) else {
            let message = format!("invalid selector: '{text}'; can't understand '{part}'");
            return Err(Status::bad_request(message));
        };
        fields.push((label.to_owned(), equal, unescape(value)));
    }
    Ok(fields)
}

fn split_unescaped(text: &str) -> Vec<String> {
    let (mut parts, mut current, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        if c == ',' && !escaped {
            parts.push(std::mem::take(&mut current));
            continue;
        }
        escaped = c == '\\' && !escaped;
        current.push(c);
    }
    parts.push(current);
    parts
}

fn split_term(part: &str) -> Option<(&str, bool, &str)> {
    let bytes = part.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match &part[at..] {
            rest if rest.starts_with('\\') => at += 1,
            rest if rest.starts_with("!=") => return Some((&part[..at], false, &part[at + 2..])),
            rest if rest.starts_with("==") => return Some((&part[..at], true, &part[at + 2..])),
            rest if rest.starts_with('=') => return Some((&part[..at], true, &part[at + 1..])),
            _ => {}
        }
        at += part[at..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

fn unescape(value: &str) -> String {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}
