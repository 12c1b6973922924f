//! AWS: its services through its own clients, over the gate.

mod access;
mod account;
mod client;
mod cloudwatch;
mod ecr;
mod elasticache;
mod error;
mod overlay;
mod policy;
mod primitives;
mod rds;
mod route53;
mod s3;
mod secrets;
mod section;
mod simulator;

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use opsrun_aws_simulator::cbor;
use opsrun_core::{
    Access, BoxFuture, Cx, Effect, Finding, Grantee, Module, Need, Original, Policy, Precondition, Refusal,
    Result, SecretScheme, Simulator, SourceScheme, StoreScheme, Surroundings, System, Value,
};
use serde_json::json;

use crate::access::Asked;
use crate::client::Client;

/// The system `aws`.
pub struct Aws;

pub(crate) const SYSTEM: &str = "aws";

impl System for Aws {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn modules(&self) -> &'static [Module] {
        primitives::MODULES
    }

    fn access(&self, request: &Parts) -> Access {
        match request.extensions.get::<Asked>() {
            Some(asked) => asked.into(),
            // Nothing that this crate sends is without; what were so would be the strongest thing there is.
            None => Access {
                system: SYSTEM.into(),
                verb: request.method.to_string(),
                resource: request.uri.path().into(),
                name: None,
                namespace: None,
                effect: Effect::Write,
            },
        }
    }

    fn secrets(&self) -> &'static [SecretScheme] {
        secrets::SCHEMES
    }

    fn sources(&self) -> &'static [SourceScheme] {
        &[s3::SOURCE]
    }

    fn stores(&self) -> &'static [StoreScheme] {
        s3::STORES
    }

    fn refusal(&self, status: StatusCode, access: &Access) -> Refusal {
        refused(status, access)
    }

    fn simulator(
        &self,
        section: Option<&Value>,
        surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        simulator::start(section, surroundings).map(Some)
    }

    fn overlay(&self, original: Original, surroundings: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        overlay::lay(original, surroundings).map(Some)
    }

    fn look(&self, cx: Cx, then: Precondition) -> BoxFuture<'static, Result<Precondition>> {
        Box::pin(overlay::look(cx, then))
    }

    fn policies(&self, needs: &[Need], grantee: &Grantee<'_>) -> Result<Vec<Policy>> {
        Ok(vec![policy::iam(needs, grantee)])
    }

    fn identity(&self, cx: Cx) -> BoxFuture<'static, Result<Option<String>>> {
        Box::pin(async move {
            if cx.target().section(SYSTEM).is_null() {
                return Ok(None);
            }
            let client = Client::new(&cx, None)?;
            Ok(Some(primitives::sts::identity(&client).await?.account))
        })
    }

    fn examine(&self, cx: Cx) -> BoxFuture<'static, Vec<Finding>> {
        Box::pin(async move {
            if cx.target().section(SYSTEM).is_null() {
                return Vec::new();
            }
            let found = async {
                let client = Client::new(&cx, None)?;
                let identity = primitives::sts::identity(&client).await?;
                Ok(format!("account {} as {}, in {}", identity.account, identity.arn, client.region()))
            };
            let found: Result<String> = found.await;
            vec![Finding { what: "aws".to_owned(), found: found.map_err(|error| error.report()) }]
        })
    }
}

/// What AWS would say with this status, in the protocol of the service.
fn refused(status: StatusCode, access: &Access) -> Refusal {
    let service = access.verb.split(':').next().unwrap_or_default();
    let code = match status {
        StatusCode::FORBIDDEN => "AccessDenied",
        StatusCode::NOT_FOUND => "ResourceNotFoundException",
        StatusCode::CONFLICT => "ConflictException",
        StatusCode::TOO_MANY_REQUESTS => "ThrottlingException",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        _ => "InternalFailure",
    };
    let message = format!("{status} (injected fault): {access}");
    match service {
        "s3" => Refusal {
            content_type: "application/xml",
            body: format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>").into(),
        },
        "autoscaling" | "cloudfront" | "elasticache" | "rds" | "route53" | "sts" => Refusal {
            content_type: "text/xml",
            body: format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            )
            .into(),
        },
        "cloudwatch" => Refusal {
            content_type: "application/cbor",
            body: cbor::write(&json!({ "__type": code, "message": message })).into(),
        },
        _ => Refusal {
            content_type: "application/x-amz-json-1.1",
            body: json!({ "__type": code, "message": message }).to_string().into(),
        },
    }
}
