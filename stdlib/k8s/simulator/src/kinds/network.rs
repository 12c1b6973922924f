//! Ingresses, their classes, network policies, endpoints and budgets for disruption.

use serde_json::{Value, json};

use super::deployment::selector_cell;
use super::pod_spec::{fill, items};
use super::{Column, Kind, Resource, age};
use crate::context::{Cx, text};
use crate::status::{Invalid, Result};

pub(super) struct Ingress;

impl Kind for Ingress {
    fn resource(&self) -> Resource {
        Resource::namespaced("networking.k8s.io", "v1", "ingresses", "Ingress").short("ing").status()
    }

    fn validate_status(&self, _old: &Value, new: &Value) -> Vec<Invalid> {
        super::rules::validate_load_balancer(new)
    }

    fn warnings(&self, old: Option<&Value>, new: &Value) -> Vec<String> {
        let annotated = new["metadata"]["annotations"].get("kubernetes.io/ingress.class").is_some();
        let unset = new["spec"]["ingressClassName"].is_null();
        let why = "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead";
        (old.is_none() && annotated && unset).then(|| why.to_owned()).into_iter().collect()
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_ingress(object)
    }

    fn prepare_create(&self, _cx: &mut Cx<'_>, object: &mut Value) -> Result<()> {
        object["status"] = json!({"loadBalancer": {}});
        Ok(())
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Class",
                "string",
                0,
                "The name of the IngressClass resource that should be used for additional configuration",
            ),
            Column::new(
                "Hosts",
                "string",
                0,
                "Hosts that incoming requests are matched against before the ingress rule",
            ),
            Column::new(
                "Address",
                "string",
                0,
                "Address is a list containing ingress points for the load-balancer",
            ),
            Column::new("Ports", "string", 0, "Ports of TLS configurations that open"),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let hosts: Vec<&str> =
            spec["rules"].as_array().into_iter().flatten().map(|rule| text(&rule["host"])).collect();
        let hosts: Vec<&str> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
        let shown = match hosts.len() {
            0 => "*".to_owned(),
            n if n > 3 => format!("{} + {} more...", hosts[..3].join(","), n - 3),
            _ => hosts.join(","),
        };
        let points = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
        let address: Vec<&str> =
            points.map(|p| p["ip"].as_str().or(p["hostname"].as_str()).unwrap_or_default()).collect();
        let secure = spec["tls"].as_array().is_some_and(|tls| !tls.is_empty());
        vec![
            object["metadata"]["name"].clone(),
            spec["ingressClassName"].as_str().unwrap_or("<none>").into(),
            shown.into(),
            address.join(",").into(),
            if secure { "80, 443" } else { "80" }.into(),
            age(object, now),
        ]
    }
}

pub(super) struct IngressClass;

impl Kind for IngressClass {
    fn resource(&self) -> Resource {
        Resource::cluster("networking.k8s.io", "v1", "ingressclasses", "IngressClass")
    }

    fn default(&self, object: &mut Value) {
        if let Some(parameters) = object["spec"].get_mut("parameters").filter(|p| p.is_object()) {
            fill(parameters, "scope", "Cluster");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }
}

pub(super) struct NetworkPolicy;

impl Kind for NetworkPolicy {
    fn resource(&self) -> Resource {
        Resource::namespaced("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy").short("netpol")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_network_policy(object)
    }

    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        if !spec.is_object() {
            return;
        }
        if spec["policyTypes"].as_array().is_none_or(Vec::is_empty) {
            let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
            spec["policyTypes"] = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        }
        for direction in ["ingress", "egress"] {
            for rule in items(spec, direction) {
                for port in items(rule, "ports") {
                    fill(port, "protocol", "TCP");
                }
            }
        }
        if spec["egress"].is_null() {
            crate::meta::remove(spec, "egress");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Pod-Selector",
                "string",
                0,
                "podSelector selects the pods to which this NetworkPolicy object applies. The array of rules is applied to any pods selected by this field. An empty selector matches all pods in the policy's namespace. Multiple network policies can select the same set of pods. In this case, the ingress rules for each are combined additively. This field is optional. If it is not specified, it defaults to an empty selector.",
            ),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        vec![
            object["metadata"]["name"].clone(),
            selector_cell(&object["spec"]["podSelector"]),
            age(object, now),
        ]
    }
}

pub(super) struct EndpointSlice;

