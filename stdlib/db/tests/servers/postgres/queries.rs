//! Asking.

use opsrun_core::ErrorKind;
use serde_json::json;

use crate::ground::{on_postgres, on_real_postgres};

#[test]
fn values_are_what_a_playbook_can_use() {
    on_real_postgres("values", "", |stage| {
        let sql = "select 1::int2 a, 9007199254740993 b, 1.50::numeric c, 12345678901234567.5::numeric d, 'NaN'::float8 e, true f, \
                   null::int g, '{\"x\": [1, 2.5]}'::jsonb h, '\\x00ff'::bytea i, timestamptz '2026-03-02 04:00:00.5+01' j, \
                   timestamp '2026-03-02 04:00' k, date '2026-03-02' l, '{1,NULL,3}'::int[] m, \
                   '{{a,\"b,\\\"\"},{\"\",NULL}}'::text[] n, interval '1 day 2 hours' o, $1::jsonb p, $2::int[] q, $3::text r, \
                   'infinity'::timestamptz s, $4::numeric t, $5::text u";
        let args = json!([{ "k": [1] }, [1, null, 3], "ö'\\", 2.5, null]);
        assert_eq!(
            stage.call("postgres::query", &json!({ "sql": sql, "args": args })).value(),
            json!([{
                "a": 1, "b": 9_007_199_254_740_993_i64, "c": 1.5, "d": "12345678901234567.5", "e": "NaN", "f": true,
                "g": null, "h": { "x": [1, 2.5] }, "i": "AP8=", "j": "2026-03-02T03:00:00.5Z",
                "k": "2026-03-02T04:00:00", "l": "2026-03-02", "m": [1, null, 3],
                "n": [["a", "b,\""], ["", null]], "o": "P1DT2H", "p": { "k": [1] }, "q": [1, null, 3], "r": "ö'\\",
                "s": "infinity", "t": 2.5, "u": null
            }])
        );
    });
}

#[test]
fn a_query_only_reads_whatever_it_calls() {
    let writes = "create table items (id int); \
                  create function sneaky() returns int language plpgsql as $$ begin insert into items values (1); return 1; end $$";
    on_real_postgres("reads", writes, |stage| {
        for sql in ["insert into items values (1)", "select sneaky()", "create table others (id int)"] {
            let done = stage.call("postgres::query", &json!({ "sql": sql }));
            assert_eq!(done.error().kind(), ErrorKind::Forbidden, "{sql}");
            assert_eq!(done.error().data_value()["sqlstate"], "25006", "{sql}");
            assert!(done.error().report().contains("`postgres::exec`"), "{}", done.report());
        }
        assert_eq!(stage.rows("select count(*) as n from items"), json!([{ "n": 0 }]));
    });
}

#[test]
fn more_rows_than_a_playbook_can_hold_are_an_error_and_a_limit_is_not() {
    on_postgres("limits", "", |stage| {
        let many = |n: u32| json!({ "sql": format!("select generate_series(1, {n}) as n") });
        assert_eq!(stage.call("postgres::query", &many(10_000)).value().as_array().unwrap().len(), 10_000);
        let error = stage.call("postgres::query", &many(10_001)).error().report();
        assert!(error.contains("more than 10000 rows") && error.contains("`limit`"), "{error}");
        let two = json!({ "sql": "select generate_series(1, 3) as n", "limit": 2 });
        assert_eq!(stage.call("postgres::query", &two).value(), json!([{ "n": 1 }, { "n": 2 }]));
        let large = json!({ "sql": "select repeat('x', 1000000) from generate_series(1, 50)" });
        let error = stage.call("postgres::query", &large).error().report();
        assert!(error.contains("more than 32 MiB"), "{error}");
    });
}

#[test]
fn what_the_server_refuses_is_told_with_its_words_and_its_place() {
    on_postgres("refusals", "create table items (id int primary key)", |stage| {
        let done = stage.call("postgres::query", &json!({ "sql": "select *\n  from nothing" }));
        assert_eq!(done.error().kind(), ErrorKind::NotFound);
        let report = done.error().report();
        assert!(report.contains("relation \"nothing\" does not exist (42P01)"), "{report}");
        assert!(report.contains("    line 2:   from nothing\n                   ^"), "{report}");
        for (call, kind, said) in [
            (json!({ "sql": "selec 1" }), ErrorKind::Invalid, "syntax error"),
            (
                json!({ "sql": "select idd from items" }),
                ErrorKind::Invalid,
                "column \"idd\" does not exist (42703)",
            ),
            (json!({ "sql": "select $1::int", "args": ["x"] }), ErrorKind::Invalid, "invalid input syntax"),
            (
                json!({ "sql": "select $1::int" }),
                ErrorKind::Invalid,
                "has 1 parameters (`$1` …), and 0 arguments",
            ),
            (json!({ "sql": "select 1 as a, 2 as a" }), ErrorKind::Invalid, "two columns are called `a`"),
            (json!({ "sql": "select 1; select 2" }), ErrorKind::Invalid, "2 statements"),
            (json!({ "sql": "-- nothing" }), ErrorKind::Invalid, "no statement"),
            (
                json!({ "sql": "select pg_sleep(5)", "timeout": "50ms" }),
                ErrorKind::Timeout,
                "statement timeout",
            ),
            (json!({ "sql": "select 1", "database": "nobody's" }), ErrorKind::NotFound, "(3D000)"),
        ] {
            let done = stage.call("postgres::query", &call);
            assert_eq!(done.error().kind(), kind, "{}", done.report());
            assert!(done.error().report().contains(said), "{}", done.report());
        }
    });
}

#[test]
fn the_servers_own_hint_is_told() {
    on_real_postgres("hints", "create table items (id int)", |stage| {
        let done = stage.call("postgres::query", &json!({ "sql": "select idd from items" }));
        assert!(done.error().report().contains("hint: Perhaps you meant"), "{}", done.report());
    });
}

#[test]
fn a_grant_names_what_may_be_done_to_which_table() {
    on_postgres("granted", "create table items (id int); create table others (id int)", |stage| {
        let stage =
            stage.clone().granted(&["secret", "file", "postgres insert granted/items in 127.0.0.1:*"]);
        let insert =
            |table: &str| json!({ "sql": format!("insert into {table} values (1)"), "no_undo": "a test" });
        assert_eq!(stage.call("postgres::exec", &insert("items")).value()["rows"], 1);
        let error = stage.call("postgres::exec", &insert("others")).error().report();
        assert!(error.contains("`postgres insert granted/others in 127.0.0.1:"), "{error}");
        let done = stage.call("postgres::query", &json!({ "sql": "select 1" }));
        assert_eq!(done.error().kind(), ErrorKind::Denied);
    });
}
