//! `opsrun lease`: who may act now, and how to end that.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Error, Result, Value};
use opsrun_runtime::{Branch, Run, Unwatched};
use serde_json::json;

use super::run::{AuditOption, RunOptions, consent, watcher};
use crate::output::{Form, print};
use crate::program::Program;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Lease {
    /// Lists the leases of a target, with who holds them.
    List {
        /// The target of `opsrun.toml`.
        #[arg(long)]
        target: Option<String>,
        #[arg(long, value_enum, default_value = "text")]
        output: Form,
    },
    /// Takes a lease from whoever holds it: that run can write nothing more, not even to take something back.
    Break {
        name: String,
        /// Why; the run that held it is told.
        #[arg(long)]
        reason: String,
        /// Do not ask on a protected target.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        options: RunOptions,
        #[command(flatten)]
        audit: AuditOption,
    },
}

impl Lease {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let mut launch = program.launch()?;
        match self {
            Lease::List { target, output } => {
                launch.target.clone_from(target);
                launch.allow.extend(launch.registry.patterns("read"));
                let run = launch.looking(Arc::new(Unwatched))?;
                let found = on(&run, |branch| branch.leases())?;
                let mut text = String::new();
                for (name, lease) in found {
                    text.push_str(&match output {
                        Form::Json => format!("{}\n", json!({ "name": name, "lease": lease })),
                        Form::Text => line(&name, &lease),
                    });
                }
                print(&launch.redactor.apply(&text))?;
            }
            Lease::Break { name, reason, yes, options, audit } => {
                options.apply(&mut launch);
                launch.audit.clone_from(&audit.audit);
                consent(&launch, *yes, &format!("break the lease {name}"))?;
                let show =
                    options.output.show(opsrun_runtime::World::live().clock().now(), launch.redactor.clone());
                let live = launch.live(Path::new("lease-break"), watcher(&show))?;
                let was = on(&live.run, |branch| branch.break_lease(name, reason))?;
                show.remark(
                    &format!("the lease `{name}` is taken from {}, who can write nothing more", was.holder),
                    json!({ "name": name, "was": was, "reason": reason }),
                );
            }
        }
        Ok(0)
    }
}

fn line(name: &str, lease: &opsrun_core::Lease) -> String {
    let reason = if lease.reason.is_empty() { String::new() } else { format!(": {}", lease.reason) };
    match lease.holder.is_empty() {
        true => format!("{name}  free since {}{reason}\n", lease.renewed),
        false => {
            format!("{name}  {}  since {}, until {}{reason}\n", lease.holder, lease.since, lease.until())
        }
    }
}

/// Does something as a run of its own.
fn on<T: Send>(run: &Arc<Run>, what: impl FnOnce(&Arc<Branch>) -> Result<T> + Send) -> Result<T> {
    let result = Mutex::new(None);
    let outcome = run.execute("lease".into(), |branch| {
        let done = what(branch)?;
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        Ok(Value::Null)
    })?;
    if let Some(error) = outcome.error() {
        return Err(error.clone());
    }
    let done = result.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.ok_or_else(|| Error::failed("the run ended without a result"))
}
