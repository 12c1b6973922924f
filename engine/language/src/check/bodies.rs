//! What control functions are given: bodies, which are closures without parameters, and the values of options.

use opsrun_core::{Span, Value};
use opsrun_runtime::Registry;
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::flow::alone;
use super::literal::{closure, literal};
use super::walk;
use crate::diagnostic::{Diagnostic, Place};

/// Functions whose last argument is a body.
const WITH_BODY: &[&str] = &["step", "retry", "defer", "on", "lease"];

pub(super) fn check(file: &str, ast: &AST, registry: Registry, found: &mut Vec<Diagnostic>) {
    walk(ast, &mut |path| {
        let Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) = path.last()
        else {
            return;
        };
        if !call.namespace.is_empty() {
            return;
        }
        let name = call.name.as_str();
        let bodies = Bodies { file, ast, registry, function: name };
        match name {
            "parallel" => {
                match call.args.first() {
                    Some(Expr::Map(map, _)) => {
                        for (key, body) in &map.0 {
                            found.extend(bodies.wrong(body, &format!("branch `{}`", key.name)));
                        }
                    }
                    Some(Expr::Array(items, _)) => {
                        for (index, body) in items.iter().enumerate() {
                            found.extend(bodies.wrong(body, &format!("branch {}", index + 1)));
                        }
                    }
                    Some(one) if closure(one).is_some() => found.push(
                        Diagnostic::error(
                            Place::new(file, one.start_position()),
                            "`parallel` takes an array or a map of closures",
                        )
                        .hint("write `parallel([|| …, || …])`"),
                    ),
                    _ => {}
                }
                found.extend(call.args.get(1).into_iter().flat_map(|options| bodies.options(options)));
            }
            _ if WITH_BODY.contains(&name) => {
                if let Some(body) = call.args.last().filter(|_| call.args.len() >= least(name)) {
                    found.extend(bodies.wrong(body, "the body"));
                }
                found.extend(call.args.iter().flat_map(|options| bodies.options(options)));
                if name == "step" {
                    found.extend(wrong_name(file, call, *at));
                }
            }
            _ => {}
        }
    });
}

fn least(function: &str) -> usize {
    if matches!(function, "step" | "on" | "lease") { 2 } else { 1 }
}

struct Bodies<'a> {
    file: &'a str,
    ast: &'a AST,
    registry: Registry,
    function: &'a str,
}

