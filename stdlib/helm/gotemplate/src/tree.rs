//! The syntax tree of a template. Every node knows its place in the text and how Go writes it back, as both appear in
//! error messages. Knows nothing of values.

use std::fmt::{self, Display, Formatter};
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::error::Place;
use crate::quote::quote;

/// One template: the body of a file, of a `define` or of a `block`.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<Source>,
    pub(crate) root: List,
}

/// The text that a tree was parsed from.
#[derive(Debug)]
pub(crate) struct Source {
    /// The name under which the text was parsed.
    pub(crate) name: Arc<str>,
    pub(crate) text: Box<str>,
}

/// A piece of a source's text, which is not copied. Charts have a hundred thousand of them: the numbers are small, as texts are.
#[derive(Clone)]
pub(crate) struct Slice {
    source: Arc<Source>,
    start: u32,
    end: u32,
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) nodes: Box<[Node]>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text { pos: usize, text: Slice },
    Action { pos: usize, pipe: Pipe },
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template { pos: usize, name: Box<str>, pipe: Option<Box<Pipe>> },
    Break { pos: usize },
    Continue { pos: usize },
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pos: usize,
    pub(crate) pipe: Pipe,
    pub(crate) list: List,
    pub(crate) else_list: Option<List>,
}

/// `$a, $b := command | command`
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    /// The variables are assigned, not declared.
    pub(crate) is_assign: bool,
    pub(crate) decl: Box<[Slice]>,
    pub(crate) cmds: Box<[Command]>,
}

/// An operand and its arguments; never empty.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    pub(crate) args: Box<[Operand]>,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) pos: usize,
    pub(crate) kind: OperandKind,
}

#[derive(Debug)]
pub(crate) enum OperandKind {
    Identifier(Slice),
    /// `.a.b`
    Field(Slice),
    /// `$x.a.b`: the variable with its `$`, and `.a.b`, which may be empty.
    Variable {
        name: Slice,
        fields: Slice,
    },
    Dot,
    Nil,
    Bool(bool),
    Number(Box<NumberLiteral>),
    /// The string, and how it was written.
    Str {
        quoted: Slice,
        value: crate::value::Str,
    },
    Pipe(Box<Pipe>),
    /// `(pipe).a.b`
    Chain {
        node: Box<Operand>,
        fields: Slice,
    },
}

/// A number with all the values its text can stand for, as Go's untyped constants.
#[derive(Debug, Default)]
pub(crate) struct NumberLiteral {
    pub(crate) text: Box<str>,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

/// A node of any sort: what an error points at.
#[derive(Clone, Copy)]
pub(crate) enum NodeRef<'t> {
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

impl Slice {
    pub(crate) fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        Slice { source: source.clone(), start: range.start as u32, end: range.end as u32 }
    }

    /// This slice and the text after it, up to there.
    pub(crate) fn up_to(self, end: usize) -> Self {
        Slice { end: end as u32, ..self }
    }
}

impl Deref for Slice {
    type Target = str;
    fn deref(&self) -> &str {
        &self.source.text[self.start as usize..self.end as usize]
    }
}

impl Display for Slice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The names of `.a.b`, in turn.
pub(crate) fn names(fields: &str) -> impl Iterator<Item = &str> {
    fields.split('.').skip(1)
}

impl Tree {
    pub(crate) fn place(&self, node: NodeRef<'_>) -> Place {
        let pos = node.pos();
        let before = &self.source.text[..pos];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.source.name.to_string(),
            line: 1 + before.bytes().filter(|b| *b == b'\n').count(),
            column: pos - line_start,
            expression: node.to_string(),
        }
    }

    /// The line of a node, counted from 1.
    pub(crate) fn line(&self, node: NodeRef<'_>) -> usize {
        1 + self.source.text[..node.pos()].bytes().filter(|b| *b == b'\n').count()
    }

    /// Whether the template holds nothing but space: such a one does not replace another of its name.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.nodes.iter().all(|node| match node {
            Node::Text { text, .. } => text.trim().is_empty(),
            _ => false,
        })
    }
}

impl NodeRef<'_> {
    fn pos(self) -> usize {
        match self {
            NodeRef::Node(node) => match node {
                Node::Text { pos, .. }
                | Node::Action { pos, .. }
                | Node::Template { pos, .. }
                | Node::Break { pos }
                | Node::Continue { pos } => *pos,
                Node::If(b) | Node::With(b) | Node::Range(b) => b.pos,
            },
            NodeRef::Pipe(pipe) => pipe.pos,
            NodeRef::Command(command) => command.pos,
            NodeRef::Operand(operand) => operand.pos,
        }
    }
}

impl Display for NodeRef<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            NodeRef::Node(node) => node.fmt(f),
            NodeRef::Pipe(pipe) => pipe.fmt(f),
            NodeRef::Command(command) => command.fmt(f),
            NodeRef::Operand(operand) => operand.fmt(f),
        }
    }
}

impl Display for List {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| node.fmt(f))
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Node::Text { text, .. } => f.write_str(text),
            Node::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Node::If(branch) => branch.write(f, "if"),
            Node::With(branch) => branch.write(f, "with"),
            Node::Range(branch) => branch.write(f, "range"),
            Node::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", quote(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Node::Break { .. } => f.write_str("{{break}}"),
            Node::Continue { .. } => f.write_str("{{continue}}"),
        }
    }
}

impl Branch {
    fn write(&self, f: &mut Formatter<'_>, keyword: &str) -> fmt::Result {
        write!(f, "{{{{{keyword} {}}}}}{}", self.pipe, self.list)?;
        if let Some(else_list) = &self.else_list {
            write!(f, "{{{{else}}}}{else_list}")?;
        }
        f.write_str("{{end}}")
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            for (i, name) in self.decl.iter().enumerate() {
                write!(f, "{}{name}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str(if self.is_assign { " = " } else { " := " })?;
        }
        for (i, command) in self.cmds.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            arg.write_grouped(f)?;
        }
        Ok(())
    }
}

impl Operand {
    /// A pipeline among other operands stands in parentheses.
    fn write_grouped(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Pipe(pipe) => write!(f, "({pipe})"),
            _ => self.fmt(f),
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Identifier(name) => f.write_str(name),
            OperandKind::Field(fields) => f.write_str(fields),
            OperandKind::Variable { name, fields } => write!(f, "{name}{fields}"),
            OperandKind::Dot => f.write_str("."),
            OperandKind::Nil => f.write_str("nil"),
            OperandKind::Bool(b) => b.fmt(f),
            OperandKind::Number(number) => f.write_str(&number.text),
            OperandKind::Str { quoted, .. } => f.write_str(quoted),
            OperandKind::Pipe(pipe) => pipe.fmt(f),
            OperandKind::Chain { node, fields } => {
                node.write_grouped(f)?;
                f.write_str(fields)
            }
        }
    }
}
