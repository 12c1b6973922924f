//! Endpoints and EndpointSlices: where the pods behind a Service are.
//! One slice a Service: no estate here has the hundred pods that would fill it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Controller;
use super::object::{
    ENDPOINTS, PODS, SERVICES, SLICES, controlled_by, is_controlled_by, is_going, key_of, list, name,
    namespace, pod, selects, text_at, uid,
};
use crate::cluster::Cluster;
use crate::context::{Cx, text};
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// The two controllers in one: both follow the same changes.
#[derive(Clone)]
pub(crate) struct EndpointsOfServices;

impl Controller for EndpointsOfServices {
    fn name(&self) -> &'static str {
        "endpointslice-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[SERVICES, PODS, SLICES] }
    }

    fn keys(&self, cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        let object = change.object();
        if change.key.resource == SERVICES {
            return vec![change.key.clone()];
        }
        if change.key.resource == SLICES {
            let service = text(&object["metadata"]["labels"]["kubernetes.io/service-name"]);
            let gone = change.new.is_none() && !service.is_empty();
            return gone.then(|| ObjectKey::new(&SERVICES, namespace(object), service)).into_iter().collect();
        }
        let labels = [Some(object), change.old.as_deref()]
            .map(|object| object.map(|object| &object["metadata"]["labels"]));
        let services = cluster.store.list(&SERVICES, Some(namespace(object)));
        let concerned = |service: &&Arc<Value>| {
            let selector = selector(service);
            labels.iter().flatten().any(|labels| selects(&selector, labels))
        };
        services.filter(concerned).map(|service| key_of(&SERVICES, service)).collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(service) = cx.at(key) else {
            let endpoints = ObjectKey::new(&ENDPOINTS, &key.namespace, &key.name);
            if cx.at(&endpoints).is_some() {
                cx.delete(&endpoints, &Default::default())?;
            }
            return Ok(());
        };
        if is_going(&service)
            || service["spec"]["selector"].is_null()
            || service["spec"]["type"] == "ExternalName"
        {
            return Ok(());
        }
        let selector = selector(&service);
        let pods: Vec<Arc<Value>> = cx
            .list(&PODS, Some(&key.namespace))
            .into_iter()
            .filter(|pod| selects(&selector, &pod["metadata"]["labels"]))
            .filter(|pod| !pod::is_finished(pod) && !text_at(pod, "/status/podIP").is_empty())
            .collect();
        write_slice(cx, &service, &pods)?;
        write_endpoints(cx, &service, &pods)
    }
}

fn selector(service: &Value) -> Value {
    match &service["spec"]["selector"] {
        Value::Null => Value::Null,
        labels => json!({"matchLabels": labels}),
    }
}

/// The ports of a Service as the pod has them.
fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    let containers = list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
    let named = |name: &str| {
        let mut ports = containers.clone().flat_map(|container| list(container, "/ports"));
        ports.find(|port| port["name"] == name).map(|port| port["containerPort"].clone())
    };
    list(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let target = &port["targetPort"];
            let number = match target {
                Value::String(name) => named(name)?,
                Value::Null => port["port"].clone(),
                number => number.clone(),
            };
            Some(json!({"name": text(&port["name"]), "port": number, "protocol": port["protocol"]}))
        })
        .collect()
}

fn target(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)})
}

fn write_slice(cx: &mut Cx<'_>, service: &Value, pods: &[Arc<Value>]) -> Result<()> {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let (ready, going) = (pod::is_ready(pod), is_going(pod));
            let published = service["spec"]["publishNotReadyAddresses"] == true;
            let mut endpoint = json!({
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": published || (ready && !going), "serving": ready, "terminating": going},
                "nodeName": pod::node(pod), "targetRef": target(pod),
            });
            if !text_at(pod, "/spec/hostname").is_empty() && pod["spec"]["subdomain"] == service["metadata"]["name"] {
                endpoint["hostname"] = pod["spec"]["hostname"].clone();
            }
            endpoint
        })
        .collect();
    let ports = pods.first().map(|pod| ports(service, pod)).unwrap_or_default();
    let or_null = |items: Vec<Value>| if items.is_empty() { Value::Null } else { items.into() };
    let (endpoints, ports) = (or_null(endpoints), or_null(ports));
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert(
        "endpointslice.kubernetes.io/managed-by".to_owned(),
        "endpointslice-controller.k8s.io".into(),
    );
    labels.insert("kubernetes.io/service-name".to_owned(), name(service).into());
    if service["spec"]["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".to_owned(), "".into());
    }
    let labels: Value = labels.into();
    let existing =
        cx.list(&SLICES, Some(namespace(service))).into_iter().find(|slice| is_controlled_by(slice, service));
    let Some(slice) = existing else {
        let slice = json!({
            "metadata": {
                "generateName": format!("{}-", name(service)), "namespace": namespace(service), "labels": labels,
                "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": cx.timestamp()},
                "ownerReferences": [controlled_by(service)],
            },
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        return cx.create(&SLICES, slice).map(drop);
    };
    if slice["endpoints"] == endpoints && slice["ports"] == ports && slice["metadata"]["labels"] == labels {
        return Ok(());
    }
    let at = cx.timestamp();
    cx.modify(&key_of(&SLICES, &slice), None, |slice| {
        slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"] = at;
        slice["metadata"]["labels"] = labels;
        slice["endpoints"] = endpoints;
        slice["ports"] = ports;
    })
    .map(drop)
}

fn write_endpoints(cx: &mut Cx<'_>, service: &Value, pods: &[Arc<Value>]) -> Result<()> {
    let address = |pod: &Arc<Value>| json!({"ip": pod["status"]["podIP"], "nodeName": pod::node(pod), "targetRef": target(pod)});
    let (ready, unready): (Vec<_>, Vec<_>) =
        pods.iter().filter(|pod| !is_going(pod)).partition(|pod| pod::is_ready(pod));
    let mut subsets = Vec::new();
    if let Some(pod) = ready.first().or(unready.first()) {
        let mut named = ports(service, pod);
        for port in &mut named {
            if port["name"] == ""
                && let Some(port) = port.as_object_mut()
            {
                port.remove("name");
            }
        }
        let mut subset = json!({"ports": named});
        for (field, pods) in [("addresses", &ready), ("notReadyAddresses", &unready)] {
            if !pods.is_empty() {
                subset[field] = pods.iter().map(|pod| address(pod)).collect();
            }
        }
        subsets.push(subset);
    }
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("endpoints.kubernetes.io/managed-by".to_owned(), "endpoint-controller".into());
    if service["spec"]["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".to_owned(), "".into());
    }
    let labels: Value = labels.into();
    let key = ObjectKey::new(&ENDPOINTS, namespace(service), name(service));
    let set = |object: &mut Value| {
        object["metadata"]["labels"] = labels.clone();
        match subsets.is_empty() {
            true => drop(object.as_object_mut().map(|map| map.remove("subsets"))),
            false => object["subsets"] = subsets.clone().into(),
        }
    };
    let Some(existing) = cx.at(&key) else {
        let mut object = json!({"metadata": {"name": key.name, "namespace": key.namespace}});
        set(&mut object);
        return cx.create(&ENDPOINTS, object).map(drop);
    };
    let mut changed = (*existing).clone();
    set(&mut changed);
    if changed == *existing { Ok(()) } else { cx.update(&ENDPOINTS, changed).map(drop) }
}
