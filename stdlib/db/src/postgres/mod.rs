//! PostgreSQL: each call of a primitive is a conversation with a server, or several.

mod access;
mod client;
mod databases;
mod error;
mod exchange;
mod keep;
mod lexer;
mod primitives;
mod programs;
mod section;
mod session;
mod sessions;
mod simulator;
mod statement;
mod transaction;
mod value;
mod wire;

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use opsrun_core::{
    Access, BoxFuture, Cx, Finding, Module, Refusal, Result, Simulator, SourceScheme, Surroundings, System,
    Value,
};

use crate::postgres::client::Client;

/// The system `postgres`.
pub struct Postgres;

pub(crate) const SYSTEM: &str = "postgres";

impl System for Postgres {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn modules(&self) -> &'static [Module] {
        &[Module {
            path: SYSTEM,
            doc: "Databases of PostgreSQL: statements, sizes, checksums, connections, replication.",
            primitives: primitives::PRIMITIVES,
        }]
    }

    fn sources(&self) -> &'static [SourceScheme] {
        &[keep::SOURCE]
    }

    fn access(&self, request: &Parts) -> Access {
        access::of(request)
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(access::VERBS)
    }

    fn refusal(&self, status: StatusCode, access: &Access) -> Refusal {
        let said = match status {
            StatusCode::UNAUTHORIZED => "FATAL: password authentication failed (28P01)".to_owned(),
            StatusCode::FORBIDDEN => "ERROR: permission denied (42501)".to_owned(),
            StatusCode::NOT_FOUND => {
                format!("FATAL: database \"{}\" does not exist (3D000)", access.resource)
            }
            StatusCode::CONFLICT => "ERROR: canceling statement due to lock timeout (55P03)".to_owned(),
            StatusCode::SERVICE_UNAVAILABLE => "FATAL: sorry, too many clients already (53300)".to_owned(),
            _ => format!("ERROR: {status} (injected fault): {access}"),
        };
        Refusal { content_type: "text/plain", body: said.into() }
    }

    fn simulator(
        &self,
        section: Option<&Value>,
        surroundings: &Surroundings,
    ) -> Result<Option<Arc<dyn Simulator>>> {
        simulator::start(section, surroundings)
    }

    fn examine(&self, cx: Cx) -> BoxFuture<'static, Vec<Finding>> {
        Box::pin(async move { section::KIND.examine(&cx, examined).await })
    }
}

async fn examined(cx: Cx, server: Option<String>) -> Result<String> {
    let client = Client::new(&cx, server.as_deref(), None).await?;
    let version = primitives::version(&client).await?;
    Ok(format!("PostgreSQL {}, as {} in {}", version.version, client.user(), client.place()))
}
