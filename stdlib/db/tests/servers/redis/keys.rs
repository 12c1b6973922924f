//! Keys: read, written, deleted, and put back.

use opsrun_core::{Error, ErrorKind, Value};
use opsrun_runtime::Outcome;
use serde_json::json;

use crate::ground::{on_real_redis, on_redis};
use crate::stage::Stage;

fn get(stage: &Stage, key: &str) -> Value {
    stage.call("redis::get", &json!({ "key": key })).value()
}

fn set(stage: &Stage, key: &str, value: &str) -> Value {
    stage.call("redis::set", &json!({ "key": key, "value": value })).value()["changed"].clone()
}

#[test]
fn a_text_is_set_once_and_taken_back() {
    on_redis(1, |stage| {
        assert_eq!(get(stage, "a"), Value::Null);
        assert_eq!(set(stage, "a", "one"), true);
        assert_eq!(set(stage, "a", "one"), false);
        assert_eq!(get(stage, "a"), "one");
        let done = stage.run(|call| {
            call("redis::set", json!({ "key": "a", "value": "two" }))?;
            call("redis::set", json!({ "key": "a", "value": "three" }))?;
            call("redis::set", json!({ "key": "b", "value": "new", "expire": "1h" }))?;
            call("redis::del", json!({ "keys": ["a", "nothing"] }))?;
            Err(Error::failed("and now back"))
        });
        assert!(matches!(done.outcome, Outcome::Undone { .. }), "{}", done.report());
        assert_eq!((get(stage, "a"), get(stage, "b")), (json!("one"), Value::Null), "{}", done.report());
    });
}

#[test]
fn what_ends_by_itself_is_put_back_with_the_time_that_it_had_left() {
    on_real_redis(2, |stage| {
        stage.call("redis::set", &json!({ "key": "short", "value": "x", "expire": "80ms" })).value();
        stage.call("redis::set", &json!({ "key": "long", "value": "x", "expire": "1h" })).value();
        let done = stage.run(|call| {
            for key in ["short", "long"] {
                call("redis::set", json!({ "key": key, "value": "y" }))?;
            }
            std::thread::sleep(std::time::Duration::from_millis(120));
            Err(Error::failed("and now back"))
        });
        assert!(matches!(done.outcome, Outcome::Undone { .. }), "{}", done.report());
        assert_eq!((get(stage, "short"), get(stage, "long")), (Value::Null, json!("x")));
        let counts = stage.call("redis::counts", &json!({})).value();
        assert_eq!(counts["databases"]["2"], json!({ "keys": 1, "expiring": 1 }));
    });
}

#[test]
fn a_lost_answer_leaves_no_doubt_about_what_is_put_back() {
    for write in ["set", "del", "restore"] {
        for fault in ["lost-answer", "lost", "refused", "503", "403"] {
            on_redis(3, |stage| {
                set(stage, "a", "one");
                let rule = format!("redis {write}: {fault}");
                let done = stage.clone().fault(&rule).run(|call| {
                    let two = json!({ "key": "a", "value": "two" });
                    call("redis::set", two.clone()).or_else(|_| call("redis::set", two))?;
                    let both = json!({ "keys": "a" });
                    call("redis::del", both.clone()).or_else(|_| call("redis::del", both))?;
                    Err(Error::failed("and now back"))
                });
                assert_eq!(get(stage, "a"), "one", "{rule}: {}", done.report());
                // What the server refuses to put back is told; what it may take the next time is tried again.
                let refused = (write, fault) == ("restore", "403");
                let undone = matches!(done.outcome, Outcome::Undone { .. });
                assert_eq!(undone, !refused, "{rule}: {}", done.report());
            });
        }
    }
}

#[test]
fn keys_are_found_by_patterns_and_counted_by_type() {
    on_redis(4, |stage| {
        for key in ["order:2", "order:1", "other"] {
            set(stage, key, "x");
        }
        let found = stage.call("redis::scan", &json!({ "pattern": "order:*" })).value();
        assert_eq!(found, json!({ "keys": ["order:1", "order:2"], "more": false, "binary": 0 }));
        let one = stage.call("redis::scan", &json!({ "pattern": "*", "limit": 1 })).value();
        assert_eq!((one["keys"].as_array().unwrap().len(), &one["more"]), (1, &json!(true)));
        let counts = stage.call("redis::counts", &json!({ "types": true })).value();
        assert_eq!((&counts["types"], &counts["sampled"]), (&json!({ "string": 3 }), &json!(3)));
        assert_eq!(stage.call("redis::flush", &json!({})).value()["keys"], 3);
        assert_eq!(stage.call("redis::flush", &json!({})).value()["keys"], 0);
    });
}

#[test]
fn a_former_value_that_is_too_large_to_be_kept_is_told() {
    on_redis(5, |stage| {
        // Redis compresses what repeats itself.
        let mut state = 1_u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + u8::try_from(state >> 58).unwrap())
        };
        let noise: String = (0..1_500_000).map(|_| noise()).collect();
        set(stage, "large", &noise);
        let done = stage.run(|call| {
            call("redis::set", json!({ "key": "large", "value": "small" }))?;
            Err(Error::failed("and now back"))
        });
        assert!(done.report().contains("the former value of `large` has"), "{}", done.report());
        assert_eq!(get(stage, "large"), "small");
    });
}

#[test]
fn a_grant_names_the_keys() {
    on_redis(6, |stage| {
        let stage = stage.clone().granted(&["secret", "redis get,set 6/session:* in 127.0.0.1:*"]);
        assert_eq!(set(&stage, "session:1", "x"), true);
        let done = stage.call("redis::get", &json!({ "key": "secret:1" }));
        assert_eq!(done.error().kind(), ErrorKind::Denied);
        assert!(done.error().report().contains("redis get 6/secret:1 in 127.0.0.1:"), "{}", done.report());
    });
}
