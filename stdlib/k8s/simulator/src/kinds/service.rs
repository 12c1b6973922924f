//! Services: addresses and node ports are allocated here, from the objects that exist.

use rand::Rng;
use serde_json::{Value, json};

use super::deployment::selector_cell;
use super::pod_spec::{fill, items};
use super::{Column, Kind, NameRule, Resource, Subresource, age, keep};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result};
use crate::store::GroupResource;

pub(super) struct Service;

const SERVICES: GroupResource = GroupResource::new("", "services");
const NODE_PORTS: std::ops::RangeInclusive<u32> = 30_000..=32_767;

impl Kind for Service {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "services", "Service")
            .short("svc")
            .category("all")
            .status()
            .with(Subresource::Proxy)
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_load_balancer(new)
    }

    fn warnings(&self, _old: Option<&Value>, new: &Value) -> Vec<String> {
        super::rules::service_warnings(new)
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_service(object)
    }

    fn validate_update(&self, old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_service_update(old, new)
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        fill(spec, "sessionAffinity", "None");
        fill(spec, "type", "ClusterIP");
        let affine = spec["sessionAffinity"] == "ClientIP";
        if spec["sessionAffinity"] == "None"
            && let Some(map) = spec.as_object_mut()
        {
            map.remove("sessionAffinityConfig");
        }
        if affine && spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].is_null() {
            spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10800}});
        }
        for port in items(spec, "ports") {
            fill(port, "protocol", "TCP");
            let number = port["port"].clone();
            let target = port.get("targetPort").is_none_or(|t| t.is_null() || *t == 0 || *t == "");
            if target {
                port["targetPort"] = number;
            }
        }
        if let Some(balancer) = object.pointer_mut("/status/loadBalancer") {
            let addressed = items(balancer, "ingress").filter(|ingress| !text(&ingress["ip"]).is_empty());
            addressed.for_each(|ingress| fill(ingress, "ipMode", "VIP"));
        }
        let spec = &mut object["spec"];
        let kind = text(&spec["type"]).to_owned();
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            fill(spec, "externalTrafficPolicy", "Cluster");
        }
        if kind != "ExternalName" {
            fill(spec, "internalTrafficPolicy", "Cluster");
        }
        if kind == "LoadBalancer" {
            fill(spec, "allocateLoadBalancerNodePorts", true);
        }
    }

    fn prepare_create(&self, cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        object["status"] = json!({"loadBalancer": {}});
        allocate(cx, object);
        Ok(())
    }

    fn prepare_update(&self, cx: &mut Cx<'_>, old: &Value, new: &mut Value) -> Result<()> {
        let (was, is) = (text(&old["spec"]["type"]).to_owned(), text(&new["spec"]["type"]).to_owned());
        if is == "ExternalName" {
            if was != "ExternalName"
                && let Some(spec) = new["spec"].as_object_mut()
            {
                for field in
                    ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]
                {
                    spec.remove(field);
                }
            }
            return Ok(());
        }
        if was != "ExternalName" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if new["spec"].get(field).is_none() {
                    keep(&old["spec"], &mut new["spec"], &[field]);
                }
            }
        }
        keep_node_ports(old, new, &is);
        allocate(cx, new);
        Ok(())
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label1035
    }

    fn deletion_answers_object(&self) -> bool {
        true
    }

    fn field(&self, object: &Value, label: &str) -> Option<String> {
        let value = match label {
            "spec.clusterIP" => &object["spec"]["clusterIP"],
            "spec.type" => &object["spec"]["type"],
            _ => return None,
        };
        Some(text(value).to_owned())
    }

    fn unsupported_field(&self, label: &str) -> String {
        format!("field label not supported: {label}")
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Type",
                "string",
                0,
                "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, ClusterIP, NodePort, and LoadBalancer. \"ClusterIP\" allocates a cluster-internal IP address for load-balancing to endpoints. Endpoints are determined by the selector or if that is not specified, by manual construction of an Endpoints object or EndpointSlice objects. If clusterIP is \"None\", no virtual IP is allocated and the endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" builds on ClusterIP and allocates a port on every node which routes to the same endpoints as the clusterIP. \"LoadBalancer\" builds on NodePort and creates an external load-balancer (if supported in the current cloud) which routes to the same endpoints as the clusterIP. \"ExternalName\" aliases this service to the specified externalName. Several other fields do not apply to ExternalName services. More info: https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types",
            ),
            Column::new(
                "Cluster-IP",
                "string",
                0,
                "clusterIP is the IP address of the service and is usually assigned randomly.",
            ),
            Column::new(
                "External-IP",
                "string",
                0,
                "externalIPs is a list of IP addresses for which nodes in the cluster will also accept traffic for this service.",
            ),
            Column::new(
                "Port(s)",
                "string",
                0,
                "The list of ports that are exposed by this service. More info: https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
            ),
            Column::age(),
            Column::new(
                "Selector",
                "string",
                1,
                "Route service traffic to pods with label keys and values matching this selector.",
            ),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let ports = spec["ports"].as_array().cloned().unwrap_or_default();
        let ports: Vec<String> = ports
            .iter()
            .map(|port| match port["nodePort"].as_i64() {
                Some(node) if node > 0 => format!("{}:{node}/{}", port["port"], text(&port["protocol"])),
                _ => format!("{}/{}", port["port"], text(&port["protocol"])),
            })
            .collect();
        let ports = if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") };
        vec![
            object["metadata"]["name"].clone(),
            spec["type"].clone(),
            match text(&spec["clusterIP"]) {
                "" => "<none>".into(),
                ip => ip.into(),
            },
            external(object).into(),
            ports.into(),
            age(object, now),
            selector_cell(&spec["selector"]),
        ]
    }
}

