//! Asking.

use opsrun_core::ErrorKind;
use serde_json::json;

use crate::stage::Stage;

fn scratch() -> Stage {
    let section = json!({ "url": "postgres://postgres@127.0.0.1:55432/postgres", "password": "env:PGPASSWORD", "ca": "/tmp/pgdb/data/server.crt" });
    Stage::new(section, "secret-pw")
}

#[test]
fn values_are_what_a_playbook_can_use() {
    let stage = scratch();
    let rows = stage.call("postgres::query", &json!({
        "sql": "select 1::int2 a, 9007199254740993 b, 1.50::numeric c, 12345678901234567.5::numeric d, 'NaN'::float8 e, true f, null::int g,
            '{\"x\": [1, 2.5]}'::jsonb h, '\\x00ff'::bytea i, timestamptz '2026-03-02 04:00:00.5+01' j, timestamp '2026-03-02 04:00' k,
            date '2026-03-02' l, '{1,NULL,3}'::int[] m, '{{a,\"b,\\\"\"},{\"\",NULL}}'::text[] n, interval '1 day 2 hours' o, $1::jsonb p, $2::int[] q, $3::text r, 'infinity'::timestamptz s",
        "args": [{ "k": [1] }, [1, null, 3], "ö'\\"]
    }));
    assert_eq!(
        rows.value(),
        json!([{
            "a": 1, "b": 9_007_199_254_740_993_i64, "c": 1.5, "d": "12345678901234567.5", "e": "NaN", "f": true, "g": null,
            "h": { "x": [1, 2.5] }, "i": "AP8=", "j": "2026-03-02T03:00:00.5Z", "k": "2026-03-02T04:00:00", "l": "2026-03-02",
            "m": [1, null, 3], "n": [["a", "b,\""], ["", null]], "o": "P1DT2H", "p": { "k": [1] }, "q": [1, null, 3], "r": "ö'\\", "s": "infinity"
        }])
    );
}

#[test]
fn a_query_that_writes_is_refused_by_the_server() {
    let stage = scratch();
    for sql in [
        "create table forbidden (a int)",
        "select set_config('transaction_read_only', 'off', true), pg_sleep(0)",
        "set transaction read write",
    ] {
        let done = stage.call("postgres::query", &json!({ "sql": sql }));
        println!("{}", done.report());
    }
    let done = stage.call("postgres::query", &json!({ "sql": "select *\n  from nothing" }));
    println!("{}", done.report());
    assert_eq!(done.error().kind(), ErrorKind::NotFound);
}
