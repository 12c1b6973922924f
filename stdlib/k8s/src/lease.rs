//! Leases as `coordination.k8s.io/v1` objects in the target's namespace; the API server's versions decide who comes first.

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use opsrun_core::{BoxFuture, Cx, KeptLease, Lease, Leases, Result, Span, Target};
use serde_json::{Value, json};

use crate::client::{Client, Parameters, Query, body};
use crate::error::Error;
use crate::object::{Address, Object};

/// The leases of a cluster.
pub(crate) struct ClusterLeases;

const LABEL: &str = "app.kubernetes.io/managed-by";
const MANAGER: &str = "opsrun";
const REASON: &str = "opsrun/reason";

/// Those of a target that has a cluster.
pub(crate) fn of(target: &Target) -> Option<Arc<dyn Leases>> {
    let has_cluster = !target.section(crate::SYSTEM).is_null();
    has_cluster.then(|| Arc::new(ClusterLeases) as Arc<dyn Leases>)
}

impl Leases for ClusterLeases {
    fn read(&self, cx: Cx, name: String) -> BoxFuture<'static, Result<Option<KeptLease>>> {
        Box::pin(async move {
            let client = Client::new(&cx)?;
            let Some(found) = client.find(&address(&client, &name).await?).await? else { return Ok(None) };
            let version = found.resource_version().to_owned();
            Ok(Some(KeptLease { lease: lease_of(&found), version }))
        })
    }

    fn write(
        &self,
        cx: Cx,
        name: String,
        lease: Lease,
        version: Option<String>,
    ) -> BoxFuture<'static, Result<bool>> {
        Box::pin(async move {
            let client = Client::new(&cx)?;
            let at = address(&client, &name).await?;
            let namespace = at.namespace.clone().unwrap_or_default();
            cx.keep(
                &format!("k8s leases* {namespace}/{name}"),
                "a lease stays with the number of its holders, so that a late one is known",
            );
            let object = object_of(&at, &lease, version.as_deref());
            let written = match version {
                None => client.create(&at, &object, MANAGER).await.map(drop),
                Some(_) => {
                    let tried = format!("updating {at}");
                    let parameters = Parameters::default().with("fieldManager", MANAGER);
                    client
                        .send(Method::PUT, &at.path(), &parameters, Some(body(&object)), &tried)
                        .await
                        .map(drop)
                }
            };
            match written {
                Ok(()) => Ok(true),
                Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn list(&self, cx: Cx) -> BoxFuture<'static, Result<Vec<(String, Lease)>>> {
        Box::pin(async move {
            let client = Client::new(&cx)?;
            let kind = client.kind_of("coordination.k8s.io/v1", "Lease").await?;
            let ours = Query::labels(format!("{LABEL}={MANAGER}"));
            let found = client.list(&kind, Some(client.namespace()), &ours).await?;
            Ok(found.iter().map(|lease| (lease.name().to_owned(), lease_of(lease))).collect())
        })
    }
}

async fn address(client: &Client, name: &str) -> Result<Address, Error> {
    let kind = client.kind_of("coordination.k8s.io/v1", "Lease").await?;
    Ok(client.place(kind, None, name))
}

fn lease_of(object: &Value) -> Lease {
    let time = |path: &str| object.text(path).parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let number = |path: &str| object.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let reason = object.pointer("/metadata/annotations").and_then(|annotations| annotations.get(REASON));
    Lease {
        holder: object.text("/spec/holderIdentity").to_owned(),
        reason: reason.and_then(Value::as_str).unwrap_or_default().to_owned(),
        since: time("/spec/acquireTime"),
        renewed: time("/spec/renewTime"),
        expiry: Span::from_secs(number("/spec/leaseDurationSeconds")),
        number: number("/spec/leaseTransitions"),
    }
}

fn object_of(at: &Address, lease: &Lease, version: Option<&str>) -> Value {
    // The API server takes microseconds and nothing else.
    let micro = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": at.name,
            "namespace": at.namespace,
            "labels": { LABEL: MANAGER },
            "annotations": { REASON: lease.reason },
            "resourceVersion": version,
        },
        "spec": {
            "holderIdentity": lease.holder,
            "acquireTime": micro(lease.since),
            "renewTime": micro(lease.renewed),
            "leaseDurationSeconds": lease.expiry.duration().as_secs().max(1),
            "leaseTransitions": lease.number,
        },
    })
}
