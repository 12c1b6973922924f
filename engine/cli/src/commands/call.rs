//! One call of a primitive, for commands that tell people what it gives. Nothing is written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Error, Result, Value};
use opsrun_runtime::Unwatched;
use serde_json::Map;

use crate::program::Program;

/// A call of a primitive that writes nothing, and the files that the command line names for it.
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) arguments: Map<String, Value>,
    pub(super) files: Vec<PathBuf>,
    pub(super) target: Option<String>,
}

impl Call {
    pub(super) fn of(path: &'static str, arguments: Value) -> Self {
        let arguments = match arguments {
            Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        Call { path, arguments, files: Vec::new(), target: None }
    }

    pub(super) fn made(self, program: &Program) -> Result<Value> {
        let Call { path, arguments, files, target } = self;
        let mut launch = program.launch()?;
        launch.target = target.or(launch.target);
        launch.allow.extend(launch.registry.patterns("read"));
        for file in files.iter().map(|file| file.display()) {
            for pattern in [format!("file read {file}"), format!("file read {file}/*")] {
                launch.allow.push(pattern.parse().map_err(|error| Error::invalid(format!("{error}")))?);
            }
        }
        let declaration = program
            .registry()
            .primitive(path)
            .ok_or_else(|| Error::failed(format!("there is no `{path}`")))?;
        let run = launch.looking(Arc::new(Unwatched))?;
        let result = Mutex::new(Value::Null);
        let outcome = run.execute(path.into(), |branch| {
            *result.lock().unwrap_or_else(PoisonError::into_inner) =
                branch.call(declaration, Value::Object(arguments))?;
            Ok(Value::Null)
        })?;
        match outcome.error() {
            Some(error) => Err(error.clone()),
            None => Ok(result.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
