//! Statements among their neighbours: what is never reached, never used, or without effect.

use std::collections::HashSet;

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::literal::{closure, literal};
use super::walk;
use crate::diagnostic::{Diagnostic, Place};

/// What changes its object and returns nothing, and what gives a changed copy instead.
const IN_PLACE: &[(&str, &str)] = &[
    ("push", ""),
    ("append", ""),
    ("insert", ""),
    ("clear", ""),
    ("truncate", ""),
    ("pad", "padded"),
    ("sort", "sorted"),
    ("sort_by", "sorted"),
    ("reverse", "reversed"),
    ("trim", "trimmed"),
    ("replace", "replaced"),
    ("make_upper", "to_upper"),
    ("make_lower", "to_lower"),
    ("mixin", "merged"),
    ("fill_with", "merged"),
];

/// What does nothing but return a value.
const RETURNING: &[&str] = &[
    "captures",
    "contains",
    "entries",
    "filter",
    "find_all",
    "is_empty",
    "join",
    "keys",
    "len",
    "lines",
    "matches",
    "merged",
    "padded",
    "parse_json",
    "parse_yaml",
    "replace_all",
    "replaced",
    "reversed",
    "sorted",
    "split",
    "starts_with",
    "ends_with",
    "sub_string",
    "sum",
    "to_json",
    "to_lower",
    "to_string",
    "to_upper",
    "to_yaml",
    "trimmed",
    "unique",
    "values",
    "words",
    "zip",
];

pub(super) fn check(file: &str, ast: &AST, found: &mut Vec<Diagnostic>) {
    let place = |at| Place::new(file, at);
    for block in blocks(ast) {
        found.extend(unused(file, &block));
        for (index, statement) in block.statements.iter().enumerate() {
            let after = &block.statements[index + 1..];
            if let Some(next) = after.iter().find(|next| !matches!(next, Stmt::Noop(_)))
                && let Some(why) = leaves(statement)
            {
                found.push(Diagnostic::warning(
                    place(next.position()),
                    format!("this is never reached: {why} stands before it"),
                ));
                break;
            }
            if !after.is_empty()
                && let Stmt::Expr(expression) = statement
                && let Some(wrong) = without_effect(file, expression)
            {
                found.push(wrong);
            }
            if let Some(wrong) = nothing_kept(file, statement) {
                found.push(wrong);
            }
        }
    }
    for at in endless_loops(ast) {
        found.push(
            Diagnostic::warning(place(at), "this loop never ends: nothing in it can end it")
                .hint("end it with `break`, `return` or `fail(…)`"),
        );
    }
}

/// Loops that nothing in them can end.
pub(crate) fn endless_loops(ast: &AST) -> Vec<Position> {
    let mut loops = Vec::new();
    walk(ast, &mut |path| {
        if let Some(ASTNode::Stmt(Stmt::While(control, at))) = path.last()
            && matches!(control.expr, Expr::Unit(_) | Expr::BoolConstant(true, _))
            && !control.body.statements().iter().any(can_end)
        {
            loops.push(*at);
        }
    });
    loops
}

/// Calls of a function in its own body.
pub(crate) fn calls_of_itself(ast: &AST) -> Vec<Position> {
    let mut calls = Vec::new();
    for function in ast.iter_functions() {
        walk(&alone(ast, function.name, function.params.len()), &mut |path| match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, at)) | ASTNode::Expr(Expr::FnCall(call, at)))
                if is_plain(call, function.name) =>
            {
                calls.push(*at);
            }
            _ => {}
        });
    }
    calls
}

/// Where errors are caught.
pub(crate) fn tries(ast: &AST) -> Vec<Position> {
    let mut tries = Vec::new();
    walk(ast, &mut |path| {
        if let Some(ASTNode::Stmt(Stmt::TryCatch(_, at))) = path.last() {
            tries.push(*at);
        }
    });
    tries
}

/// One function of a file, by its name and the number of its parameters.
pub(super) fn alone(ast: &AST, name: &str, parameters: usize) -> AST {
    // `clone_functions_only_filtered` of rhai 1.27 does not filter.
    let mut alone = ast.clone();
    alone.clear_statements();
    alone.retain_functions(|_, _, known, count| known == name && count == parameters);
    alone
}

/// The statements between two braces, or of a file.
struct Block {
    statements: Vec<Stmt>,
    is_file: bool,
    /// The names that are defined in the file, for each time.
    defined: std::sync::Arc<Vec<String>>,
}

