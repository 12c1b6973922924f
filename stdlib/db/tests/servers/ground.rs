//! What tests play on: a server of each kind, which all tests share. Each has a database of its own.

use std::sync::OnceLock;

use opsrun_tests::{PostgreSql, Redis, skip};
use serde_json::json;

use crate::stage::Stage;

/// The server that tests share.
pub(crate) fn shared_postgres() -> Option<&'static PostgreSql> {
    static SERVER: OnceLock<Option<PostgreSql>> = OnceLock::new();
    SERVER.get_or_init(|| PostgreSql::start().map_err(skip).ok()).as_ref()
}

/// This server, as its superuser.
pub(crate) fn on_server(server: &PostgreSql) -> Stage {
    let url = format!("postgres://postgres@{}/postgres", server.host());
    let section = json!({ "url": url, "password": "env:PASSWORD", "ca": server.certificate() });
    Stage::new("postgres", section, PostgreSql::PASSWORD)
}

pub(crate) fn real_postgres() -> Option<Stage> {
    shared_postgres().map(on_server)
}

/// Plays `body` on a database of its own, made by these statements: on a real server, and on an estate's.
pub(crate) fn on_postgres(name: &str, setup: &str, body: impl Fn(&Stage)) {
    on_real_postgres(name, setup, &body);
    let section = json!({ "url": format!("postgres://postgres@127.0.0.1:5432/{name}") });
    let databases = json!({ name: { "sql": setup } });
    let of_estate = json!({ "127.0.0.1:5432": { "users": { "postgres": null }, "databases": databases } });
    body(&Stage::on_estate("postgres", section, of_estate));
}

/// The same on a real server alone: where two sessions meet, or PostgreSQL can more than a simulated one.
pub(crate) fn on_real_postgres(name: &str, setup: &str, body: impl Fn(&Stage)) {
    let Some(stage) = real_postgres() else { return };
    stage.call("postgres::drop_database", &json!({ "name": name })).value();
    stage.call("postgres::create_database", &json!({ "name": name })).value();
    let stage = stage.database(name);
    if !setup.is_empty() {
        stage.exec(setup);
    }
    body(&stage);
}

/// The server that tests share.
pub(crate) fn shared_redis() -> Option<&'static Redis> {
    static SERVER: OnceLock<Option<Redis>> = OnceLock::new();
    SERVER.get_or_init(|| Redis::guarded("").map_err(skip).ok()).as_ref()
}

pub(crate) fn real_redis() -> Option<(Stage, &'static Redis)> {
    let server = shared_redis()?;
    let section = json!({ "url": format!("redis://{}", server.host()), "password": "env:PASSWORD" });
    Some((Stage::new("redis", section, Redis::PASSWORD), server))
}

/// Plays `body` on a database of Redis that nobody else uses, with nothing in it: of a real server, and of an estate's.
pub(crate) fn on_redis(number: u32, body: impl Fn(&Stage)) {
    on_real_redis(number, &body);
    let section = json!({ "url": format!("redis://127.0.0.1:6379/{number}") });
    body(&Stage::on_estate("redis", section, json!({ "127.0.0.1:6379": {} })));
}

/// The same on a real server alone: where time passes by itself.
pub(crate) fn on_real_redis(number: u32, body: impl Fn(&Stage)) {
    let Some((stage, server)) = real_redis() else { return };
    let stage = stage.with("url", json!(format!("redis://{}/{number}", server.host())));
    stage.call("redis::flush", &json!({})).value();
    body(&stage);
}
