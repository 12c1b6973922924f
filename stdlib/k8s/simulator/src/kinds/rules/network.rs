//! Services, Ingresses, NetworkPolicies and Endpoints.

use serde_json::{Value, json};

use super::{at, has, is_address, items, label_selector, one_of, port, port_name, port_number, shown};
use crate::context::text;
use crate::names;
use crate::status::{Invalid, Reason};

const SERVICE_TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

pub(crate) fn validate_service(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    let kind = text(&spec["type"]);
    let headless = spec["clusterIP"] == "None";
    let ports = items(spec, "ports", "spec");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        wrong.push(Invalid::required("spec.ports", ""));
    }
    let mut names_taken: Vec<&str> = Vec::new();
    let mut taken: Vec<(i64, &str)> = Vec::new();
    for (path, one) in &ports {
        let name = text(&one["name"]);
        if name.is_empty() {
            if ports.len() > 1 {
                wrong.push(Invalid::required(at(path, "name"), ""));
            }
        } else {
            wrong.extend(
                names::label(name).into_iter().map(|why| Invalid::value(at(path, "name"), name, why)),
            );
            if names_taken.contains(&name) {
                wrong.push(Invalid::duplicate(at(path, "name"), name));
            }
            names_taken.push(name);
        }
        let number = one["port"].as_i64().unwrap_or(0);
        port_number(number, &at(path, "port"), &mut wrong);
        let protocol = text(&one["protocol"]);
        if protocol.is_empty() {
            wrong.push(Invalid::required(at(path, "protocol"), ""));
        }
        one_of(one, "protocol", PROTOCOLS, path, &mut wrong);
        if kind != "ExternalName" || has(one, "targetPort") {
            port(&one["targetPort"], &at(path, "targetPort"), &mut wrong);
        }
        if taken.contains(&(number, protocol)) {
            let (protocol, number) = (json!(protocol), json!(number));
            let value = [
                ("Name", &json!("")),
                ("Protocol", &protocol),
                ("AppProtocol", &Value::Null),
                ("Port", &number),
                ("TargetPort", &json!(0)),
                ("NodePort", &json!(0)),
            ];
            wrong.push(shown(Reason::Duplicate, path, &value, ""));
        }
        taken.push((number, protocol));
        let node_port = one["nodePort"].as_i64().unwrap_or(0);
        if node_port != 0 && (kind == "ClusterIP" || kind == "ExternalName") {
            let why = "may not be used when `type` is 'ClusterIP'";
            wrong.push(Invalid::forbidden(at(path, "nodePort"), why));
        }
    }
    wrong.extend(names::labels(&spec["selector"], "spec.selector"));
    one_of(spec, "sessionAffinity", &["ClientIP", "None"], "spec", &mut wrong);
    one_of(spec, "type", SERVICE_TYPES, "spec", &mut wrong);
    one_of(spec, "externalTrafficPolicy", &["Cluster", "Local"], "spec", &mut wrong);
    one_of(spec, "internalTrafficPolicy", &["Cluster", "Local"], "spec", &mut wrong);
    one_of(
        spec,
        "ipFamilyPolicy",
        &["SingleStack", "PreferDualStack", "RequireDualStack"],
        "spec",
        &mut wrong,
    );
    match kind {
        "ExternalName" => {
            let name = text(&spec["externalName"]);
            if name.is_empty() {
                wrong.push(Invalid::required("spec.externalName", ""));
            } else {
                let bare = name.trim_end_matches('.');
                let faults = names::subdomain(bare);
                wrong.extend(faults.into_iter().map(|why| Invalid::value("spec.externalName", name, why)));
            }
            for field in ["clusterIP", "clusterIPs"] {
                if has(spec, field) && !text(&spec[field]).is_empty() {
                    let why = "may not be set when `type` is 'ExternalName'";
                    wrong.push(Invalid::forbidden(at("spec", field), why));
                }
            }
        }
        "LoadBalancer" if headless => {
            let why = "may not be set to 'None' for LoadBalancer services";
            wrong.push(Invalid::value("spec.clusterIPs[0]", spec["clusterIPs"].clone(), why));
        }
        "NodePort" if headless => {
            let why = "may not be set to 'None' for NodePort services";
            wrong.push(Invalid::value("spec.clusterIPs[0]", spec["clusterIPs"].clone(), why));
        }
        _ => {}
    }
    for (path, ip) in items(spec, "externalIPs", "spec") {
        if !is_address(text(ip)) {
            wrong.push(Invalid::value(path, ip.clone(), ADDRESS));
        }
    }
    for (path, ip) in items(spec, "clusterIPs", "spec") {
        if ip != "None" && !is_address(text(ip)) {
            wrong.push(Invalid::value(path, ip.clone(), ADDRESS));
        }
    }
    for (path, range) in items(spec, "loadBalancerSourceRanges", "spec") {
        if !is_network(text(range).trim()) {
            wrong.push(Invalid::value(path, range.clone(), CIDR));
        }
    }
    wrong
}

