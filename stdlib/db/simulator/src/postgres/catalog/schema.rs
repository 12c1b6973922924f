//! `information_schema`, as the standard has it.

use super::tables::{each_column, each_table};
use super::{Definition, INFORMATION_SCHEMA, Line, PG_CATALOG, count, int, is_user_schema, text};
use crate::postgres::sql::context::Context;
use crate::value::{Datum, Type};

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "schemata",
        columns: &[("catalog_name", "name"), ("schema_name", "name"), ("schema_owner", "name")],
        rows: |cx| {
            let own: Vec<String> = cx.database.borrow().schemas().map(|(name, _)| name.to_owned()).collect();
            let names = [PG_CATALOG.to_owned(), INFORMATION_SCHEMA.to_owned()].into_iter().chain(own);
            names.map(|name| vec![text(cx.name), text(name), text(cx.server.owner())]).collect()
        },
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "tables",
        columns: &[
            ("table_catalog", "name"),
            ("table_schema", "name"),
            ("table_name", "name"),
            ("table_type", "varchar"),
            ("is_insertable_into", "varchar"),
        ],
        rows: |cx| {
            let line = |schema: &str, name: &str, kind: &str, takes: &str| {
                vec![text(cx.name), text(schema), text(name), text(kind), text(takes)]
            };
            let mut lines =
                each_table(cx, |name, _| vec![line(&name.schema, &name.name, "BASE TABLE", "YES")]);
            lines.extend(super::all().map(|view| {
                let kind = if is_user_schema(view.schema) { "BASE TABLE" } else { "VIEW" };
                line(view.schema, view.name, kind, "NO")
            }));
            lines
        },
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "columns",
        columns: &[
            ("table_catalog", "name"),
            ("table_schema", "name"),
            ("table_name", "name"),
            ("column_name", "name"),
            ("ordinal_position", "int4"),
            ("column_default", "varchar"),
            ("is_nullable", "varchar"),
            ("data_type", "varchar"),
            ("character_maximum_length", "int4"),
            ("numeric_precision", "int4"),
            ("numeric_scale", "int4"),
            ("udt_schema", "name"),
            ("udt_name", "name"),
            ("is_identity", "varchar"),
            ("identity_generation", "varchar"),
        ],
        rows: columns,
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "table_constraints",
        columns: &[
            ("constraint_catalog", "name"),
            ("constraint_schema", "name"),
            ("constraint_name", "name"),
            ("table_catalog", "name"),
            ("table_schema", "name"),
            ("table_name", "name"),
            ("constraint_type", "varchar"),
        ],
        rows: |cx| {
            each_table(cx, |name, table| {
                let of = table.definition();
                let indexes = of.indexes.iter().filter(|index| index.constraint);
                let kinds = indexes
                    .map(|index| (&index.name, if index.primary { "PRIMARY KEY" } else { "UNIQUE" }))
                    .chain(of.checks.iter().map(|check| (&check.name, "CHECK")))
                    .chain(of.foreign.iter().map(|key| (&key.name, "FOREIGN KEY")));
                let lines = kinds.map(|(constraint, kind)| {
                    vec![
                        text(cx.name),
                        text(&name.schema),
                        text(constraint),
                        text(cx.name),
                        text(&name.schema),
                        text(&name.name),
                        text(kind),
                    ]
                });
                lines.collect()
            })
        },
    },
    Definition {
        schema: INFORMATION_SCHEMA,
        name: "key_column_usage",
        columns: &[
            ("constraint_catalog", "name"),
            ("constraint_schema", "name"),
            ("constraint_name", "name"),
            ("table_catalog", "name"),
            ("table_schema", "name"),
            ("table_name", "name"),
            ("column_name", "name"),
            ("ordinal_position", "int4"),
        ],
        rows: |cx| {
            each_table(cx, |name, table| {
                let of = table.definition();
                let indexes = of.indexes.iter().filter(|index| index.constraint);
                let keys = indexes
                    .map(|index| (&index.name, &index.columns))
                    .chain(of.foreign.iter().map(|key| (&key.name, &key.columns)));
                let lines = keys.flat_map(|(constraint, columns)| {
                    columns.iter().enumerate().map(move |(at, place)| {
                        vec![
                            text(cx.name),
                            text(&name.schema),
                            text(constraint),
                            text(cx.name),
                            text(&name.schema),
                            text(&name.name),
                            text(&of.columns[*place].name),
                            count(at + 1),
                        ]
                    })
                });
                lines.collect()
            })
        },
    },
];

fn columns(cx: &Context<'_>) -> Vec<Line> {
    each_column(cx, |name, _, at, column| {
        let (precision, scale) = match &column.kind {
            Type::Int2 => (int(16), int(0)),
            Type::Int4 => (int(32), int(0)),
            Type::Int8 => (int(64), int(0)),
            Type::Float4 => (int(24), Datum::Null),
            Type::Float8 => (int(53), Datum::Null),
            Type::Numeric(Some((precision, scale))) => (int(*precision), int(*scale)),
            _ => (Datum::Null, Datum::Null),
        };
        let length = match &column.kind {
            Type::Varchar(Some(length)) | Type::Bit(Some(length)) => int(*length),
            _ => Datum::Null,
        };
        let kind = match &column.kind {
            Type::Array(_) => "ARRAY".to_owned(),
            kind => kind.plain_name(),
        };
        let generation = match column.identity {
            None => Datum::Null,
            Some(crate::rows::Identity::Always) => text("ALWAYS"),
            Some(crate::rows::Identity::ByDefault) => text("BY DEFAULT"),
        };
        let yes = |is: bool| text(if is { "YES" } else { "NO" });
        vec![
            text(cx.name),
            text(&name.schema),
            text(&name.name),
            text(&column.name),
            count(at + 1),
            column.default.as_ref().map_or(Datum::Null, text),
            yes(!column.not_null),
            text(kind),
            length,
            precision,
            scale,
            text(PG_CATALOG),
            text(column.kind.short()),
            yes(column.identity.is_some()),
            generation,
        ]
    })
}
