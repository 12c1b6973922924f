//! Functions about the server, its sessions, and what is in its databases.

use std::sync::Arc;
use std::time::Duration;

use super::text::{number, numeric, text, typed};
use super::{Signature, always, strict};
use crate::postgres::sql::context::Context;
use crate::postgres::sql::expr::Result;
use crate::postgres::{PgError, catalog};
use crate::rows::TableName;
use crate::value::datetime::of_jiff;
use crate::value::{Datum, Numeric};

pub(super) const FUNCTIONS: &[Signature] = &[
    strict("version", "", "text", |cx, _| Ok(Datum::text(full_version(cx.server.version())))),
    strict("current_database", "", "name", |cx, _| Ok(Datum::text(cx.name))),
    strict("current_catalog", "", "name", |cx, _| Ok(Datum::text(cx.name))),
    strict("current_user", "", "name", |cx, _| Ok(Datum::text(cx.user))),
    strict("session_user", "", "name", |cx, _| Ok(Datum::text(cx.user))),
    strict("user", "", "name", |cx, _| Ok(Datum::text(cx.user))),
    strict("current_role", "", "name", |cx, _| Ok(Datum::text(cx.user))),
    strict("current_schema", "", "name", |cx, _| {
        let known = catalog::search_path(cx).into_iter().find(|schema| catalog::has_schema(cx, schema));
        Ok(known.map_or(Datum::Null, Datum::text))
    }),
    strict("current_schemas", "bool", "name[]", |cx, a| {
        let mut path = catalog::search_path(cx);
        path.retain(|schema| catalog::has_schema(cx, schema));
        if a[0] == Datum::Bool(true) && !path.iter().any(|schema| schema == "pg_catalog") {
            path.insert(0, "pg_catalog".to_owned());
        }
        Ok(Datum::Array(Arc::new(path.iter().map(Datum::text).collect())))
    }),
    strict("pg_typeof", "any", "text", |_, a| {
        Ok(typed(&a[0]).map_or(Datum::Null, |(kind, _)| Datum::text(kind.plain_name())))
    }),
    strict("current_setting", "text", "text", |cx, a| cx.settings.borrow().get(text(a, 0)?).map(Datum::text)),
    strict("current_setting", "text,bool", "text", |cx, a| match cx.settings.borrow().get(text(a, 0)?) {
        Err(_) if a[1] == Datum::Bool(true) => Ok(Datum::Null),
        other => other.map(Datum::text),
    }),
    strict("set_config", "text,text,bool", "text", |cx, a| {
        let (name, value, local) = (text(a, 0)?, text(a, 1)?, a[2] == Datum::Bool(true));
        cx.settings.borrow_mut().set(name, Some(value), local)?;
        cx.settings.borrow().get(name).map(Datum::text)
    }),
    strict("pg_backend_pid", "", "int4", |cx, _| Ok(Datum::Int(i64::from(cx.pid)))),
    strict("pg_terminate_backend", "int4", "bool", |cx, a| terminate(cx, number(a, 0)?)),
    strict("pg_terminate_backend", "int4,int8", "bool", |cx, a| terminate(cx, number(a, 0)?)),
    strict("pg_cancel_backend", "int4", "bool", |cx, a| {
        let pid = i32::try_from(number(a, 0)?).unwrap_or(0);
        Ok(known_backend(cx, pid, cx.server.sessions().cancel(pid)))
    }),
    strict("pg_sleep", "float8", "void", |cx, a| {
        let seconds = super::number::float(a, 0)?;
        let span = Duration::try_from_secs_f64(seconds.max(0.0))
            .map_err(|_| PgError::new("22008", "interval out of range"))?;
        cx.wait.set(cx.wait.get() + span);
        Ok(Datum::text(""))
    }),
    strict("txid_current", "", "int8", |cx, _| Ok(Datum::Int(cx.server.sessions().transaction(cx.pid)))),
    strict("txid_current_if_assigned", "", "int8", |cx, _| match cx.database.borrow().changes() {
        0 => Ok(Datum::Null),
        _ => Ok(Datum::Int(cx.server.sessions().transaction(cx.pid))),
    }),
    strict("txid_status", "int8", "text", |cx, a| {
        let number = number(a, 0)?;
        let future = || PgError::new("22023", format!("transaction ID {number} is in the future"));
        cx.server.sessions().fate(number).map(Datum::text).ok_or_else(future)
    }),
    // How far the log is written is not simulated, so nobody knows how many bytes a replica lacks.
    strict("pg_current_wal_lsn", "", "text", |_, _| Ok(Datum::Null)),
    strict("pg_last_wal_receive_lsn", "", "text", |_, _| Ok(Datum::Null)),
    strict("pg_last_wal_replay_lsn", "", "text", |_, _| Ok(Datum::Null)),
    strict("pg_wal_lsn_diff", "text,text", "numeric", |_, _| Ok(Datum::Null)),
    strict("host", "text", "text", |_, a| Ok(a[0].clone())),
    strict("pg_is_in_recovery", "", "bool", |cx, _| Ok(Datum::Bool(cx.server.replayed().is_some()))),
    strict("pg_last_xact_replay_timestamp", "", "timestamptz", |cx, _| {
        Ok(cx.server.replayed().map_or(Datum::Null, |at| Datum::Timestamp(of_jiff(at))))
    }),
    strict("pg_postmaster_start_time", "", "timestamptz", |cx, _| {
        Ok(Datum::Timestamp(of_jiff(cx.server.started())))
    }),
    strict("pg_database_size", "name", "int8", |cx, a| catalog::database_size(cx, text(a, 0)?)),
    strict("pg_database_size", "oid", "int8", |cx, a| {
        let name = catalog::database_of(cx, number(a, 0)?).ok_or_else(|| {
            PgError::new("3D000", format!("database with OID {} does not exist", number(a, 0).unwrap_or(0)))
        })?;
        catalog::database_size(cx, &name)
    }),
    strict("pg_relation_size", "regclass", "int8", |cx, a| {
        Ok(catalog::relation_size(cx, number(a, 0)?, false))
    }),
    strict("pg_table_size", "regclass", "int8", |cx, a| Ok(catalog::relation_size(cx, number(a, 0)?, false))),
    strict("pg_indexes_size", "regclass", "int8", |cx, a| Ok(catalog::indexes_size(cx, number(a, 0)?))),
    strict("pg_total_relation_size", "regclass", "int8", |cx, a| {
        Ok(catalog::relation_size(cx, number(a, 0)?, true))
    }),
    strict("pg_size_pretty", "int8", "text", |_, a| Ok(Datum::text(pretty(number(a, 0)?)))),
    strict("pg_size_pretty", "numeric", "text", |_, a| match numeric(a, 0)?.to_integer() {
        Some(bytes) => Ok(Datum::text(pretty(bytes))),
        None => Err(PgError::unsupported("a size of more than 2^63 bytes")),
    }),
    strict("nextval", "regclass", "int8", |cx, a| {
        if cx.read_only {
            return Err(PgError::new("25006", "cannot execute nextval() in a read-only transaction"));
        }
        cx.next_value(&sequence(cx, number(a, 0)?)?).map(Datum::Int)
    }),
    strict("currval", "regclass", "int8", |cx, a| {
        let name = sequence(cx, number(a, 0)?)?;
        let given = cx.given.borrow();
        let value = given.iter().find(|(sequence, _)| *sequence == name).map(|(_, value)| *value);
        value.map(Datum::Int).ok_or_else(|| {
            PgError::new(
                "55000",
                format!("currval of sequence \"{}\" is not yet defined in this session", name.name),
            )
        })
    }),
    strict("lastval", "", "int8", |cx, _| {
        let last = cx.given.borrow().last().map(|(_, value)| *value);
        last.map(Datum::Int)
            .ok_or_else(|| PgError::new("55000", "lastval is not yet defined in this session"))
    }),
    strict("setval", "regclass,int8", "int8", |cx, a| set_value(cx, number(a, 0)?, number(a, 1)?, true)),
    strict("setval", "regclass,int8,bool", "int8", |cx, a| {
        set_value(cx, number(a, 0)?, number(a, 1)?, a[2] == Datum::Bool(true))
    }),
    strict("pg_get_serial_sequence", "text,text", "text", |cx, a| {
        catalog::serial_sequence(cx, text(a, 0)?, text(a, 1)?)
    }),
    strict("to_regclass", "text", "regclass", |cx, a| {
        Ok(catalog::relation(cx, text(a, 0)?).map_or(Datum::Null, |oid| Datum::Int(i64::from(oid))))
    }),
    strict("format_type", "oid,int4", "text", |_, a| Ok(catalog::format_type(number(a, 0)?, number(a, 1)?))),
    strict("pg_get_userbyid", "oid", "name", |cx, _| Ok(Datum::text(cx.server.owner()))),
    strict("pg_table_is_visible", "oid", "bool", |cx, a| Ok(catalog::is_visible(cx, number(a, 0)?))),
    strict("pg_get_indexdef", "oid", "text", |cx, a| Ok(catalog::index_definition(cx, number(a, 0)?))),
    strict("pg_get_indexdef", "oid,int4,bool", "text", |cx, a| match number(a, 1)? {
        0 => Ok(catalog::index_definition(cx, number(a, 0)?)),
        _ => Err(PgError::unsupported("pg_get_indexdef() of one column")),
    }),
    strict("pg_get_constraintdef", "oid", "text", |cx, a| {
        Ok(catalog::constraint_definition(cx, number(a, 0)?))
    }),
    strict("pg_get_constraintdef", "oid,bool", "text", |cx, a| {
        Ok(catalog::constraint_definition(cx, number(a, 0)?))
    }),
    strict("pg_get_expr", "text,oid", "text", |_, a| Ok(a[0].clone())),
    strict("pg_get_expr", "text,oid,bool", "text", |_, a| Ok(a[0].clone())),
    strict("pg_encoding_to_char", "int4", "name", |_, a| {
        Ok(Datum::text(if number(a, 0)? == 6 { "UTF8" } else { "" }))
    }),
    strict("obj_description", "oid,name", "text", |_, _| Ok(Datum::Null)),
    strict("col_description", "oid,int4", "text", |_, _| Ok(Datum::Null)),
    strict("shobj_description", "oid,name", "text", |_, _| Ok(Datum::Null)),
    strict("pg_try_advisory_lock", "int8", "bool", |cx, a| {
        Ok(Datum::Bool(cx.server.sessions().lock(cx.pid, number(a, 0)?)))
    }),
    strict("pg_advisory_lock", "int8", "void", |cx, a| {
        match cx.server.sessions().lock(cx.pid, number(a, 0)?) {
            true => Ok(Datum::text("")),
            false => Err(PgError::unsupported("waiting for an advisory lock that another session holds")),
        }
    }),
    strict("pg_advisory_unlock", "int8", "bool", |cx, a| {
        Ok(Datum::Bool(cx.server.sessions().unlock(cx.pid, number(a, 0)?)))
    }),
    always("num_nulls", "any...", "int4", |_, a| {
        let nulls = a.iter().filter(|one| typed(one).is_none_or(|(_, datum)| datum.is_null()));
        Ok(super::text::count(nulls.count()))
    }),
    strict("scale", "numeric", "int4", |_, a| Ok(Datum::Int(i64::from(numeric(a, 0)?.scale())))),
    strict("trim_scale", "numeric", "numeric", |_, a| Ok(Datum::Numeric(Numeric::trimmed(numeric(a, 0)?)))),
];

