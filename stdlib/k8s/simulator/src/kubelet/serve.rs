//! HTTP requests into the cluster: from an Ingress host or a Service name to a ready pod and its image's behaviour.
//! It moves no bytes and no time; the answer is what a client would get at this moment.

use std::sync::Arc;

use serde_json::Value;

use super::pod::{answer, listens, spec_of};
use super::probe::port as port_of;
use crate::cluster::Cluster;
use crate::context::text;
use crate::controllers::object::{
    INGRESSES, PODS, SERVICES, key_of, list, name, namespace, pod as pods, selects, text_at,
};
use crate::images::{HttpAnswer, HttpError};

impl Cluster {
    /// Sends a request to `host` (`shop.example`, `web.shop.svc.cluster.local:8080`, a cluster IP or a pod's) and gives
    /// the answer. A host of an Ingress with no rule for the path is 404, a Service without ready endpoints 503 behind
    /// an Ingress and refused otherwise. `method` other than `GET` and `HEAD` is answered as `GET` is.
    ///
    /// # Errors
    /// [`HttpError`] if there is no such host, or nothing listens there.
    pub fn http(&self, host: &str, path: &str, method: &str) -> Result<HttpAnswer, HttpError> {
        let (bare, port) =
            match host.rsplit_once(':').and_then(|(bare, port)| Some((bare, port.parse::<u16>().ok()?))) {
                Some((bare, port)) => (bare, Some(port)),
                None => (host, None),
            };
        let mut answer = if let Some(service) = self.service_named(bare) {
            self.http_to_service(&service, port.unwrap_or(80), path, host)
        } else if let Some(pod) = self.pod_at(bare) {
            let port = port.unwrap_or(80);
            self.http_to_pod(&pod, port, path)
                .ok_or_else(|| HttpError::Refused { host: bare.to_owned(), port })
        } else {
            self.http_to_ingress(bare, path)
        }?;
        if method.eq_ignore_ascii_case("HEAD") {
            answer.body.clear();
        }
        Ok(answer)
    }

    /// `web.shop`, `web.shop.svc`, `web.shop.svc.cluster.local`, or its address.
    fn service_named(&self, host: &str) -> Option<Arc<Value>> {
        let host = host.strip_suffix(".cluster.local").unwrap_or(host);
        let host = host.strip_suffix(".svc").unwrap_or(host);
        if let Some((service, space)) = host.split_once('.')
            && let Some(found) = self.store.get(&SERVICES, space, service)
        {
            return Some(Arc::clone(found));
        }
        self.store.list(&SERVICES, None).find(|service| text_at(service, "/spec/clusterIP") == host).cloned()
    }

    fn pod_at(&self, ip: &str) -> Option<Arc<Value>> {
        self.store.list(&PODS, None).find(|pod| text_at(pod, "/status/podIP") == ip).cloned()
    }

    fn http_to_ingress(&self, host: &str, path: &str) -> Result<HttpAnswer, HttpError> {
        let mut known = false;
        let mut best: Option<(usize, Arc<Value>, &Value)> = None;
        for ingress in self.store.list(&INGRESSES, None) {
            for rule in list(ingress, "/spec/rules") {
                let of_host = match rule["host"].as_str() {
                    None => true,
                    Some(pattern) => crate::images::glob(pattern, host),
                };
                known |= of_host;
                for candidate in
                    list(rule, "/http/paths").iter().filter(|candidate| of_host && covers(candidate, path))
                {
                    let length = text_at(candidate, "/path").len();
                    if best.as_ref().is_none_or(|(longest, _, _)| length > *longest) {
                        best = Some((length, Arc::clone(ingress), &candidate["backend"]["service"]));
                    }
                }
            }
            let default = &ingress["spec"]["defaultBackend"]["service"];
            if best.is_none() && !default.is_null() {
                known = true;
                best = Some((0, Arc::clone(ingress), default));
            }
        }
        if !known {
            return Err(HttpError::UnknownHost(host.to_owned()));
        }
        let proxy = |status: u16, body: &str| HttpAnswer { status, body: body.to_owned(), pod: None };
        let Some((_, ingress, backend)) = best else { return Ok(proxy(404, "404 page not found\n")) };
        let unavailable = proxy(503, "503 Service Temporarily Unavailable\n");
        let Some(service) = self.store.get(&SERVICES, namespace(&ingress), text(&backend["name"])) else {
            return Ok(unavailable);
        };
        let wanted = &backend["port"];
        let chosen = list(service, "/spec/ports").iter().find(|port| {
            let by_name = wanted["name"].as_str().is_some_and(|name| port["name"] == name);
            by_name || (!wanted["number"].is_null() && port["port"] == wanted["number"])
        });
        let number = chosen.and_then(|port| port["port"].as_u64()).and_then(|port| u16::try_from(port).ok());
        let Some(number) = number else { return Ok(unavailable) };
        match self.http_to_service(service, number, path, host) {
            Ok(answer) => Ok(answer),
            Err(_) if self.ready_pods(service).is_empty() => Ok(unavailable),
            Err(_) => Ok(proxy(502, "502 Bad Gateway\n")),
        }
    }

    fn http_to_service(
        &self,
        service: &Value,
        port: u16,
        path: &str,
        host: &str,
    ) -> Result<HttpAnswer, HttpError> {
        let refused = || HttpError::Refused { host: host.to_owned(), port };
        let ports = list(service, "/spec/ports");
        let chosen = ports.iter().find(|candidate| candidate["port"].as_u64() == Some(u64::from(port)));
        let target = &chosen.ok_or_else(refused)?["targetPort"];
        // The proxy's choice is random; here the first by name, so that answers repeat.
        let pods = self.ready_pods(service);
        let pod = pods.first().ok_or_else(refused)?;
        let specs = list(pod, "/spec/containers");
        let number = specs.iter().find_map(|spec| port_of(target, spec)).ok_or_else(refused)?;
        self.http_to_pod(pod, number, path).ok_or_else(refused)
    }

    fn ready_pods(&self, service: &Value) -> Vec<Arc<Value>> {
        let selector = &service["spec"]["selector"];
        if selector.is_null() {
            return Vec::new();
        }
        let selector = serde_json::json!({"matchLabels": selector});
        let pods = self.store.list(&PODS, Some(namespace(service)));
        let serves = |pod: &&Arc<Value>| {
            selects(&selector, &pod["metadata"]["labels"]) && pods::is_ready(pod) && pods::is_active(pod)
        };
        pods.filter(serves).cloned().collect()
    }

    fn http_to_pod(&self, pod: &Value, port: u16, path: &str) -> Option<HttpAnswer> {
        let run = self.kubelet()?.pods.get(&key_of(&PODS, pod))?;
        let listener = run.containers.iter().find(|container| {
            spec_of(pod, &container.name).is_some_and(|spec| listens(container, spec, port, self.now))
        })?;
        let (status, body) = answer(listener, listener.running()?, path, self.now);
        Some(HttpAnswer { status, body, pod: Some(format!("{}/{}", namespace(pod), name(pod))) })
    }
}

/// Whether an Ingress path covers a request's.
fn covers(candidate: &Value, path: &str) -> bool {
    let wanted = text_at(candidate, "/path");
    let path = path.split('?').next().unwrap_or(path);
    if candidate["pathType"] == "Exact" {
        return path == wanted;
    }
    let prefix = wanted.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
