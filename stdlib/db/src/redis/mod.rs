//! Redis: each call of a primitive is a conversation with a server, or several.

mod access;
mod client;
mod error;
mod keep;
mod keyspace;
mod primitives;
mod rdb;
mod resp;
mod restoring;
mod section;
mod server;
mod session;
mod simulator;
mod wanted;

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use opsrun_core::{
    Access, BoxFuture, Cx, Finding, Module, Refusal, Result, Simulator, SourceScheme, Surroundings, System,
    Value,
};

use crate::redis::client::Client;

/// The system `redis`.
pub struct Redis;

pub(crate) const SYSTEM: &str = "redis";

impl System for Redis {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn modules(&self) -> &'static [Module] {
        &[Module { path: SYSTEM, doc: "Redis: keys, counts, snapshots.", primitives: primitives::PRIMITIVES }]
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
            StatusCode::UNAUTHORIZED => {
                "WRONGPASS invalid username-password pair or user is disabled.".to_owned()
            }
            StatusCode::FORBIDDEN => {
                format!("NOPERM this user has no permissions to run the '{}' command", access.verb)
            }
            StatusCode::SERVICE_UNAVAILABLE => "LOADING Redis is loading the dataset in memory".to_owned(),
            _ => format!("ERR {status} (injected fault): {access}"),
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
    let info = primitives::info(&client, None).await?;
    let text = |section: &str, key: &str| {
        info.get(section).and_then(|section| section.get(key)).map(ToString::to_string)
    };
    let version = text("server", "redis_version").unwrap_or_default();
    let role = text("replication", "role").unwrap_or_default();
    Ok(format!("Redis {}, {}, at {}", version.trim_matches('"'), role.trim_matches('"'), client.place()))
}
