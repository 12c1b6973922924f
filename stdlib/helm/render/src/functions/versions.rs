//! Semantic versions: `semver` and `semverCompare`.

use std::any::Any;
use std::sync::Arc;

use gotemplate::{FnError, Function, Functions, Kind, Number, Object, Type, Value};

use super::args::{Result, utf8};
use crate::semver::{Constraint, Version};

const TYPE_NAME: &str = "*semver.Version";

pub(super) fn add(functions: &mut Functions) {
    use Type::String as Text;
    functions.set(
        "semver",
        Function::new(&[Text], |_, a| {
            Ok(Value::object(SemVer { version: parse(&utf8(a, 0))?, is_pointer: true }))
        }),
    );
    functions.set(
        "semverCompare",
        Function::new(&[Text, Text], |_, a| {
            let constraint = Constraint::parse(&utf8(a, 0)).map_err(FnError::from)?;
            Ok(constraint.allows(&parse(&utf8(a, 1))?).into())
        }),
    );
}

fn parse(text: &str) -> Result<Version> {
    Version::parse(text).map_err(FnError::from)
}

/// Masterminds' `*semver.Version`, or the plain `semver.Version` that its `Inc` methods give, which has fewer methods.
#[derive(Debug)]
struct SemVer {
    version: Version,
    is_pointer: bool,
}

impl Object for SemVer {
    fn type_name(&self) -> &'static str {
        if self.is_pointer { TYPE_NAME } else { &TYPE_NAME[1..] }
    }

    fn kind(&self) -> Kind {
        if self.is_pointer { Kind::Ptr } else { Kind::Struct }
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        const VERSION: Type = Type::Named(TYPE_NAME, Kind::Ptr);
        let constant = |value: Value| Some(Function::new(&[], move |_, _| Ok(value.clone())));
        let compare = |holds: fn(std::cmp::Ordering) -> Value| {
            let version = self.version.clone();
            Some(Function::new(&[VERSION], move |_, a| match a[0].downcast::<SemVer>() {
                Some(other) => Ok(holds(version.cmp(&other.version))),
                None => Err(super::args::nil_dereference()),
            }))
        };
        let segment = |n: u64| constant(Number::Uint64(n).into());
        match name {
            "Major" => segment(self.version.major),
            "Minor" => segment(self.version.minor),
            "Patch" => segment(self.version.patch),
            "Prerelease" => constant(Value::str(&self.version.prerelease)),
            "String" => constant(Value::str(self.version.to_string())),
            "Metadata" => constant(Value::str(&self.version.metadata)),
            "IncMajor" | "IncMinor" | "IncPatch" => {
                let version = self.version.increment(name);
                constant(Value::object(SemVer { version, is_pointer: false }))
            }
            _ if !self.is_pointer => None,
            "Original" => constant(Value::str(&self.version.original)),
            "Compare" => compare(|order| Value::int(order as i64)),
            "Equal" => compare(|order| order.is_eq().into()),
            "LessThan" => compare(|order| order.is_lt().into()),
            "LessThanEqual" => compare(|order| order.is_le().into()),
            "GreaterThan" => compare(|order| order.is_gt().into()),
            "GreaterThanEqual" => compare(|order| order.is_ge().into()),
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        Some(self.version.to_string())
    }

    fn encoded(&self) -> Option<Value> {
        Some(Value::str(self.version.to_string()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