impl Kind for EndpointSlice {
    fn resource(&self) -> Resource {
        Resource::namespaced("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
    }

    fn default(&self, object: &mut Value) {
        for port in items(object, "ports") {
            fill(port, "name", "");
            fill(port, "protocol", "TCP");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn is_new_generation(&self, old: &Value, new: &Value) -> bool {
        ["endpoints", "ports", "addressType"].iter().any(|field| old.get(field) != new.get(field))
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "AddressType",
                "string",
                0,
                "addressType specifies the type of address carried by this EndpointSlice. All addresses in this slice must be the same type. This field is immutable after creation. The following address types are currently supported: * IPv4: Represents an IPv4 Address. * IPv6: Represents an IPv6 Address. * FQDN: Represents a Fully Qualified Domain Name. (Deprecated) The EndpointSlice controller only generates, and kube-proxy only processes, slices of addressType \"IPv4\" and \"IPv6\". No semantics are defined for the \"FQDN\" type.",
            ),
            Column::new(
                "Ports",
                "string",
                0,
                "ports specifies the list of network ports exposed by each endpoint in this slice. Each port must have a unique name. Each slice may include a maximum of 100 ports. Services always have at least 1 port, so EndpointSlices generated by the EndpointSlice controller will likewise always have at least 1 port. EndpointSlices used for other purposes may have an empty ports list.",
            ),
            Column::new(
                "Endpoints",
                "string",
                0,
                "endpoints is a list of unique endpoints in this slice. Each slice may include a maximum of 1000 endpoints.",
            ),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let ports = object["ports"].as_array().into_iter().flatten().map(|port| port["port"].to_string());
        let addresses = object["endpoints"].as_array().into_iter().flatten();
        let addresses = addresses
            .flat_map(|e| e["addresses"].as_array().into_iter().flatten())
            .map(|a| text(a).to_owned());
        let joined = |items: Vec<String>| match items.len() {
            0 => "<unset>".to_owned(),
            n if n > 3 => format!("{} + {} more...", items[..3].join(","), n - 3),
            _ => items.join(","),
        };
        vec![
            object["metadata"]["name"].clone(),
            object["addressType"].clone(),
            joined(ports.collect()).into(),
            joined(addresses.collect()).into(),
            age(object, now),
        ]
    }
}

pub(super) struct Endpoints;

impl Kind for Endpoints {
    fn resource(&self) -> Resource {
        Resource::namespaced("", "v1", "endpoints", "Endpoints").singular("endpoints").short("ep")
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_endpoints(object)
    }

    fn default(&self, object: &mut Value) {
        for subset in items(object, "subsets") {
            for port in items(subset, "ports") {
                fill(port, "protocol", "TCP");
            }
        }
    }

    fn deprecation(&self) -> Option<&str> {
        Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new(
                "Endpoints",
                "string",
                0,
                "The set of all endpoints is the union of all subsets. Addresses are placed into subsets according to the IPs they share. A single address with multiple ports, some of which are ready and some of which are not (because they come from different containers) will result in the address being displayed in different subsets for the different ports. No address will appear in both Addresses and NotReadyAddresses in the same subset. Sets of addresses and ports that comprise a service.",
            ),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let mut all = Vec::new();
        for subset in object["subsets"].as_array().into_iter().flatten() {
            for port in subset["ports"].as_array().into_iter().flatten() {
                let addresses = subset["addresses"].as_array().into_iter().flatten();
                all.extend(addresses.map(|address| format!("{}:{}", text(&address["ip"]), port["port"])));
            }
        }
        let shown = match all.len() {
            0 => "<none>".to_owned(),
            n if n > 3 => format!("{} + {} more...", all[..3].join(","), n - 3),
            _ => all.join(","),
        };
        vec![object["metadata"]["name"].clone(), shown.into(), age(object, now)]
    }
}

pub(super) struct Budget;

impl Kind for Budget {
    fn resource(&self) -> Resource {
        Resource::namespaced("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
            .short("pdb")
            .status()
    }

    fn validate_create(&self, object: &Value) -> Vec<Invalid> {
        super::rules::validate_disruption_budget(object)
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            Column::new("Min Available", "string", 0, "The minimum number of pods that must be available."),
            Column::new(
                "Max Unavailable",
                "string",
                0,
                "The maximum number of pods that may be unavailable.",
            ),
            Column::new(
                "Allowed Disruptions",
                "integer",
                0,
                "Calculated number of pods that may be disrupted at this time.",
            ),
            Column::age(),
        ]
    }

    fn cells(&self, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
        let amount = |field: &str| match &object["spec"][field] {
            Value::Null => "N/A".to_owned(),
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        vec![
            object["metadata"]["name"].clone(),
            amount("minAvailable").into(),
            amount("maxUnavailable").into(),
            object["status"]["disruptionsAllowed"].as_i64().unwrap_or(0).into(),
            age(object, now),
        ]
    }
}
