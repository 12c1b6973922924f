//! Replicas, and servers that go away.

use opsrun_core::ErrorKind;
use opsrun_tests::{PostgreSql, skip};
use serde_json::json;

use crate::ground::on_server;

#[test]
fn a_replica_that_lags_is_seen_and_waited_for() {
    let primary = match PostgreSql::start() {
        Ok(server) => server,
        Err(missing) => return skip(missing),
    };
    let replica = primary.replica("reports");
    let (stage, reports) = (on_server(&primary), on_server(&replica));
    stage.exec("create table items (id int)");
    let caught_up =
        reports.call("postgres::wait_replication", &json!({ "lag": "1s", "within": "30s" })).value();
    assert_eq!(
        (&caught_up["role"], &caught_up["receives"]),
        (&json!("replica"), &json!(true)),
        "{caught_up}"
    );
    stage.call("postgres::wait_replication", &json!({ "lag": "0s", "application": "reports" })).value();
    assert_eq!(reports.call("postgres::version", &json!({})).value()["replica"], true);

    let done = reports
        .call("postgres::exec", &json!({ "sql": "insert into items values (1)", "no_undo": "a test" }));
    assert_eq!(done.error().kind(), ErrorKind::Forbidden);
    assert!(done.error().report().contains("a replica takes no writes"), "{}", done.report());

    reports.rows("select pg_wal_replay_pause()");
    stage.exec("insert into items select generate_series(1, 1000)");
    let behind = json!({ "lag": "0s", "within": "3s" });
    for stage in [&stage, &reports] {
        let done = stage.call("postgres::wait_replication", &behind);
        assert_eq!(done.error().kind(), ErrorKind::Timeout, "{}", done.report());
        assert!(done.error().report().contains(" behind"), "{}", done.report());
    }
    assert!(reports.call("postgres::replication", &json!({})).value()["lag_bytes"].as_i64().unwrap() > 0);
    reports.rows("select pg_wal_replay_resume()");
    reports.call("postgres::wait_replication", &json!({ "lag": "1s", "within": "30s" })).value();
    let seen = stage.call("postgres::replication", &json!({})).value();
    assert_eq!(
        (&seen["role"], &seen["replicas"][0]["application"]),
        (&json!("primary"), &json!("reports")),
        "{seen}"
    );
}

#[test]
fn a_server_that_goes_away_in_the_middle_has_changed_nothing_and_says_so() {
    let mut server = match PostgreSql::start() {
        Ok(server) => server,
        Err(missing) => return skip(missing),
    };
    let stage = on_server(&server);
    stage.exec("create table items (id int)");
    std::thread::scope(|threads| {
        let slow = threads.spawn(|| {
            let sql = "insert into items values (1); select pg_sleep(30)";
            stage.call("postgres::exec", &json!({ "sql": sql, "undo": "delete from items" }))
        });
        while stage.rows("select count(*) as n from pg_stat_activity where wait_event = 'PgSleep'")[0]["n"]
            == 0
        {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server.end();
        let done = slow.join().unwrap();
        assert_eq!(done.error().kind(), ErrorKind::Unreachable, "{}", done.report());
        assert!(!done.report().contains("undone `postgres::exec`"), "{}", done.report());
    });
    let done = stage.call("postgres::wait_ready", &json!({ "within": "1s" }));
    assert_eq!(done.error().kind(), ErrorKind::Timeout);
    assert!(done.error().report().contains("refused"), "{}", done.report());
}
