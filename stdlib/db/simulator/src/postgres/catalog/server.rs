//! `pg_catalog`: the server, its databases, sessions and replicas.

use super::{Definition, Line, OID_OF_OWNER, PG_CATALOG, database_oid, int, text};
use crate::postgres::session::TEMPLATES;
use crate::postgres::sql::context::Context;
use crate::value::datetime::of_jiff;
use crate::value::{Datum, Interval};

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: PG_CATALOG,
        name: "pg_database",
        columns: &[
            ("oid", "oid"),
            ("datname", "name"),
            ("datdba", "oid"),
            ("encoding", "int4"),
            ("datlocprovider", "\"char\""),
            ("datistemplate", "bool"),
            ("datallowconn", "bool"),
            ("datconnlimit", "int4"),
            ("dattablespace", "oid"),
            ("datcollate", "text"),
            ("datctype", "text"),
            ("daticulocale", "text"),
            ("datacl", "text[]"),
        ],
        rows: |cx| {
            let line = |(name, is_template): (String, bool)| {
                vec![
                    int(database_oid(cx, &name)),
                    text(name),
                    int(OID_OF_OWNER),
                    int(6),
                    text("c"),
                    Datum::Bool(is_template),
                    Datum::Bool(true),
                    int(-1),
                    int(1663),
                    text("C"),
                    text("C"),
                    Datum::Null,
                    Datum::Null,
                ]
            };
            let templates = TEMPLATES.iter().map(|name| ((*name).to_owned(), true));
            let databases = cx.server.databases().into_iter().map(|name| (name, false));
            databases.chain(templates).map(line).collect()
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_roles",
        columns: &[
            ("oid", "oid"),
            ("rolname", "name"),
            ("rolsuper", "bool"),
            ("rolcanlogin", "bool"),
            ("rolreplication", "bool"),
        ],
        rows: |cx| {
            let yes = || Datum::Bool(true);
            vec![vec![int(OID_OF_OWNER), text(cx.server.owner()), yes(), yes(), yes()]]
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_stat_activity",
        columns: &[
            ("datid", "oid"),
            ("datname", "name"),
            ("pid", "int4"),
            ("usesysid", "oid"),
            ("usename", "name"),
            ("application_name", "text"),
            ("client_addr", "text"),
            ("backend_start", "timestamptz"),
            ("xact_start", "timestamptz"),
            ("query_start", "timestamptz"),
            ("state_change", "timestamptz"),
            ("wait_event_type", "text"),
            ("wait_event", "text"),
            ("state", "text"),
            ("query", "text"),
            ("backend_type", "text"),
        ],
        rows: activity,
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_stat_database",
        columns: &[("datid", "oid"), ("datname", "name"), ("numbackends", "int4")],
        rows: |cx| {
            let sessions = cx.server.sessions().list();
            let line = |name: String| {
                let here = sessions.iter().filter(|session| session.database == name).count();
                vec![int(database_oid(cx, &name)), text(name), super::count(here)]
            };
            cx.server.databases().into_iter().map(line).collect()
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_stat_replication",
        columns: &[
            ("pid", "int4"),
            ("usesysid", "oid"),
            ("usename", "name"),
            ("application_name", "text"),
            ("client_addr", "text"),
            ("state", "text"),
            ("replay_lsn", "text"),
            ("write_lag", "interval"),
            ("flush_lag", "interval"),
            ("replay_lag", "interval"),
            ("sync_state", "text"),
            ("reply_time", "timestamptz"),
        ],
        rows: |cx| {
            let line = |(at, replica): (usize, crate::postgres::Replica)| {
                let micros = i64::try_from(replica.lag.as_micros()).unwrap_or(i64::MAX);
                let lag = || Datum::Interval(Interval { months: 0, days: 0, micros });
                vec![
                    // Other than those of sessions.
                    int(i64::try_from(at).unwrap_or(0) + 100),
                    int(OID_OF_OWNER),
                    text(cx.server.owner()),
                    text(replica.name),
                    Datum::Null,
                    text("streaming"),
                    Datum::Null,
                    lag(),
                    lag(),
                    lag(),
                    text("async"),
                    Datum::Timestamp(of_jiff(cx.now)),
                ]
            };
            cx.server.replicas().into_iter().enumerate().map(line).collect()
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_stat_wal_receiver",
        columns: &[("pid", "int4"), ("status", "text")],
        rows: |cx| cx.server.replayed().map(|_| vec![int(99), text("streaming")]).into_iter().collect(),
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_settings",
        columns: &[("name", "text"), ("setting", "text"), ("source", "text")],
        rows: |cx| {
            let settings = cx.settings.borrow();
            settings.all().map(|(name, value)| vec![text(name), text(value), text("default")]).collect()
        },
    },
    Definition {
        schema: PG_CATALOG,
        name: "pg_extension",
        columns: &[
            ("oid", "oid"),
            ("extname", "name"),
            ("extowner", "oid"),
            ("extnamespace", "oid"),
            ("extversion", "text"),
        ],
        rows: |_| vec![vec![int(13_500), text("plpgsql"), int(OID_OF_OWNER), int(11), text("1.0")]],
    },
];

fn activity(cx: &Context<'_>) -> Vec<Line> {
    let time = |at: jiff::Timestamp| Datum::Timestamp(of_jiff(at));
    let line = |session: crate::postgres::Activity| {
        vec![
            int(database_oid(cx, &session.database)),
            text(&session.database),
            int(session.pid),
            int(OID_OF_OWNER),
            text(&session.user),
            text(&session.application),
            Datum::Null,
            time(session.begun),
            session.transaction.map_or(Datum::Null, time),
            session.asked.map_or(Datum::Null, time),
            time(session.changed),
            if session.state == "active" { Datum::Null } else { text("Client") },
            if session.state == "active" { Datum::Null } else { text("ClientRead") },
            text(session.state),
            text(&session.query),
            text("client backend"),
        ]
    };
    cx.server.sessions().list().into_iter().map(line).collect()
}
