//! The types: their names, and their numbers on the wire.

use std::fmt;

/// A type, with what a column's declaration adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// With its precision and scale.
    Numeric(Option<(u16, u16)>),
    Text,
    /// With the number of characters.
    Varchar(Option<u32>),
    Name,
    /// `"char"`, one byte.
    Char,
    Bytea,
    /// With the number of digits.
    Bit(Option<u32>),
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Oid,
    Regclass,
    Array(Box<Type>),
    Record,
    Void,
    /// Of a text in quotes or a parameter of which nothing is known yet.
    Unknown,
}

/// Names in SQL, what `format_type` calls it, `typname`, its number, its array's number, its length (-1: it varies).
type Named = (Type, &'static [&'static str], &'static str, u32, u32, i16);

const KINDS: &[Named] = &[
    (Type::Bool, &["boolean", "bool"], "bool", 16, 1000, 1),
    (Type::Int2, &["smallint", "int2"], "int2", 21, 1005, 2),
    (Type::Int4, &["integer", "int4", "int"], "int4", 23, 1007, 4),
    (Type::Int8, &["bigint", "int8"], "int8", 20, 1016, 8),
    (Type::Float4, &["real", "float4"], "float4", 700, 1021, 4),
    (Type::Float8, &["double precision", "float8", "float"], "float8", 701, 1022, 8),
    (Type::Numeric(None), &["numeric", "decimal"], "numeric", 1700, 1231, -1),
    (Type::Text, &["text"], "text", 25, 1009, -1),
    (Type::Varchar(None), &["character varying", "varchar"], "varchar", 1043, 1015, -1),
    (Type::Name, &["name"], "name", 19, 1003, 64),
    (Type::Char, &["\"char\""], "char", 18, 1002, 1),
    (Type::Bytea, &["bytea"], "bytea", 17, 1001, -1),
    (Type::Bit(None), &["bit"], "bit", 1560, 1561, -1),
    (Type::Date, &["date"], "date", 1082, 1182, 4),
    (Type::Time, &["time without time zone", "time"], "time", 1083, 1183, 8),
    (Type::Timestamp, &["timestamp without time zone", "timestamp"], "timestamp", 1114, 1115, 8),
    (Type::Timestamptz, &["timestamp with time zone", "timestamptz"], "timestamptz", 1184, 1185, 8),
    (Type::Interval, &["interval"], "interval", 1186, 1187, 16),
    (Type::Uuid, &["uuid"], "uuid", 2950, 2951, 16),
    (Type::Json, &["json"], "json", 114, 199, -1),
    (Type::Jsonb, &["jsonb"], "jsonb", 3802, 3807, -1),
    (Type::Oid, &["oid"], "oid", 26, 1028, 4),
    (Type::Regclass, &["regclass"], "regclass", 2205, 2210, 4),
    (Type::Record, &["record"], "record", 2249, 2287, -1),
    (Type::Void, &["void"], "void", 2278, 0, 4),
    (Type::Unknown, &["unknown"], "unknown", 705, 0, -2),
];

type Entry = (Type, &'static [&'static str], &'static str, u32, u32, i16);