/// Every block of a file, those of its functions and closures included.
fn blocks(ast: &AST) -> Vec<Block> {
    let mut bodies: Vec<Vec<Stmt>> = vec![ast.statements().to_vec()];
    for function in ast.iter_functions() {
        let mut body = Vec::new();
        alone(ast, function.name, function.params.len()).walk(&mut |path: &[ASTNode]| {
            if let [ASTNode::Stmt(statement)] = path {
                body.push((*statement).clone());
            }
            true
        });
        bodies.push(body);
    }
    let mut defined = Vec::new();
    walk(ast, &mut |path| match path.last() {
        Some(ASTNode::Stmt(Stmt::If(control, _) | Stmt::TryCatch(control, _))) => {
            bodies.push(control.body.statements().to_vec());
            bodies.push(control.branch.statements().to_vec());
        }
        Some(ASTNode::Stmt(Stmt::While(control, _) | Stmt::Do(control, ..))) => {
            bodies.push(control.body.statements().to_vec());
        }
        Some(ASTNode::Stmt(Stmt::For(each, _))) => bodies.push(each.2.body.statements().to_vec()),
        Some(ASTNode::Stmt(Stmt::Block(block))) => bodies.push(block.statements().to_vec()),
        Some(ASTNode::Expr(Expr::Stmt(block))) => bodies.push(block.statements().to_vec()),
        Some(ASTNode::Stmt(Stmt::Var(variable, ..))) => defined.push(variable.0.name.to_string()),
        _ => {}
    });
    let defined = std::sync::Arc::new(defined);
    let blocks = bodies.into_iter().enumerate();
    blocks
        .map(|(index, statements)| Block { statements, is_file: index == 0, defined: defined.clone() })
        .collect()
}

/// Why nothing after the statement is reached.
fn leaves(statement: &Stmt) -> Option<&'static str> {
    match statement {
        Stmt::Return(_, flags, _) if flags.contains(ASTFlags::BREAK) => Some("`throw`"),
        Stmt::Return(..) => Some("`return`"),
        Stmt::BreakLoop(_, flags, _) if flags.contains(ASTFlags::BREAK) => Some("`break`"),
        Stmt::BreakLoop(..) => Some("`continue`"),
        Stmt::FnCall(call, _) if is_plain(call, "fail") => Some("`fail`"),
        Stmt::Expr(expression) => match &**expression {
            Expr::FnCall(call, _) if is_plain(call, "fail") => Some("`fail`"),
            _ => None,
        },
        _ => None,
    }
}

fn is_plain(call: &FnCallExpr, name: &str) -> bool {
    call.namespace.is_empty() && call.name == name
}

/// Variables that nothing after their definition uses.
fn unused(file: &str, block: &Block) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    // From the end: the names that come later.
    let mut later = HashSet::new();
    for (index, statement) in block.statements.iter().enumerate().rev() {
        if let Stmt::Var(variable, flags, _) = statement {
            let name = variable.0.name.as_str();
            let shown_outside = flags.intersects(ASTFlags::CONSTANT | ASTFlags::EXPORTED);
            // What a playbook ends with may be there to be built upon.
            let is_end = block.is_file && index + 1 == block.statements.len();
            if !shown_outside && !is_end && !name.starts_with('_') && !later.contains(name) {
                found.push(unused_variable(file, name, variable.0.pos, block));
            }
        }
        mentioned(statement, &mut later);
    }
    found
}

fn unused_variable(file: &str, name: &str, at: Position, block: &Block) -> Diagnostic {
    let unused = Diagnostic::warning(Place::new(file, at), format!("`{name}` is never used"));
    let elsewhere = !block.is_file && block.defined.iter().filter(|defined| *defined == name).count() > 1;
    match elsewhere {
        true => unused.hint(format!(
            "this is a new variable, which ends with the block; to change one from outside, leave out `let`: `{name} = …`"
        )),
        false => unused.hint(format!("leave it out, or call it `_{name}` if it is there to be read by people")),
    }
}

/// Collects the names that a statement uses.
fn mentioned(statement: &Stmt, names: &mut HashSet<String>) {
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) => {
                names.insert(variable.1.to_string());
            }
            Some(ASTNode::Stmt(Stmt::Export(exported, _))) => {
                names.insert(exported.0.name.to_string());
            }
            // Called like a function: wrong, but not unused.
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                names.insert(call.name.to_string());
            }
            // The tree's walk leaves out the value of `break`.
            Some(ASTNode::Stmt(Stmt::BreakLoop(Some(value), ..))) => {
                mentioned(&Stmt::Expr(Box::new((**value).clone())), names);
            }
            _ => {}
        }
        true
    });
}

