//! `pg_catalog`: what tables are made of.

use std::sync::Arc;

use super::{
    Definition, Line, OID_OF_OWNER, PG_CATALOG, all, all_indexes, count, heap_size, int, schema_oid, text,
    view_oid,
};
use crate::postgres::sql::context::Context;
use crate::rows::{Column, Table, TableName};
use crate::value::{Datum, Type};

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: PG_CATALOG,
        name: "pg_class",
        columns: &[
            ("oid", "oid"),
            ("relname", "name"),
            ("relnamespace", "oid"),
            ("reltype", "oid"),
            ("relowner", "oid"),
            ("relam", "oid"),
            ("relfilenode", "oid"),
            ("reltablespace", "oid"),
            ("relpages", "int4"),
            ("reltuples", "float4"),
            ("reltoastrelid", "oid"),
            ("relhasindex", "bool"),
            ("relisshared", "bool"),
            ("relpersistence", "\"char\""),
            ("relkind", "\"char\""),
            ("relnatts", "int2"),
            ("relchecks", "int2"),
            ("relhasrules", "bool"),
            ("relhastriggers", "bool"),
            ("relrowsecurity", "bool"),
            ("relforcerowsecurity", "bool"),
            ("relreplident", "\"char\""),
            ("relispartition", "bool"),
            ("reloftype", "oid"),
        ],
        rows: classes,
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_namespace",
        columns: &[("oid", "oid"), ("nspname", "name"), ("nspowner", "oid")],
        rows: |cx| {
            let fixed = [super::PG_CATALOG, super::INFORMATION_SCHEMA];
            let own: Vec<String> = cx.database.borrow().schemas().map(|(name, _)| name.to_owned()).collect();
            let names = fixed.iter().map(|name| (*name).to_owned()).chain(own);
            names.map(|name| vec![int(schema_oid(cx, &name)), text(&name), int(OID_OF_OWNER)]).collect()
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_attribute",
        columns: &[
            ("attrelid", "oid"),
            ("attname", "name"),
            ("atttypid", "oid"),
            ("attlen", "int2"),
            ("attnum", "int2"),
            ("atttypmod", "int4"),
            ("attnotnull", "bool"),
            ("atthasdef", "bool"),
            ("attidentity", "\"char\""),
            ("attgenerated", "\"char\""),
            ("attisdropped", "bool"),
            ("attcollation", "oid"),
        ],
        rows: |cx| {
            each_column(cx, |_, table, at, column| {
                vec![
                    int(table.definition().oid),
                    text(&column.name),
                    int(column.kind.oid()),
                    int(column.kind.length()),
                    count(at + 1),
                    int(column.kind.modifier()),
                    Datum::Bool(column.not_null),
                    Datum::Bool(column.default.is_some()),
                    text(identity(column)),
                    text(""),
                    Datum::Bool(false),
                    int(if column.kind.is_text() { 100 } else { 0 }),
                ]
            })
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_attrdef",
        columns: &[("oid", "oid"), ("adrelid", "oid"), ("adnum", "int2"), ("adbin", "text")],
        rows: |cx| {
            let mut lines = each_column(cx, |_, table, at, column| {
                let default = column.default.as_ref().map_or(Datum::Null, text);
                vec![int(table.definition().oid), int(table.definition().oid), count(at + 1), default]
            });
            lines.retain(|line| !line[3].is_null());
            lines
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_index",
        columns: &[
            ("indexrelid", "oid"),
            ("indrelid", "oid"),
            ("indnatts", "int2"),
            ("indisunique", "bool"),
            ("indisprimary", "bool"),
            ("indisvalid", "bool"),
            ("indisready", "bool"),
            ("indisclustered", "bool"),
            ("indisreplident", "bool"),
            ("indkey", "int2[]"),
        ],
        rows: |cx| {
            each_table(cx, |_, table| {
                let of = table.definition();
                let lines = of.indexes.iter().map(|index| {
                    let key = index.columns.iter().map(|place| count(place + 1)).collect();
                    vec![
                        int(index.oid),
                        int(of.oid),
                        count(index.columns.len()),
                        Datum::Bool(index.unique),
                        Datum::Bool(index.primary),
                        Datum::Bool(true),
                        Datum::Bool(true),
                        Datum::Bool(false),
                        Datum::Bool(false),
                        Datum::Array(Arc::new(key)),
                    ]
                });
                lines.collect()
            })
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_constraint",
        columns: &[
            ("oid", "oid"),
            ("conname", "name"),
            ("connamespace", "oid"),
            ("contype", "\"char\""),
            ("condeferrable", "bool"),
            ("condeferred", "bool"),
            ("convalidated", "bool"),
            ("conrelid", "oid"),
            ("conindid", "oid"),
            ("confrelid", "oid"),
            ("conkey", "int2[]"),
            ("confkey", "int2[]"),
        ],
        rows: constraints,
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_type",
        columns: &[
            ("oid", "oid"),
            ("typname", "name"),
            ("typnamespace", "oid"),
            ("typlen", "int2"),
            ("typtype", "\"char\""),
            ("typelem", "oid"),
            ("typarray", "oid"),
            ("typbasetype", "oid"),
            ("typrelid", "oid"),
            ("typcollation", "oid"),
        ],
        rows: |_| {
            let line = |kind: Type, element: u32| {
                vec![
                    int(kind.oid()),
                    text(kind.short()),
                    int(super::OID_OF_PG_CATALOG),
                    int(kind.length()),
                    text(if matches!(kind, Type::Record | Type::Void | Type::Unknown) { "p" } else { "b" }),
                    int(element),
                    int(kind.array_oid()),
                    int(0),
                    int(0),
                    int(if kind.is_text() { 100 } else { 0 }),
                ]
            };
            let arrays = Type::all().filter(|kind| kind.array_oid() != 0).map(|kind| {
                let element = kind.oid();
                line(Type::Array(Box::new(kind)), element)
            });
            Type::all().map(|kind| line(kind, 0)).chain(arrays).collect()
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_am",
        columns: &[("oid", "oid"), ("amname", "name"), ("amtype", "\"char\"")],
        rows: |_| vec![vec![int(2), text("heap"), text("t")], vec![int(403), text("btree"), text("i")]],
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_tables",
        columns: &[
            ("schemaname", "name"),
            ("tablename", "name"),
            ("tableowner", "name"),
            ("tablespace", "name"),
            ("hasindexes", "bool"),
            ("hasrules", "bool"),
            ("hastriggers", "bool"),
            ("rowsecurity", "bool"),
        ],
        rows: |cx| {
            each_table(cx, |name, table| {
                vec![vec![
                    text(&name.schema),
                    text(&name.name),
                    text(cx.server.owner()),
                    Datum::Null,
                    Datum::Bool(!table.definition().indexes.is_empty()),
                    Datum::Bool(false),
                    Datum::Bool(false),
                    Datum::Bool(false),
                ]]
            })
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_indexes",
        columns: &[
            ("schemaname", "name"),
            ("tablename", "name"),
            ("indexname", "name"),
            ("tablespace", "name"),
            ("indexdef", "text"),
        ],
        rows: |cx| {
            each_table(cx, |name, table| {
                let indexes = table.definition().indexes.iter();
                indexes
                    .map(|index| {
                        let definition = super::definitions::index_text(name, table, index);
                        vec![
                            text(&name.schema),
                            text(&name.name),
                            text(&index.name),
                            Datum::Null,
                            text(definition),
                        ]
                    })
                    .collect()
            })
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_sequences",
        columns: &[
            ("schemaname", "name"),
            ("sequencename", "name"),
            ("sequenceowner", "name"),
            ("start_value", "int8"),
            ("increment_by", "int8"),
            ("last_value", "int8"),
        ],
        rows: |cx| {
            let database = cx.database.borrow();
            let sequences = database.sequences().map(|(name, sequence)| {
                vec![
                    text(&name.schema),
                    text(&name.name),
                    text(cx.server.owner()),
                    int(sequence.start),
                    int(sequence.increment),
                    if sequence.called { int(sequence.last) } else { Datum::Null },
                ]
            });
            sequences.collect()
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_stat_user_tables",
        columns: &[
            ("relid", "oid"),
            ("schemaname", "name"),
            ("relname", "name"),
            ("n_live_tup", "int8"),
            ("n_dead_tup", "int8"),
            ("last_vacuum", "timestamptz"),
            ("last_autovacuum", "timestamptz"),
            ("last_analyze", "timestamptz"),
            ("last_autoanalyze", "timestamptz"),
        ],
        rows: |cx| {
            each_table(cx, |name, table| {
                let mut line = vec![
                    int(table.definition().oid),
                    text(&name.schema),
                    text(&name.name),
                    count(table.len()),
                    int(0),
                ];
                line.extend(std::iter::repeat_n(Datum::Null, 4));
                vec![line]
            })
        },
    },
];

pub(super) fn each_table(cx: &Context<'_>, lines: impl Fn(&TableName, &Table) -> Vec<Line>) -> Vec<Line> {
    // Copies, which are cheap, so that the lines may look into the database.
    let tables: Vec<(TableName, Table)> =
        cx.database.borrow().tables().map(|(name, table)| (name.clone(), table.clone())).collect();
    tables.iter().flat_map(|(name, table)| lines(name, table)).collect()
}

pub(super) fn each_column(
    cx: &Context<'_>,
    line: impl Fn(&TableName, &Table, usize, &Column) -> Line,
) -> Vec<Line> {
    each_table(cx, |name, table| {
        let columns = table.columns().iter().enumerate();
        columns.map(|(at, column)| line(name, table, at, column)).collect()
    })
}

fn identity(column: &Column) -> &'static str {
    match column.identity {
        None => "",
        Some(crate::rows::Identity::Always) => "a",
        Some(crate::rows::Identity::ByDefault) => "d",
    }
}

struct Class<'c> {
    oid: i64,
    name: &'c str,
    schema: i64,
    kind: &'c str,
    pages: i64,
    tuples: usize,
    columns: usize,
    checks: usize,
    indexed: bool,
    method: i64,
}

fn class(of: &Class<'_>) -> Line {
    #[allow(clippy::cast_precision_loss)] // an estimate
    let tuples = Datum::Float(match (of.tuples, of.kind) {
        // As long as nobody has looked.
        (0, "r") => -1.0,
        (tuples, _) => f64::from(tuples as f32),
    });
    vec![
        int(of.oid),
        text(of.name),
        int(of.schema),
        int(0),
        int(OID_OF_OWNER),
        int(of.method),
        int(of.oid),
        int(0),
        int(of.pages),
        tuples,
        int(0),
        Datum::Bool(of.indexed),
        Datum::Bool(false),
        text("p"),
        text(of.kind),
        count(of.columns),
        count(of.checks),
        Datum::Bool(false),
        Datum::Bool(false),
        Datum::Bool(false),
        Datum::Bool(false),
        text("d"),
        Datum::Bool(false),
        int(0),
    ]
}

fn classes(cx: &Context<'_>) -> Vec<Line> {
    const PAGE: i64 = 8192;
    let mut lines = each_table(cx, |name, table| {
        let of = table.definition();
        let schema = schema_oid(cx, &name.schema);
        let mut lines = vec![class(&Class {
            oid: of.oid.into(),
            name: &name.name,
            schema,
            kind: "r",
            pages: heap_size(table) / PAGE,
            tuples: table.len(),
            columns: of.columns.len(),
            checks: of.checks.len(),
            indexed: !of.indexes.is_empty(),
            method: 2,
        })];
        let each = i64::try_from(of.indexes.len().max(1)).unwrap_or(1);
        lines.extend(of.indexes.iter().map(|index| {
            class(&Class {
                oid: index.oid.into(),
                name: &index.name,
                schema,
                kind: "i",
                pages: all_indexes(table) / each / PAGE,
                tuples: table.len(),
                columns: index.columns.len(),
                checks: 0,
                indexed: false,
                method: 403,
            })
        }));
        lines
    });
    let plain = |oid: i64, name: &str, schema: i64, kind: &str, columns: usize, pages: i64| {
        class(&Class {
            oid,
            name,
            schema,
            kind,
            pages,
            tuples: 0,
            columns,
            checks: 0,
            indexed: false,
            method: 0,
        })
    };
    let sequences: Vec<(TableName, u32)> =
        cx.database.borrow().sequences().map(|(name, sequence)| (name.clone(), sequence.oid)).collect();
    lines.extend(
        sequences
            .iter()
            .map(|(name, oid)| plain((*oid).into(), &name.name, schema_oid(cx, &name.schema), "S", 3, 1)),
    );
    lines.extend(all().map(|view| {
        plain(view_oid(view).into(), view.name, schema_oid(cx, view.schema), "v", view.columns.len(), 0)
    }));
    lines
}

fn constraints(cx: &Context<'_>) -> Vec<Line> {
    each_table(cx, |name, table| {
        let of = table.definition();
        let schema = schema_oid(cx, &name.schema);
        let numbers =
            |places: &[usize]| Datum::Array(Arc::new(places.iter().map(|place| count(place + 1)).collect()));
        let line = |oid: i64, name: &str, kind: &str, index: i64, target: i64, key: Datum, there: Datum| {
            vec![
                int(oid),
                text(name),
                int(schema),
                text(kind),
                Datum::Bool(false),
                Datum::Bool(false),
                Datum::Bool(true),
                int(of.oid),
                int(index),
                int(target),
                key,
                there,
            ]
        };
        let mut lines = Vec::new();
        for index in of.indexes.iter().filter(|index| index.constraint) {
            let kind = if index.primary { "p" } else { "u" };
            let oid = super::definitions::constraint_oid(of, &index.name);
            lines.push(line(
                oid,
                &index.name,
                kind,
                index.oid.into(),
                0,
                numbers(&index.columns),
                Datum::Null,
            ));
        }
        for check in &of.checks {
            let oid = super::definitions::constraint_oid(of, &check.name);
            lines.push(line(oid, &check.name, "c", 0, 0, Datum::Null, Datum::Null));
        }
        for foreign in &of.foreign {
            let target = cx.table(&foreign.target);
            let there = target.as_ref().map(|target| {
                let places =
                    foreign.target_columns.iter().filter_map(|column| target.definition().place(column));
                numbers(&places.collect::<Vec<_>>())
            });
            let oid = super::definitions::constraint_oid(of, &foreign.name);
            let target = target.map_or(0, |target| i64::from(target.definition().oid));
            lines.push(line(
                oid,
                &foreign.name,
                "f",
                0,
                target,
                numbers(&foreign.columns),
                there.unwrap_or(Datum::Null),
            ));
        }
        lines
    })
}