pub(crate) fn full_version(version: &str) -> String {
    format!("PostgreSQL {version} (simulated by opsrun) on x86_64-pc-linux-gnu, compiled by rustc, 64-bit")
}

fn sequence(cx: &Context<'_>, oid: i64) -> Result<TableName> {
    let found = cx
        .database
        .borrow()
        .sequences()
        .find(|(_, of)| i64::from(of.oid) == oid)
        .map(|(name, _)| name.clone());
    found.ok_or_else(|| {
        let name = catalog::relation_name(cx, &Datum::Int(oid));
        PgError::new("42809", format!("\"{name}\" is not a sequence"))
    })
}

fn set_value(cx: &Context<'_>, oid: i64, value: i64, called: bool) -> Result<Datum> {
    if cx.read_only {
        return Err(PgError::new("25006", "cannot execute setval() in a read-only transaction"));
    }
    cx.set_value(&sequence(cx, oid)?, value, called)?;
    Ok(Datum::Int(value))
}

fn terminate(cx: &Context<'_>, pid: i64) -> Result<Datum> {
    let pid = i32::try_from(pid).unwrap_or(0);
    Ok(known_backend(cx, pid, cx.server.sessions().terminate(pid)))
}

fn known_backend(cx: &Context<'_>, pid: i32, known: bool) -> Datum {
    if !known {
        cx.notice("WARNING", format!("PID {pid} is not a PostgreSQL backend process"));
    }
    Datum::Bool(known)
}

/// `pg_size_pretty`: the largest unit in which it is not less than 10, halves rounded up.
fn pretty(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let limit = 10 * 1024;
    let mut size = bytes;
    if size.abs() < limit {
        return format!("{size} {}", UNITS[0]);
    }
    // One binary digit is kept to round by.
    size >>= 9;
    for (at, unit) in UNITS.iter().enumerate().skip(1) {
        if size.abs() < 2 * limit - 1 || at == UNITS.len() - 1 {
            let half = if size < 0 { -1 } else { 1 };
            return format!("{} {unit}", (size + half) / 2);
        }
        size >>= 10;
    }
    format!("{bytes} bytes")
}
