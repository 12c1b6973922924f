//! The functions of SQL: a list of signatures, and which of them a call means.

mod array;
pub(crate) mod json;
mod number;
mod system;
mod text;
mod time;

use super::bind::Binder;
use super::cast::{How, castable};
use super::expr::{Expr, Function, Node, Result};
use crate::value::Type;

pub(crate) use text::{matches_like, quote_identifier, regex};
pub(crate) use time::extracted;

/// One function.
pub(crate) struct Signature {
    name: &'static str,
    /// Types by their names; `any` takes everything and comes as a record of one field, `anyarray` and `anyelement` belong together. `text...` is any number of them.
    arguments: &'static str,
    result: &'static str,
    function: Function,
    how: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nothing in, nothing out.
    Strict,
    /// It sees what is nothing.
    Always,
    /// It gives an array, which is a set of rows.
    Set,
}

const fn strict(
    name: &'static str,
    arguments: &'static str,
    result: &'static str,
    function: Function,
) -> Signature {
    Signature { name, arguments, result, function, how: Manner::Strict }
}

const fn always(
    name: &'static str,
    arguments: &'static str,
    result: &'static str,
    function: Function,
) -> Signature {
    Signature { name, arguments, result, function, how: Manner::Always }
}

const fn set(
    name: &'static str,
    arguments: &'static str,
    result: &'static str,
    function: Function,
) -> Signature {
    Signature { name, arguments, result, function, how: Manner::Set }
}

fn all() -> impl Iterator<Item = &'static Signature> {
    [
        text::FUNCTIONS,
        number::FUNCTIONS,
        time::FUNCTIONS,
        json::FUNCTIONS,
        array::FUNCTIONS,
        system::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// A call whose function is known.
pub(crate) struct Called {
    pub(crate) expression: Expr,
    /// Its value is an array of rows.
    pub(crate) set: bool,
}

/// Which function a call means; `None` if none takes these arguments.
pub(crate) fn call(binder: &Binder<'_, '_>, name: &str, arguments: &[Expr]) -> Result<Option<Called>> {
    let mut best: Option<(usize, &Signature)> = None;
    for signature in all().filter(|signature| signature.name == name) {
        if let Some(score) = signature.fits(arguments)
            && best.is_none_or(|(other, _)| score > other)
        {
            best = Some((score, signature));
        }
    }
    best.map(|(_, signature)| signature.called(binder, arguments)).transpose()
}

/// There is a function of this name, with other arguments.
pub(crate) fn known(name: &str) -> bool {
    all().any(|signature| signature.name == name)
}

impl Signature {
    /// The names of its arguments' types, for so many.
    fn wanted(&self, count: usize) -> Option<Vec<&'static str>> {
        let mut names: Vec<&str> = self.arguments.split(',').filter(|name| !name.is_empty()).collect();
        if let Some(last) = names.last().and_then(|last| last.strip_suffix("...")) {
            names.pop();
            while names.len() < count {
                names.push(last);
            }
        }
        (names.len() == count).then_some(names)
    }

    /// How many arguments are of the very type; `None` if one can be none of it.
    fn fits(&self, arguments: &[Expr]) -> Option<usize> {
        let wanted = self.wanted(arguments.len())?;
        let mut score = 0;
        for (name, argument) in wanted.iter().zip(arguments) {
            let given = &argument.kind;
            match *name {
                "any" => {}
                "anyelement" => {}
                "anyarray" => match given {
                    Type::Array(_) => score += 2,
                    Type::Unknown => {}
                    _ => return None,
                },
                name => {
                    let kind = Type::named(name)?;
                    match castable(given, &kind) {
                        _ if given.plain() == kind => score += 3,
                        // A text in quotes is a text before it is anything else, and then a fraction.
                        Some(How::Implicit) if *given == Type::Unknown && kind == Type::Text => score += 2,
                        Some(How::Implicit) if kind == Type::Float8 => score += 1,
                        Some(How::Implicit) => {}
                        _ => return None,
                    }
                }
            }
        }
        Some(score)
    }

    fn called(&self, binder: &Binder<'_, '_>, arguments: &[Expr]) -> Result<Called> {
        let wanted = self.wanted(arguments.len()).unwrap_or_default();
        let element = arguments.iter().zip(&wanted).find_map(|(argument, name)| match &argument.kind {
            Type::Array(element) if *name == "anyarray" => Some((**element).clone()),
            _ => None,
        });
        let element = element.unwrap_or_else(|| {
            let of = arguments.iter().zip(&wanted).find(|(_, name)| **name == "anyelement");
            of.map_or(Type::Text, |(argument, _)| argument.kind.plain())
        });
        let kind_of = |name: &str| match name {
            "anyelement" => Some(element.clone()),
            "anyarray" => Some(Type::Array(Box::new(element.clone()))),
            name => Type::named(name),
        };
        let mut coerced = Vec::with_capacity(arguments.len());
        for (name, argument) in wanted.iter().zip(arguments) {
            coerced.push(match kind_of(name) {
                Some(kind) => binder.coerced(argument.clone(), &kind, How::Implicit)?,
                // With its type, which such a function needs.
                None => {
                    let settled = binder.settled(argument.clone())?;
                    Expr::new(Node::Record(vec![settled]), Type::Record)
                }
            });
        }
        let result = kind_of(self.result).unwrap_or(Type::Text);
        let node = match self.how {
            Manner::Always => Node::CallAlways(self.function, coerced),
            Manner::Strict | Manner::Set => Node::Call(self.function, coerced),
        };
        Ok(Called { expression: Expr::new(node, result), set: self.how == Manner::Set })
    }
}
