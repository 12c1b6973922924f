//! Whatever is written in whatever transactions, both servers have the same rows; and what was read at a moment can be had again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opsrun_db_simulator::postgres::{Login, Server};
use opsrun_tests::{PostgreSql, skip};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::answers::simple;
use crate::real;
use crate::stage::{client, config, piped, simulated};

/// One statement; keys are few, so that they meet.
fn statement() -> impl Strategy<Value = String> {
    let id = 0..6_i32;
    prop_oneof![
        4 => (id.clone(), any::<i16>(), "[a-c]{0,3}").prop_map(|(id, n, text)| {
            format!("insert into t values ({id}, {n}, '{text}')")
        }),
        2 => (id.clone(), any::<i16>()).prop_map(|(id, n)| {
            format!("insert into t values ({id}, {n}, 'up') on conflict (id) do update set n = t.n + 1, text = excluded.text")
        }),
        3 => (id.clone(), any::<i16>()).prop_map(|(id, n)| format!("update t set n = n + {n}, text = text || 'x' where id >= {id}")),
        1 => (id.clone(), id.clone()).prop_map(|(one, other)| format!("update t set id = {other} where id = {one}")),
        2 => id.prop_map(|id| format!("delete from t where id = {id}")),
        1 => Just("delete from t where n < 0".to_owned()),
        1 => Just("truncate t".to_owned()),
        1 => Just("insert into t select id + 10, n, text from t where id < 3".to_owned()),
    ]
}

/// The statements of a transaction, and whether it is committed.
fn transaction() -> impl Strategy<Value = (Vec<String>, bool)> {
    (prop::collection::vec(statement(), 1..5), prop::bool::weighted(0.8))
}

const ALL: &str = "select * from t order by id";

#[test]
fn both_have_the_same_rows_after_any_transactions() {
    let real = real!();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ours, theirs) = runtime.block_on(async {
        let (server, _) = simulated(Login::Trust);
        let ours = piped(server, &config()).await.expect("it lets us in");
        (ours, client(real.port(), &config()).await.expect("it lets us in"))
    });
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let transactions = prop::collection::vec(transaction(), 1..6);
    let result = runner.run(&transactions, |transactions| {
        runtime.block_on(async {
            let mut script = vec![
                "drop table if exists t; create table t (id int primary key, n int, text text)".to_owned(),
            ];
            for (statements, commit) in transactions {
                script.push("begin".to_owned());
                script.extend(statements);
                script.push(if commit { "commit" } else { "rollback" }.to_owned());
                script.push(ALL.to_owned());
            }
            for sql in &script {
                // Of several rows that are one too many, each names the first that it comes to, in its own order.
                let plain = |answer: String| answer.split(" (Key").next().unwrap_or_default().to_owned();
                let (one, other) = (plain(simple(&ours, sql).await), plain(simple(&theirs, sql).await));
                prop_assert_eq!(one, other, "{}", sql);
            }
            Ok(())
        })
    });
    result.unwrap();
}

#[test]
fn a_moment_has_the_rows_that_were_read_then() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let transactions = prop::collection::vec(transaction(), 1..12);
    let result = runner.run(&transactions, |transactions| {
        runtime.block_on(async {
            let (server, machine) = simulated(Login::Trust);
            machine.set(0);
            let client = piped(server.clone(), &config()).await.expect("it lets us in");
            simple(&client, "create table t (id int primary key, n int, text text)").await;
            let mut read = BTreeMap::new();
            for (second, (statements, commit)) in (1..).zip(transactions) {
                machine.set(second);
                simple(&client, "begin").await;
                for sql in statements {
                    simple(&client, &sql).await;
                }
                simple(&client, if commit { "commit" } else { "rollback" }).await;
                read.insert(second, simple(&client, ALL).await);
            }
            let database = server.read("postgres").expect("there is one");
            for (second, rows) in read {
                server.put("then", database.at(Timestamp::from_second(second).expect("a time")));
                let mut then = config();
                then.dbname("then");
                let then = piped(server.clone(), &then).await.expect("it lets us in");
                prop_assert_eq!(simple(&then, ALL).await, rows);
            }
            Ok(())
        })
    });
    result.unwrap();
}
