//! What an expression is worth without evaluating it.

use opsrun_core::Value;
use rhai::{Expr, FnPtr};

use crate::library::quantity;

/// The value of a literal, quantities such as `5.m` included; `None` for everything that has to be evaluated.
pub(crate) fn literal(expression: &Expr) -> Option<Value> {
    Some(match expression {
        Expr::Unit(_) => Value::Null,
        Expr::BoolConstant(flag, _) => (*flag).into(),
        Expr::IntegerConstant(number, _) => (*number).into(),
        Expr::FloatConstant(number, _) => serde_json::Number::from_f64(**number).map(Value::Number)?,
        Expr::CharConstant(character, _) => character.to_string().into(),
        Expr::StringConstant(text, _) => text.as_str().into(),
        Expr::Array(items, _) => Value::Array(items.iter().map(literal).collect::<Option<_>>()?),
        Expr::Map(map, _) => {
            let fields = map.0.iter().map(|(key, value)| Some((key.name.to_string(), literal(value)?)));
            Value::Object(fields.collect::<Option<_>>()?)
        }
        Expr::Dot(dot, ..) => match (&dot.lhs, &dot.rhs) {
            (Expr::IntegerConstant(number, _), Expr::Property(property, _)) => {
                quantity(*number, &property.2)?.into()
            }
            _ => return None,
        },
        Expr::FnCall(call, _) if call.name == "-" && call.args.len() == 1 => match literal(&call.args[0])? {
            Value::Number(number) => match number.as_i64() {
                Some(integer) => integer.checked_neg()?.into(),
                None => serde_json::Number::from_f64(-number.as_f64()?).map(Value::Number)?,
            },
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether the expression is a text for certain, whatever it says.
pub(super) fn is_text(expression: &Expr) -> bool {
    matches!(expression, Expr::StringConstant(..) | Expr::InterpolatedString(..) | Expr::CharConstant(..))
}

/// The generated name of the closure that the expression is.
pub(super) fn closure(expression: &Expr) -> Option<String> {
    let name = |constant: &rhai::Dynamic| {
        constant.read_lock::<FnPtr>().map(|function| function.fn_name().to_owned())
    };
    match expression {
        Expr::DynamicConstant(constant, _) => name(constant),
        Expr::FnCall(call, _) if call.name == "curry" && call.namespace.is_empty() => {
            closure(call.args.first()?)
        }
        Expr::Stmt(block) => block.iter().find_map(|statement| match statement {
            rhai::Stmt::Expr(expression) => closure(expression),
            rhai::Stmt::FnCall(call, at) => closure(&Expr::FnCall(call.clone(), *at)),
            _ => None,
        }),
        _ => None,
    }
}
