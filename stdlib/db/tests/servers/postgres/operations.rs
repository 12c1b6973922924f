//! What an operator asks of a server, and of who is connected to it.

use opsrun_core::ErrorKind;
use serde_json::json;

use crate::ground::{on_postgres, on_real_postgres};

const SALES: &str = "create schema sales; create table sales.orders (id bigint primary key, total numeric, made timestamptz); \
                     create table items (id int, name text); insert into items select n, 'item ' || n from generate_series(1, 100) n; \
                     insert into sales.orders values (1, 12.50, '2026-03-02 03:00Z'), (2, null, null)";

#[test]
fn tables_have_rows_sizes_and_checksums() {
    on_postgres("sizes", SALES, |stage| {
        let tables = stage.call("postgres::tables", &json!({ "exact": true })).value();
        let seen: Vec<_> = tables
            .as_array()
            .unwrap()
            .iter()
            .map(|table| (table["schema"].as_str(), table["table"].as_str(), table["rows"].as_i64()))
            .collect();
        assert_eq!(
            seen,
            [(Some("public"), Some("items"), Some(100)), (Some("sales"), Some("orders"), Some(2))]
        );
        assert!(tables[0]["bytes"].as_i64().unwrap() > 0, "{tables}");
        let estimated = stage.call("postgres::tables", &json!({ "schema": "sales" })).value();
        assert_eq!(estimated.as_array().unwrap().len(), 1, "{estimated}");
        assert!(stage.call("postgres::size", &json!({})).value()["bytes"].as_i64().unwrap() > 1_000_000);

        let sums = stage.call("postgres::checksums", &json!({})).value();
        assert_eq!(sums["sales.orders"]["rows"], 2);
        stage.exec("delete from items where id = 1; insert into items values (1, 'item 1')");
        assert_eq!(
            stage.call("postgres::checksums", &json!({})).value(),
            sums,
            "the order of rows is nothing"
        );
        stage.exec("update items set name = 'Item 1' where id = 1");
        let changed = stage.call("postgres::checksums", &json!({ "tables": ["items"] })).value();
        assert_eq!(changed["public.items"]["rows"], 100);
        assert_ne!(changed["public.items"]["checksum"], sums["public.items"]["checksum"]);
        let error =
            stage.call("postgres::checksums", &json!({ "tables": ["orders", "nothing"] })).error().report();
        assert!(error.contains("no table `nothing`"), "{error}");
    });
}

#[test]
fn an_empty_table_has_a_checksum_and_a_new_one_no_estimate() {
    on_postgres("empty", "create table nothing (id int)", |stage| {
        let sums = stage.call("postgres::checksums", &json!({})).value();
        assert_eq!(sums, json!({ "public.nothing": { "rows": 0, "checksum": "0" } }));
        assert_eq!(stage.call("postgres::tables", &json!({})).value()[0]["rows"], json!(null));
    });
}

#[test]
fn sessions_are_seen_and_ended() {
    on_real_postgres("sessions", "", |stage| {
        let error = stage.call("postgres::terminate", &json!({})).error().report();
        assert!(error.contains("nothing says which sessions"), "{error}");
        let meant = json!({ "of_database": "sessions", "state": "active" });
        std::thread::scope(|threads| {
            let sleeping =
                threads.spawn(|| stage.call("postgres::query", &json!({ "sql": "select pg_sleep(30)" })));
            let seen = loop {
                let open = stage.call("postgres::connections", &meant).value();
                if open["total"] == 1 {
                    break open;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            };
            assert_eq!(seen["by_state"], json!({ "active": 1 }));
            assert_eq!(seen["sessions"][0]["query"], "select pg_sleep(30)");
            assert!(
                seen["most"].as_i64().unwrap() > 1 && seen["oldest_transaction"].as_f64().is_some(),
                "{seen}"
            );
            let ended = stage.call("postgres::terminate", &meant).value();
            assert_eq!(ended[0]["pid"], seen["sessions"][0]["pid"]);
            let broken = sleeping.join().unwrap();
            assert_eq!(broken.error().kind(), ErrorKind::Unreachable, "{}", broken.report());
            assert!(
                broken.error().report().contains("terminating connection due to administrator command"),
                "{}",
                broken.report()
            );
        });
        assert_eq!(stage.call("postgres::terminate", &meant).value(), json!([]));
    });
}

#[test]
fn a_server_says_what_it_is() {
    on_postgres("what", "", |stage| {
        let version = stage.call("postgres::wait_ready", &json!({ "within": "5s" })).value();
        assert_eq!(version["number"].as_i64().unwrap() / 10_000, 15);
        assert_eq!(version["replica"], false);
        let replication = stage.call("postgres::replication", &json!({})).value();
        assert_eq!((&replication["role"], &replication["replicas"]), (&json!("primary"), &json!([])));
        let done = stage.call("postgres::wait_replication", &json!({ "lag": "1s", "within": "1s" }));
        assert_eq!(done.error().kind(), ErrorKind::Timeout);
        assert!(done.error().report().contains("no such replica is connected"), "{}", done.report());
    });
}
