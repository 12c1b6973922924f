//! Semantic versions: `semver` and `semverCompare`.

use std::any::Any;
use std::sync::Arc;

use gotemplate::{FnError, Function, Functions, Kind, Number, Object, Type, Value};

use super::args::{Result, utf8};
use crate::semver::{Constraint, Version};

const TYPE_NAME: &str = "*semver.Version";

pub(super) fn add(functions: &mut Functions) {
    use Type::String as Text;
    functions.set("semver", Function::new(&[Text], |_, a| Ok(Value::object(SemVer(parse(&utf8(a, 0))?)))));
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

/// Masterminds' `*semver.Version`.
#[derive(Debug)]
struct SemVer(Version);

impl Object for SemVer {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        const VERSION: Type = Type::Named(TYPE_NAME, Kind::Ptr);
        let constant = |value: Value| Some(Function::new(&[], move |_, _| Ok(value.clone())));
        let compare = |holds: fn(std::cmp::Ordering) -> Value| {
            let version = self.0.clone();
            Some(Function::new(&[VERSION], move |_, a| match a[0].downcast::<SemVer>() {
                Some(other) => Ok(holds(version.cmp(&other.0))),
                None => Err(super::args::nil_dereference()),
            }))
        };
        let segment = |n: u64| constant(Number::Uint64(n).into());
        match name {
            "Major" => segment(self.0.major),
            "Minor" => segment(self.0.minor),
            "Patch" => segment(self.0.patch),
            "Prerelease" => constant(Value::str(&self.0.prerelease)),
            "Metadata" => constant(Value::str(&self.0.metadata)),
            "Original" => constant(Value::str(&self.0.original)),
            "String" => constant(Value::str(self.0.to_string())),
            "Compare" => compare(|order| Value::int(order as i64)),
            "Equal" => compare(|order| order.is_eq().into()),
            "LessThan" => compare(|order| order.is_lt().into()),
            "LessThanEqual" => compare(|order| order.is_le().into()),
            "GreaterThan" => compare(|order| order.is_gt().into()),
            "GreaterThanEqual" => compare(|order| order.is_ge().into()),
            "IncMajor" | "IncMinor" | "IncPatch" => {
                let next = Value::object(SemVer(self.0.increment(name)));
                constant(next)
            }
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn encoded(&self) -> Option<Value> {
        Some(Value::str(self.0.to_string()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
