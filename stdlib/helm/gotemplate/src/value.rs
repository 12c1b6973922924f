//! The values a template works on, as Go sees them: every value knows its Go type, maps are shared and mutable in place.
//! Assumes nothing of who made them; knows neither syntax nor functions.

use std::any::Any;
use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::function::Function;

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

/// A number together with its Go kind. Literals of templates are `Int` or `Float64`; JSON and YAML give `Float64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Uint(u64),
    Uint8(u8),
    Uint16(u16),
    Uint32(u32),
    Uint64(u64),
    Float32(f32),
    Float64(f64),
    Complex128(f64, f64),
}

/// Go's `reflect.Kind`, named as `kindOf` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Invalid,
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float32,
    Float64,
    Complex128,
    String,
    Slice,
    Map,
    Struct,
    Ptr,
    Func,
    Interface,
}

/// A static Go type: of a function's parameter, or of what a list or map holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`
    Any,
    /// `reflect.Value`: a parameter that tells [`Value::NoValue`] from [`Value::Nil`].
    Reflect,
    Bool,
    String,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float32,
    Float64,
    Complex128,
    /// `[]T`
    List(&'static Type),
    /// `map[string]T`
    Map(&'static Type),
    /// A type with a name of its own, such as `time.Time` or `*semver.Version`.
    Named(&'static str, Kind),
}

/// `map[string]interface {}`
pub const MAP: Type = Type::Map(&Type::Any);
/// `[]interface {}`
pub const LIST: Type = Type::List(&Type::Any);
/// `[]string`
pub const STRINGS: Type = Type::List(&Type::String);
/// `[]uint8`
pub const BYTES: Type = Type::List(&Type::Uint8);

/// A Go string: immutable bytes, UTF-8 by custom only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Arc<[u8]>);

/// A Go slice. Immutable, as no template function changes a slice in place.
#[derive(Clone, Debug)]
pub struct List(Arc<ListData>);

#[derive(Debug)]
struct ListData {
    elem: Type,
    /// The name of a named slice type.
    name: Option<&'static str>,
    nil: bool,
    /// What a `[]byte` holds: its items are made when somebody looks at them one by one.
    bytes: Option<Arc<[u8]>>,
    items: OnceLock<Vec<Value>>,
}

/// A Go map with string keys, shared by all its clones and mutable through any of them. Iteration is in the order of
/// the keys' bytes, as Go's templates and `fmt` iterate.
#[derive(Clone)]
pub struct Map(Arc<MapData>);

struct MapData {
    elem: Type,
    name: Option<&'static str>,
    nil: bool,
    entries: RwLock<BTreeMap<Str, Value>>,
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
                Value::List(List::with(l.0.elem, l.0.name, l.0.nil, items))
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

impl Number {
    pub fn kind(self) -> Kind {
        match self {
            Number::Int(_) => Kind::Int,
            Number::Int8(_) => Kind::Int8,
            Number::Int16(_) => Kind::Int16,
            Number::Int32(_) => Kind::Int32,
            Number::Int64(_) => Kind::Int64,
            Number::Uint(_) => Kind::Uint,
            Number::Uint8(_) => Kind::Uint8,
            Number::Uint16(_) => Kind::Uint16,
            Number::Uint32(_) => Kind::Uint32,
            Number::Uint64(_) => Kind::Uint64,
            Number::Float32(_) => Kind::Float32,
            Number::Float64(_) => Kind::Float64,
            Number::Complex128(..) => Kind::Complex128,
        }
    }

    /// The value of a signed integer kind.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Number::Int(n) | Number::Int64(n) => Some(n),
            Number::Int8(n) => Some(n.into()),
            Number::Int16(n) => Some(n.into()),
            Number::Int32(n) => Some(n.into()),
            _ => None,
        }
    }

    /// The value of an unsigned integer kind.
    pub fn as_uint(self) -> Option<u64> {
        match self {
            Number::Uint(n) | Number::Uint64(n) => Some(n),
            Number::Uint8(n) => Some(n.into()),
            Number::Uint16(n) => Some(n.into()),
            Number::Uint32(n) => Some(n.into()),
            _ => None,
        }
    }

    /// The value of a floating-point kind.
    pub fn as_float(self) -> Option<f64> {
        match self {
            Number::Float32(f) => Some(f.into()),
            Number::Float64(f) => Some(f),
            _ => None,
        }
    }

    /// A signed number of this kind, which must be one of the signed kinds; others are `Int64`.
    pub(crate) fn of_int(kind: Kind, n: i64) -> Number {
        match kind {
            Kind::Int => Number::Int(n),
            Kind::Int8 => Number::Int8(n as i8),
            Kind::Int16 => Number::Int16(n as i16),
            Kind::Int32 => Number::Int32(n as i32),
            _ => Number::Int64(n),
        }
    }

    /// An unsigned number of this kind, which must be one of the unsigned kinds; others are `Uint64`.
    pub(crate) fn of_uint(kind: Kind, n: u64) -> Number {
        match kind {
            Kind::Uint => Number::Uint(n),
            Kind::Uint8 => Number::Uint8(n as u8),
            Kind::Uint16 => Number::Uint16(n as u16),
            Kind::Uint32 => Number::Uint32(n as u32),
            _ => Number::Uint64(n),
        }
    }

    /// An integer of the same kind as this one.
    pub(crate) fn with_int(self, n: u64) -> Number {
        if self.as_int().is_some() {
            Number::of_int(self.kind(), n as i64)
        } else {
            Number::of_uint(self.kind(), n)
        }
    }

    fn is_zero(self) -> bool {
        match self {
            Number::Complex128(re, im) => re == 0.0 && im == 0.0,
            _ => {
                self.as_int().is_some_and(|n| n == 0)
                    || self.as_uint().is_some_and(|n| n == 0)
                    || self.as_float().is_some_and(|f| f == 0.0)
            }
        }
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Int8 => "int8",
            Kind::Int16 => "int16",
            Kind::Int32 => "int32",
            Kind::Int64 => "int64",
            Kind::Uint => "uint",
            Kind::Uint8 => "uint8",
            Kind::Uint16 => "uint16",
            Kind::Uint32 => "uint32",
            Kind::Uint64 => "uint64",
            Kind::Float32 => "float32",
            Kind::Float64 => "float64",
            Kind::Complex128 => "complex128",
            Kind::String => "string",
            Kind::Slice => "slice",
            Kind::Map => "map",
            Kind::Struct => "struct",
            Kind::Ptr => "ptr",
            Kind::Func => "func",
            Kind::Interface => "interface",
        }
    }
}