impl Bodies<'_> {
    /// What is wrong with a body, if that is certain.
    fn wrong(&self, body: &Expr, what: &str) -> Option<Diagnostic> {
        let at = Place::new(self.file, body.start_position());
        let function = self.function;
        if let Some(name) = closure(body) {
            let parameters = self.ast.iter_functions().find(|known| known.name == name)?.params.len();
            let own = parameters.saturating_sub(captured(body));
            return (own > 0).then(|| {
                Diagnostic::error(
                    at,
                    format!("`{function}`: {what} is called without arguments, this takes {own}"),
                )
                .hint("write it as `|| …`")
            });
        }
        let early = |called: &str| {
            Diagnostic::error(
                at.clone(),
                format!(
                    "`{function}`: {what} is a closure; this calls `{called}` before `{function}` begins"
                ),
            )
            .hint(format!("write `|| {called}(…)`"))
        };
        match body {
            Expr::FnCall(call, _) if !call.namespace.is_empty() => {
                let parts = call.namespace.path.iter().map(|part| part.name.as_str());
                let path = parts.chain([call.name.as_str()]).collect::<Vec<_>>().join("::");
                self.registry.primitive(&path).map(|_| early(&path))
            }
            Expr::FnCall(call, _) if self.returns_data(call) => Some(early(&call.name)),
            Expr::Stmt(block) if !block.is_empty() => {
                let last = block.iter().last()?;
                let data =
                    !matches!(last, Stmt::Expr(_) | Stmt::If(..) | Stmt::Switch(..) | Stmt::FnCall(..));
                data.then(|| self.no_closure(at, what, "a block, which is done before"))
            }
            other => {
                let kind = match literal(other) {
                    Some(Value::Null) => "nothing",
                    Some(Value::Bool(_)) => "a bool",
                    Some(Value::Number(_)) => "a number",
                    Some(Value::String(_)) => "a string",
                    Some(Value::Array(_)) => "an array",
                    Some(Value::Object(_)) => "a map",
                    None if matches!(other, Expr::InterpolatedString(..)) => "a string",
                    None if matches!(other, Expr::Map(..)) => "a map",
                    None => return None,
                };
                Some(self.no_closure(at, what, kind))
            }
        }
    }

    fn no_closure(&self, at: Place, what: &str, kind: &str) -> Diagnostic {
        let function = self.function;
        Diagnostic::error(at, format!("`{function}`: {what} is a closure, this is {kind}"))
            .hint("write `|| { … }`")
    }

    /// Whether the function of this file that is called ends with something that is no closure.
    fn returns_data(&self, call: &FnCallExpr) -> bool {
        if matches!(call.name.as_str(), "log" | "warn" | "print" | "fail" | "sleep" | "assert" | "step") {
            return true;
        }
        let mut last = None;
        alone(self.ast, &call.name, call.args.len()).walk(&mut |path: &[ASTNode]| {
            if let [ASTNode::Stmt(statement)] = path {
                last = Some((*statement).clone());
            }
            true
        });
        match last {
            Some(Stmt::Var(..) | Stmt::Assignment(_) | Stmt::For(..)) => true,
            Some(Stmt::FnCall(call, _)) => {
                !call.namespace.is_empty()
                    && call.namespace.path.len() == 1
                    && self.registry.modules().any(|module| module.path == call.namespace.path[0].name)
            }
            Some(Stmt::Expr(expression)) => literal(&expression).is_some(),
            _ => false,
        }
    }

    /// Values of a literal map of options that cannot be right.
    fn options(&self, options: &Expr) -> Vec<Diagnostic> {
        let Expr::Map(map, _) = options else { return Vec::new() };
        let wrong = map.0.iter().filter_map(|(key, value)| {
            let at = Place::new(self.file, value.start_position());
            let wanted = match (self.function, key.name.as_str()) {
                ("step", "undo") => return self.wrong(value, "`undo`"),
                ("retry", "times") | ("parallel", "max") => "an integer from 1",
                ("retry", "every") | ("step", "within") | ("lease", "expiry" | "wait") => {
                    "a length of time such as `5.s`"
                }
                ("retry", "backoff") => "a number from 1",
                _ => return None,
            };
            let value = literal(value)?;
            let right = match wanted {
                "an integer from 1" => value.as_u64().is_some_and(|number| number > 0),
                "a number from 1" => value.as_f64().is_some_and(|number| number >= 1.0),
                _ => value.as_str().is_some_and(|text| text.parse::<Span>().is_ok()),
            };
            (!right).then(|| {
                let message = format!("`{}`: option `{}`: {wanted} is expected", self.function, key.name);
                Diagnostic::error(at, message)
            })
        });
        wrong.collect()
    }
}

/// How many variables from outside a closure takes along.
fn captured(body: &Expr) -> usize {
    match body {
        Expr::FnCall(call, _) if call.name == "curry" => call.args.len().saturating_sub(1),
        Expr::Stmt(block) => {
            let counts = block.iter().map(|statement| match statement {
                Stmt::Expr(expression) => captured(expression),
                Stmt::FnCall(call, _) if call.name == "curry" => call.args.len().saturating_sub(1),
                _ => 0,
            });
            counts.sum()
        }
        _ => 0,
    }
}

fn wrong_name(file: &str, call: &FnCallExpr, at: Position) -> Option<Diagnostic> {
    let Some(Value::String(name)) = call.args.first().and_then(literal) else { return None };
    let blank = name.trim().is_empty() || name.contains('\n');
    blank.then(|| Diagnostic::error(Place::new(file, at), "a step needs a name of one line"))
}