/// An expression that stands alone, and only has a value.
fn without_effect(file: &str, expression: &Expr) -> Option<Diagnostic> {
    let at = Place::new(file, expression.start_position());
    let result_of =
        |name: &str| Diagnostic::warning(at.clone(), format!("what `{name}` returns is not used"));
    let wrong = match expression {
        Expr::FnCall(call, _) if call.is_operator_call() => match call.name.as_str() {
            "==" => Diagnostic::warning(at, "this comparison has no effect")
                .hint("`=` assigns, and `assert(…)` fails unless it holds"),
            _ => Diagnostic::warning(at, "this has no effect"),
        },
        Expr::FnCall(call, _) if call.namespace.is_empty() && RETURNING.contains(&&*call.name) => {
            result_of(&call.name)
        }
        Expr::Dot(dot, ..) => match last_part(&dot.rhs) {
            Expr::MethodCall(call, _) if RETURNING.contains(&&*call.name) => {
                let wrong = result_of(&call.name);
                match &dot.lhs {
                    Expr::Variable(variable, ..) => {
                        let name = &variable.1;
                        wrong.hint(format!("to keep it, write `{name} = {name}.{}(…);`", call.name))
                    }
                    _ => wrong,
                }
            }
            Expr::Property(..) => Diagnostic::warning(at, "this has no effect"),
            _ => return None,
        },
        // A block that is there for its own sake.
        Expr::Stmt(_) => match closure(expression) {
            Some(_) => Diagnostic::warning(at, "this closure is never called"),
            None => return None,
        },
        Expr::DynamicConstant(..) => Diagnostic::warning(at, "this closure is never called"),
        Expr::Variable(..) | Expr::InterpolatedString(..) | Expr::Array(..) | Expr::Map(..) => {
            Diagnostic::warning(at, "this has no effect")
        }
        other => {
            literal(other)?;
            Diagnostic::warning(at, "this has no effect")
        }
    };
    Some(wrong)
}

fn last_part(right: &Expr) -> &Expr {
    match right {
        Expr::Dot(dot, ..) | Expr::Index(dot, ..) => last_part(&dot.rhs),
        other => other,
    }
}

/// `let sorted = items.sort();`
fn nothing_kept(file: &str, statement: &Stmt) -> Option<Diagnostic> {
    let kept = match statement {
        Stmt::Var(variable, ..) => &variable.1,
        Stmt::Assignment(assignment) => &assignment.1.rhs,
        _ => return None,
    };
    let Expr::Dot(dot, ..) = kept else { return None };
    let Expr::MethodCall(call, at) = last_part(&dot.rhs) else { return None };
    let (name, instead) = IN_PLACE.iter().find(|(name, _)| *name == call.name)?;
    let wrong = Diagnostic::warning(
        Place::new(file, *at),
        format!("`{name}` changes what it is called on, and returns nothing"),
    );
    Some(match *instead {
        "" => wrong.hint("write it as a statement of its own"),
        instead => wrong.hint(format!("`{instead}(…)` returns a changed copy")),
    })
}

/// Whether the statement may end a loop around it: it leaves, or calls something that may fail.
fn can_end(statement: &Stmt) -> bool {
    let mut ends = false;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
        ends |= match path.last() {
            Some(ASTNode::Stmt(Stmt::Return(..))) => true,
            Some(ASTNode::Stmt(Stmt::BreakLoop(_, flags, _))) => flags.contains(ASTFlags::BREAK),
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                !call.is_operator_call()
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, _))) => {
                !IN_PLACE.iter().any(|(name, _)| *name == call.name)
            }
            _ => false,
        };
        !ends
    });
    ends
}

/// Text in double quotes that was meant to be filled in; `names` are those that the file defines.
pub(super) fn not_filled_in(
    file: &str,
    ast: &AST,
    source: &str,
    names: &[String],
    found: &mut Vec<Diagnostic>,
) {
    let lines: Vec<_> = source.lines().collect();
    let quoted = |at: Position| {
        let line = at.line().and_then(|line| lines.get(line - 1));
        line.and_then(|line| line.chars().nth(at.position()?.checked_sub(1)?)) == Some('"')
    };
    walk(ast, &mut |path| {
        let Some(ASTNode::Expr(Expr::StringConstant(text, at))) = path.last() else { return };
        let meant = text.split("${").skip(1).filter_map(|rest| {
            let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_')?;
            rest[end..].starts_with(['}', '.', '[']).then(|| &rest[..end])
        });
        if let Some(name) = meant.into_iter().find(|meant| names.iter().any(|name| name == meant))
            && quoted(*at)
        {
            found.push(
                Diagnostic::warning(
                    Place::new(file, *at),
                    format!("`${{{name}}}` is not filled in between double quotes"),
                )
                .hint("write the text between backticks"),
            );
        }
    });
}