fn external(service: &Value) -> String {
    let spec = &service["spec"];
    let own: Vec<&str> = spec["externalIPs"].as_array().into_iter().flatten().map(text).collect();
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let balanced =
        ingress.map(|entry| entry["ip"].as_str().or(entry["hostname"].as_str()).unwrap_or_default());
    match text(&spec["type"]) {
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        "LoadBalancer" => {
            let all: Vec<&str> = balanced.chain(own).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ if own.is_empty() => "<none>".to_owned(),
        _ => own.join(","),
    }
}

/// Node ports stay with their ports, and go with the types that have none.
fn keep_node_ports(old: &Value, new: &mut Value, kind: &str) {
    if kind == "ClusterIP" {
        let given: Vec<Value> = old["spec"]["ports"].as_array().into_iter().flatten().cloned().collect();
        for port in items(&mut new["spec"], "ports") {
            let inherited = given.iter().any(|was| was["nodePort"] == port["nodePort"]);
            if let (true, Some(map)) = (inherited, port.as_object_mut()) {
                map.remove("nodePort");
            }
        }
        if let (true, Some(spec)) = (old["spec"]["type"] != "ClusterIP", new["spec"].as_object_mut()) {
            for field in ["externalTrafficPolicy", "allocateLoadBalancerNodePorts", "healthCheckNodePort"] {
                spec.remove(field);
            }
        }
        return;
    }
    let was = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in items(&mut new["spec"], "ports") {
        if port["nodePort"].as_i64().unwrap_or(0) == 0
            && let Some(same) =
                was.iter().find(|w| w["port"] == port["port"] && w["protocol"] == port["protocol"])
            && let Some(node) = same.get("nodePort")
        {
            port["nodePort"] = node.clone();
        }
    }
}

/// Addresses and node ports that are wanted and not there yet.
fn allocate(cx: &mut Cx<'_>, object: &mut Value) {
    let spec = &mut object["spec"];
    let kind = text(&spec["type"]).to_owned();
    if kind == "ExternalName" {
        return;
    }
    fill(spec, "ipFamilies", json!(["IPv4"]));
    fill(spec, "ipFamilyPolicy", "SingleStack");
    if let Some(first) = spec["clusterIPs"][0].as_str().map(str::to_owned) {
        fill(spec, "clusterIP", first);
    }
    if text(&spec["clusterIP"]).is_empty() {
        let name = text(&object["metadata"]["name"]) == "kubernetes"
            && text(&object["metadata"]["namespace"]) == "default";
        let address = if name { "10.96.0.1".to_owned() } else { free_address(cx) };
        object["spec"]["clusterIP"] = address.into();
    }
    let spec = &mut object["spec"];
    let address = spec["clusterIP"].clone();
    fill(spec, "clusterIPs", json!([address]));
    let allocates =
        kind == "NodePort" || kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false;
    if !allocates {
        return;
    }
    let mut used: Vec<i64> = used_node_ports(cx);
    for port in items(spec, "ports") {
        if port["nodePort"].as_i64().unwrap_or(0) == 0 {
            let free = free_port(cx, &used);
            used.push(free);
            port["nodePort"] = free.into();
        }
    }
    if kind == "LoadBalancer"
        && spec["externalTrafficPolicy"] == "Local"
        && spec["healthCheckNodePort"].is_null()
    {
        spec["healthCheckNodePort"] = free_port(cx, &used).into();
    }
}

fn free_address(cx: &mut Cx<'_>) -> String {
    let used: Vec<String> = cx
        .list(&SERVICES, None)
        .iter()
        .map(|service| text(&service["spec"]["clusterIP"]).to_owned())
        .collect();
    loop {
        let number: u32 = cx.rng().random_range(256..4096 * 16);
        let address = format!("10.{}.{}.{}", 96 + (number >> 16), (number >> 8) & 255, number & 255);
        if !used.contains(&address) && number & 255 != 0 && number & 255 != 255 {
            return address;
        }
    }
}

fn used_node_ports(cx: &Cx<'_>) -> Vec<i64> {
    let services = cx.list(&SERVICES, None);
    services
        .iter()
        .flat_map(|service| {
            let ports =
                service["spec"]["ports"].as_array().into_iter().flatten().map(|port| &port["nodePort"]);
            ports
                .chain([&service["spec"]["healthCheckNodePort"]])
                .filter_map(Value::as_i64)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn free_port(cx: &mut Cx<'_>, used: &[i64]) -> i64 {
    loop {
        let port = i64::from(cx.rng().random_range(NODE_PORTS));
        if !used.contains(&port) {
            return port;
        }
    }
}
