//! JSON patch, RFC 6902, with the laxities of the library that API servers use: `-1` counts from the end.

use serde_json::Value;

/// A list of operations.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPatch {
    operations: Vec<Operation>,
    unknown: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Operation {
    op: String,
    path: String,
    from: Option<String>,
    value: Option<Value>,
}

/// Why a JSON patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPatchError {
    /// The body is no list of operations (400).
    #[error("error decoding patch: {0}")]
    Malformed(String),
    /// Too many operations (413).
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooMany(usize),
    /// An operation fails on this object (422); the server does not tell which.
    #[error("the server rejected our request due to an error in our request")]
    Failed,
}

const MAX_OPERATIONS: usize = 10_000;

impl JsonPatch {
    pub fn parse(body: &Value) -> Result<Self, JsonPatchError> {
        let malformed = |what: &str, go: &str| {
            JsonPatchError::Malformed(format!("json: cannot unmarshal {what} into Go {go}"))
        };
        let word = |value: &Value| crate::json::Document::from(value).word();
        let Value::Array(list) = body else {
            return Err(malformed(word(body), "value of type []handlers.jsonPatchOp"));
        };
        if list.len() > MAX_OPERATIONS {
            return Err(JsonPatchError::TooMany(list.len()));
        }
        let (mut operations, mut unknown) = (Vec::new(), Vec::new());
        for (at, one) in list.iter().enumerate() {
            let Value::Object(map) = one else {
                return Err(malformed(word(one), "value of type handlers.jsonPatchOp"));
            };
            let text = |key: &str| match map.get(key) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(other) => {
                    Err(malformed(word(other), &format!("struct field jsonPatchOp.{key} of type string")))
                }
            };
            let extra = map.keys().filter(|key| !["op", "path", "from", "value"].contains(&key.as_str()));
            unknown.extend(extra.map(|key| format!("unknown field \"[{at}].{key}\"")));
            operations.push(Operation {
                op: text("op")?.unwrap_or_default(),
                path: text("path")?.unwrap_or_default(),
                from: text("from")?,
                value: map.get("value").cloned(),
            });
        }
        Ok(Self { operations, unknown })
    }

    /// `unknown field "[0].extra"`: keys that no operation has.
    pub fn unknown_fields(&self) -> &[String] {
        &self.unknown
    }

    /// Applies all operations, or none.
    pub fn apply(&self, target: &Value) -> Result<Value, JsonPatchError> {
        let mut object = target.clone();
        for operation in &self.operations {
            operation.apply(&mut object).ok_or(JsonPatchError::Failed)?;
        }
        Ok(object)
    }
}

impl Operation {
    fn apply(&self, object: &mut Value) -> Option<()> {
        let path = pointer(&self.path)?;
        let value = || self.value.clone().unwrap_or(Value::Null);
        match self.op.as_str() {
            "add" => add(object, &path, value()),
            "remove" => remove(object, &path).map(drop),
            "replace" => replace(object, &path, value()),
            "test" => {
                let expected = value();
                match get(object, &path) {
                    Some(found) => same(found, &expected).then_some(()),
                    None => expected.is_null().then_some(()),
                }
            }
            "move" => {
                let moved = remove(object, &pointer(self.from.as_ref()?)?)?;
                add(object, &path, moved)
            }
            "copy" => {
                let copied = get(object, &pointer(self.from.as_ref()?)?)?.clone();
                add(object, &path, copied)
            }
            _ => None,
        }
    }
}

/// Equal as JSON: `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, one)| b.get(key).is_some_and(|other| same(one, other)))
        }
        _ => a == b,
    }
}

fn pointer(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let rest = text.strip_prefix('/')?;
    Some(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

fn index(part: &str, length: usize) -> Option<usize> {
    let at: i64 = part.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).ok()
}

fn get<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(items) => items.get(index(part, items.len())?),
        _ => None,
    })
}

fn get_mut<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => {
            let at = index(part, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    })
}

fn add(object: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *object = value;
        return Some(());
    };
    match get_mut(object, parents)? {
        Value::Object(map) => drop(map.insert(last.clone(), value)),
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            // From the end, -1 is the place behind the last item.
            let at = index(last, items.len() + 1)?;
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

/// A key that is absent is set all the same; an index must be there.
fn replace(object: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *object = value;
        return Some(());
    };
    match get_mut(object, parents)? {
        Value::Object(map) => drop(map.insert(last.clone(), value)),
        Value::Array(items) => {
            let at = index(last, items.len())?;
            *items.get_mut(at)? = value;
        }
        _ => return None,
    }
    Some(())
}

fn remove(object: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    match get_mut(object, parents)? {
        Value::Object(map) => map.remove(last),
        Value::Array(items) => {
            let at = index(last, items.len())?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}