const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

fn is_network(given: &str) -> bool {
    let Some((address, length)) = given.split_once('/') else { return false };
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return false };
    length.parse::<u8>().is_ok_and(|length| length <= if address.is_ipv4() { 32 } else { 128 })
}

pub(crate) fn validate_service_update(old: &Value, new: &Value) -> Vec<Invalid> {
    let mut wrong = validate_service(new);
    let (before, after) = (&old["spec"], &new["spec"]);
    let stays = before["type"] != "ExternalName" && after["type"] != "ExternalName";
    let (first, now) = (&before["clusterIPs"][0], &after["clusterIPs"][0]);
    if stays && first.is_string() && first != now {
        let why = "may not change once set";
        wrong.push(Invalid::value("spec.clusterIPs[0]", after["clusterIPs"].clone(), why));
    }
    wrong
}

const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
    consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. \
    '*.example.com', regex used for validation is \
    '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

pub(crate) fn validate_ingress(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    let rules = items(spec, "rules", "spec");
    if rules.is_empty() && !has(spec, "defaultBackend") {
        let why = "either `defaultBackend` or `rules` must be specified";
        wrong.push(Invalid::value("spec", Value::Null, why));
    }
    if has(spec, "defaultBackend") {
        backend(&spec["defaultBackend"], "spec.defaultBackend", &mut wrong);
    }
    for (path, rule) in &rules {
        let host = text(&rule["host"]);
        let host_path = at(path, "host");
        if is_address(host) {
            wrong.push(Invalid::value(host_path, host, "must be a DNS name, not an IP address"));
        } else if host.contains('*') {
            let good = host.strip_prefix("*.").is_some_and(|rest| names::subdomain(rest).is_empty());
            if !good {
                wrong.push(Invalid::value(host_path, host, WILDCARD));
            }
        } else if !host.is_empty() {
            let faults = names::subdomain(host);
            wrong.extend(faults.into_iter().map(|why| Invalid::value(host_path.as_str(), host, why)));
        }
        if !has(rule, "http") {
            continue;
        }
        let http = at(path, "http");
        let paths = items(&rule["http"], "paths", &http);
        if paths.is_empty() {
            wrong.push(Invalid::required(at(&http, "paths"), ""));
        }
        for (path, one) in paths {
            let url = text(&one["path"]);
            match text(&one["pathType"]) {
                "" => {
                    wrong.push(Invalid::required(at(&path, "pathType"), "pathType must be specified"));
                    continue;
                }
                "ImplementationSpecific" if url.is_empty() => {}
                "Exact" | "Prefix" | "ImplementationSpecific" => {
                    if !url.starts_with('/') {
                        wrong.push(Invalid::value(at(&path, "path"), url, "must be an absolute path"));
                    }
                }
                other => {
                    let words = ["Exact", "ImplementationSpecific", "Prefix"];
                    wrong.push(Invalid::not_supported(at(&path, "pathType"), other, &words));
                }
            }
            backend(&one["backend"], &at(&path, "backend"), &mut wrong);
        }
    }
    for (path, tls) in items(spec, "tls", "spec") {
        for (path, host) in items(tls, "hosts", &path) {
            let host = text(host);
            let bare = host.strip_prefix("*.").unwrap_or(host);
            wrong.extend(
                names::subdomain(bare).into_iter().map(|why| Invalid::value(path.as_str(), host, why)),
            );
        }
    }
    wrong
}

fn backend(backend: &Value, path: &str, wrong: &mut Vec<Invalid>) {
    let (service, resource) = (has(backend, "service"), has(backend, "resource"));
    if service && resource {
        wrong.push(Invalid::value(path, "", "cannot set both resource and service backends"));
        return;
    }
    if !service && !resource {
        wrong.push(Invalid::required(path, "resource or service backend is required"));
        return;
    }
    if !service {
        return;
    }
    let service = &backend["service"];
    let path = at(path, "service");
    let name = text(&service["name"]);
    if name.is_empty() {
        wrong.push(Invalid::required(at(&path, "name"), ""));
    } else {
        let faults = names::label_1035(name);
        wrong.extend(faults.into_iter().map(|why| Invalid::value(at(&path, "name"), name, why)));
    }
    let chosen = &service["port"];
    let (number, port_text) = (chosen["number"].as_i64().unwrap_or(0), text(&chosen["name"]));
    match (number, port_text) {
        (0, "") => wrong.push(Invalid::required(path, "port name or number is required")),
        (0, name) => {
            let faults = port_name(name);
            wrong.extend(faults.into_iter().map(|why| Invalid::value(at(&path, "port.name"), name, why)));
        }
        (_, "") => port_number(number, &at(&path, "port.number"), wrong),
        _ => wrong.push(Invalid::value(path, "", "cannot set both port name & port number")),
    }
}

