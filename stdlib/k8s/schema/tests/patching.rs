//! The patch formats: results, and the laws that hold for any values.

use opsrun_k8s_schema::patch::{
    JsonPatch, JsonPatchError, merge_patch, merge_patch_between, strategic_merge,
};
use opsrun_k8s_schema::{Gvk, Schema};
use proptest::prelude::*;
use serde_json::{Value, json};

#[allow(clippy::needless_pass_by_value)] // reads better with `json!` at the call
fn pod_template(containers: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

fn patched(object: &Value, patch: &Value) -> Result<Value, String> {
    let schema = Schema::for_kind(&Gvk::new("apps", "v1", "Deployment")).expect("built in");
    strategic_merge(schema, object, patch)
}

#[test]
fn lists_with_a_merge_key_merge_by_it() {
    let old = pod_template(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
    let patch = pod_template(json!([{"name": "b", "image": "2"}, {"name": "c", "image": "1"}]));
    let expected =
        json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "1"}]);
    assert_eq!(patched(&old, &patch), Ok(pod_template(expected)));
}

#[test]
fn directives_delete_replace_and_order() {
    let old = pod_template(json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]));
    let delete = pod_template(json!([{"name": "b", "$patch": "delete"}]));
    assert_eq!(patched(&old, &delete), Ok(pod_template(json!([{"name": "a"}, {"name": "c"}]))));
    let replace = pod_template(json!([{"name": "x"}, {"$patch": "replace"}]));
    assert_eq!(patched(&old, &replace), Ok(pod_template(json!([{"name": "x"}]))));
    let order = json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "a", "tty": true}],
    }}}});
    let expected = json!([{"name": "b"}, {"name": "c"}, {"name": "a", "tty": true}]);
    assert_eq!(patched(&old, &order), Ok(pod_template(expected)));
    let keys = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let rolling = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    assert_eq!(patched(&rolling, &keys), Ok(json!({"spec": {"strategy": {"type": "Recreate"}}})));
    let primitive =
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"], "finalizers": ["x/c"]}});
    let held = json!({"metadata": {"finalizers": ["x/a", "x/b"]}});
    assert_eq!(patched(&held, &primitive), Ok(json!({"metadata": {"finalizers": ["x/c", "x/b"]}})));
}

#[test]
fn mistakes_in_a_strategic_patch_are_named() {
    let old = pod_template(json!([{"name": "a"}]));
    let no_key = pod_template(json!([{"image": "x"}]));
    let expected = "map: map[image:x] does not contain declared merge key: name";
    assert_eq!(patched(&old, &no_key), Err(expected.to_owned()));
    let unknown = pod_template(json!([{"name": "a", "$patch": "explode"}]));
    let expected = "unknown patch type: explode in map: map[$patch:explode name:a]";
    assert_eq!(patched(&old, &unknown), Err(expected.to_owned()));
}

#[test]
fn json_patch_operations_apply_all_or_none() {
    let object = json!({"a": {"b": [1, 2, 3]}, "c": "x"});
    let table = [
        (
            json!([{"op": "add", "path": "/a/b/-", "value": 4}]),
            Some(json!({"a": {"b": [1, 2, 3, 4]}, "c": "x"})),
        ),
        (
            json!([{"op": "add", "path": "/a/b/1", "value": 9}]),
            Some(json!({"a": {"b": [1, 9, 2, 3]}, "c": "x"})),
        ),
        (json!([{"op": "remove", "path": "/a/b/0"}]), Some(json!({"a": {"b": [2, 3]}, "c": "x"}))),
        (
            json!([{"op": "move", "from": "/c", "path": "/d~1e"}]),
            Some(json!({"a": {"b": [1, 2, 3]}, "d/e": "x"})),
        ),
        (json!([{"op": "copy", "from": "/c", "path": "/a/b"}]), Some(json!({"a": {"b": "x"}, "c": "x"}))),
        (json!([{"op": "test", "path": "/c", "value": "y"}, {"op": "remove", "path": "/c"}]), None),
        (json!([{"op": "replace", "path": "/nope/deeper", "value": 1}]), None),
        (json!([{"op": "replace", "path": "/a/b/9", "value": 1}]), None),
        (json!([{"op": "remove", "path": "/nope"}]), None),
        (json!([{"op": "add", "path": "/a/b/9", "value": 1}]), None),
        (json!([{"op": "explode", "path": "/c"}]), None),
    ];
    for (patch, expected) in table {
        let result = JsonPatch::parse(&patch).expect("well formed").apply(&object);
        assert_eq!(result, expected.ok_or(JsonPatchError::Failed), "{patch}");
    }
    let error = JsonPatch::parse(&json!({})).expect_err("no list").to_string();
    assert_eq!(
        error,
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Bool(true)),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn a_merge_patch_between_two_values_makes_one_of_the_other(old in any_json(), new in any_json()) {
        let patch = merge_patch_between(&old, &new);
        let mut result = old;
        merge_patch(&mut result, &patch);
        prop_assert_eq!(result, new);
    }

    #[test]
    fn a_merge_patch_applied_twice_is_as_once(old in any_json(), patch in any_json()) {
        let mut once = old;
        merge_patch(&mut once, &patch);
        let mut twice = once.clone();
        merge_patch(&mut twice, &patch);
        prop_assert_eq!(once, twice);
    }
}
