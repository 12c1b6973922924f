//! Names as SQL writes them: folded to lower case unless they are quoted.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Location;

use super::expr::Result;
use crate::postgres::PgError;

/// The longest name, in bytes; the rest is left out.
const LONGEST: usize = 63;

pub(crate) fn folded(ident: &Ident) -> String {
    let name = match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    };
    name[..name.floor_char_boundary(LONGEST)].to_owned()
}

/// The schema, where there is one, and the name; a database before them has to be this one.
pub(crate) fn qualified(name: &ObjectName, database: &str) -> Result<(Option<String>, String)> {
    let mut parts = Vec::new();
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(ident) => parts.push(folded(ident)),
            other => return Err(PgError::unsupported(format_args!("`{other}` as a name"))),
        }
    }
    match parts.as_slice() {
        [name] => Ok((None, name.clone())),
        [schema, name] => Ok((Some(schema.clone()), name.clone())),
        [catalog, schema, name] if catalog == database => Ok((Some(schema.clone()), name.clone())),
        _ => Err(PgError::new(
            "0A000",
            format!("cross-database references are not implemented: {}", parts.join(".")),
        )),
    }
}

/// Where a name begins.
pub(crate) fn place(name: &ObjectName) -> Location {
    let first = name.0.first().and_then(ObjectNamePart::as_ident);
    first.map_or(Location { line: 0, column: 0 }, |ident| ident.span.start)
}

/// Words of PostgreSQL that are no names of columns without quotes.
pub(crate) fn is_reserved(name: &str) -> bool {
    const RESERVED: &[&str] = &[
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "current_catalog",
        "current_date",
        "current_role",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "grant",
        "group",
        "having",
        "in",
        "initially",
        "intersect",
        "into",
        "lateral",
        "leading",
        "limit",
        "localtime",
        "localtimestamp",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "placing",
        "primary",
        "references",
        "returning",
        "select",
        "session_user",
        "some",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
    ];
    RESERVED.contains(&name)
}
