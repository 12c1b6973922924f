//! Walks the nodes of a template and writes the output.

use super::{Context, MAX_DEPTH, Slot};
use crate::error::{ExecError, FnError};
use crate::format;
use crate::limits;
use crate::trace::Mark;
use crate::tree::{Branch, List, Node, NodeRef, Pipe, Tree};
use crate::value::{Kind, Number, Value};

/// One template at work.
pub(super) struct Frame<'f, 'c, 't> {
    pub(super) cx: &'f mut Context<'c>,
    pub(super) tree: &'t Tree,
    /// The node that an error would name.
    pub(super) node: NodeRef<'t>,
    pub(super) vars: Vec<(&'t str, Slot)>,
    out: &'f mut Vec<u8>,
}

pub(super) type Fail = Box<ExecError>;

/// Where execution goes after a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl<'f, 'c, 't> Frame<'f, 'c, 't> {
    pub(super) fn run(
        cx: &'f mut Context<'c>,
        tree: &'t Tree,
        dot: &Slot,
        out: &'f mut Vec<u8>,
    ) -> Result<(), Fail> {
        let Some(first) = tree.root.nodes.first() else {
            return Ok(());
        };
        let vars = vec![("$", dot.clone())];
        let mut frame = Frame { cx, tree, node: NodeRef::Node(first), vars, out };
        frame.list(dot, &tree.root).map(|_| ())
    }

    pub(super) fn fail<R>(&self, message: impl Into<String>) -> Result<R, Fail> {
        Err(self.error(message.into(), None))
    }

    pub(super) fn function_error(&self, name: &str, source: FnError) -> Fail {
        self.error(format!("error calling {name}: {source}"), Some(Box::new(source)))
    }

    fn error(&self, message: String, source: Option<Box<FnError>>) -> Fail {
        Box::new(ExecError {
            template: self.tree.name.to_string(),
            place: Some(self.tree.place(self.node)),
            message,
            source,
        })
    }

    fn list(&mut self, dot: &Slot, list: &'t List) -> Result<Flow, Fail> {
        for node in &*list.nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Slot, node: &'t Node) -> Result<Flow, Fail> {
        self.node = NodeRef::Node(node);
        self.spend(1)?;
        if let Some(marks) = &mut self.cx.marks {
            let (file, line) = (self.tree.source.name.clone(), self.tree.line(self.node));
            let is_text = matches!(node, Node::Text { .. });
            marks.push(Mark { offset: self.out.len(), file, line, is_text });
        }
        match node {
            Node::Text { text, .. } => {
                self.spend(text.len() as u64 / 16)?;
                self.out.extend_from_slice(text.as_bytes());
                self.check_output()?;
            }
            Node::Action { pipe, .. } => {
                // What the pipeline declares stays until the next `end`.
                let value = self.pipeline(dot, pipe)?;
                if pipe.decl.is_empty() {
                    self.node = NodeRef::Node(node);
                    self.print(node, &value.value)?;
                }
            }
            Node::If(branch) => return self.branch(dot, branch, false),
            Node::With(branch) => return self.branch(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { name, pipe, .. } => self.template(dot, name, pipe.as_deref())?,
            Node::Break { .. } => return Ok(Flow::Break),
            Node::Continue { .. } => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, node: &Node, value: &Value) -> Result<(), Fail> {
        if value.kind() == Kind::Func {
            return self.fail(format!("can't print {node} of type {}", value.type_name()));
        }
        if let Value::List(_) | Value::Map(_) = value
            && let Err(message) = value.extent()
        {
            return self.fail(message);
        }
        format::print_value(value, self.out);
        self.check_output()
    }

    fn check_output(&self) -> Result<(), Fail> {
        if self.out.len() > limits::MAX_TEXT {
            return self.fail(limits::too_long("the output"));
        }
        Ok(())
    }

    fn spend(&self, work: u64) -> Result<(), Fail> {
        self.cx.work().spend(work).or_else(|message| self.fail(message))
    }

    fn branch(&mut self, dot: &Slot, branch: &'t Branch, sets_dot: bool) -> Result<Flow, Fail> {
        self.check_stack()?;
        let mark = self.vars.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if value.value.is_true() {
            self.list(if sets_dot { &value } else { dot }, &branch.list)?
        } else if let Some(list) = &branch.else_list {
            self.list(dot, list)?
        } else {
            Flow::Next
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Slot, range: &'t Branch) -> Result<Flow, Fail> {
        self.check_stack()?;
        let mark = self.vars.len();
        let value = self.pipeline(dot, &range.pipe)?.value;
        let value = match &value {
            Value::Object(o) => o.underlying().unwrap_or(value),
            _ => value,
        };
        let ran = match &value {
            Value::NoValue | Value::Nil => false,
            Value::List(items) => {
                self.spend(items.len() as u64)?;
                for (i, item) in items.iter().enumerate() {
                    let item = Slot::element(item.clone(), items.elem());
                    if !self.iteration(range, Slot::concrete(Value::int(i as i64)), &item)? {
                        break;
                    }
                }
                !items.is_empty()
            }
            Value::Map(map) => {
                let entries = map.entries();
                self.spend(entries.len() as u64)?;
                let ran = !entries.is_empty();
                for (key, item) in entries {
                    let item = Slot::element(item, map.elem());
                    if !self.iteration(range, Slot::concrete(Value::Str(key)), &item)? {
                        break;
                    }
                }
                ran
            }
            Value::Number(n) if n.as_float().is_none() && !matches!(n, Number::Complex128(..)) => {
                if range.pipe.decl.len() > 1 {
                    let n = format::verb(&value, 'v');
                    return self.fail(format!("can't use {n} to iterate over more than one variable"));
                }
                self.count(range, *n)?
            }
            _ => {
                let value = format::verb(&value, 'v');
                return self.fail(format!("range can't iterate over {value}"));
            }
        };
        let flow = match &range.else_list {
            // A `break` or `continue` in the `else` part belongs to a range further out.
            Some(list) if !ran => match self.list(dot, list)? {
                Flow::Break => Flow::Next,
                flow => flow,
            },
            _ => Flow::Next,
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    /// Iterates over the numbers below `end`; says whether there were any.
    fn count(&mut self, range: &'t Branch, end: Number) -> Result<bool, Fail> {
        let count = end.as_int().and_then(|n| u64::try_from(n).ok()).or(end.as_uint()).unwrap_or(0);
        for i in 0..count {
            self.spend(1)?;
            let i = end.with_int(i);
            if !self.iteration(range, Slot::none(), &Slot::concrete(i.into()))? {
                break;
            }
        }
        Ok(count > 0)
    }

    /// Runs the body once; says whether to go on.
    fn iteration(&mut self, range: &'t Branch, index: Slot, item: &Slot) -> Result<bool, Fail> {
        let mark = self.vars.len();
        match (&range.pipe.decl[..], range.pipe.is_assign) {
            ([], _) => {}
            ([name], true) => self.assign(name, item.clone())?,
            ([first, second, ..], true) => {
                self.assign(first, index)?;
                self.assign(second, item.clone())?;
            }
            ([_], false) => self.vars[mark - 1].1 = item.clone(),
            ([_, _, ..], false) => {
                self.vars[mark - 1].1 = item.clone();
                self.vars[mark - 2].1 = index;
            }
        }
        let flow = self.list(item, &range.list)?;
        self.vars.truncate(mark);
        Ok(flow != Flow::Break)
    }

    fn template(&mut self, dot: &Slot, name: &str, pipe: Option<&'t Pipe>) -> Result<(), Fail> {
        let layer = self.cx.layer;
        let Some(tree) = layer.find(name) else {
            let name = crate::quote::quote(name.as_bytes());
            return self.fail(format!("template {name} not defined"));
        };
        self.check_stack()?;
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Slot::none(),
        };
        self.cx.depth += 1;
        Frame::run(self.cx, tree, &dot, self.out)?;
        self.cx.depth -= 1;
        Ok(())
    }

    /// Fails before the thread's stack is used up; the message is that of Go's own limit.
    pub(super) fn check_stack(&self) -> Result<(), Fail> {
        if self.cx.depth >= MAX_DEPTH || self.cx.stack.is_exhausted() {
            return self.fail(format!("exceeded maximum template depth ({MAX_DEPTH})"));
        }
        Ok(())
    }

    pub(super) fn assign(&mut self, name: &str, value: Slot) -> Result<(), Fail> {
        match self.vars.iter_mut().rev().find(|(var, _)| *var == name) {
            Some((_, slot)) => *slot = value,
            None => return self.fail(format!("undefined variable: {name}")),
        }
        Ok(())
    }
}
