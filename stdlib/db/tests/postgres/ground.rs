//! What tests play on.

use serde_json::json;

use crate::stage::Stage;

/// A real server, as its superuser.
pub(crate) fn real() -> Option<Stage> {
    let section = json!({ "url": "postgres://postgres@127.0.0.1:55432/postgres", "password": "env:PGPASSWORD", "ca": "/tmp/pgdb/data/server.crt" });
    Some(Stage::new(section, "secret-pw"))
}

/// Plays `body` on a database of its own, made by these statements.
pub(crate) fn on_each(name: &str, setup: &str, body: impl Fn(&Stage)) {
    let Some(stage) = real() else { return };
    stage.call("postgres::drop_database", &json!({ "name": name })).value();
    stage.call("postgres::create_database", &json!({ "name": name })).value();
    let stage = stage.database(name);
    if !setup.is_empty() {
        stage.exec(setup);
    }
    body(&stage);
}
