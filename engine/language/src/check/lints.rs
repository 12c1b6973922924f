//! What runs, but hardly as it was meant.

use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::literal::closure;
use super::walk;
use crate::diagnostic::{Diagnostic, Place};
use crate::playbook::File;

/// Methods that keep what they are given.
const KEEPING: &[&str] = &["push", "insert", "append", "set"];
/// Methods that change what they are called on.
const CHANGING: &[&str] = &[
    "push",
    "insert",
    "append",
    "set",
    "pop",
    "shift",
    "remove",
    "clear",
    "truncate",
    "sort",
    "reverse",
    "drain",
    "retain",
    "dedup",
    "splice",
    "pad",
    "mixin",
    "fill_with",
    "trim",
    "replace",
    "make_upper",
    "make_lower",
];

pub(super) fn check(file: &str, ast: &AST, found: &mut Vec<Diagnostic>) {
    walk(ast, &mut |path| match path.last() {
        Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)))
            if call.namespace.is_empty() =>
        {
            match call.name.as_str() {
                "curry" => loop_variable(file, path, call, found),
                "param" => found.extend(without_help(file, call)),
                "step" => {
                    if let Some(body) = call.args.last() {
                        lost_changes(file, ast, body, Where::Step, found);
                    }
                }
                "parallel" => {
                    for body in call.args.first().into_iter().flat_map(parts) {
                        lost_changes(file, ast, body, Where::Branch, found);
                    }
                }
                _ => {}
            }
        }
        _ => {}
    });
}

/// A parameter that `--help` says nothing about.
fn without_help(file: &str, call: &FnCallExpr) -> Option<Diagnostic> {
    let Expr::StringConstant(name, at) = call.args.first()? else { return None };
    let has_help = match call.args.get(1) {
        Some(Expr::Map(map, _)) => map.0.iter().any(|(key, _)| key.name == "help"),
        Some(_) => true,
        None => false,
    };
    (!has_help).then(|| {
        Diagnostic::warning(Place::new(file, *at), format!("the parameter `{name}` has no help"))
            .hint("say what it is for: `help: \"…\"` among its options")
    })
}

/// Libraries that are imported and not used.
pub(super) fn imports(file: &str, ast: &AST, found: &mut Vec<Diagnostic>) {
    let mut imported: Vec<(String, Position)> = Vec::new();
    let mut used: Vec<String> = Vec::new();
    walk(ast, &mut |path| {
        let namespace = match path.last() {
            Some(ASTNode::Stmt(Stmt::Import(import, at))) => {
                imported.push((import.1.name.to_string(), *at));
                return;
            }
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                &call.namespace
            }
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) => &variable.2,
            _ => return,
        };
        used.extend(namespace.path.first().map(|first| first.name.to_string()));
    });
    for (alias, at) in imported {
        if alias.is_empty() {
            found.push(
                Diagnostic::warning(
                    Place::new(file, at),
                    "what this imports cannot be called: it has no name",
                )
                .hint("write `import \"…\" as name;`"),
            );
        } else if !used.contains(&alias) {
            found.push(Diagnostic::warning(
                Place::new(file, at),
                format!("the library `{alias}` is never used"),
            ));
        }
    }
}

/// A function of that name in the playbook and in a library: a closure may find the wrong one.
pub(super) fn same_names(playbook: &str, files: &BTreeMap<String, File>, found: &mut Vec<Diagnostic>) {
    let Some(main) = files.get(playbook) else { return };
    for function in main.ast.iter_functions().filter(|function| !function.name.contains('$')) {
        for (library, file) in files.iter().filter(|(path, _)| *path != playbook) {
            let same = |other: &rhai::ScriptFnMetadata| {
                other.name == function.name && other.params.len() == function.params.len()
            };
            if file.ast.iter_functions().any(|other| same(&other)) {
                let definition = main.ast.shared_lib().get_script_fn(function.name, function.params.len());
                let at = definition.map_or(Position::NONE, |definition| definition.body.start_position());
                found.push(
                    Diagnostic::warning(
                        Place::new(playbook, at),
                        format!("the function `{}` is defined here and in `{library}`", function.name),
                    )
                    .hint("closures that are handed to the library may call the wrong one: give one of them another name"),
                );
            }
        }
    }
}

