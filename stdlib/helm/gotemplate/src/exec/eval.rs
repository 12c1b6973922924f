//! Evaluates pipelines, fields, variables and constants.

use super::Slot;
use super::walk::{Fail, Frame};
use crate::templates::MissingKey;
use crate::tree::{Command, NodeRef, NumberLiteral, Operand, OperandKind, Pipe, names};
use crate::value::{Number, Type, Value};

/// The arguments of a call as they are written, and the value of the pipeline's part before it.
#[derive(Clone, Copy)]
pub(super) struct Args<'a, 't> {
    pub(super) written: &'t [Operand],
    pub(super) piped: Option<&'a Slot>,
}

impl Args<'_, '_> {
    pub(super) const NONE: Args<'static, 'static> = Args { written: &[], piped: None };

    pub(super) fn len(self) -> usize {
        self.written.len() + usize::from(self.piped.is_some())
    }
}

impl<'t> Frame<'_, '_, 't> {
    /// The value of a pipeline; pushes the variables that it declares.
    pub(super) fn pipeline(&mut self, dot: &Slot, pipe: &'t Pipe) -> Result<Slot, Fail> {
        self.node = NodeRef::Pipe(pipe);
        let mut value: Option<Slot> = None;
        for command in &*pipe.cmds {
            value = Some(self.command(dot, command, value.as_ref())?.unwrapped());
        }
        let value = value.unwrap_or_else(Slot::none);
        for name in &*pipe.decl {
            if pipe.is_assign {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Slot, command: &'t Command, piped: Option<&Slot>) -> Result<Slot, Fail> {
        // A command has at least its first word.
        let first = &command.args[0];
        let args = Args { written: &command.args[1..], piped };
        match &first.kind {
            OperandKind::Identifier(name) => {
                return self.function(dot, first, name, NodeRef::Command(command), args);
            }
            OperandKind::Pipe(pipe) => {
                self.takes_no_arguments(first, args)?;
                self.check_stack()?;
                return self.pipeline(dot, pipe);
            }
            OperandKind::Field(_) | OperandKind::Chain { .. } | OperandKind::Variable { .. } => {
                return self.path(dot, first, args);
            }
            _ => {}
        }
        self.node = NodeRef::Operand(first);
        self.takes_no_arguments(first, args)?;
        match &first.kind {
            OperandKind::Nil => self.fail("nil is not a command"),
            _ => self.constant(dot, first),
        }
    }

    fn takes_no_arguments(&self, first: &Operand, args: Args<'_, '_>) -> Result<(), Fail> {
        if args.len() == 0 {
            return Ok(());
        }
        self.fail(format!("can't give argument to non-function {first}"))
    }

    /// A field, a variable or a chain, which may end in a method that takes the arguments.
    pub(super) fn path(&mut self, dot: &Slot, node: &'t Operand, args: Args<'_, 't>) -> Result<Slot, Fail> {
        self.node = NodeRef::Operand(node);
        match &node.kind {
            OperandKind::Field(fields) => self.fields(dot, dot, node, fields, args),
            OperandKind::Variable { name, fields } => {
                let value = self.variable(name)?;
                if fields.is_empty() {
                    self.takes_no_arguments(node, args)?;
                    return Ok(value);
                }
                self.fields(dot, &value, node, fields, args)
            }
            OperandKind::Chain { node: base, fields } => {
                if matches!(base.kind, OperandKind::Nil) {
                    return self.fail(format!("indirection through explicit nil in {node}"));
                }
                let value = match &base.kind {
                    OperandKind::Pipe(pipe) => {
                        self.node = NodeRef::Operand(base);
                        self.check_stack()?;
                        self.pipeline(dot, pipe)?
                    }
                    OperandKind::Identifier(name) => {
                        self.function(dot, base, name, NodeRef::Operand(base), Args::NONE)?
                    }
                    _ => self.path(dot, base, Args::NONE)?,
                };
                self.fields(dot, &value, node, fields, args)
            }
            _ => self.constant(dot, node),
        }
    }

    fn variable(&self, name: &str) -> Result<Slot, Fail> {
        match self.vars.iter().rev().find(|(var, _)| *var == name) {
            Some((_, slot)) => Ok(slot.clone()),
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    fn fields(
        &mut self,
        dot: &Slot,
        start: &Slot,
        node: &'t Operand,
        fields: &'t str,
        args: Args<'_, 't>,
    ) -> Result<Slot, Fail> {
        let mut receiver: Option<Slot> = None;
        let mut names = names(fields).peekable();
        while let Some(name) = names.next() {
            let args = if names.peek().is_none() { args } else { Args::NONE };
            let next = self.field(dot, receiver.as_ref().unwrap_or(start), node, name, args)?;
            receiver = Some(next);
        }
        Ok(receiver.unwrap_or_else(|| start.clone()))
    }

    fn field(
        &mut self,
        dot: &Slot,
        receiver: &Slot,
        node: &'t Operand,
        name: &'t str,
        args: Args<'_, 't>,
    ) -> Result<Slot, Fail> {
        let has_args = args.len() > 0;
        match &receiver.value {
            Value::NoValue => {
                if self.missing_key() == MissingKey::Error {
                    let name = crate::quote::quote(name.as_bytes());
                    return self.fail(format!("nil data; no entry for key {name}"));
                }
                return Ok(Slot::none());
            }
            Value::Nil => {
                return self.fail(format!("nil pointer evaluating {}.{name}", receiver.type_name()));
            }
            Value::Map(map) => {
                if let Some(method) = map.method(name) {
                    return self.call(dot, &method, NodeRef::Operand(node), name, args);
                }
                return self.map_entry(map, name, has_args);
            }
            Value::Object(object) => {
                if let Some(method) = object.clone().method(name) {
                    return self.call(dot, &method, NodeRef::Operand(node), name, args);
                }
                if let Some(value) = object.field(name) {
                    if has_args {
                        return self.fail(format!("{name} has arguments but cannot be invoked as function"));
                    }
                    return Ok(Slot::concrete(value));
                }
                if let Some(Value::Map(map)) = object.underlying() {
                    return self.map_entry(&map, name, has_args);
                }
            }
            _ => {}
        }
        self.fail(format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }

    fn map_entry(&self, map: &crate::value::Map, name: &str, has_args: bool) -> Result<Slot, Fail> {
        if has_args {
            return self.fail(format!("{name} is not a method but has arguments"));
        }
        match map.get(name) {
            Some(value) => Ok(Slot::element(value, map.elem())),
            None => match self.missing_key() {
                MissingKey::Default => Ok(Slot::none()),
                MissingKey::Zero => Ok(Slot::element(map.elem().zero(), map.elem())),
                MissingKey::Error => {
                    let name = crate::quote::quote(name.as_bytes());
                    self.fail(format!("map has no entry for key {name}"))
                }
            },
        }
    }

    fn missing_key(&self) -> MissingKey {
        self.cx.templates.missing_key()
    }

    /// A literal, or dot, where nothing says what type is wanted.
    pub(super) fn constant(&mut self, dot: &Slot, node: &'t Operand) -> Result<Slot, Fail> {
        self.node = NodeRef::Operand(node);
        match &node.kind {
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Bool(b) => Ok(Slot::concrete(Value::Bool(*b))),
            OperandKind::Str { value, .. } => Ok(Slot::concrete(Value::Str(value.clone()))),
            OperandKind::Number(number) => self.ideal(number),
            _ => self.fail(format!("can't handle assignment of {node} to empty interface argument")),
        }
    }

    /// A number takes the type that its text suggests; there are no unsigned ones.
    fn ideal(&self, number: &NumberLiteral) -> Result<Slot, Fail> {
        let text = &number.text;
        let is_hex = (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P']);
        let looks_like_float = !is_hex && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
        let value = match number {
            NumberLiteral { complex: Some((re, im)), .. } => Number::Complex128(*re, *im).into(),
            NumberLiteral { float: Some(float), .. } if looks_like_float => Value::float(*float),
            NumberLiteral { int: Some(int), .. } => Value::int(*int),
            NumberLiteral { uint: Some(_), .. } => return self.fail(format!("{text} overflows int")),
            _ => Value::NoValue,
        };
        Ok(Slot::concrete(value))
    }

    /// An argument, evaluated for a parameter of this type.
    pub(super) fn argument(&mut self, dot: &Slot, param: Type, node: &'t Operand) -> Result<Value, Fail> {
        self.node = NodeRef::Operand(node);
        let slot = match &node.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil => {
                if param.can_be_nil() {
                    return Ok(param.zero());
                }
                return self.fail(format!("cannot assign nil to {}", param.name()));
            }
            OperandKind::Field(_) | OperandKind::Variable { .. } | OperandKind::Chain { .. } => {
                self.path(dot, node, Args::NONE)?
            }
            OperandKind::Pipe(pipe) => {
                self.check_stack()?;
                self.pipeline(dot, pipe)?
            }
            OperandKind::Identifier(name) => {
                self.function(dot, node, name, NodeRef::Operand(node), Args::NONE)?
            }
            OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::Str { .. } => {
                return self.literal(dot, param, node);
            }
        };
        self.assignable(slot, param)
    }

    /// A literal takes the parameter's type.
    fn literal(&mut self, dot: &Slot, param: Type, node: &'t Operand) -> Result<Value, Fail> {
        use crate::value::Kind as K;
        let number = match &node.kind {
            OperandKind::Number(number) => Some(number.as_ref()),
            _ => None,
        };
        let (value, expected) = match param.kind() {
            _ if matches!(param, Type::Any | Type::Reflect) => return Ok(self.constant(dot, node)?.value),
            K::Bool => match node.kind {
                OperandKind::Bool(b) => (Some(Value::Bool(b)), "bool"),
                _ => (None, "bool"),
            },
            K::String => match &node.kind {
                OperandKind::Str { value, .. } => (Some(Value::Str(value.clone())), "string"),
                _ => (None, "string"),
            },
            K::Int | K::Int8 | K::Int16 | K::Int32 | K::Int64 => {
                (number.and_then(|n| n.int).map(|n| Number::of_int(param.kind(), n).into()), "integer")
            }
            K::Uint | K::Uint8 | K::Uint16 | K::Uint32 | K::Uint64 => (
                number.and_then(|n| n.uint).map(|n| Number::of_uint(param.kind(), n).into()),
                "unsigned integer",
            ),
            K::Float32 => (number.and_then(|n| n.float).map(|f| Number::Float32(f as f32).into()), "float"),
            K::Float64 => (number.and_then(|n| n.float).map(Value::float), "float"),
            K::Complex128 => {
                let complex = number.and_then(|n| n.complex);
                (complex.map(|(re, im)| Number::Complex128(re, im).into()), "complex")
            }
            _ => return self.fail(format!("can't handle {node} for arg of type {}", param.name())),
        };
        match value {
            Some(value) => Ok(value),
            None => self.fail(format!("expected {expected}; found {node}")),
        }
    }

    /// The value as one of the parameter's type.
    pub(super) fn assignable(&self, slot: Slot, param: Type) -> Result<Value, Fail> {
        match slot.value {
            Value::NoValue if param.can_be_nil() => Ok(param.zero()),
            Value::NoValue => self.fail(format!("invalid value; expected {}", param.name())),
            value if value.assignable_to(param) => Ok(match &value {
                // A named map or list becomes the plain one that the parameter asks for.
                Value::Object(o) if matches!(param, Type::Map(_) | Type::List(_)) => {
                    o.underlying().unwrap_or(value)
                }
                Value::Map(map) if matches!(param, Type::Map(_)) => Value::Map(map.converted(None)),
                _ => value,
            }),
            Value::Nil => {
                self.fail(format!("wrong type for value; expected {}; got interface {{}}", param.name()))
            }
            value => self.fail(format!(
                "wrong type for value; expected {}; got {}",
                param.name(),
                value.type_name()
            )),
        }
    }
}