pub(crate) fn validate_network_policy(object: &Value) -> Vec<Invalid> {
    let (spec, mut wrong) = (&object["spec"], Vec::new());
    label_selector(&spec["podSelector"], "spec.podSelector", &mut wrong);
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for (path, rule) in items(spec, rules, "spec") {
            for (path, one) in items(rule, "ports", &path) {
                match &one["port"] {
                    Value::Null => {}
                    given => port(given, &at(&path, "port"), &mut wrong),
                }
                one_of(one, "protocol", &["TCP", "UDP", "SCTP"], &path, &mut wrong);
            }
            for (path, peer) in items(rule, peers, &path) {
                let given = ["podSelector", "namespaceSelector", "ipBlock"]
                    .iter()
                    .filter(|field| has(peer, field))
                    .count();
                if given == 0 {
                    wrong.push(Invalid::required(path.as_str(), "must specify a peer"));
                } else if given > 1 && has(peer, "ipBlock") {
                    let why = "may not specify both ipBlock and another peer";
                    wrong.push(Invalid::forbidden(path.as_str(), why));
                }
                if has(peer, "ipBlock") {
                    let cidr = text(&peer["ipBlock"]["cidr"]);
                    let path = at(&path, "ipBlock.cidr");
                    if cidr.is_empty() {
                        wrong.push(Invalid::required(path, ""));
                    } else if !is_network(cidr) {
                        wrong.push(Invalid::value(path, cidr, CIDR));
                    }
                }
                for field in ["podSelector", "namespaceSelector"] {
                    label_selector(&peer[field], &at(&path, field), &mut wrong);
                }
            }
        }
    }
    for (path, kind) in items(spec, "policyTypes", "spec") {
        if !["Ingress", "Egress"].contains(&text(kind)) {
            wrong.push(Invalid::not_supported(path, kind.clone(), &["Ingress", "Egress"]));
        }
    }
    wrong
}

pub(crate) fn validate_endpoints(object: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    for (path, subset) in items(object, "subsets", "") {
        for list in ["addresses", "notReadyAddresses"] {
            for (path, address) in items(subset, list, &path) {
                let ip = text(&address["ip"]);
                let path = at(&path, "ip");
                match ip.parse::<std::net::IpAddr>() {
                    Err(_) => wrong.push(Invalid::value(path, ip, ADDRESS)),
                    Ok(ip) if ip.is_unspecified() => {
                        let why = format!("may not be unspecified ({ip})");
                        wrong.push(Invalid::value(path, ip.to_string(), why));
                    }
                    Ok(ip) if ip.is_loopback() => {
                        let why = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
                        wrong.push(Invalid::value(path, ip.to_string(), why));
                    }
                    Ok(_) => {}
                }
            }
        }
        for (path, one) in items(subset, "ports", &path) {
            port_number(one["port"].as_i64().unwrap_or(0), &at(&path, "port"), &mut wrong);
        }
    }
    wrong
}

/// The addresses of a load balancer, as the status of a Service or an Ingress has them.
pub(crate) fn validate_load_balancer(object: &Value) -> Vec<Invalid> {
    let (balancer, path) = (&object["status"]["loadBalancer"], "status.loadBalancer");
    let (mut wrong, ingresses) = (Vec::new(), items(balancer, "ingress", path));
    let is_service = object["kind"] == "Service";
    if is_service && object["spec"]["type"] != "LoadBalancer" && !ingresses.is_empty() {
        let why = "may only be used when `spec.type` is 'LoadBalancer'";
        return vec![Invalid::forbidden(at(path, "ingress"), why)];
    }
    for (path, ingress) in ingresses {
        let (ip, host) = (text(&ingress["ip"]), text(&ingress["hostname"]));
        if !ip.is_empty() && !is_address(ip) {
            wrong.push(Invalid::value(at(&path, "ip"), ip, ADDRESS));
        }
        if is_service && has(ingress, "ipMode") && ip.is_empty() {
            wrong.push(Invalid::forbidden(at(&path, "ipMode"), "may not be specified when `ip` is not set"));
        }
        one_of(ingress, "ipMode", &["Proxy", "VIP"], &path, &mut wrong);
        if !host.is_empty() {
            let faults = names::subdomain(host).into_iter();
            wrong.extend(faults.map(|why| Invalid::value(at(&path, "hostname"), host, why)));
        }
        if is_address(host) {
            let why = "must be a DNS name, not an IP address";
            wrong.push(Invalid::value(at(&path, "hostname"), host, why));
        }
    }
    wrong
}
