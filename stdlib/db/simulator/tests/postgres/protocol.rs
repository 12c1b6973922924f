//! What is beyond single statements: signing in, copying, cancelling, ending sessions, several databases, and `psql`.

use std::time::Duration;

use futures::{SinkExt, TryStreamExt};
use opsrun_db_simulator::postgres::{DumpOptions, Login, Replica, Server, pg_dump, pg_restore};
use opsrun_db_simulator::rows::Database;
use opsrun_tests::{PostgreSql, skip};
use tokio_postgres::NoTls;

use crate::answers::simple;
use crate::stage::{client, config, piped, served, simulated};

#[tokio::test]
async fn only_who_knows_the_password_gets_in() {
    for login in [Login::Scram(PostgreSql::PASSWORD.into()), Login::Cleartext(PostgreSql::PASSWORD.into())] {
        let (server, _) = simulated(login);
        piped(server.clone(), &config()).await.expect("it is the password");
        let refused = |mut config: tokio_postgres::Config, password: &str| {
            config.password(password);
            let server = server.clone();
            async move { piped(server, &config).await.map(drop).expect_err("it is another one") }
        };
        let error = refused(config(), "wrong").await;
        assert_eq!(error.as_db_error().map(|error| error.code().code()), Some("28P01"));
        let mut elsewhere = config();
        elsewhere.dbname("nowhere");
        let error = refused(elsewhere, PostgreSql::PASSWORD).await;
        assert_eq!(error.as_db_error().map(|error| error.code().code()), Some("3D000"));
    }
}

#[tokio::test]
async fn rows_are_copied_in_and_out() {
    let (server, _) = simulated(Login::Trust);
    let client = piped(server, &config()).await.expect("it lets us in");
    client.batch_execute("create table t (id int primary key, name text, at timestamptz)").await.unwrap();
    let sink = client.copy_in("copy t from stdin").await.unwrap();
    futures::pin_mut!(sink);
    let rows = b"1\ta\\tb\\\\\t2026-03-02 00:00:00+00\n2\t\\N\t\\N\n";
    sink.send(bytes::Bytes::from_static(rows)).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 2);
    let out: Vec<bytes::Bytes> =
        client.copy_out("copy t to stdout").await.unwrap().try_collect().await.unwrap();
    assert_eq!(out.concat(), rows);
    let out: Vec<bytes::Bytes> = client
        .copy_out("copy (select id, name from t order by id) to stdout (format csv, header)")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(String::from_utf8(out.concat()).unwrap(), "id,name\n1,a\tb\\\n2,\n");
    let sink = client.copy_in("copy t from stdin").await.unwrap();
    futures::pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"3\tx\n")).await.unwrap();
    let error = sink.finish().await.expect_err("a column is missing");
    assert_eq!(error.as_db_error().map(|error| error.code().code()), Some("22P04"));
    assert_eq!(simple(&client, "select count(*) from t").await, "count\n2\n= 1");
}

#[tokio::test]
async fn a_statement_is_cancelled_and_a_session_ended() {
    let (server, _) = simulated(Login::Trust);
    let port = served(server.clone()).await;
    let (one, other) = (client(port, &config()).await.unwrap(), client(port, &config()).await.unwrap());
    let token = one.cancel_token();
    let asleep =
        tokio::spawn(async move { (one.simple_query("select pg_sleep(1000)").await.map(drop), one) });
    while simple(&other, "select count(*) from pg_stat_activity where query like '%1000%' and state = 'active' and pid <> pg_backend_pid()").await != "count\n1\n= 1" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    token.cancel_query_raw(stream, NoTls).await.unwrap();
    let (slept, one) = asleep.await.unwrap();
    assert_eq!(
        slept.expect_err("it was cancelled").as_db_error().map(|error| error.code().code()),
        Some("57014")
    );
    let pid: i32 = one.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let ended: bool = other.query_one("select pg_terminate_backend($1)", &[&pid]).await.unwrap().get(0);
    assert!(ended);
    let error = one.simple_query("select 1").await.expect_err("its session was ended");
    assert!(error.as_db_error().is_none_or(|error| error.code().code() == "57P01"), "{error}");
    assert_eq!(server_sessions(&other).await, "1");
}

async fn server_sessions(client: &tokio_postgres::Client) -> String {
    let count: i64 = client.query_one("select count(*) from pg_stat_activity", &[]).await.unwrap().get(0);
    count.to_string()
}

