//! Runs a parsed template over data, with Go's results and error texts.

use std::marker::PhantomData;

use crate::error::FnError;
use crate::value::{Str, Value};

/// A running execution, as functions see it.
pub struct Context<'a> {
    _engine: PhantomData<&'a ()>,
}

impl Context<'_> {
    /// Renders the template of this name over `data` (Helm's `include`).
    pub fn execute(&mut self, name: &str, _data: &Value) -> Result<Str, FnError> {
        Err(FnError::new(format!("template: no template {name:?} associated with template")))
    }
}
