//! What the sections `postgres` and `redis` of a target have in common: servers, by name, and what is said of each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use opsrun_core::{Cx, Error, Finding, Result, Value};
use serde::Deserialize;

use crate::tls::TlsMode;

/// `[targets.NAME.SYSTEM]`, or one of its `servers`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Section {
    /// `postgres://USER@HOST:PORT/DATABASE`, without a password.
    url: Option<String>,
    /// A reference to it: `env:PGPASSWORD`.
    pub(crate) password: Option<String>,
    /// What it is by itself, the system says.
    pub(crate) tls: Option<TlsMode>,
    /// PEM of the authorities to trust, instead of the system's.
    pub(crate) ca: Option<PathBuf>,
    /// A Unix socket, or its folder, which is connected to instead of the host; without TLS.
    pub(crate) socket: Option<PathBuf>,
    /// Others, by name.
    #[serde(default)]
    servers: BTreeMap<String, Section>,
}

/// A system, as its section is told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) system: &'static str,
    /// `PostgreSQL`
    pub(crate) called: &'static str,
    /// How its servers are written.
    pub(crate) example: &'static str,
}

impl Kind {
    /// What is said of the server of this name; without one, of the target's own.
    ///
    /// # Errors
    /// `Invalid` if the target does not say where it is.
    pub(crate) fn server(self, cx: &Cx, name: Option<&str>) -> Result<Section> {
        let mut section = self.section(cx)?;
        let Some(name) = name else {
            return if section.url.is_some() { Ok(section) } else { Err(self.unknown(cx)) };
        };
        match section.servers.remove(name).filter(|found| found.url.is_some()) {
            Some(found) if found.servers.is_empty() => Ok(found),
            Some(_) => Err(Error::invalid(format!(
                "`servers` stands in the section `{}` itself, not in one of them",
                self.system
            ))),
            None => {
                let known: Vec<_> = section.servers.keys().map(|name| format!("`{name}`")).collect();
                let (target, called) = (&cx.target().name, self.called);
                let error =
                    Error::invalid(format!("the target `{target}` has no server `{name}` of {called}"));
                Err(match known.is_empty() {
                    true => error.hint(format!("add `[targets.{target}.{}.servers.{name}]`", self.system)),
                    false => error.hint(format!("it has {}", known.join(", "))),
                })
            }
        }
    }

    /// What `doctor` says of all servers of a target that has some; `examine` asks one.
    pub(crate) async fn examine<F>(self, cx: &Cx, examine: impl Fn(Cx, Option<String>) -> F) -> Vec<Finding>
    where
        F: Future<Output = Result<String>>,
    {
        let Ok(section) = self.section(cx) else { return Vec::new() };
        let own = section.url.is_some().then_some(None);
        let mut findings = Vec::new();
        for server in own.into_iter().chain(section.servers.into_keys().map(Some)) {
            let what = format!("{} {}", self.system, server.as_deref().unwrap_or_default());
            let found = examine(cx.clone(), server).await.map_err(|error| error.report());
            findings.push(Finding { what: what.trim().to_owned(), found });
        }
        findings
    }

    fn section(self, cx: &Cx) -> Result<Section> {
        let target = cx.target();
        match target.section(self.system) {
            Value::Null => Err(self.unknown(cx)),
            section => Section::deserialize(section).map_err(|error| {
                let (system, target) = (self.system, &target.name);
                Error::invalid(format!("the section `{system}` of the target `{target}`: {error}"))
            }),
        }
    }

    fn unknown(self, cx: &Cx) -> Error {
        let Kind { system, called, example } = self;
        let name = &cx.target().name;
        Error::invalid(format!("nothing says where {called} is")).hint(format!(
            "add to `opsrun.toml`: [targets.{name}.{system}] with url = \"{example}\" and password = \"env:NAME\""
        ))
    }
}

impl Section {
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }
}
