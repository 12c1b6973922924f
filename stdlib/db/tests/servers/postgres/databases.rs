//! Databases as a whole: made, renamed, dropped, and taken back.

use opsrun_core::{Error, ErrorKind, Value};
use opsrun_runtime::Outcome;
use serde_json::json;

use crate::ground::on_postgres;
use crate::stage::Stage;

fn names(stage: &Stage) -> Vec<String> {
    let rows = stage.rows("select datname as name from pg_database where datname like 'swap%' order by 1");
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

fn drop_all(stage: &Stage) {
    for name in names(stage) {
        if name != "swap" {
            stage.call("postgres::drop_database", &json!({ "name": name })).value();
        }
    }
}

#[test]
fn databases_are_made_copied_renamed_swapped_and_dropped_and_each_is_taken_back() {
    on_postgres("swap", "create table marks (mark text); insert into marks values ('original')", |stage| {
        drop_all(stage);
        let before = names(stage);
        let mark = |database: &str| {
            let query = json!({ "sql": "select mark from marks", "database": database });
            stage.call("postgres::query", &query).value()[0]["mark"].clone()
        };
        let script = |fails: bool| {
            stage.run(move |call| {
                call("postgres::create_database", json!({ "name": "swap_copy", "template": "swap" }))?;
                let change = json!({ "sql": "update marks set mark = 'copy'", "database": "swap_copy", "no_undo": "dropped" });
                call("postgres::exec", change)?;
                call("postgres::rename_database", json!({ "name": "swap_copy", "to": "swap_new" }))?;
                call("postgres::rename_database", json!({ "name": "swap_new", "to": "swap", "swap": true }))?;
                call("postgres::throwaway_database", json!({ "prefix": "swap_scratch" }))?;
                if fails { Err(Error::failed("and now back")) } else { Ok(Value::Null) }
            })
        };
        let done = script(true);
        assert!(matches!(done.outcome, Outcome::Undone { .. }), "{}", done.report());
        assert_eq!(names(stage), before, "{}", done.report());
        assert_eq!(mark("swap"), "original");

        script(false).value();
        assert_eq!((mark("swap"), mark("swap_new")), (json!("copy"), json!("original")));
        assert_eq!(names(stage).len(), 3, "{:?}", names(stage));
        drop_all(stage);
    });
}

#[test]
fn a_lost_answer_is_made_up_for_by_looking() {
    for fault in ["postgres create", "postgres alter", "postgres drop"] {
        on_postgres("dbslost", "", |stage| {
            for name in ["dbslost_a", "dbslost_b"] {
                stage.call("postgres::drop_database", &json!({ "name": name })).value();
            }
            for kind in ["lost-answer", "lost"] {
                let done = stage.clone().fault(&format!("{fault}: {kind}")).run(|call| {
                    let create = json!({ "name": "dbslost_a" });
                    call("postgres::create_database", create.clone())
                        .or_else(|_| call("postgres::create_database", create))?;
                    let rename = json!({ "name": "dbslost_a", "to": "dbslost_b" });
                    call("postgres::rename_database", rename.clone())
                        .or_else(|_| call("postgres::rename_database", rename))?;
                    let drop = json!({ "name": "dbslost_b" });
                    call("postgres::drop_database", drop.clone())
                        .or_else(|_| call("postgres::drop_database", drop))
                });
                done.value();
                let left = stage.rows("select datname from pg_database where datname like 'dbslost_%'");
                assert_eq!(left, json!([]), "{fault}: {kind}: {}", done.report());
            }
        });
    }
}

#[test]
fn what_cannot_be_made_or_renamed_says_why() {
    on_postgres("dbsnot", "", |stage| {
        for (path, arguments, kind, said) in [
            (
                "create_database",
                json!({ "name": "dbsnot" }),
                ErrorKind::Conflict,
                "there is a database `dbsnot` already",
            ),
            ("create_database", json!({ "name": "" }), ErrorKind::Invalid, "is no name of a database"),
            (
                "create_database",
                json!({ "name": "dbsnot_x", "template": "nothing" }),
                ErrorKind::NotFound,
                "3D000",
            ),
            (
                "rename_database",
                json!({ "name": "nothing", "to": "dbsnot_x" }),
                ErrorKind::NotFound,
                "no database `nothing`",
            ),
            (
                "rename_database",
                json!({ "name": "dbsnot", "to": "template1" }),
                ErrorKind::Conflict,
                "`swap: true`",
            ),
            (
                "rename_database",
                json!({ "name": "postgres", "to": "dbsnot_x" }),
                ErrorKind::Invalid,
                "from inside of it",
            ),
        ] {
            let done = stage.call(&format!("postgres::{path}"), &arguments);
            assert_eq!(done.error().kind(), kind, "{}", done.report());
            assert!(done.error().report().contains(said), "{}", done.report());
        }
        assert_eq!(
            stage.call("postgres::drop_database", &json!({ "name": "dbsnot_x" })).value(),
            json!({ "changed": false })
        );
    });
}
