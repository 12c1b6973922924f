//! A set of templates that know each other by name, and how to execute one of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::builtins;
use crate::error::{ExecError, ParseError};
use crate::exec::Context;
use crate::function::Functions;
use crate::limits::{DEFAULT_WORK, Work};
use crate::parse;
use crate::stack::Stack;
use crate::trace::Mark;
use crate::tree::Tree;
use crate::value::Value;

/// Named templates and the functions that they may call.
pub struct Templates {
    name: String,
    functions: Functions,
    missing_key: MissingKey,
    stack_budget: usize,
    work: u64,
    /// What the executions until now have done of it.
    spent: AtomicU64,
    trees: Trees,
    /// What `tpl` parsed, by text: charts render the same texts again and again.
    texts: Mutex<BTreeMap<Box<str>, Parsed>>,
}

/// What a key that a map does not have evaluates to: Go's option `missingkey`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// No value.
    #[default]
    Default,
    /// The zero value of the map's elements.
    Zero,
    /// An error.
    Error,
}

pub(crate) type Trees = BTreeMap<Arc<str>, Arc<Tree>>;
type Parsed = Arc<[Arc<Tree>]>;

/// Fits the threads that Rust starts by default (2 MiB), with room for what called.
const DEFAULT_STACK_BUDGET: usize = 1 << 20;

impl Templates {
    /// An empty set; its name is that of the texts which [`Context::execute_text`] parses.
    pub fn new(name: impl Into<String>, functions: Functions) -> Self {
        Templates {
            name: name.into(),
            functions,
            missing_key: MissingKey::Default,
            stack_budget: DEFAULT_STACK_BUDGET,
            work: DEFAULT_WORK,
            spent: AtomicU64::new(0),
            trees: Trees::new(),
            texts: Mutex::default(),
        }
    }

    pub fn set_missing_key(&mut self, missing_key: MissingKey) {
        self.missing_key = missing_key;
    }

    /// How many bytes of the calling thread's stack a parse or an execution may use, 1 MiB unless told. A template
    /// that nests deeper fails; a level of `include` takes a few KiB.
    pub fn set_stack_budget(&mut self, bytes: usize) {
        self.stack_budget = bytes;
    }

    /// Like [`Templates::execute`]; also says which lines wrote the output.
    pub fn execute_traced(
        &self,
        name: &str,
        data: &Value,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Mark>, ExecError> {
        self.run(name, data, out, true)
    }

    /// How much work all executions together may be: about one unit for an action, for a turn of a `range`, and for 16
    /// bytes that a function reads or makes. What goes on beyond fails.
    pub fn set_work(&mut self, units: u64) {
        self.work = units;
    }

    /// Parses a text and adds it under its name, with the templates that it defines. A template that is there already
    /// is replaced, unless the new one is empty.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<(), ParseError> {
        let parsed =
            parse::parse(name, text, &|name| self.is_function(name), Stack::with_budget(self.stack_budget))?;
        for tree in parsed {
            if !tree.is_empty() || !self.trees.contains_key(&tree.name) {
                self.trees.insert(tree.name.clone(), tree);
            }
        }
        Ok(())
    }

    /// Renders the template of this name over `data`. On failure `out` holds what was written until then.
    pub fn execute(&self, name: &str, data: &Value, out: &mut Vec<u8>) -> Result<(), ExecError> {
        self.run(name, data, out, false).map(|_| ())
    }

    fn run(&self, name: &str, data: &Value, out: &mut Vec<u8>, traced: bool) -> Result<Vec<Mark>, ExecError> {
        let layer = Layer { trees: &self.trees, below: None };
        let work = Work::new(self.work, self.spent.load(Ordering::Relaxed));
        let mut cx = Context::new(self, layer, Stack::with_budget(self.stack_budget), &work);
        if traced {
            cx.trace();
        }
        let result = cx.execute_into(name, data, out);
        self.spent.store(work.spent(), Ordering::Relaxed);
        result.map(|()| cx.into_marks()).map_err(|e| *e)
    }

    /// The work that the executions until now were, in the units of [`Templates::set_work`].
    pub fn work_done(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn missing_key(&self) -> MissingKey {
        self.missing_key
    }

    /// Parses a text under the set's name, without adding it.
    pub(crate) fn parse_text(&self, text: &str, stack: Stack) -> Result<Parsed, ParseError> {
        let texts = || self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = texts().get(text) {
            return Ok(parsed.clone());
        }
        let parsed: Parsed = parse::parse(&self.name, text, &|name| self.is_function(name), stack)?.into();
        texts().insert(text.into(), parsed.clone());
        Ok(parsed)
    }

    fn is_function(&self, name: &str) -> bool {
        self.functions.get(name).is_some() || builtins::functions().get(name).is_some()
    }
}

/// The templates that an execution sees: those added last hide those below.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    trees: &'a Trees,
    below: Option<&'a Layer<'a>>,
}

impl<'a> Layer<'a> {
    pub(crate) fn over(below: &'a Layer<'a>, trees: &'a Trees) -> Self {
        Layer { trees, below: Some(below) }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'a Tree> {
        match self.trees.get(name) {
            Some(tree) => Some(tree),
            None => self.below?.find(name),
        }
    }

    /// What a text adds over this layer: an empty template replaces none.
    pub(crate) fn added(&self, parsed: &[Arc<Tree>]) -> Trees {
        parsed
            .iter()
            .filter(|tree| !tree.is_empty() || self.find(&tree.name).is_none())
            .map(|tree| (tree.name.clone(), tree.clone()))
            .collect()
    }
}