impl Type {
    pub fn kind(self) -> Kind {
        match self {
            Type::Any => Kind::Interface,
            Type::Reflect => Kind::Struct,
            Type::Bool => Kind::Bool,
            Type::String => Kind::String,
            Type::Int => Kind::Int,
            Type::Int8 => Kind::Int8,
            Type::Int16 => Kind::Int16,
            Type::Int32 => Kind::Int32,
            Type::Int64 => Kind::Int64,
            Type::Uint => Kind::Uint,
            Type::Uint8 => Kind::Uint8,
            Type::Uint16 => Kind::Uint16,
            Type::Uint32 => Kind::Uint32,
            Type::Uint64 => Kind::Uint64,
            Type::Float32 => Kind::Float32,
            Type::Float64 => Kind::Float64,
            Type::Complex128 => Kind::Complex128,
            Type::List(_) => Kind::Slice,
            Type::Map(_) => Kind::Map,
            Type::Named(_, kind) => kind,
        }
    }

    /// As Go prints the type.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Type::Any => Cow::Borrowed("interface {}"),
            Type::Reflect => Cow::Borrowed("reflect.Value"),
            Type::List(elem) => Cow::Owned(format!("[]{}", elem.name())),
            Type::Map(elem) => Cow::Owned(format!("map[string]{}", elem.name())),
            Type::Named(name, _) => Cow::Borrowed(name),
            basic => Cow::Borrowed(basic.kind().name()),
        }
    }

    /// Whether an untyped nil can be assigned to this type.
    pub fn can_be_nil(self) -> bool {
        matches!(self, Type::Reflect)
            || matches!(self.kind(), Kind::Interface | Kind::Map | Kind::Ptr | Kind::Slice | Kind::Func)
    }

    /// The type's zero value.
    pub fn zero(self) -> Value {
        match self {
            Type::Any | Type::Named(..) => Value::Nil,
            Type::Reflect => Value::NoValue,
            Type::Bool => Value::Bool(false),
            Type::String => Value::str(""),
            Type::List(elem) => Value::List(List::nil(*elem)),
            Type::Map(elem) => Value::Map(Map::nil(*elem)),
            Type::Int => Value::int(0),
            Type::Int8 => Number::Int8(0).into(),
            Type::Int16 => Number::Int16(0).into(),
            Type::Int32 => Number::Int32(0).into(),
            Type::Int64 => Value::int64(0),
            Type::Uint => Number::Uint(0).into(),
            Type::Uint8 => Number::Uint8(0).into(),
            Type::Uint16 => Number::Uint16(0).into(),
            Type::Uint32 => Number::Uint32(0).into(),
            Type::Uint64 => Number::Uint64(0).into(),
            Type::Float32 => Number::Float32(0.0).into(),
            Type::Float64 => Value::float(0.0),
            Type::Complex128 => Number::Complex128(0.0, 0.0).into(),
        }
    }
}

