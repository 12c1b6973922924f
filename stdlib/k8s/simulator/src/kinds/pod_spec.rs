//! The defaults of pod specs, in Pods and in every template of one.
//! Functions of the spec alone; what only Pods get is in `pod`.

use serde_json::{Map, Value, json};

/// Sets a field that is absent; an empty text is what Go has for an absent one.
pub(crate) fn fill(object: &mut Value, field: &str, value: impl Into<Value>) {
    if object.get(field).is_none_or(|old| old.is_null() || *old == "")
        && (object.is_object() || object.is_null())
    {
        object[field] = value.into();
    }
}

/// The items of a list field.
pub(crate) fn items<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A pod template: its metadata is there, its spec defaulted.
pub(crate) fn default_template(template: &mut Value) {
    fill(template, "metadata", json!({}));
    if template.get("spec").is_some_and(Value::is_object) {
        default_spec(&mut template["spec"]);
    }
}

pub(crate) fn default_spec(spec: &mut Value) {
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "restartPolicy", "Always");
    fill(spec, "schedulerName", "default-scheduler");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", 30);
    // The deprecated name repeats the other, whichever is given.
    let account = ["serviceAccountName", "serviceAccount"].iter().find_map(|field| spec[*field].as_str());
    if let Some(account) = account.filter(|name| !name.is_empty()).map(str::to_owned) {
        spec["serviceAccount"] = account.clone().into();
        spec["serviceAccountName"] = account.into();
    }
    let host_network = spec["hostNetwork"] == true;
    items(spec, "volumes").for_each(default_volume);
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(spec, list) {
            default_container(container);
            if host_network {
                for port in items(container, "ports") {
                    let number = port["containerPort"].clone();
                    fill(port, "hostPort", number);
                }
            }
        }
    }
}

fn default_container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
    fill(container, "imagePullPolicy", policy);
    fill(container, "resources", json!({}));
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    for port in items(container, "ports") {
        fill(port, "protocol", "TCP");
    }
    for variable in items(container, "env") {
        default_field_ref(&mut variable["valueFrom"]);
        if variable["valueFrom"].is_null()
            && let Some(map) = variable.as_object_mut()
        {
            map.remove("valueFrom");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            default_probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(get) =
            container.get_mut("lifecycle").and_then(|l| l.get_mut(hook)).and_then(|h| h.get_mut("httpGet"))
        {
            default_http_get(get);
        }
    }
}

/// `:latest`, or neither tag nor digest.
fn is_latest(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => !digest,
    }
}

fn default_probe(probe: &mut Value) {
    for (field, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        // A zero counts as absent.
        if probe[field].as_i64().unwrap_or(0) == 0 {
            probe[field] = value.into();
        }
    }
    if let Some(get) = probe.get_mut("httpGet").filter(|get| get.is_object()) {
        default_http_get(get);
    }
    if let Some(grpc) = probe.get_mut("grpc").filter(|grpc| grpc.is_object()) {
        fill(grpc, "service", "");
    }
}

fn default_http_get(get: &mut Value) {
    fill(get, "path", "/");
    fill(get, "scheme", "HTTP");
}

fn default_field_ref(source: &mut Value) {
    if let Some(field) = source.get_mut("fieldRef").filter(|field| field.is_object()) {
        fill(field, "apiVersion", "v1");
    }
}

fn default_volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|map| map.keys().all(|key| key == "name")) {
        volume["emptyDir"] = json!({});
    }
    let Some(map) = volume.as_object_mut() else { return };
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = map.get_mut(source).filter(|source| source.is_object()) {
            fill(source, "defaultMode", 420);
            for item in items(source, "items") {
                default_field_ref(item);
            }
            for projection in items(source, "sources") {
                if let Some(token) =
                    projection.get_mut("serviceAccountToken").filter(|token| token.is_object())
                {
                    fill(token, "expirationSeconds", 3600);
                }
                if let Some(downward) = projection.get_mut("downwardAPI") {
                    items(downward, "items").for_each(default_field_ref);
                }
            }
        }
    }
    default_host_path(map);
    if let Some(claim) = map.get_mut("ephemeral").and_then(|e| e.get_mut("volumeClaimTemplate"))
        && claim["spec"].is_object()
    {
        fill(&mut claim["spec"], "volumeMode", "Filesystem");
    }
}

fn default_host_path(volume: &mut Map<String, Value>) {
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        fill(path, "type", "");
    }
}
