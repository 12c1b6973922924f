//! What a CRD's schema makes of custom resources.

use opsrun_k8s_schema::custom::{CustomSchema, Refusal};
use opsrun_k8s_schema::json::Document;
use serde_json::{Value, json};

fn widget() -> CustomSchema {
    CustomSchema::new(&json!({"type": "object", "required": ["spec"], "properties": {"spec": {
        "type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10},
            "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "q": {"x-kubernetes-int-or-string": true},
        },
    }}}))
}

#[test]
fn unknown_fields_are_dropped_and_defaults_filled_in() {
    let body =
        r#"{"metadata":{"name":"w"},"spec":{"size":1,"bogus":1,"free":{"any":{"thing":1}}},"extra":1}"#;
    let decoded = widget().decode(&Document::parse(body.as_bytes()).expect("json")).expect("decodes");
    assert_eq!(decoded.strict, [r#"unknown field "extra""#, r#"unknown field "spec.bogus""#]);
    let mut object = decoded.object;
    widget().default(&mut object);
    assert_eq!(object["spec"], json!({"size": 1, "color": "red", "free": {"any": {"thing": 1}}}));
}

#[test]
fn wrong_values_are_refused_in_the_servers_words() {
    let table = [
        (
            json!({"size": 99}),
            Refusal::Invalid,
            "spec.size",
            "spec.size in body should be less than or equal to 10",
        ),
        (
            json!({"size": "x"}),
            Refusal::TypeInvalid,
            "spec.size",
            "spec.size in body must be of type integer: \"string\"",
        ),
        (
            json!({"size": 1, "color": "green"}),
            Refusal::NotSupported,
            "spec.color",
            "supported values: \"red\", \"blue\"",
        ),
        (
            json!({"size": 1, "name": "A"}),
            Refusal::Invalid,
            "spec.name",
            "spec.name in body should match '^[a-z]+$'",
        ),
        (
            json!({"size": 1, "name": "toolong"}),
            Refusal::TooLong,
            "spec.name",
            "may not be more than 5 characters",
        ),
        (json!({}), Refusal::Required, "spec.size", ""),
        (json!({"size": 1, "tags": ["a", "a"]}), Refusal::Duplicate, "spec.tags[1]", ""),
    ];
    for (spec, reason, field, detail) in table {
        let wrong = widget().validate(&json!({"spec": spec}));
        let [one] = wrong.as_slice() else { panic!("{spec}: {wrong:?}") };
        assert_eq!((one.reason, one.field.as_str(), one.detail.as_str()), (reason, field, detail));
    }
    assert_eq!(widget().validate(&json!({"spec": {"size": 1, "q": "5%"}})), []);
    assert_ne!(widget().validate(&Value::Null), []);
}