impl Str {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text, with U+FFFD in the place of what is not UTF-8.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl Deref for Str {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Str {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(s: &str) -> Self {
        Str(Arc::from(s.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(s: String) -> Self {
        Str(Arc::from(s.into_bytes()))
    }
}

impl From<&String> for Str {
    fn from(s: &String) -> Self {
        Str(Arc::from(s.as_bytes()))
    }
}

impl From<Cow<'_, str>> for Str {
    fn from(s: Cow<'_, str>) -> Self {
        Str(Arc::from(s.as_bytes()))
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Self {
        Str(Arc::from(bytes))
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Self {
        Str(Arc::from(bytes))
    }
}

impl From<&Str> for Str {
    fn from(s: &Str) -> Self {
        s.clone()
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_text(), f)
    }
}

impl List {
    pub fn new(elem: Type, items: Vec<Value>) -> Self {
        List::with(elem, None, false, items)
    }

    /// A list of a named slice type.
    pub fn named(name: &'static str, elem: Type, items: Vec<Value>) -> Self {
        List::with(elem, Some(name), false, items)
    }

    /// Go's nil slice: empty, but `null` in JSON.
    pub fn nil(elem: Type) -> Self {
        List::with(elem, None, true, Vec::new())
    }

    /// `[]byte`
    pub fn of_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = Some(bytes.into());
        List(Arc::new(ListData { elem: Type::Uint8, name: None, nil: false, bytes, items: OnceLock::new() }))
    }

    fn with(elem: Type, name: Option<&'static str>, nil: bool, items: Vec<Value>) -> Self {
        List(Arc::new(ListData { elem, name, nil, bytes: None, items: items.into() }))
    }

    pub fn elem(&self) -> Type {
        self.0.elem
    }

    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    pub fn items(&self) -> &[Value] {
        self.0.items.get_or_init(|| {
            let bytes = self.0.bytes.as_deref().unwrap_or_default();
            bytes.iter().map(|b| Value::Number(Number::Uint8(*b))).collect()
        })
    }

    pub fn type_name(&self) -> Cow<'static, str> {
        match self.0.name {
            Some(name) => Cow::Borrowed(name),
            None => match self.0.elem {
                Type::Any => Cow::Borrowed("[]interface {}"),
                Type::String => Cow::Borrowed("[]string"),
                elem => Cow::Owned(format!("[]{}", elem.name())),
            },
        }
    }

    /// The bytes of a `[]byte`.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if let Some(bytes) = &self.0.bytes {
            return Some(bytes.to_vec());
        }
        self.iter()
            .map(|item| match item {
                Value::Number(Number::Uint8(b)) => Some(*b),
                _ => None,
            })
            .collect()
    }
}

impl Deref for List {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        self.items()
    }
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Map::of(Type::Any)
    }

    /// An empty `map[string]T`.
    pub fn of(elem: Type) -> Self {
        Map(Arc::new(MapData { elem, name: None, nil: false, entries: RwLock::default() }))
    }

    /// An empty map of a named type.
    pub fn named(name: &'static str, elem: Type) -> Self {
        Map(Arc::new(MapData { elem, name: Some(name), nil: false, entries: RwLock::default() }))
    }

    /// Go's nil map: empty, `null` in JSON, and not to be written to.
    pub fn nil(elem: Type) -> Self {
        Map(Arc::new(MapData { elem, name: None, nil: true, entries: RwLock::default() }))
    }

    pub fn elem(&self) -> Type {
        self.0.elem
    }

    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    pub fn type_name(&self) -> Cow<'static, str> {
        match self.0.name {
            Some(name) => Cow::Borrowed(name),
            None if self.0.elem == Type::Any => Cow::Borrowed("map[string]interface {}"),
            None => Cow::Owned(format!("map[string]{}", self.0.elem.name())),
        }
    }

    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.read().get(key.as_ref()).cloned()
    }

    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.read().contains_key(key.as_ref())
    }

    /// Sets a key; a nil map ignores it, so callers that can report Go's panic ask [`Map::is_nil`] first.
    pub fn insert(&self, key: impl Into<Str>, value: Value) {
        if !self.0.nil {
            let value = if matches!(value, Value::NoValue) { Value::Nil } else { value };
            self.write().insert(key.into(), value);
        }
    }

    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.write().remove(key.as_ref())
    }

    pub fn len(&self) -> usize {
        self.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// The keys in order.
    pub fn keys(&self) -> Vec<Str> {
        self.read().keys().cloned().collect()
    }

    /// A snapshot of the entries in the order of the keys.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.read().iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Whether both are the same map (not merely equal ones).
    pub fn same(&self, other: &Map) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn deep_copy(&self) -> Map {
        let entries = self.read().iter().map(|(k, v)| (k.clone(), v.deep_copy())).collect();
        Map(Arc::new(MapData {
            elem: self.0.elem,
            name: self.0.name,
            nil: self.0.nil,
            entries: RwLock::new(entries),
        }))
    }

    /// The same entries in a new map; nested maps stay shared.
    pub fn shallow_copy(&self) -> Map {
        Map(Arc::new(MapData {
            elem: self.0.elem,
            name: self.0.name,
            nil: self.0.nil,
            entries: RwLock::new(self.read().clone()),
        }))
    }

    /// The entries, locked: for reading without copies. Do not write to the same map meanwhile.
    pub fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Str, Value>> {
        // A poisoned lock only means that another thread panicked while it held the map: the map itself is whole.
        self.0.entries.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Str, Value>> {
        self.0.entries.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for Map {
    fn default() -> Self {
        Map::new()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let map = Map::new();
        map.write().extend(entries.into_iter().map(|(k, v)| (k.into(), v)));
        map
    }
}
