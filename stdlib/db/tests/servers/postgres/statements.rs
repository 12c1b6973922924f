//! Writing: once, exactly, whatever becomes of the answer.

use opsrun_core::{Error, ErrorKind, Result, Value};
use opsrun_runtime::Outcome;
use serde_json::json;

use crate::ground::{on_postgres, on_real_postgres};
use crate::stage::{Caller, Stage};

const ITEMS: &str = "create table items (id int primary key, name text not null); insert into items values (1, 'one'); \
                     create table log (line text)";

/// Inserts a line, which another line in its place takes back.
fn log(line: &str) -> Value {
    json!({
        "sql": "insert into log values ($1)", "args": [line],
        "undo": { "sql": "insert into log values ($1)", "args": [format!("not {line}")] },
    })
}

fn lines(stage: &Stage) -> Vec<String> {
    let rows = stage.rows("select line from log order by line");
    rows.as_array().unwrap().iter().map(|row| row["line"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_statement_tells_what_it_changed() {
    on_postgres("changes", ITEMS, |stage| {
        let exec = |arguments: Value| stage.call("postgres::exec", &arguments).value();
        let two = "insert into items values (2, 'two'), (3, 'three') returning id, name";
        let made = exec(json!({ "sql": two, "undo": "delete from items where id > 1" }));
        let rows = json!([{ "id": 2, "name": "two" }, { "id": 3, "name": "three" }]);
        assert_eq!(made, json!({ "rows": 2, "returned": rows }));
        let several = "update items set name = 'a'; delete from items where id = 3; select 1 as one";
        let several = exec(json!({ "sql": several, "no_undo": "a test" }));
        assert_eq!(several, json!({ "rows": 4, "returned": [{ "one": 1 }] }));
        exec(json!({ "sql": "vacuum items", "no_undo": "it changes no row", "transaction": false }));
    });
}

#[test]
fn several_statements_are_one_transaction() {
    on_postgres("atomic", ITEMS, |stage| {
        let sql = "insert into items values (2, 'two'); insert into items values (1, 'again')";
        let done = stage.call("postgres::exec", &json!({ "sql": sql, "no_undo": "a test" }));
        assert_eq!(done.error().kind(), ErrorKind::Conflict);
        let report = done.error().report();
        assert!(report.contains("(23505)") && report.contains("Key (id)=(1) already exists."), "{report}");
        assert_eq!(stage.rows("select count(*) as n from items"), json!([{ "n": 1 }]));
    });
}

#[test]
fn what_is_to_take_it_back_has_to_be_said() {
    on_postgres("undoes", ITEMS, |stage| {
        for (arguments, said) in [
            (json!({ "sql": "delete from items" }), "does not know what takes this back"),
            (json!({ "sql": "delete from items", "undo": "select 1", "no_undo": "both" }), "not both"),
            (json!({ "sql": "delete from items; commit", "no_undo": "x" }), "`COMMIT` cannot stand here"),
        ] {
            let error = stage.call("postgres::exec", &arguments).error().report();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(stage.rows("select count(*) as n from items"), json!([{ "n": 1 }]));
    });
}

#[test]
fn a_run_that_fails_takes_its_statements_back() {
    on_postgres("taken_back", ITEMS, |stage| {
        let done = stage.run(|call: Caller<'_>| -> Result<Value> {
            call("postgres::exec", log("a"))?;
            call("postgres::exec", log("b"))?;
            Err(Error::failed("and now back"))
        });
        assert!(matches!(done.outcome, Outcome::Undone { .. }), "{}", done.report());
        assert_eq!(lines(stage), ["a", "b", "not a", "not b"]);
    });
}

#[test]
fn an_answer_that_is_lost_is_asked_for_and_what_never_arrived_is_not_taken_back() {
    for (fault, after) in [
        ("postgres insert: lost-answer", &["a"][..]),
        ("postgres insert: lost", &[]),
        ("postgres insert: refused", &[]),
        ("postgres insert: 403", &[]),
        ("postgres insert: 503", &[]),
    ] {
        on_postgres("lost", ITEMS, |stage| {
            let faulty = stage.clone().fault(fault);
            let done = faulty.call("postgres::exec", &log("a"));
            assert_eq!(
                matches!(done.outcome, Outcome::Done(_)),
                !after.is_empty(),
                "{fault}: {}",
                done.report()
            );
            assert_eq!(lines(stage), after, "{fault}: {}", done.report());
        });
    }
}

#[test]
fn taking_back_is_exact_too() {
    for (fault, after) in [
        // The answer to what takes it back.
        ("postgres insert: lost-answer after 1", &["a", "not a"][..]),
        // The answer to it itself, and then the run fails.
        ("postgres insert: lost-answer", &["a", "not a"]),
        ("postgres insert: lost", &[]),
    ] {
        on_postgres("lost_back", ITEMS, |stage| {
            let done = stage.clone().fault(fault).run(|call| {
                call("postgres::exec", log("a"))?;
                Err(Error::failed("and now back"))
            });
            assert!(!matches!(done.outcome, Outcome::UndoFailed { .. }), "{fault}: {}", done.report());
            assert_eq!(lines(stage), after, "{fault}: {}", done.report());
        });
    }
}

#[test]
fn a_lock_is_waited_for_no_longer_than_said_and_its_holder_is_told() {
    on_real_postgres("locks", ITEMS, |stage| {
        let held = json!({
            "sql": "lock table items; select pg_sleep(3)", "no_undo": "a test"
        });
        std::thread::scope(|threads| {
            threads.spawn(|| stage.call("postgres::exec", &held).value());
            while stage.rows("select count(*) as n from pg_stat_activity where wait_event = 'PgSleep'")[0]["n"]
                == 0
            {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let update =
                json!({ "sql": "update items set name = 'x'", "no_undo": "a test", "lock_timeout": "100ms" });
            let done = stage.call("postgres::exec", &update);
            assert_eq!(done.error().kind(), ErrorKind::Conflict);
            let report = done.error().report();
            assert!(
                report.contains("lock timeout (55P03)") && report.contains("`postgres::connections`"),
                "{report}"
            );
            let open = stage
                .call("postgres::connections", &json!({ "of_database": "locks", "state": "active" }))
                .value();
            assert_eq!(open["sessions"][0]["application"], "opsrun", "{open:#}");
        });
    });
}
