//! Values as PostgreSQL has them: their types, and how they are read and written as text and in binary.
//!
//! It knows no SQL. What is read from text has PostgreSQL's own messages where it cannot be read.

mod binary;
pub mod datetime;
mod error;
mod interval;
mod json;
mod kind;
mod numeric;
mod text;

use std::cmp::Ordering;
use std::sync::Arc;

pub use binary::{from_binary, to_binary};
pub use error::ValueError;
pub use interval::Interval;
pub use json::Json;
pub use kind::Type;
pub use numeric::Numeric;
pub(crate) use text::varchar;
pub use text::{composite_text, from_text, to_iso_text, to_text};

/// A value, or that there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    Null,
    Bool(bool),
    /// Of `smallint`, `integer`, `bigint`, and what is a number of an object: `oid`, `regclass`.
    Int(i64),
    /// Of `real` (rounded to it) and `double precision`.
    Float(f64),
    Numeric(Numeric),
    /// Of `text`, `varchar`, `name`, `"char"`, `json`.
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Its digits, `0` and `1`.
    Bits(Arc<str>),
    /// Days since 2000-01-01; the smallest and the largest are minus and plus infinity.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 2000-01-01 00:00, with time zone: in UTC; the smallest and the largest are minus and plus infinity.
    Timestamp(i64),
    Interval(Interval),
    Uuid([u8; 16]),
    Json(Arc<Json>),
    Array(Arc<Vec<Datum>>),
    /// With the types of its fields.
    Record(Arc<Vec<(Type, Datum)>>),
}

impl Datum {
    pub fn text(text: impl AsRef<str>) -> Self {
        Datum::Text(Arc::from(text.as_ref()))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The order of two values of one type, as `ORDER BY` has it with the collation `C`: what is absent comes last.
    pub fn order(&self, other: &Datum) -> Ordering {
        use Datum::{Array, Bits, Bool, Bytes, Date, Float, Int, Null, Record, Text, Time, Timestamp, Uuid};
        match (self, other) {
            (Null, Null) => Ordering::Equal,
            (Null, _) => Ordering::Greater,
            (_, Null) => Ordering::Less,
            (Bool(one), Bool(other)) => one.cmp(other),
            (Int(one), Int(other)) | (Time(one), Time(other)) | (Timestamp(one), Timestamp(other)) => {
                one.cmp(other)
            }
            (Float(one), Float(other)) => order_of_floats(*one, *other),
            (Datum::Numeric(one), Datum::Numeric(other)) => one.cmp(other),
            (Text(one), Text(other)) | (Bits(one), Bits(other)) => one.cmp(other),
            (Bytes(one), Bytes(other)) => one.cmp(other),
            (Date(one), Date(other)) => one.cmp(other),
            (Datum::Interval(one), Datum::Interval(other)) => one.span().cmp(&other.span()),
            (Uuid(one), Uuid(other)) => one.cmp(other),
            (Datum::Json(one), Datum::Json(other)) => one.order(other),
            (Array(one), Array(other)) => {
                let pairs = one.iter().zip(other.iter()).map(|(one, other)| one.order(other));
                pairs.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
            }
            (Record(one), Record(other)) => {
                let pairs = one.iter().zip(other.iter()).map(|((_, one), (_, other))| one.order(other));
                pairs.fold(Ordering::Equal, Ordering::then)
            }
            // Values of different types are never compared: the binder casts them first.
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Datum::Null => 255,
            Datum::Bool(_) => 0,
            Datum::Int(_) => 1,
            Datum::Float(_) => 2,
            Datum::Numeric(_) => 3,
            Datum::Text(_) => 4,
            Datum::Bytes(_) => 5,
            Datum::Bits(_) => 6,
            Datum::Date(_) => 7,
            Datum::Time(_) => 8,
            Datum::Timestamp(_) => 9,
            Datum::Interval(_) => 10,
            Datum::Uuid(_) => 11,
            Datum::Json(_) => 12,
            Datum::Array(_) => 13,
            Datum::Record(_) => 14,
        }
    }
}

/// Numbers by their order, all that is no number after them.
fn order_of_floats(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or_else(|| one.is_nan().cmp(&other.is_nan()))
}

/// A value in the order of [`Datum::order`], for maps.
#[derive(Debug, Clone)]
pub struct Ordered(pub Datum);

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ordered {}
