//! What can be said about a playbook without running it. It knows the registry and the syntax tree, and nothing of a run.

mod bodies;
mod calls;
mod flow;
mod lints;
mod literal;
mod schema;

use std::collections::{BTreeMap, BTreeSet};

use opsrun_runtime::Registry;
use rhai::{AST, ASTNode, Engine, Expr, Stmt};

use crate::diagnostic::{Diagnostic, Severity};
use crate::host::Functions;
use crate::imports::Sources;
use crate::parameter::Parameter;
use crate::playbook::{Loader, Playbook, render};

pub(crate) use flow::{calls_of_itself, endless_loops, tries};
pub(crate) use literal::literal;
pub(crate) use schema::{accepts_map, words as schema_words};

/// What the checker found, by place.
pub struct Report {
    pub diagnostics: Vec<Diagnostic>,
    playbook: Playbook,
    sources: BTreeMap<String, String>,
}

/// Checks the playbook at `path` and all that it imports. Nothing of it is run.
pub fn check(path: &str, sources: &dyn Sources, registry: Registry) -> Report {
    let mut loader = Loader::new(path, sources, Functions::of(registry));
    let parameters = loader.load_all(path);
    let known = calls::Known::new(&loader, registry);
    let mut found = Vec::new();
    for (file, read) in &loader.files {
        let mut of_bodies = Vec::new();
        bodies::check(file, &read.ast, registry, &mut of_bodies);
        let mut of_calls = Vec::new();
        calls::check(file, &read.ast, &known, &mut of_calls);
        // What is known of a body says more than the types of the call.
        of_calls.retain(|call| {
            !call.message.contains("` does not take (")
                || !of_bodies.iter().any(|body: &Diagnostic| body.at.line == call.at.line)
        });
        found.extend(of_bodies);
        found.extend(of_calls);
        lints::check(file, &read.ast, &mut found);
        lints::imports(file, &read.ast, &mut found);
        flow::check(file, &read.ast, &mut found);
        flow::not_filled_in(file, &read.ast, &read.source, known.names(file), &mut found);
    }
    lints::same_names(path, &loader.files, &mut found);
    let mut diagnostics = std::mem::take(&mut loader.diagnostics);
    diagnostics.extend(found);
    diagnostics.sort_by(|a, b| (&a.at, &a.message).cmp(&(&b.at, &b.message)));
    // A line that cannot run is not looked at more closely.
    let wrong: BTreeSet<_> = diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| (found.at.file.clone(), found.at.line))
        .collect();
    diagnostics.retain(|found| {
        found.severity == Severity::Error || !wrong.contains(&(found.at.file.clone(), found.at.line))
    });
    diagnostics.dedup_by(|a, b| a.message == b.message && (&a.at.file, a.at.line) == (&b.at.file, b.at.line));
    let sources = std::mem::take(&mut loader.texts);
    Report { diagnostics, playbook: loader.playbook(path, parameters), sources }
}

impl Report {
    /// Whether it cannot run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// The playbook, if it can run.
    ///
    /// # Errors
    /// The findings with their lines.
    pub fn into_playbook(self) -> Result<Playbook, String> {
        if self.has_errors() { Err(self.render()) } else { Ok(self.playbook) }
    }

    /// Those that could be read.
    pub fn parameters(&self) -> &[Parameter] {
        self.playbook.parameters()
    }

    /// The findings with their lines; empty if there are none.
    pub fn render(&self) -> String {
        render(&self.diagnostics, &self.sources)
    }
}

/// Calls `visit` for every node, with the nodes above it; also where the tree's own walk does not go.
pub(crate) fn walk(ast: &AST, visit: &mut dyn FnMut(&[ASTNode])) {
    // The tree's walk leaves out the value of `break`.
    let mut left_out: Vec<Expr> = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        left_out.extend(broken_with(path));
        visit(path);
        true
    });
    while let Some(expression) = left_out.pop() {
        expression.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            left_out.extend(broken_with(path));
            visit(path);
            true
        });
    }
}

fn broken_with(path: &[ASTNode]) -> Option<Expr> {
    match path.last() {
        Some(ASTNode::Stmt(Stmt::BreakLoop(Some(value), ..))) => Some((**value).clone()),
        _ => None,
    }
}

/// The names of all functions that are neither primitives nor defined by scripts.
pub(crate) fn builtin_names(engine: &Engine) -> BTreeSet<String> {
    let proper = |name: &str| {
        name.starts_with(|first: char| first.is_alphabetic() || first == '_') && !name.contains('$')
    };
    engine
        .collect_fn_metadata(
            None,
            |function| function.namespace.is_empty().then(|| function.metadata.name.to_string()),
            true,
        )
        .into_iter()
        .filter(|name| proper(name))
        .collect()
}
