//! What bodies decode to, what is refused, and in which words.

use opsrun_k8s_schema::json::Document;
use opsrun_k8s_schema::{Gvk, Quantity, Schema, decode};
use serde_json::{Value, json};

fn schema(api_version: &str, kind: &str) -> &'static Schema {
    Schema::for_kind(&Gvk::from_api_version(api_version, kind)).expect("a built-in kind")
}

fn decoded(api_version: &str, kind: &str, body: &str) -> Result<(Value, Vec<String>), String> {
    let document = Document::parse(body.as_bytes()).map_err(|error| error.to_string())?;
    let decoded = decode(schema(api_version, kind), &document).map_err(|error| error.to_string())?;
    Ok((decoded.object, decoded.strict))
}

#[test]
fn wrong_types_are_refused_in_gos_words() {
    let table = [
        (
            "apps/v1",
            "Deployment",
            r#"{"spec":"x"}"#,
            "json: cannot unmarshal string into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            "apps/v1",
            "Deployment",
            r#"{"spec":{"replicas":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "apps/v1",
            "Deployment",
            r#"{"spec":{"replicas":"two"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "v1",
            "ConfigMap",
            r#"{"metadata":"x"}"#,
            "json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
        ),
        (
            "v1",
            "ConfigMap",
            r#"{"data":{"a":1}}"#,
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        (
            "v1",
            "Pod",
            r#"{"spec":{"containers":{"name":"c"}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        ("v1", "ConfigMap", "[]", "json: cannot unmarshal array into Go value of type v1.ConfigMap"),
        ("v1", "Secret", r#"{"data":{"a":"%"}}"#, "illegal base64 data at input byte 0"),
        ("v1", "ConfigMap", r#"{"a":"#, "unexpected end of JSON input"),
        ("v1", "ConfigMap", "not json", "invalid character 'o' in literal null (expecting 'u')"),
        (
            "v1",
            "ResourceQuota",
            r#"{"spec":{"hard":{"pods":"ten"}}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            "coordination.k8s.io/v1",
            "Lease",
            r#"{"spec":{"renewTime":"2024-01-02T03:04:06Z"}}"#,
            r#"parsing time "2024-01-02T03:04:06Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000""#,
        ),
    ];
    for (api_version, kind, body, expected) in table {
        assert_eq!(decoded(api_version, kind, body), Err(expected.to_owned()), "{body}");
    }
}

#[test]
fn unknown_and_duplicate_fields_are_named_in_document_order() {
    let body = r#"{"metadata":{"name":"a","name":"dup","colour":1},"Data":{},"data":{"k":"1","k":"2"}}"#;
    let (object, strict) = decoded("v1", "ConfigMap", body).expect("decodes");
    assert_eq!(object["data"], json!({"k": "2"}));
    let expected = [
        r#"duplicate field "metadata.name""#,
        r#"unknown field "metadata.colour""#,
        r#"unknown field "Data""#,
        r#"duplicate field "data.k""#,
    ];
    assert_eq!(strict, expected);
}

#[test]
fn empty_values_are_written_as_go_writes_them() {
    let body = r#"{"metadata":{"name":"d","labels":{}},"spec":{"replicas":0,"selector":null,"template":{}}}"#;
    let (object, _) = decoded("apps/v1", "Deployment", body).expect("decodes");
    let expected = json!({
        "metadata": {"name": "d"},
        "spec": {
            "replicas": 0, "selector": null, "strategy": {},
            "template": {"metadata": {}, "spec": {"containers": null}},
        },
        "status": {},
    });
    assert_eq!(object, expected);
}

#[test]
fn quantities_come_back_canonical() {
    let table = [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1048576Ki", "1Gi"),
        ("1073741824", "1073741824"),
        ("1e3", "1e3"),
        ("100m", "100m"),
        ("0", "0"),
        ("1.5Gi", "1536Mi"),
        ("0.1Ki", "102400m"),
        ("-2k", "-2k"),
        ("1500", "1500"),
        ("2000", "2k"),
        ("8E", "8E"),
        ("1u", "1u"),
        ("+5", "5"),
        (".5", "500m"),
        ("5.", "5"),
    ];
    for (text, expected) in table {
        let quantity: Quantity = text.parse().expect(text);
        assert_eq!(quantity.to_string(), expected, "{text}");
    }
    for (text, words) in
        [("", "match"), ("abc", "match"), ("1.5Qi", "match"), ("M", "numeric"), ("1Mm", "suffix")]
    {
        let error = text.parse::<Quantity>().expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn every_served_kind_has_a_schema() {
    for (api_version, kind) in [
        ("v1", "Pod"),
        ("v1", "Service"),
        ("v1", "Namespace"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "CronJob"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("policy/v1", "PodDisruptionBudget"),
        ("policy/v1", "Eviction"),
        ("networking.k8s.io/v1", "Ingress"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("autoscaling/v1", "Scale"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("apiregistration.k8s.io/v1", "APIService"),
        ("coordination.k8s.io/v1", "Lease"),
        ("v1", "PodExecOptions"),
        ("events.k8s.io/v1", "Event"),
    ] {
        assert!(schema(api_version, kind).object().is_some(), "{api_version} {kind}");
    }
}
