//! Runs a parsed template over data, with Go's results and error texts.

mod call;
mod eval;
mod walk;

use crate::error::{ExecError, FnError};
use crate::function::Functions;
use crate::limits::{MAX_TEXTS, Work};
use crate::stack::Stack;
use crate::templates::{Layer, Templates};
use crate::trace::Mark;
use crate::tree::Tree;
use crate::value::{Str, Type, Value};
use walk::Frame;

/// A running execution, as functions see it.
pub struct Context<'a> {
    templates: &'a Templates,
    layer: Layer<'a>,
    stack: Stack,
    /// How many `template` actions are being executed, one in another.
    depth: usize,
    /// How many texts are being rendered, one within another.
    texts: usize,
    work: &'a Work,
    /// Where what is written comes from, if somebody wants to know; not within functions that render for themselves.
    marks: Option<Vec<Mark>>,
}

/// Go's limit of `template` actions within each other.
const MAX_DEPTH: usize = 100_000;

impl<'a> Context<'a> {
    pub(crate) fn new(templates: &'a Templates, layer: Layer<'a>, stack: Stack, work: &'a Work) -> Self {
        Context { templates, layer, stack, depth: 0, texts: 0, work, marks: None }
    }

    /// Takes note of the lines that write the output.
    pub(crate) fn trace(&mut self) {
        self.marks = Some(Vec::new());
    }

    pub(crate) fn into_marks(self) -> Vec<Mark> {
        self.marks.unwrap_or_default()
    }

    pub(crate) fn work(&self) -> &'a Work {
        self.work
    }

    /// Renders the template of this name over `data` (Helm's `include`).
    pub fn execute(&mut self, name: &str, data: &Value) -> Result<Str, FnError> {
        let mut out = Vec::new();
        let marks = self.marks.take();
        let result = self.execute_into(name, data, &mut out);
        self.marks = marks;
        result.map_err(FnError::Exec)?;
        Ok(out.into())
    }

    /// Parses a text and renders it over `data` (Helm's `tpl`). What the text defines is seen by it alone, and it may
    /// redefine templates for itself.
    pub fn execute_text(&mut self, text: &str, data: &Value) -> Result<Str, FnError> {
        if self.texts >= MAX_TEXTS {
            return Err(FnError::new(format!("more than {MAX_TEXTS} texts are rendered within each other")));
        }
        let parsed = self.templates.parse_text(text, self.stack)?;
        let added = self.layer.added(&parsed);
        let layer = Layer::over(&self.layer, &added);
        let (templates, stack, work) = (self.templates, self.stack, self.work);
        let mut inner =
            Context { templates, layer, stack, depth: 0, texts: self.texts + 1, work, marks: None };
        let mut out = Vec::new();
        if let Some(tree) = parsed.last() {
            inner.run(tree, data, &mut out).map_err(FnError::Exec)?;
        }
        Ok(out.into())
    }

    /// The functions that templates may call.
    pub fn functions(&self) -> &'a Functions {
        self.templates.functions()
    }

    pub(crate) fn execute_into(
        &mut self,
        name: &str,
        data: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<ExecError>> {
        match self.layer.find(name) {
            Some(tree) => self.run(tree, data, out),
            None => Err(Box::new(ExecError {
                template: String::new(),
                place: None,
                message: format!(
                    "no template {} associated with template {}",
                    crate::quote::quote(name.as_bytes()),
                    crate::quote::quote(self.templates.name().as_bytes())
                ),
                source: None,
            })),
        }
    }

    fn run(&mut self, tree: &Tree, data: &Value, out: &mut Vec<u8>) -> Result<(), Box<ExecError>> {
        let depth = std::mem::replace(&mut self.depth, 0);
        let dot = Slot::concrete(data.clone()).unwrapped();
        let result = Frame::run(self, tree, &dot, out);
        self.depth = depth;
        result
    }
}

/// A value and what Go's `reflect` knows of where it came from: an element of a `map[string]interface {}` has the static
/// type `interface {}`, which shows in error messages and decides how nil behaves.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) value: Value,
    pub(crate) is_interface: bool,
}

impl Slot {
    /// A value whose static type is its own. Nil has none: it is an empty interface.
    fn concrete(value: Value) -> Self {
        Slot { is_interface: matches!(value, Value::Nil), value }
    }

    /// A value found in a map or list of this element type.
    fn element(value: Value, elem: Type) -> Self {
        let is_interface = elem == Type::Any || matches!(value, Value::Nil);
        Slot { value, is_interface }
    }

    fn none() -> Self {
        Slot { value: Value::NoValue, is_interface: false }
    }

    /// Forgets that the value was in an interface; a nil interface is no value at all.
    fn unwrapped(self) -> Self {
        let value = if matches!(self.value, Value::Nil) { Value::NoValue } else { self.value };
        Slot { value, is_interface: false }
    }

    fn type_name(&self) -> std::borrow::Cow<'static, str> {
        if self.is_interface { "interface {}".into() } else { self.value.type_name() }
    }
}
