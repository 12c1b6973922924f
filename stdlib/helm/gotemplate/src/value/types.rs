//! Go's kinds and static types.

use std::borrow::Cow;

use super::{List, Map, Number, Value};

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
