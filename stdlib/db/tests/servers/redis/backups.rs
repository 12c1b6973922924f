//! Redis as a source of backups.

use opsrun_core::Value;
use serde_json::json;

use crate::redis::caches::on_caches;

#[test]
fn a_server_is_backed_up_found_good_and_brought_back_beside_and_in_its_place() {
    on_caches(|caches| {
        let stage = caches.stage.clone().backed_up();
        let full = caches.full();
        let keys = |database: &str| full.keys().filter(|key| key.starts_with(database)).count();
        let done = stage.run(|call| {
            call("backup::init", json!({}))?;
            let made = call("backup::create", json!({ "source": "redis:default" }))?;
            let wrong =
                json!({ "snapshot": made["snapshot"], "assertions": { "keys": ["text", "orders:*"] } });
            let wrong = call("backup::verify", wrong).unwrap_err().report();
            let right = json!({ "keys": ["session:*", "elsewhere"] });
            let read = json!({ "snapshot": made["snapshot"], "assertions": right });
            let good = call("backup::verify", read)?;
            let right = json!({ "keys": ["session:*", "elsewhere"], "server": "spare" });
            let tried = call("backup::verify", json!({ "snapshot": good["snapshot"], "assertions": right }))?;
            let itself = json!({ "server": "default" });
            let itself = json!({ "snapshot": tried["snapshot"], "assertions": itself });
            let itself = call("backup::verify", itself).unwrap_err().report();
            Ok(json!({ "made": made, "good": good, "tried": tried, "wrong": wrong, "itself": itself }))
        });
        let told = done.value();
        assert_eq!(told["made"]["source"], "redis:default");
        assert!(told["wrong"].as_str().unwrap().contains("no key is like `orders:*`"), "{}", told["wrong"]);
        let functions = u64::from(caches.real().is_some());
        let counts = json!({ "keys of database 0": keys("0 "), "keys of database 9": 2, "libraries of functions": functions });
        assert_eq!((&told["good"]["counts"], &told["good"]["good"]), (&counts, &json!(true)));
        assert_eq!(told["tried"]["counts"], counts);
        assert!(told["itself"].as_str().unwrap().contains("and is not emptied"), "{}", told["itself"]);
        assert!(caches.spare().is_empty(), "what was tried out is gone");
        assert_eq!(caches.full(), full);

        let restore = |to: &str, options: Value| {
            let arguments =
                json!({ "snapshot": "latest", "source": "redis:default", "to": to, "options": options });
            stage.call("backup::restore", &arguments)
        };
        assert_eq!(restore("redis:spare", Value::Null).value()["done"]["databases"]["9"], 2);
        assert_eq!(caches.spare(), full);
        let over = restore("redis:default", Value::Null);
        assert!(over.error().report().contains("and is not written over"), "{}", over.report());
        for key in ["text", "session:2"] {
            stage.call("redis::del", &json!({ "keys": key })).value();
        }
        stage.call("redis::set", &json!({ "key": "session:7", "value": "new" })).value();
        restore("redis:default", json!({ "keys": ["session:*"], "clean": true })).value();
        let mut now = full.clone();
        now.remove("0 text");
        assert_eq!(caches.full(), now);
        restore("redis:default", json!({ "clean": true })).value();
        assert_eq!(caches.full(), full);
        // What somebody else has there is not ours to delete.
        let theirs = caches.spare();
        let busy = json!({ "snapshot": told["tried"]["snapshot"], "assertions": { "server": "spare" } });
        let busy = stage.call("backup::verify", &busy);
        assert!(busy.error().report().contains("name a server with nothing in it"), "{}", busy.report());
        assert_eq!(caches.spare(), theirs);
        let typo = restore("redis:spare", json!({ "cleen": true }));
        assert!(typo.error().report().contains("unknown field `cleen`"), "{}", typo.report());
    });
}

#[test]
fn keys_that_there_were_and_are_none_of_now_make_a_snapshot_not_good() {
    on_caches(|caches| {
        let stage = caches.stage.clone().backed_up();
        stage.call("backup::init", &json!({})).value();
        let verified = |more: Value| {
            let made = stage.call("backup::create", &json!({ "source": "redis:default" })).value();
            let mut arguments = json!({ "snapshot": made["snapshot"] });
            arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            stage.call("backup::verify", &arguments)
        };
        verified(json!({})).value();
        stage.call("redis::flush", &json!({ "database": 9 })).value();
        let gone = verified(json!({}));
        assert!(
            gone.error().report().contains("it has no keys of database 9, and the last good one has 2"),
            "{}",
            gone.report()
        );
        verified(json!({ "may_be_empty": ["keys of database 9"] })).value();
    });
}

#[test]
fn a_damaged_repository_is_found_before_the_place_is_touched() {
    on_caches(|caches| {
        let stage = caches.stage.clone().backed_up();
        stage.call("backup::init", &json!({})).value();
        stage.call("backup::create", &json!({ "source": "redis:default" })).value();
        let pack = largest(&stage.folder().join("repository/data"));
        let mut content = std::fs::read(&pack).unwrap();
        content[100] ^= 1;
        std::fs::write(&pack, content).unwrap();
        let full = caches.full();
        let arguments =
            json!({ "snapshot": "latest", "source": "redis:default", "options": { "clean": true } });
        let done = stage.call("backup::restore", &arguments);
        assert!(
            done.error().report().contains("`/redis/default/dump.rdb` cannot be restored"),
            "{}",
            done.report()
        );
        assert_eq!(caches.full(), full);
    });
}

fn largest(folder: &std::path::Path) -> std::path::PathBuf {
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files =
        folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.max_by_key(|file| std::fs::metadata(file).unwrap().len()).unwrap()
}
