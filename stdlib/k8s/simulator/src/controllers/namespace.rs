//! What comes with a namespace: the ServiceAccount `default` and the cluster's root certificate.
//! Both come back when they are deleted.

use serde_json::json;

use super::Controller;
use super::object::{CONFIGMAPS, NAMESPACES, SERVICE_ACCOUNTS, is_going};
use crate::cluster::Cluster;
use crate::context::Cx;
use crate::status::Result;
use crate::store::{Change, GroupResource, ObjectKey};

/// Makes the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt` of every namespace.
#[derive(Clone)]
pub(crate) struct NamespaceContents;

const CERTIFICATE: &str = "kube-root-ca.crt";
const ABOUT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
    such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of \
    Kubernetes clusters.";
/// Nothing in a simulated cluster verifies it; clients get theirs from the kubeconfig.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGVk\n-----END CERTIFICATE-----\n";

impl Controller for NamespaceContents {
    fn name(&self) -> &'static str {
        "serviceaccount-controller"
    }

    fn watches(&self) -> &'static [GroupResource] {
        const { &[NAMESPACES, SERVICE_ACCOUNTS, CONFIGMAPS] }
    }

    fn keys(&self, _cluster: &Cluster, change: &Change) -> Vec<ObjectKey> {
        if change.key.resource == NAMESPACES {
            return vec![change.key.clone()];
        }
        let ours = matches!(change.key.name.as_str(), "default" | CERTIFICATE);
        let gone = change.new.is_none() && ours;
        gone.then(|| ObjectKey::new(&NAMESPACES, "", &change.key.namespace)).into_iter().collect()
    }

    fn reconcile(&mut self, cx: &mut Cx<'_>, key: &ObjectKey) -> Result<()> {
        let Some(_alive) = cx.at(key).filter(|namespace| !is_going(namespace)) else { return Ok(()) };
        if cx.get(&SERVICE_ACCOUNTS, &key.name, "default").is_none() {
            let account = json!({"metadata": {"name": "default", "namespace": key.name}});
            cx.create(&SERVICE_ACCOUNTS, account)?;
        }
        if cx.get(&CONFIGMAPS, &key.name, CERTIFICATE).is_none() {
            let map = json!({
                "metadata": {
                    "name": CERTIFICATE, "namespace": key.name,
                    "annotations": {"kubernetes.io/description": ABOUT},
                },
                "data": {"ca.crt": PEM},
            });
            cx.create(&CONFIGMAPS, map)?;
        }
        Ok(())
    }
}
