//! Redis as an estate file describes it.

use opsrun_core::Value;
use opsrun_runtime::{Estate, EstateFile, World};
use serde_json::json;

use crate::stage::{REGISTRY, Stage};

fn estate(section: Value) -> Result<(World, Estate), String> {
    let file = EstateFile::default().with("redis", section);
    let world = World::simulated(file.start).unwrap();
    let estate = Estate::start(&file, REGISTRY, &world, 1).map_err(|error| error.report())?;
    Ok((world, estate))
}

#[test]
fn what_cannot_be_used_in_a_section_is_told_with_its_place() {
    let with = |value: Value| json!({ "cache.example:6379": { "databases": { "0": { "a": value } } } });
    for (section, said) in [
        (json!([]), "a map of servers by address, such as `cache.example:6379`"),
        (json!({ "cache": {} }), "`cache` is no address of a server"),
        (json!({ "cache.example:6379": { "keys": {} } }), "unknown field `keys`"),
        (
            json!({ "cache.example:6379": { "databases": { "x": { "a": 1 } } } }),
            "`x` is no number of a database",
        ),
        (
            json!({ "cache.example:6379": { "databases": { "16": { "a": 1 } } } }),
            "`16` is no number of a database",
        ),
        (with(json!(["a"])), "the key `a` of the database 0"),
        (with(json!({ "list": [] })), "an empty list is none in Redis"),
        (with(json!({ "list": [1], "set": [1] })), "it says 2 values"),
        (with(json!({ "hsah": {} })), "unknown field `hsah`"),
        (with(json!({ "hash": { "f": [] } })), "`[]` is neither a text nor a number"),
        (
            json!({ "b.example:6379": { "replica-of": "a.example:6379" } }),
            "there is no server `a.example:6379`",
        ),
    ] {
        let error = estate(section.clone()).map(drop).unwrap_err();
        assert!(error.contains(said), "{section}: {error}");
    }
}

#[test]
fn a_section_is_written_as_yaml_with_numbers_for_databases() {
    let text = "\"cache.example:6379\":\n  databases:\n    0:\n      \"session:1\": { hash: { user: anna, visits: 3 }, ttl: 1h }\n      \"popular\": { zset: { \"17\": 412, b: 0.5 } }\n    1: { queue: { list: [a, 2] }, flag: \"on\" }\n";
    let (_, estate) = estate(opsrun_core::yaml::from_str("estate", text).unwrap()).unwrap();
    let told = estate.snapshot();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told["redis cache.example:6379/1 flag"], json!({ "value": "on", "ends": false }));
    assert_eq!(told["redis cache.example:6379/0 session:1"]["value"]["size"], 2);
}

#[test]
fn keys_end_in_the_estates_time_and_a_replica_has_what_there_was() {
    let section = json!({ "url": "redis://a.example", "servers": { "b": { "url": "redis://b.example" } } });
    let stage = Stage::on_estate(
        "redis",
        section,
        json!({
            "a.example:6379": { "databases": { "0": { "stays": 1, "goes": { "string": "x", "ttl": "1m" } } } },
            "b.example:6379": { "replica-of": "a.example:6379", "lag": "10s" },
        }),
    );
    let got = |key: &str, server: Option<&str>| {
        stage.call("redis::get", &json!({ "key": key, "server": server })).value()
    };
    assert_eq!((got("goes", None), got("stays", None)), (json!("x"), json!("1")));
    assert_eq!(stage.snapshot()["redis a.example:6379/0 goes"], json!({ "value": "x", "ends": true }));
    stage.call("redis::set", &json!({ "key": "new", "value": "y" })).value();
    assert_eq!((got("new", None), got("new", Some("b"))), (json!("y"), Value::Null));
    let refused = stage.call("redis::set", &json!({ "key": "new", "value": "z", "server": "b" }));
    assert!(refused.error().report().contains("writes go to its primary"), "{}", refused.report());
    stage.pass("70s");
    assert_eq!((got("goes", None), got("new", Some("b"))), (Value::Null, json!("y")));
    let told = stage.snapshot();
    assert_eq!(told["redis a.example:6379/0 goes"]["ends"], true, "nobody has changed it: {told:?}");
}

#[test]
fn a_fork_has_what_there_was_and_goes_its_own_way() {
    let section = json!({ "a.example:6379": { "databases": { "0": { "a": "one" } } }, "b.example:6379": { "replica-of": "a.example:6379" } });
    let (_, original) = estate(section).unwrap();
    let world = World::simulated(EstateFile::default().start).unwrap();
    let fork = original.fork(&world, 2).unwrap().unwrap();
    assert_eq!(original.snapshot(), fork.snapshot());
    assert_eq!(fork.snapshot().len(), 1, "a replica has nothing of its own: {:?}", fork.snapshot());
}
