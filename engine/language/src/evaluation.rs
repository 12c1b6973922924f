//! A playbook being run: from its text and its arguments to how it ended, and where it failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use opsrun_core::{Error, Result, Value};
use opsrun_runtime::{Outcome, Run, Subject};
use rhai::{Dynamic, Scope};
use serde_json::json;

use crate::failure::{Failure, Frame};
use crate::host::Host;
use crate::playbook::Playbook;
use crate::value::to_json;

/// How a playbook ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub outcome: Outcome,
    /// Where it failed, if it did.
    pub failure: Option<Failure>,
}

/// Runs `playbook` as `run`, with `arguments` for its parameters ([`Playbook::arguments`]).
///
/// # Errors
/// Only if the run could not begin.
pub fn run(playbook: &Playbook, arguments: &BTreeMap<String, Value>, run: &Arc<Run>) -> Result<Ended> {
    let (arguments, recorded) = hide_secrets(playbook, arguments, run)?;
    // Undoing calls closures of the playbook: the host outlives the body.
    let host = OnceLock::new();
    let failed = Mutex::new(None);
    let subject = Subject { params: json!(recorded), ..subject(playbook, &arguments) };
    let outcome = run.execute(subject, |branch| {
        let arguments = given(playbook, &arguments);
        let host = host.get_or_init(|| {
            Host::new(playbook.functions(), playbook.limits(), arguments, playbook.libraries(), branch)
        });
        evaluate(host, playbook).map_err(|failure| {
            let error = failure.error.clone();
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            error
        })
    })?;
    let failure = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failure = match (outcome.error(), failure) {
        (None, _) => None,
        (Some(error), failure) => {
            // What was deferred may have failed where the playbook did not.
            Some(Failure {
                error: error.clone(),
                trace: failure.map(|failure| failure.trace).unwrap_or_default(),
            })
        }
    };
    Ok(Ended { outcome, failure })
}

/// What a run of `playbook` with these arguments carries out.
pub fn subject(playbook: &Playbook, arguments: &BTreeMap<String, Value>) -> Subject {
    Subject {
        playbook: playbook.path().to_owned(),
        files: playbook.files().map(|(path, text)| (path.to_owned(), text.to_owned())).collect(),
        params: json!(arguments),
    }
}

/// The arguments as they are, and as the journal may have them: secret ones that are no references are sealed there.
fn hide_secrets(
    playbook: &Playbook,
    arguments: &BTreeMap<String, Value>,
    run: &Run,
) -> Result<(BTreeMap<String, Value>, BTreeMap<String, Value>)> {
    let (mut whole, mut recorded) = (arguments.clone(), arguments.clone());
    for parameter in playbook.parameters().iter().filter(|parameter| parameter.secret) {
        let name = parameter.name.as_str();
        let Some(Value::String(given)) =
            arguments.get(name).filter(|given| !parameter.is_named(given, run.registry()))
        else {
            continue;
        };
        let value = run.parameter(given)?;
        recorded.insert(name.to_owned(), run.hide_parameter(name, value.as_str().unwrap_or_default())?);
        whole.insert(name.to_owned(), value);
    }
    Ok((whole, recorded))
}

impl Ended {
    /// The report of the failure for a person; empty if there is none.
    pub fn report(&self, playbook: &Playbook) -> String {
        self.failure.as_ref().map(|failure| failure.report(|file| playbook.source(file))).unwrap_or_default()
    }
}

fn given(playbook: &Playbook, arguments: &BTreeMap<String, Value>) -> BTreeMap<String, Dynamic> {
    let parameters = playbook.parameters().iter();
    parameters
        .filter_map(|parameter| {
            let value = arguments.get(&parameter.name)?;
            Some((parameter.name.clone(), parameter.kind.to_dynamic(value)))
        })
        .collect()
}

fn evaluate(host: &Arc<Host>, playbook: &Playbook) -> Result<Value, Failure> {
    let path = playbook.path();
    let ast =
        playbook.ast(path).ok_or_else(|| Failure::new(Error::invalid(format!("`{path}` was not loaded"))))?;
    host.adopt(ast.shared_lib(), Vec::new());
    let value = host
        .engine
        .eval_ast_with_scope::<Dynamic>(&mut Scope::new(), ast)
        .map_err(|error| Failure::read(&error, path, host))?;
    // It may have caught being told to stop: it is told where it did.
    host.meter.check(0).map_err(|error| {
        let tries = crate::check::tries(ast);
        let at = if let [only] = tries.as_slice() { *only } else { rhai::Position::NONE };
        Failure { error, trace: vec![Frame::at(path, at, "")] }
    })?;
    // What a playbook ends with is told, if it can be.
    Ok(to_json(&value).unwrap_or_default())
}
