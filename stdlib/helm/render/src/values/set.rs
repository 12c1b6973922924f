//! `--set` and its kin: `a.b[0].c=value,d={x,y}`. The grammar and the messages are those of Helm's `strvals`.

use gotemplate::{List, Map, Type, Value};
use thiserror::Error;

use super::{SetKind, from_json};

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SetError(String);

impl SetError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        SetError(message.into())
    }
}

/// Reads settings from left to right and writes them into a map.
pub(super) struct Settings<'a> {
    rest: Vec<char>,
    at: usize,
    kind: SetKind,
    read: Option<&'a mut ReadFile<'a>>,
}

/// Gives the text of a file.
type ReadFile<'a> = dyn FnMut(&str) -> Result<String, String> + 'a;

/// Why reading stopped.
enum Stop {
    /// The end of the settings, which is no fault.
    End,
    Error(SetError),
}

type Read<R> = Result<R, Stop>;

const MAX_INDEX: i64 = 65536;
const MAX_NESTING: usize = 30;

impl<'a> Settings<'a> {
    pub(super) fn new(text: &str, kind: SetKind, read: Option<&'a mut ReadFile<'a>>) -> Self {
        Settings { rest: text.chars().collect(), at: 0, kind, read }
    }

    pub(super) fn apply(mut self, root: &Map) -> Result<(), SetError> {
        loop {
            match self.key(root, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Error(e)) => return Err(e),
            }
        }
    }

    fn key(&mut self, data: &Map, nesting: usize) -> Read<()> {
        let stops: &[char] =
            if self.kind == SetKind::Literal { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => fail(format!("key {key:?} has no value")),
            Some('[') => {
                let index = self.index()?;
                let list = match data.get(&key) {
                    None => Vec::new(),
                    Some(Value::List(list)) => list.items().to_vec(),
                    Some(other) => return wrong_type(&other, "[]interface {}"),
                };
                // What was read before a fault stays, as in Helm.
                let (list, result) = self.item(list, index, nesting);
                put(data, &key, Value::List(List::new(Type::Any, list)));
                result
            }
            Some('=') => self.assign(data, &key),
            Some(',') => {
                put(data, &key, Value::str(""));
                fail(format!("key {key:?} has no value (cannot end with ,)"))
            }
            Some(_) => {
                if nesting + 1 > MAX_NESTING {
                    return fail(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
                    ));
                }
                let inner = match data.get(&key) {
                    None => Map::new(),
                    Some(Value::Map(map)) => map,
                    Some(other) => return wrong_type(&other, "map[string]interface {}"),
                };
                let result = self.key(&inner, nesting + 1);
                if result.is_ok() && inner.is_empty() {
                    return fail(format!("key map {key:?} has no value"));
                }
                if !inner.is_empty() {
                    put(data, &key, Value::Map(inner));
                }
                result
            }
        }
    }

    fn assign(&mut self, data: &Map, key: &str) -> Read<()> {
        let (value, result) = self.value();
        if let Some(value) = value {
            put(data, key, value);
        }
        result
    }

    /// What stands after `=`, and whether more may follow.
    fn value(&mut self) -> (Option<Value>, Read<()>) {
        match self.kind {
            SetKind::Literal => {
                let text: String = self.rest[self.at..].iter().collect();
                self.at = self.rest.len();
                return (Some(Value::str(text)), Ok(()));
            }
            SetKind::Json => return self.json(),
            SetKind::Typed | SetKind::Text => {}
        }
        match self.rest.get(self.at) {
            None => (Some(Value::str("")), Err(Stop::End)),
            Some('{') => {
                self.at += 1;
                match self.list() {
                    Ok(list) => (Some(list), Ok(())),
                    Err(e) => (None, Err(e)),
                }
            }
            Some(_) => {
                let (text, _) = self.until(&[',']);
                match self.typed(&text) {
                    Ok(value) => (Some(value), Ok(())),
                    Err(e) => (None, Err(e)),
                }
            }
        }
    }

    fn json(&mut self) -> (Option<Value>, Read<()>) {
        if self.skip_empty() {
            return (Some(Value::Nil), Ok(()));
        }
        let text: String = self.rest[self.at..].iter().collect();
        let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
        match stream.next() {
            Some(Ok(json)) => {
                self.at += text[..stream.byte_offset()].chars().count();
                self.skip_empty();
                (Some(from_json(&json)), Ok(()))
            }
            Some(Err(e)) => (None, fail(e.to_string())),
            None => (None, fail("unexpected end of JSON input")),
        }
    }

    /// Skips blanks and one comma; says whether there was no value before it.
    fn skip_empty(&mut self) -> bool {
        while let Some(c) = self.rest.get(self.at) {
            match c {
                ',' => {
                    self.at += 1;
                    return true;
                }
                c if c.is_whitespace() => self.at += 1,
                _ => return false,
            }
        }
        true
    }

    fn list(&mut self) -> Read<Value> {
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            match stop {
                None => return fail("list must terminate with '}'"),
                Some('}') => {
                    if self.rest.get(self.at) == Some(&',') {
                        self.at += 1;
                    }
                    items.push(self.typed(&text)?);
                    return Ok(Value::list(items));
                }
                Some(_) => items.push(self.typed(&text)?),
            }
        }
    }

    fn index(&mut self) -> Read<i64> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return Err(Stop::End);
        }
        text.parse().map_err(|_| {
            Stop::Error(SetError(format!(
                "error parsing index: strconv.Atoi: parsing {text:?}: invalid syntax"
            )))
        })
    }

    /// Reads what stands after `[index]` and puts it into the list.
    fn item(&mut self, mut list: Vec<Value>, index: i64, nesting: usize) -> (Vec<Value>, Read<()>) {
        let Ok(place) = usize::try_from(index) else {
            return (list, fail(format!("negative {index} index not allowed")));
        };
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            let shown: Vec<String> = text.chars().map(|c| format!("{c:?}")).collect();
            return (list, fail(format!("unexpected data at end of array index: [{}]", shown.join(" "))));
        }
        let (value, result) = match stop {
            None => (None, Err(Stop::End)),
            Some('=') => match self.value() {
                // The end of the settings is found out by the next key.
                (value, Err(Stop::End)) => (value, Ok(())),
                other => other,
            },
            Some('[') => match self.index() {
                Err(e) => (None, Err(e)),
                Ok(next) => match list.get(place) {
                    None | Some(Value::Nil) => self.nested(Vec::new(), next, nesting),
                    Some(Value::List(inner)) => self.nested(inner.items().to_vec(), next, nesting),
                    Some(other) => (None, wrong_type(other, "[]interface {}")),
                },
            },
            Some(_) => {
                let inner = match list.get(place) {
                    Some(Value::Map(map)) => map.clone(),
                    _ => Map::new(),
                };
                let result = self.key(&inner, nesting);
                (result.is_ok().then_some(Value::Map(inner)), result)
            }
        };
        let Some(value) = value else {
            return (list, result);
        };
        if index > MAX_INDEX {
            return (
                list,
                fail(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}")),
            );
        }
        if list.len() <= place {
            list.resize(place + 1, Value::Nil);
        }
        list[place] = value;
        (list, result)
    }

    fn nested(&mut self, list: Vec<Value>, index: i64, nesting: usize) -> (Option<Value>, Read<()>) {
        match self.item(list, index, nesting) {
            (list, Ok(())) => (Some(Value::list(list)), Ok(())),
            (_, result) => (None, result),
        }
    }

    fn typed(&mut self, text: &str) -> Read<Value> {
        if let Some(read) = &mut self.read {
            return read(text).map(Value::str).map_err(|e| Stop::Error(SetError(e)));
        }
        if self.kind != SetKind::Typed {
            return Ok(Value::str(text));
        }
        Ok(match text {
            _ if text.eq_ignore_ascii_case("true") => Value::Bool(true),
            _ if text.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ if text.eq_ignore_ascii_case("null") => Value::Nil,
            "0" => Value::int64(0),
            _ if text.starts_with('0') => Value::str(text),
            _ => text.parse().map_or_else(|_| Value::str(text), Value::int64),
        })
    }

    /// The text up to one of the characters, and which it was; a backslash takes the next character as it is.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.rest.get(self.at).copied() {
            self.at += 1;
            if stops.contains(&c) {
                return (text, Some(c));
            }
            if c == '\\' && self.kind != SetKind::Literal {
                let Some(next) = self.rest.get(self.at) else {
                    break;
                };
                text.push(*next);
                self.at += 1;
            } else {
                text.push(c);
            }
        }
        (text, None)
    }
}

fn put(data: &Map, key: &str, value: Value) {
    if !key.is_empty() {
        data.insert(key, value);
    }
}

fn fail<R>(message: impl Into<String>) -> Read<R> {
    Err(Stop::Error(SetError(message.into())))
}

fn wrong_type<R>(found: &Value, wanted: &str) -> Read<R> {
    fail(format!(
        "unable to parse key: interface conversion: interface {{}} is {}, not {wanted}",
        if found.is_nil() { "nil".into() } else { found.type_name() }
    ))
}