/// `for h in hosts { tasks.push(|| h) }`: all of them would see the last `h`.
fn loop_variable(file: &str, path: &[ASTNode], curry: &FnCallExpr, found: &mut Vec<Diagnostic>) {
    let above = path[..path.len() - 1].iter().rev();
    let mut kept = false;
    for node in above {
        match node {
            ASTNode::Expr(Expr::MethodCall(call, _)) if KEEPING.contains(&call.name.as_str()) => kept = true,
            ASTNode::Stmt(Stmt::Assignment(_)) => kept = true,
            ASTNode::Expr(Expr::FnCall(..) | Expr::MethodCall(..)) | ASTNode::Stmt(Stmt::FnCall(..))
                if !kept =>
            {
                return;
            }
            ASTNode::Stmt(Stmt::For(each, _)) if kept => {
                let names = [Some(&each.0), each.1.as_ref()];
                for captured in captured(curry) {
                    if names.iter().flatten().any(|name| name.name == captured.0) {
                        let name = captured.0;
                        found.push(
                            Diagnostic::warning(
                                Place::new(file, captured.1),
                                format!("the closure sees the last `{name}` of the loop, whichever it was made for"),
                            )
                            .hint(format!("make it from a copy: `let this_{name} = {name};` in the loop, or use `.map(|{name}| || …)`")),
                        );
                    }
                }
                return;
            }
            _ => {}
        }
    }
}

fn captured(curry: &FnCallExpr) -> Vec<(&str, Position)> {
    curry
        .args
        .iter()
        .skip(1)
        .filter_map(|argument| match argument {
            Expr::Variable(variable, _, at) => Some((variable.1.as_str(), *at)),
            _ => None,
        })
        .collect()
}

/// The bodies in the first argument of `parallel`.
fn parts(bodies: &Expr) -> Vec<&Expr> {
    match bodies {
        Expr::Map(map, _) => map.0.iter().map(|(_, body)| body).collect(),
        Expr::Array(items, _) => items.iter().collect(),
        _ => Vec::new(),
    }
}

#[derive(Clone, Copy)]
enum Where {
    Step,
    Branch,
}

/// A body that changes a variable from outside.
fn lost_changes(file: &str, ast: &AST, body: &Expr, place: Where, found: &mut Vec<Diagnostic>) {
    let Some(name) = closure(body) else { return };
    let outside: Vec<String> = captured_by(body).into_iter().map(str::to_owned).collect();
    if outside.is_empty() {
        return;
    }
    // `clone_functions_only_filtered` of rhai 1.27 does not filter.
    let mut body = ast.clone();
    body.clear_statements();
    body.retain_functions(|_, _, function, _| function == name);
    let mut changed: Vec<(String, Position)> = Vec::new();
    walk(&body, &mut |path| {
        let root = match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => root_of(&assignment.1.lhs),
            Some(ASTNode::Expr(Expr::Dot(part, ..) | Expr::Index(part, ..))) if calls_changing(&part.rhs) => {
                root_of(&part.lhs)
            }
            _ => None,
        };
        if let Some((name, at)) = root
            && outside.iter().any(|outside| outside == name)
        {
            changed.push((name.to_owned(), at));
        }
    });
    for (name, at) in changed {
        let at = Place::new(file, at);
        found.push(match place {
            Where::Step => Diagnostic::warning(
                at,
                format!("the step changes `{name}` outside of it: a resumed run, which does not repeat the step, would miss that"),
            )
            .hint(format!("return the value: `{name} = step(…);`")),
            Where::Branch => {
                Diagnostic::warning(at, format!("the branch changes a copy of `{name}`: it is not seen outside"))
                    .hint("return the value from the branch: `parallel` gives what each returns")
            }
        });
    }
}

fn captured_by(body: &Expr) -> Vec<&str> {
    match body {
        Expr::FnCall(call, _) if call.name == "curry" => {
            captured(call).into_iter().map(|(name, _)| name).collect()
        }
        Expr::Stmt(block) => block
            .iter()
            .flat_map(|statement| match statement {
                Stmt::Expr(expression) => captured_by(expression),
                Stmt::FnCall(call, _) if call.name == "curry" => {
                    captured(call).into_iter().map(|(name, _)| name).collect()
                }
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The variable that `a.b[c]` is a part of.
fn root_of(expression: &Expr) -> Option<(&str, Position)> {
    match expression {
        Expr::Variable(variable, _, at) => Some((variable.1.as_str(), *at)),
        Expr::Dot(part, ..) | Expr::Index(part, ..) => root_of(&part.lhs),
        _ => None,
    }
}

fn calls_changing(right: &Expr) -> bool {
    match right {
        Expr::MethodCall(call, _) => CHANGING.contains(&call.name.as_str()),
        Expr::Dot(part, ..) | Expr::Index(part, ..) => calls_changing(&part.lhs) || calls_changing(&part.rhs),
        _ => false,
    }
}
