//! Who owns which field after updates and applies.

use opsrun_k8s_schema::managed::{ApplyError, Force, OneVersion, Writer, apply, update};
use opsrun_k8s_schema::{Gvk, Schema, decode_value};
use proptest::prelude::*;
use serde_json::{Value, json};

const TIME: &str = "2024-01-01T00:00:00Z";

fn writer<'a>(manager: &'a str, api_version: &'a str) -> Writer<'a> {
    Writer { manager, api_version, subresource: "", time: TIME, ignored: &[&["status"]] }
}

fn config_map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
}

fn schema() -> &'static Schema {
    Schema::for_kind(&Gvk::new("", "v1", "ConfigMap")).expect("built in")
}

fn applied(live: &Value, data: &Value, manager: &str, force: Force) -> Result<Value, ApplyError> {
    let object = apply(live, &config_map(data), &writer(manager, "v1"), &OneVersion(schema()), force)?;
    Ok(decode_value(schema(), &object).expect("decodes").object)
}

fn owners(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| (entry["manager"].as_str().unwrap_or_default().to_owned(), entry["fieldsV1"].clone()))
        .collect()
}

#[test]
fn an_update_owns_maps_it_makes_and_an_apply_only_its_keys() {
    let posted =
        update(&Value::Null, config_map(&json!({"a": "b"})), &writer("wire", "v1"), &OneVersion(schema()));
    assert_eq!(owners(&posted), [("wire".to_owned(), json!({"f:data": {".": {}, "f:a": {}}}))]);
    let applied = applied(&Value::Null, &json!({"a": "b"}), "one", Force::No).expect("applies");
    assert_eq!(owners(&applied), [("one".to_owned(), json!({"f:data": {"f:a": {}}}))]);
}

#[test]
fn a_post_of_a_deployment_owns_what_the_server_says_it_owns() {
    let schema = Schema::for_kind(&Gvk::new("apps", "v1", "Deployment")).expect("built in");
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w", "labels": {"l": "1"}},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "w"}}, "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": {"app": "w"}},
                "spec": {"containers": [{
                    "name": "c", "image": "x", "resources": {},
                    "ports": [{"containerPort": 80, "protocol": "TCP"}], "args": ["a"],
                }]},
            },
        },
        "status": {},
    });
    let object = update(&Value::Null, object, &writer("wire", "apps/v1"), &OneVersion(schema));
    let expected = json!({
        "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
        "f:spec": {
            "f:replicas": {}, "f:selector": {}, "f:strategy": {"f:type": {}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {}, "f:name": {}, "f:image": {}, "f:resources": {}, "f:args": {},
                    "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                        ".": {}, "f:containerPort": {}, "f:protocol": {},
                    }},
                }}},
            },
        },
    });
    assert_eq!(owners(&object), [("wire".to_owned(), expected)]);
}

#[test]
fn another_value_conflicts_and_force_takes_the_field() {
    let first = applied(&Value::Null, &json!({"a": "1", "b": "1"}), "one", Force::No).expect("applies");
    let refused = applied(&first, &json!({"a": "2"}), "two", Force::No).expect_err("conflicts");
    assert_eq!(refused.message(), "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    let forced = applied(&first, &json!({"a": "2"}), "two", Force::Yes).expect("forced");
    assert_eq!(forced["data"], json!({"a": "2", "b": "1"}));
    assert_eq!(
        owners(&forced),
        [
            ("one".to_owned(), json!({"f:data": {"f:b": {}}})),
            ("two".to_owned(), json!({"f:data": {"f:a": {}}})),
        ]
    );
}

#[test]
fn a_field_given_up_goes_unless_another_owns_it() {
    let first = applied(&Value::Null, &json!({"a": "1", "b": "1"}), "one", Force::No).expect("applies");
    let both = applied(&first, &json!({"b": "1"}), "two", Force::No).expect("the same value is no conflict");
    let less = applied(&both, &json!({}), "one", Force::No).expect("applies");
    assert_eq!(less["data"], json!({"b": "1"}));
}

#[test]
fn an_update_conflicts_by_version() {
    let posted =
        update(&Value::Null, config_map(&json!({"a": "1"})), &writer("creator", "v1"), &OneVersion(schema()));
    let refused = applied(&posted, &json!({"a": "2"}), "one", Force::No).expect_err("conflicts");
    assert_eq!(
        refused.message(),
        "Apply failed with 1 conflict: conflict with \"creator\" using v1: .data.a"
    );
}

#[test]
fn cleared_managed_fields_come_back_with_the_first_apply() {
    let mut posted =
        update(&Value::Null, config_map(&json!({"a": "1"})), &writer("x", "v1"), &OneVersion(schema()));
    posted["metadata"]["managedFields"] = json!([{}]);
    let cleared = update(&posted.clone(), posted, &writer("x", "v1"), &OneVersion(schema()));
    assert_eq!(owners(&cleared), []);
    let refused = applied(&cleared, &json!({"a": "2"}), "one", Force::No).expect_err("conflicts");
    assert_eq!(
        refused.message(),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.a"
    );
}

#[test]
fn undeclared_fields_and_duplicate_keys_are_named() {
    let mut object = config_map(&json!({}));
    object["bogus"] = 1.into();
    let refused = apply(&Value::Null, &object, &writer("one", "v1"), &OneVersion(schema()), Force::No);
    let expected =
        "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .bogus: field not declared in schema";
    assert_eq!(refused.map_err(|error| error.message()), Err(expected.to_owned()));
}

fn data() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-e]", "[xy]", 0..5)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key, Value::from(value))).collect())
}

proptest! {
    #[test]
    fn applying_twice_changes_nothing(other in data(), mine in data()) {
        let live = applied(&Value::Null, &other, "other", Force::Yes).expect("applies");
        let once = applied(&live, &mine, "me", Force::Yes).expect("forced");
        let twice = applied(&once, &mine, "me", Force::No).expect("no conflict with oneself");
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_only_one_applied_is_gone_when_it_is_left_out(mine in data(), less in data()) {
        let live = applied(&Value::Null, &mine, "me", Force::No).expect("applies");
        let after = applied(&live, &less, "me", Force::No).expect("applies");
        let left = after["data"].as_object().cloned().unwrap_or_default();
        prop_assert_eq!(Value::Object(left), less);
    }
}