#[tokio::test]
async fn databases_are_apart_and_a_replica_takes_no_writes() {
    let (server, _) = simulated(Login::Trust);
    let client = piped(server.clone(), &config()).await.unwrap();
    client.batch_execute("create table t (id int); insert into t values (1)").await.unwrap();
    client.batch_execute("create database copy template template0").await.unwrap();
    let mut elsewhere = config();
    elsewhere.dbname("copy");
    let other = piped(server.clone(), &elsewhere).await.unwrap();
    assert!(simple(&other, "select * from t").await.starts_with("42P01"));
    assert!(simple(&client, "drop database copy").await.starts_with("55006"));
    assert_eq!(simple(&client, "drop database copy with (force)").await, "= 0");
    server.set_replayed(Some(jiff::Timestamp::from_second(1_772_409_600).unwrap()));
    server.set_replicas(vec![Replica { name: "standby".into(), lag: Duration::from_secs(2) }]);
    let replica = piped(server, &config()).await.unwrap();
    let asked = "select pg_is_in_recovery(), pg_last_xact_replay_timestamp(), (select replay_lag from pg_stat_replication)";
    let answer = simple(&replica, asked).await;
    assert!(answer.ends_with("t|2026-03-02 00:00:00+00|00:00:02\n= 1"), "{answer}");
    assert!(simple(&replica, "insert into t values (2)").await.starts_with("25006"));
}

#[tokio::test]
async fn of_two_that_write_the_same_row_the_later_one_is_refused() {
    let (server, _) = simulated(Login::Trust);
    let (one, other) =
        (piped(server.clone(), &config()).await.unwrap(), piped(server, &config()).await.unwrap());
    one.batch_execute("create table t (id int primary key, n int); insert into t values (1, 0), (2, 0)")
        .await
        .unwrap();
    for client in [&one, &other] {
        client.batch_execute("begin; update t set n = n + 1 where id = 1").await.unwrap();
    }
    one.batch_execute("commit").await.unwrap();
    let error = other.batch_execute("commit").await.expect_err("somebody was first");
    assert_eq!(error.as_db_error().map(|error| error.code().code()), Some("40001"));
    assert_eq!(simple(&other, "select n from t order by id").await, "n\n1\n0\n= 2");
}

#[tokio::test]
async fn a_dump_brings_everything_back_and_one_that_is_cut_off_nothing() {
    let (server, _) = simulated(Login::Trust);
    let client = piped(server.clone(), &config()).await.unwrap();
    let made = "create table t (id serial primary key, name text unique, price numeric(10,2) default 1.5, j jsonb);
        create schema audit; create table audit.e (t_id int references t (id) on delete cascade, at timestamptz);
        insert into t (name, j) select 'n' || i, jsonb_build_object('i', i) from generate_series(1, 20) i;
        insert into audit.e values (1, '2026-03-02'), (2, null)";
    client.batch_execute(made).await.unwrap();
    let sums = "select count(*), sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), (select count(*) from audit.e) from t";
    let before = simple(&client, sums).await;
    let content = server.read("postgres").unwrap();
    let dump = pg_dump(&content, "postgres", &DumpOptions::default()).unwrap();
    let at = jiff::Timestamp::UNIX_EPOCH;
    let mut restored = Database::default();
    let brought = pg_restore(&dump, &mut restored, at, &DumpOptions::default()).unwrap();
    assert_eq!((brought.tables, brought.rows), (2, 22));
    server.put("again", restored);
    let mut elsewhere = config();
    elsewhere.dbname("again");
    let again = piped(server.clone(), &elsewhere).await.unwrap();
    assert_eq!(simple(&again, sums).await, before);
    assert_eq!(
        simple(&again, "insert into t (name) values ('next') returning id, price").await,
        "id|price\n21|1.50\n= 1"
    );
    assert!(simple(&again, "insert into t (name) values ('n1')").await.starts_with("23505"));
    assert_eq!(simple(&again, "delete from t where id = 1").await, "= 1");
    assert_eq!(simple(&again, "select count(*) from audit.e").await, "count\n1\n= 1");
    let text = String::from_utf8(dump).unwrap();
    for (at, _) in text.match_indices('\n') {
        if at + 1 < text.len() {
            let mut none = Database::default();
            let cut = &text.as_bytes()[..=at];
            pg_restore(cut, &mut none, jiff::Timestamp::UNIX_EPOCH, &DumpOptions::default())
                .expect_err("it is cut off");
            assert_eq!(none.tables().count(), 0);
        }
    }
}

#[tokio::test]
async fn psql_speaks_to_it() {
    let (server, _) = simulated(Login::Scram(PostgreSql::PASSWORD.to_owned()));
    let port = served(server).await;
    let psql = match PostgreSql::program("psql", port) {
        Ok(psql) => psql,
        Err(missing) => return skip(missing),
    };
    let said = tokio::task::spawn_blocking(move || {
        let ask = |command: &str| psql.run(["-X", "-A", "-t", "-c", command]).ok();
        [
            ask("create table orders (id int primary key, state text)"),
            ask("insert into orders values (1, 'new'), (2, null)"),
            ask("select * from orders order by id"),
            ask("\\copy orders to stdout"),
            ask("\\dt"),
        ]
    });
    let said = said.await.expect("it ran");
    assert_eq!(
        said,
        [
            "CREATE TABLE\n",
            "INSERT 0 2\n",
            "1|new\n2|\n",
            "1\tnew\n2\t\\N\n",
            "public|orders|table|postgres\n",
        ]
    );
}
