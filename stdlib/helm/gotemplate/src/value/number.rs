//! Numbers, each with its Go kind.

use super::types::Kind;

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

    pub(super) fn is_zero(self) -> bool {
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
