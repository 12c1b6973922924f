//! Functions that templates call: a signature in Go's types, a body, and the table that binds names to them.
//! The table belongs to whoever renders; there is no global one.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use crate::error::FnError;
use crate::exec::Context;
use crate::value::{Type, Value};

/// What a function's body is: it gets the arguments after they were checked against the signature, and the running
/// execution, through which it may render other templates.
pub type Body = dyn Fn(&mut Context<'_>, &[Value]) -> Result<Value, FnError> + Send + Sync;

/// A function with its Go signature. The executor checks number and types of the arguments, with Go's error texts,
/// before the body runs: a parameter of [`Type::String`] is a `Value::Str`, and so on; [`Type::Any`] takes everything,
/// nil as [`Value::Nil`]; only [`Type::Reflect`] may see [`Value::NoValue`].
#[derive(Clone)]
pub struct Function {
    pub(crate) params: Arc<[Type]>,
    pub(crate) variadic: bool,
    pub(crate) body: Arc<Body>,
    /// It hands its arguments on instead of going through all that is in them.
    pub(crate) passes_on: bool,
}

/// Functions by name.
#[derive(Clone, Default)]
pub struct Functions {
    /// Looked into for every word of a template and at every call: a tree took three times as long. The hasher has no random state.
    by_name: HashMap<String, Function, BuildHasherDefault<DefaultHasher>>,
}

impl Function {
    /// A function of exactly these parameters.
    pub fn new(
        params: &[Type],
        body: impl Fn(&mut Context<'_>, &[Value]) -> Result<Value, FnError> + Send + Sync + 'static,
    ) -> Self {
        Function { params: params.into(), variadic: false, body: Arc::new(body), passes_on: false }
    }

    /// A function whose last parameter may be repeated, or left out: `(…, args ...T)`.
    pub fn variadic(
        params: &[Type],
        body: impl Fn(&mut Context<'_>, &[Value]) -> Result<Value, FnError> + Send + Sync + 'static,
    ) -> Self {
        assert!(!params.is_empty(), "a variadic function has at least the repeated parameter");
        Function { params: params.into(), variadic: true, body: Arc::new(body), passes_on: false }
    }

    /// The same function, marked as one that does not go through all that is in its arguments: their extent is of no
    /// importance then, and is not measured.
    #[must_use]
    pub fn passing_on(mut self) -> Self {
        self.passes_on = true;
        self
    }

    /// Runs the body without checking the arguments.
    pub fn call(&self, cx: &mut Context<'_>, args: &[Value]) -> Result<Value, FnError> {
        (self.body)(cx, args)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "func({:?}{})", self.params, if self.variadic { "..." } else { "" })
    }
}

impl Functions {
    pub fn new() -> Self {
        Functions::default()
    }

    /// Binds a name; a later binding replaces an earlier one, and Go's builtin of the same name.
    pub fn set(&mut self, name: impl Into<String>, function: Function) -> &mut Self {
        self.by_name.insert(name.into(), function);
        self
    }

    pub fn remove(&mut self, name: &str) -> Option<Function> {
        self.by_name.remove(name)
    }

    pub fn get(&self, name: &str) -> Option<&Function> {
        self.by_name.get(name)
    }

    /// In no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Function)> {
        self.by_name.iter().map(|(name, function)| (name.as_str(), function))
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}
