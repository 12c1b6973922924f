//! The audit log: everything that a run asked for, as lines of JSON that several runs may append to one file.
//! `docs/audit.md` describes the form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opsrun_core::{Clock, Effect, Error, Redactor, Result, Value};
use opsrun_gate::{Asked, Auditor, Decision, LogFile, Reply};
use serde_json::json;

/// Writes the audit log of one run.
pub(crate) struct AuditLog {
    file: LogFile,
    path: PathBuf,
    run: String,
    who: String,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
    asked: AtomicU64,
}

impl AuditLog {
    /// Makes the file, or goes on with it.
    ///
    /// # Errors
    /// `Failed` if it cannot be written.
    pub(crate) fn open(
        path: &Path,
        run: &str,
        who: &str,
        clock: Arc<dyn Clock>,
        redactor: Arc<Redactor>,
    ) -> Result<Self> {
        let file = LogFile::open(path)
            .map_err(|error| error.context("the audit log cannot be opened, so nothing is begun"))?;
        let (path, run, who) = (path.to_owned(), run.to_owned(), who.to_owned());
        Ok(AuditLog { file, path, run, who, clock, redactor, asked: AtomicU64::new(0) })
    }

    fn line(&self, event: &str, mut fields: Value, durable: bool) -> Result<()> {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("event".into(), event.into());
            fields.insert("at".into(), self.clock.now().to_string().into());
            fields.insert("run".into(), self.run.as_str().into());
            fields.retain(|_, value| !value.is_null());
        }
        self.redactor.apply_value(&mut fields);
        self.file.append(format!("{fields}\n").as_bytes(), durable).map_err(|error| {
            let message = format!("the audit log `{}` cannot be written: {error}", self.path.display());
            Error::failed(message)
                .hint("nothing leaves without a line there: make room, or name another file")
        })
    }
}

impl Auditor for AuditLog {
    fn asked(&self, asked: &Asked<'_>) -> Result<u64> {
        let Asked { call, access, decision, .. } = asked;
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let (word, grant, why) = match decision {
            Decision::Granted(grant) => ("granted", Some(grant.as_str()), None),
            Decision::Free(because) => ("free", None, Some(*because)),
            Decision::Denied(why) => ("denied", None, Some(why.as_str())),
            Decision::Held(why) => ("held-back", None, Some(why.as_str())),
        };
        let fields = json!({
            "number": number,
            "who": self.who,
            "uid": opsrun_gate::user_id(),
            "target": call.target.name,
            "steps": call.steps,
            "call": call.id,
            "primitive": call.path,
            "system": access.system,
            "verb": access.verb,
            "resource": access.resource,
            "name": access.name,
            "namespace": access.namespace,
            "effect": access.effect,
            "decision": word,
            "grant": grant,
            "why": why,
        });
        // A read that is not on the disk yet has changed nothing; a program may have.
        self.line("asked", fields, access.effect == Effect::Write || access.system == "program")?;
        Ok(number)
    }

    fn answered(&self, number: u64, reply: &Reply, fault: Option<&str>) -> Result<()> {
        let (word, status, why) = match reply {
            Reply::Status(status) => ("answered", Some(i64::from(*status)), None),
            Reply::NotSent(why) => ("not-sent", None, Some(why)),
            Reply::Lost(why) => ("lost", None, Some(why)),
            Reply::Exit(code) => ("ended", code.map(i64::from), None),
            Reply::Read => ("read", None, None),
            Reply::Failed(why) => ("failed", None, Some(why)),
        };
        let fields =
            json!({ "number": number, "outcome": word, "status": status, "why": why, "fault": fault });
        self.line("answered", fields, false)
    }

    fn remarked(&self, what: &str, fields: Value) -> Result<()> {
        self.line(what, fields, true)
    }
}

/// Who runs this process, as far as its environment says: `OPSRUN_USER`, which CI sets, else the login name.
pub fn user(variables: &BTreeMap<String, String>) -> String {
    let names = ["OPSRUN_USER", "USER", "LOGNAME"];
    let named = names.iter().filter_map(|name| variables.get(*name)).find(|name| !name.is_empty());
    named.cloned().unwrap_or_else(|| format!("uid {}", opsrun_gate::user_id()))
}