impl Type {
    /// By one of its names, as `varchar`, `numeric(10,2)` or `text[]`; `None` if it is not among the types here.
    pub fn named(name: &str) -> Option<Self> {
        if let Some(element) = name.strip_suffix("[]") {
            return Some(Type::Array(Box::new(Type::named(element)?)));
        }
        let (base, modifier) = match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
            Some((base, modifier)) => (base.trim_end(), Some(modifier)),
            None => (name, None),
        };
        let plain = KINDS.iter().find(|(_, names, ..)| names.contains(&base))?.0.clone();
        let Some(modifier) = modifier else { return Some(plain) };
        match plain {
            Type::Numeric(_) => {
                let (precision, scale) = modifier.split_once(',').unwrap_or((modifier, "0"));
                Some(Type::Numeric(Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))))
            }
            Type::Varchar(_) => Some(Type::Varchar(Some(modifier.parse().ok()?))),
            Type::Bit(_) => Some(Type::Bit(Some(modifier.parse().ok()?))),
            _ => None,
        }
    }

    /// By its number on the wire; 0 is [`Type::Unknown`].
    pub fn of_oid(oid: u32) -> Option<Self> {
        if oid == 0 {
            return Some(Type::Unknown);
        }
        KINDS.iter().find_map(|(kind, _, _, own, array, _)| match oid {
            _ if oid == *own => Some(kind.clone()),
            _ if oid == *array => Some(Type::Array(Box::new(kind.clone()))),
            _ => None,
        })
    }

    /// All without modifiers and but for arrays, for `pg_type`.
    pub(crate) fn all() -> impl Iterator<Item = Type> {
        KINDS.iter().map(|(kind, ..)| kind.clone())
    }

    fn entry(&self) -> Entry {
        let plain = self.plain();
        // Every type but arrays, which are not asked for here, is in the list.
        KINDS.iter().find(|(kind, ..)| *kind == plain).copied_entry()
    }

    /// Without what a declaration adds.
    #[must_use]
    pub fn plain(&self) -> Self {
        match self {
            Type::Numeric(_) => Type::Numeric(None),
            Type::Varchar(_) => Type::Varchar(None),
            Type::Bit(_) => Type::Bit(None),
            Type::Array(element) => Type::Array(Box::new(element.plain())),
            other => other.clone(),
        }
    }

    /// Its number on the wire.
    pub fn oid(&self) -> u32 {
        match self {
            Type::Array(element) => element.entry().4,
            plain => plain.entry().3,
        }
    }

    /// The number of its array, or 0 where there is none.
    pub(crate) fn array_oid(&self) -> u32 {
        match self {
            Type::Array(_) => 0,
            plain => plain.entry().4,
        }
    }

    /// `typname`: `int8`, `_text`.
    pub fn short(&self) -> String {
        match self {
            Type::Array(element) => format!("_{}", element.short()),
            plain => plain.entry().2.to_owned(),
        }
    }

    /// `typlen`; -1 if its values differ in length.
    pub fn length(&self) -> i16 {
        match self {
            Type::Array(_) => -1,
            plain => plain.entry().5,
        }
    }

    /// `atttypmod`; -1 for none.
    pub fn modifier(&self) -> i32 {
        const HEADER: i32 = 4;
        match self {
            Type::Numeric(Some((precision, scale))) => {
                ((i32::from(*precision) << 16) | i32::from(*scale)) + HEADER
            }
            Type::Varchar(Some(length)) => i32::try_from(*length).unwrap_or(i32::MAX - HEADER) + HEADER,
            Type::Bit(Some(length)) => i32::try_from(*length).unwrap_or(i32::MAX),
            _ => -1,
        }
    }

    /// What it is called without what a declaration adds: `character varying`.
    pub fn plain_name(&self) -> String {
        match self {
            Type::Array(element) => format!("{}[]", element.plain_name()),
            plain => plain.entry().1[0].to_owned(),
        }
    }

    pub fn is_integer(&self) -> bool {
        matches!(self, Type::Int2 | Type::Int4 | Type::Int8)
    }

    pub fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Type::Numeric(_) | Type::Float4 | Type::Float8)
    }

    /// `text` and what becomes it by itself.
    pub fn is_text(&self) -> bool {
        matches!(self, Type::Text | Type::Varchar(_) | Type::Name | Type::Char)
    }
}

trait Copied {
    fn copied_entry(self) -> Entry;
}

impl Copied for Option<&Entry> {
    fn copied_entry(self) -> Entry {
        let (kind, names, short, oid, array, length) = self.unwrap_or(&KINDS[KINDS.len() - 1]);
        (kind.clone(), names, short, *oid, *array, *length)
    }
}

impl fmt::Display for Type {
    /// As `format_type` has it: `numeric(10,2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Array(element) => return write!(f, "{element}[]"),
            plain => f.write_str(plain.entry().1[0])?,
        }
        match self {
            Type::Numeric(Some((precision, scale))) => write!(f, "({precision},{scale})"),
            Type::Varchar(Some(length)) | Type::Bit(Some(length)) => write!(f, "({length})"),
            _ => Ok(()),
        }
    }
}
