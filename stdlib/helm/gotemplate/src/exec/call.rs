//! Calls functions and methods: counts and checks the arguments, then runs the body.

use super::Slot;
use super::eval::Args;
use super::walk::{Fail, Frame};
use crate::builtins;
use crate::error::FnError;
use crate::function::Function;
use crate::limits;
use crate::tree::{NodeRef, Operand};
use crate::value::{Type, Value};

/// The work that a call is at least, and how many bytes to read or write are one unit more.
const CALL: u64 = 4;
const BYTES: u64 = 16;

impl<'t> Frame<'_, '_, 't> {
    /// Calls the function of this name; `node` is what its errors point at.
    pub(super) fn function(
        &mut self,
        dot: &Slot,
        identifier: &'t Operand,
        name: &'t str,
        node: NodeRef<'t>,
        args: Args<'_, 't>,
    ) -> Result<Slot, Fail> {
        self.node = NodeRef::Operand(identifier);
        if let Some(function) = self.cx.functions().get(name) {
            return self.call(dot, function, node, name, args);
        }
        let Some(function) = builtins::functions().get(name) else {
            let name = crate::quote::quote(name.as_bytes());
            return self.fail(format!("{name} is not a defined function"));
        };
        match name {
            "and" | "or" => {
                self.check_count(function, name, args)?;
                self.short_circuit(dot, name == "or", args)
            }
            "call" => {
                self.check_count(function, name, args)?;
                let callee = match args.written.first() {
                    Some(first) => first.to_string(),
                    None => args.piped.map_or_else(String::new, |piped| match &piped.value {
                        Value::Str(text) => text.to_text().into_owned(),
                        other => format!("<{} Value>", other.type_name()),
                    }),
                };
                let mut values = self.arguments(dot, function, args)?;
                values.insert(0, Value::str(callee));
                self.invoke(function, &values, node, name)
            }
            _ => self.call(dot, function, node, name, args),
        }
    }

    pub(super) fn call(
        &mut self,
        dot: &Slot,
        function: &Function,
        node: NodeRef<'t>,
        name: &str,
        args: Args<'_, 't>,
    ) -> Result<Slot, Fail> {
        self.check_count(function, name, args)?;
        let values = self.arguments(dot, function, args)?;
        self.invoke(function, &values, node, name)
    }

    fn invoke(
        &mut self,
        function: &Function,
        values: &[Value],
        node: NodeRef<'t>,
        name: &str,
    ) -> Result<Slot, Fail> {
        self.check_stack()?;
        let result = self.check_arguments(function, values).and_then(|()| {
            let result = function.call(self.cx, values)?;
            self.check_result(&result)?;
            Ok(result)
        });
        match result {
            Ok(value) => Ok(Slot::concrete(value)),
            Err(e) => {
                self.node = node;
                Err(self.function_error(name, e))
            }
        }
    }

    /// Counts the work that a call is, and refuses what is too much to go through.
    fn check_arguments(&self, function: &Function, values: &[Value]) -> Result<(), FnError> {
        let mut extent = 0;
        for value in values {
            extent += match value {
                Value::Str(text) => text.len(),
                Value::List(_) | Value::Map(_) if !function.passes_on => value.extent()?,
                _ => 0,
            };
        }
        if !function.passes_on {
            limits::check_text(extent)?;
        }
        Ok(self.cx.work().spend(CALL + extent as u64 / BYTES)?)
    }

    fn check_result(&self, value: &Value) -> Result<(), FnError> {
        let work = match value {
            Value::Str(text) => {
                limits::check_text(text.len())?;
                text.len() as u64 / BYTES
            }
            Value::List(list) if list.bytes_len().is_none() => {
                limits::check_items(list.len())?;
                2 * list.len() as u64
            }
            Value::Map(map) => map.len() as u64,
            _ => 0,
        };
        Ok(self.cx.work().spend(work)?)
    }

    fn check_count(&self, function: &Function, name: &str, args: Args<'_, '_>) -> Result<(), Fail> {
        let params = function.params.len();
        if function.variadic {
            if args.len() < params - 1 {
                let (want, got) = (params - 1, args.written.len());
                return self.fail(format!("wrong number of args for {name}: want at least {want} got {got}"));
            }
        } else if args.len() != params {
            let got = args.len();
            return self.fail(format!("wrong number of args for {name}: want {params} got {got}"));
        }
        Ok(())
    }

    fn arguments(&mut self, dot: &Slot, function: &Function, args: Args<'_, 't>) -> Result<Vec<Value>, Fail> {
        // The repeated parameter is the last one; there is one, or the count would have been wrong.
        let param = |i: usize| {
            *function.params.get(i).unwrap_or_else(|| function.params.last().unwrap_or(&Type::Any))
        };
        let mut values = Vec::with_capacity(args.len() + 1);
        for (i, node) in args.written.iter().enumerate() {
            values.push(self.argument(dot, param(i), node)?);
        }
        if let Some(piped) = args.piped {
            values.push(self.assignable(piped.clone(), param(args.written.len()))?);
        }
        Ok(values)
    }

    /// `and` and `or` evaluate no more arguments than they need.
    fn short_circuit(&mut self, dot: &Slot, stop_at: bool, args: Args<'_, 't>) -> Result<Slot, Fail> {
        let mut last = Value::NoValue;
        for node in args.written {
            last = self.argument(dot, Type::Reflect, node)?;
            if last.is_true() == stop_at {
                return Ok(Slot::concrete(last));
            }
        }
        match args.piped {
            Some(piped) => Ok(piped.clone()),
            None => Ok(Slot::concrete(last)),
        }
    }
}
