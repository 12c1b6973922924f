//! What all servers answer alike.

use serde_json::{Value, json};

use crate::stage::{Stage, on_all};

const URL: &str = "s3://opsrun-conformance/a/ü b+c.txt";

fn bucket(stage: &Stage) {
    stage.value("s3::create_bucket", json!({ "bucket": "opsrun-conformance" }));
}

#[test]
fn an_object_is_stored_read_copied_listed_and_deleted() {
    on_all(|stage| {
        bucket(stage);
        let put = json!({ "to": URL, "content": "hello", "metadata": { "release": "1.4.0" } });
        let first = stage.value("s3::put", put.clone());
        assert_eq!((&first["changed"], &first["size"]), (&json!(true), &json!(5)), "{}", stage.name);
        assert_eq!(first["tag"], "5d41402abc4b2a76b9719d911017c592", "{}", stage.name);
        let again = stage.call("s3::put", &put);
        assert_eq!((again.value()["changed"].clone(), again.writes()), (json!(false), 0), "{}", stage.name);
        let got = stage.value("s3::get", json!({ "from": URL }));
        assert_eq!(
            (&got["text"], &got["content_type"]),
            (&json!("hello"), &json!("text/plain")),
            "{}",
            stage.name
        );
        let head = stage.value("s3::head", json!({ "object": URL }));
        assert_eq!(head["metadata"], json!({ "release": "1.4.0" }), "{}", stage.name);
        let none = stage.value("s3::head", json!({ "object": "s3://opsrun-conformance/none" }));
        assert_eq!(none, Value::Null, "{}", stage.name);
        let copy = json!({ "from": URL, "to": "s3://opsrun-conformance/a/copy.txt" });
        assert_eq!(stage.value("s3::copy", copy.clone())["changed"], true, "{}", stage.name);
        assert_eq!(stage.value("s3::copy", copy)["changed"], false, "{}", stage.name);
        for key in ["b/1", "b/2", "c"] {
            stage.value("s3::put", json!({ "to": format!("s3://opsrun-conformance/{key}"), "content": "" }));
        }
        let keys = |listing: &Value| -> Vec<String> {
            let objects = listing["objects"].as_array().unwrap();
            objects.iter().map(|object| object["key"].as_str().unwrap().to_owned()).collect()
        };
        let all = stage.value("s3::list", json!({ "at": "s3://opsrun-conformance" }));
        assert_eq!(keys(&all), ["a/copy.txt", "a/ü b+c.txt", "b/1", "b/2", "c"], "{}", stage.name);
        assert_eq!((&all["count"], &all["size"]), (&json!(5), &json!(10)), "{}", stage.name);
        let some = stage.value("s3::list", json!({ "at": "s3://opsrun-conformance/b/", "limit": 1 }));
        assert_eq!(
            (keys(&some), &some["truncated"], &some["count"]),
            (vec!["b/1".into()], &json!(true), &json!(2))
        );
        let top = stage.value("s3::list", json!({ "at": "s3://opsrun-conformance", "folders": true }));
        assert_eq!((keys(&top), &top["folders"]), (vec!["c".into()], &json!(["a/", "b/"])), "{}", stage.name);
        let delete = json!({ "object": URL });
        assert_eq!(stage.value("s3::delete", delete.clone())["changed"], true, "{}", stage.name);
        assert_eq!(stage.value("s3::delete", delete)["changed"], false, "{}", stage.name);
        let error = stage.error("s3::get", json!({ "from": URL }));
        assert!(error.starts_with(&format!("there is no object {URL}")), "{}: {error}", stage.name);
        // s3s-fs deletes a bucket with everything that is in it.
        if stage.name != "s3s-fs" {
            let error = stage.error("s3::delete_bucket", json!({ "bucket": "opsrun-conformance" }));
            assert!(error.contains("BucketNotEmpty"), "{}: {error}", stage.name);
        }
    });
}

#[test]
fn a_large_file_goes_up_in_parts_and_comes_down_the_same() {
    on_all(|stage| {
        bucket(stage);
        let content: Vec<u8> =
            (0..20_000_003_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        stage.write("large.bin", &content);
        let put = json!({ "to": "s3://opsrun-conformance/large.bin", "file": "large.bin" });
        let stored = stage.call("s3::put", &put);
        let value = stored.value();
        assert!(value["tag"].as_str().unwrap().ends_with("-3"), "{}: {value}", stage.name);
        // It is begun, sent in three parts, and finished.
        assert_eq!(stored.writes(), 5, "{}: {}", stage.name, stored.report());
        let head = stage.value("s3::head", json!({ "object": "s3://opsrun-conformance/large.bin" }));
        assert_eq!(stage.value("s3::put", put)["changed"], false, "{}: {head}", stage.name);
        let down = json!({ "from": "s3://opsrun-conformance/large.bin", "to": "down/large.bin" });
        assert_eq!(stage.value("s3::download", down.clone())["changed"], true, "{}", stage.name);
        assert_eq!(stage.value("s3::download", down)["changed"], false, "{}", stage.name);
        if stage.name != "estate" {
            assert!(
                std::fs::read(stage.folder().join("down/large.bin")).unwrap() == content,
                "{}",
                stage.name
            );
        }
        let too_large = stage.error("s3::get", json!({ "from": "s3://opsrun-conformance/large.bin" }));
        assert!(too_large.contains("a playbook holds 8 MiB at most"), "{too_large}");
    });
}

#[test]
fn a_condition_that_does_not_hold_is_a_conflict() {
    on_all(|stage| {
        bucket(stage);
        let put = |content: &str, more: Value| {
            let mut arguments = json!({ "to": "s3://opsrun-conformance/lock", "content": content });
            arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            arguments
        };
        let first = stage.value("s3::put", put("mine", json!({ "only_if_new": true })));
        let error = stage.error("s3::put", put("yours", json!({ "only_if_new": true })));
        assert!(error.contains("PreconditionFailed"), "{}: {error}", stage.name);
        let tag = &first["tag"];
        stage.value("s3::put", put("next", json!({ "if_tag": tag })));
        let error = stage.error("s3::put", put("other", json!({ "if_tag": tag })));
        assert!(error.contains("PreconditionFailed"), "{}: {error}", stage.name);
        let got = stage.value("s3::get", json!({ "from": "s3://opsrun-conformance/lock" }));
        assert_eq!(got["text"], "next", "{}", stage.name);
    });
}
