//! The functions that playbooks have besides primitives: each declared once, with its words and its code.
//! What needs the run (its clock, its log) reaches it through [`crate::host::Here`]; nothing here does input or output.

/// A function: its name, usage and documentation, then one closure for each overload.
macro_rules! function {
    ($name:literal, $usage:literal, $doc:literal, $($overload:expr),+ $(,)?) => {
        $crate::library::Function::new($name, $usage, $doc, |module| {
            $(rhai::FuncRegistration::new($name).in_global_namespace().set_into_module(module, $overload);)+
        })
    };
}

mod collections;
mod control;
mod data;
mod failing;
mod options;
mod secrets;
mod text;
mod time;
mod units;

use rhai::{EvalAltResult, Module, NativeCallContext};

pub(crate) use time::Moment;
pub(crate) use units::quantity;

/// A function of the library, as documentation, completion and the checker know it.
#[derive(Clone, Copy)]
pub struct Function {
    pub name: &'static str,
    /// Its parameters and its result, as one would write them: `join(items, separator) -> string`.
    pub usage: &'static str,
    /// The first line is its summary; examples stand in ```` ```rhai ```` fences.
    pub doc: &'static str,
    /// The keys of its options map, and what each is for.
    pub options: &'static [(&'static str, &'static str)],
    pub(crate) register: fn(&mut Module),
}

impl Function {
    pub fn summary(&self) -> &'static str {
        self.doc.lines().next().unwrap_or_default()
    }

    pub(crate) const fn new(
        name: &'static str,
        usage: &'static str,
        doc: &'static str,
        register: fn(&mut Module),
    ) -> Self {
        Function { name, usage, doc, options: &[], register }
    }

    pub(crate) const fn options(mut self, options: &'static [(&'static str, &'static str)]) -> Self {
        self.options = options;
        self
    }
}

/// Every function, in the order of the reference.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    [
        control::FUNCTIONS,
        secrets::FUNCTIONS,
        failing::FUNCTIONS,
        time::FUNCTIONS,
        text::FUNCTIONS,
        collections::FUNCTIONS,
        data::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The names after a number's dot, such as `m` in `5.m`, and what they make of it.
pub fn units() -> impl Iterator<Item = (&'static str, &'static str)> {
    units::words()
}

/// All of it as one module, for the global namespace.
pub(crate) fn module() -> Module {
    let mut module = Module::new();
    for function in functions() {
        (function.register)(&mut module);
    }
    units::register(&mut module);
    time::register_types(&mut module);
    failing::replace_unwanted(&mut module);
    collections::replace_unwanted(&mut module);
    module.build_index();
    module
}

pub(crate) type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// Fails the call with a message: for wrong arguments of a library function.
pub(crate) fn invalid<T>(ctx: &NativeCallContext, message: impl Into<String>) -> Outcome<T> {
    Err(crate::failure::fail(ctx, opsrun_core::Error::invalid(message)))
}
