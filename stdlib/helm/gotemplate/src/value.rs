//! The values a template works on, as Go sees them: every value knows its Go type, maps are shared and mutable in place.
//! Assumes nothing of who made them; knows neither syntax nor functions.

mod extent;
mod list;
mod map;
mod number;
mod text;
mod types;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::function::Function;

pub use list::List;
pub use map::{Map, NamedMap};
pub use number::Number;
pub use text::Str;
pub use types::{BYTES, Kind, LIST, MAP, STRINGS, Type};

/// A value as Go's `reflect` would hold it. Cloning is cheap: composite values are shared, and a clone of a [`Map`] is
/// the same map.
///
/// `NoValue` is Go's zero `reflect.Value` (the result of a pipeline over a missing key; prints `<no value>`); `Nil` is an
/// `interface{}` that holds nil (an element of a map or list; prints `<nil>` as an argument of `printf`). A function whose
/// parameter is [`Type::Any`] receives `Nil` for both.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    NoValue,
    Nil,
    Bool(bool),
    Number(Number),
    Str(Str),
    List(List),
    Map(Map),
    Object(Arc<dyn Object>),
}

/// A value of a named type: fields, methods, and what it is underneath.
pub trait Object: fmt::Debug + Send + Sync {
    /// The name `%T` and `typeOf` print, with a `*` for a pointer: `*semver.Version`.
    fn type_name(&self) -> &'static str;

    /// What `kindOf` says.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// The exported field of this name; `None` if the type has no such field.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// All fields in the order of their declaration: for `%v`, and for JSON and YAML unless [`Object::encoded`] says more.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// The method of this name, bound to its receiver.
    fn method(self: Arc<Self>, _name: &str) -> Option<Function> {
        None
    }

    /// What `String()` or `Error()` returns, if the type has one: this is what `print` shows.
    fn text(&self) -> Option<String> {
        None
    }

    /// The value underneath a named map, slice, string or number: `range`, `len`, `index` and truth look at it.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// What JSON (and so YAML) encoding gives, where that is neither the underlying value nor the fields.
    fn encoded(&self) -> Option<Value> {
        None
    }

    /// For functions that take this very type.
    fn as_any(&self) -> &dyn Any;
}

impl Value {
    pub fn str(text: impl Into<Str>) -> Self {
        Value::Str(text.into())
    }

    /// Go's `int`.
    pub fn int(n: i64) -> Self {
        Value::Number(Number::Int(n))
    }

    /// Go's `int64`.
    pub fn int64(n: i64) -> Self {
        Value::Number(Number::Int64(n))
    }

    /// Go's `float64`.
    pub fn float(f: f64) -> Self {
        Value::Number(Number::Float64(f))
    }

    /// `[]interface {}`
    pub fn list(items: Vec<Value>) -> Self {
        Value::List(List::new(Type::Any, items))
    }

    /// `[]string`
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Value::List(List::new(Type::String, items.into_iter().map(Value::str).collect()))
    }

    /// `[]byte`
    pub fn bytes(bytes: &[u8]) -> Self {
        Value::List(List::of_bytes(bytes))
    }

    pub fn object(object: impl Object + 'static) -> Self {
        Value::Object(Arc::new(object))
    }

    /// Nil in either of its two forms.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil | Value::NoValue)
    }

    /// Go's truth: false for nil, zero, and what is empty; structs are always true.
    pub fn is_true(&self) -> bool {
        match self {
            Value::NoValue | Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Number(n) => !n.is_zero(),
            Value::Str(s) => !s.is_empty(),
            Value::List(l) => !l.is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Object(o) => o.underlying().is_none_or(|u| u.is_true()),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Value::NoValue | Value::Nil => Kind::Invalid,
            Value::Bool(_) => Kind::Bool,
            Value::Number(n) => n.kind(),
            Value::Str(_) => Kind::String,
            Value::List(_) => Kind::Slice,
            Value::Map(_) => Kind::Map,
            Value::Object(o) => o.kind(),
        }
    }

    /// The dynamic type's name as `%T` prints it; `<nil>` for nil.
    pub fn type_name(&self) -> Cow<'static, str> {
        match self {
            Value::NoValue | Value::Nil => Cow::Borrowed("<nil>"),
            Value::Bool(_) => Cow::Borrowed("bool"),
            Value::Number(n) => Cow::Borrowed(n.kind().name()),
            Value::Str(_) => Cow::Borrowed("string"),
            Value::List(l) => l.type_name(),
            Value::Map(m) => m.type_name(),
            Value::Object(o) => Cow::Borrowed(o.type_name()),
        }
    }

    /// Whether Go would let a value of this dynamic type be assigned to a variable of type `to`.
    pub fn assignable_to(&self, to: Type) -> bool {
        match (self, to) {
            (_, Type::Any | Type::Reflect) => true,
            (Value::Bool(_), Type::Bool) | (Value::Str(_), Type::String) => true,
            (Value::Number(n), to) => to.kind() == n.kind() && !matches!(to, Type::Named(..)),
            // An unnamed type takes a named one of the same shape.
            (Value::List(l), Type::List(elem)) => l.elem() == *elem,
            (Value::Map(m), Type::Map(elem)) => m.elem() == *elem,
            (Value::Object(o), Type::Named(name, _)) => o.type_name() == name,
            (Value::Object(o), Type::List(_) | Type::Map(_)) => {
                o.underlying().is_some_and(|u| u.assignable_to(to))
            }
            _ => false,
        }
    }

    pub fn as_str(&self) -> Option<&Str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(m) => Some(m),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&List> {
        match self {
            Value::List(l) => Some(l),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<Number> {
        match self {
            Value::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// The object as its concrete Rust type.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Value::Object(o) => o.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// A copy that shares no map with the original.
    pub fn deep_copy(&self) -> Value {
        match self {
            Value::Map(m) => Value::Map(m.deep_copy()),
            Value::List(l) if l.elem() == Type::Any || matches!(l.elem(), Type::Map(_)) => {
                let items = l.iter().map(Value::deep_copy).collect();
                Value::List(l.with_items(items))
            }
            other => other.clone(),
        }
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::str(s)
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Value::str(s)
    }
}

impl From<Str> for Value {
    fn from(s: Str) -> Self {
        Value::Str(s)
    }
}

impl From<Number> for Value {
    fn from(n: Number) -> Self {
        Value::Number(n)
    }
}

impl From<Map> for Value {
    fn from(m: Map) -> Self {
        Value::Map(m)
    }
}

impl From<List> for Value {
    fn from(l: List) -> Self {
        Value::List(l)
    }
}
