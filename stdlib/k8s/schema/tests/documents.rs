//! What clients find in the OpenAPI documents.

use opsrun_k8s_schema::documents::{description, document_names, document_v2, document_v3};

#[test]
fn a_group_document_refers_only_to_what_it_holds() {
    for name in document_names() {
        let document = document_v3(&name).expect("named");
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        for rest in text.split("#/components/schemas/").skip(1) {
            let wanted = rest.split('"').next().unwrap_or_default();
            assert!(schemas.contains_key(wanted), "{name}: {wanted}");
        }
    }
}

#[test]
fn kubectl_finds_kinds_patch_keys_and_parameters() {
    let apps = document_v3("apis/apps/v1").expect("apps");
    let path = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(path["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let has =
        |name: &str| path["parameters"].as_array().is_some_and(|list| list.iter().any(|p| p["name"] == name));
    assert!(has("fieldValidation") && has("dryRun"));
    let pod = &apps["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(pod["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(pod["x-kubernetes-list-type"], "map");
    let volume = &apps["components"]["schemas"]["io.k8s.api.core.v1.Volume"]["properties"]["emptyDir"];
    assert!(
        volume["description"].as_str().is_some_and(|text| text.contains("temporary directory")),
        "{volume}"
    );
    let deployment = &document_v2()["definitions"]["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(deployment["x-kubernetes-group-version-kind"][0]["kind"], "Deployment");
}

#[test]
fn fields_are_described() {
    let text = description("io.k8s.api.core.v1.ContainerPort", "containerPort").expect("described");
    assert_eq!(
        text,
        "Number of port to expose on the pod's IP address. This must be a valid port number, 0 < x < 65536."
    );
}
