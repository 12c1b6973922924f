//! Renders the templates of a chart and of its dependencies, each with the values of its scope: Helm's `pkg/engine`.

mod error;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::{Context, FnError, Function, Functions, Map, Mark, MissingKey, Str, Templates, Type, Value};

pub use error::{Snippet, TemplateError};

use crate::chart::Chart;
use crate::objects::{self, FilesObject};

/// How templates run.
pub(crate) struct Engine {
    pub(crate) functions: Functions,
    /// A value that is not there is an error.
    pub(crate) strict: bool,
    /// `required` and `fail` do not fail.
    pub(crate) lint: bool,
    /// How much the templates may do.
    pub(crate) work: u64,
    /// Which lines wrote the files, by their paths, for whoever wants to know.
    pub(crate) marks: Option<SharedMarks>,
}

pub(crate) type SharedMarks = Arc<Mutex<BTreeMap<String, Vec<Mark>>>>;

/// What the templates of the outermost chart see, besides the chart itself.
pub(crate) struct Scope {
    pub(crate) values: Map,
    pub(crate) release: Value,
    pub(crate) capabilities: Value,
}

/// A template and the data it is rendered with, which all the templates of a chart share.
struct Renderable<'a> {
    text: std::borrow::Cow<'a, str>,
    data: Map,
    base_path: String,
}

/// Templates nest deep (`include` a thousand times within itself); pages of the stack that are not used cost nothing.
const STACK: usize = 512 << 20;
const STACK_BUDGET: usize = STACK - (8 << 20);

/// Helm's limit of one name included within itself.
const MAX_NESTED_INCLUDES: usize = 1000;

impl Engine {
    /// Renders everything but partials: the files by their full path, in the order of the paths.
    pub(crate) fn render(
        self,
        chart: &Chart,
        scope: &Scope,
    ) -> Result<BTreeMap<String, Vec<u8>>, Box<TemplateError>> {
        on_large_stack(|| self.render_here(chart, scope))
    }

    fn render_here(
        self,
        chart: &Chart,
        scope: &Scope,
    ) -> Result<BTreeMap<String, Vec<u8>>, Box<TemplateError>> {
        let mut renderables = BTreeMap::new();
        collect(chart, "", scope, &scope.values, &mut renderables);
        // Deeper files first, so that a parent's definition of a template is the last and wins.
        let depth = |path: &str| path.bytes().filter(|b| *b == b'/').count();
        let mut order: Vec<(&String, &Renderable<'_>)> = renderables.iter().collect();
        order.sort_by(|(a, _), (b, _)| (depth(b), b).cmp(&(depth(a), a)));

        let text_of_file = |file: &str| renderables.get(file).map(|renderable| &*renderable.text);
        let (work, marks) = (self.work, self.marks.clone());
        let mut templates = Templates::new("gotpl", self.with_engine_functions());
        templates.set_missing_key(if self.strict { MissingKey::Error } else { MissingKey::Zero });
        templates.set_stack_budget(STACK_BUDGET);
        templates.set_work(work);
        for (path, renderable) in &order {
            templates
                .parse(path, &renderable.text)
                .map_err(|e| Box::new(TemplateError::parse(path, &e, &|file| text_of_file(file))))?;
        }
        let has_stray_bytes = order.iter().any(|(_, r)| matches!(r.text, std::borrow::Cow::Owned(_)));
        let mut rendered = BTreeMap::new();
        for (path, renderable) in order {
            if path.rsplit('/').next().is_some_and(|name| name.starts_with('_')) {
                continue;
            }
            let template = Map::new().converted(Some(&objects::VALUES));
            template.insert("Name", Value::str(path.as_str()));
            template.insert("BasePath", Value::str(renderable.base_path.as_str()));
            renderable.data.insert("Template", Value::Map(template));
            let mut out = Vec::new();
            let data = Value::Map(renderable.data.converted(Some(&objects::VALUES)));
            let failed = |e| Box::new(TemplateError::execution(path, e, &|file| text_of_file(file)));
            match &marks {
                None => templates.execute(path, &data, &mut out).map_err(failed)?,
                Some(marks) => {
                    let found = templates.execute_traced(path, &data, &mut out).map_err(failed)?;
                    marks.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), found);
                }
            }
            let out = if has_stray_bytes { with_stray_bytes(&out) } else { out };
            rendered.insert(path.clone(), without_no_value(out));
        }
        Ok(rendered)
    }

    /// The function table with what needs the executor.
    fn with_engine_functions(&self) -> Functions {
        let mut functions = Functions::new();
        functions.set("include", include().passing_on());
        functions.set(
            "tpl",
            Function::new(&[Type::String, Type::Any], |cx, args| tpl(cx, &args[0], &args[1])).passing_on(),
        );
        let lint = self.lint;
        functions.set(
            "required",
            Function::new(&[Type::String, Type::Any], move |_, args| required(lint, &args[0], &args[1]))
                .passing_on(),
        );
        functions.set(
            "fail",
            Function::new(&[Type::String], move |_, args| {
                if lint { Ok(Value::str("")) } else { Err(error::warning(&args[0])) }
            }),
        );
        let none = Function::new(&[Type::String, Type::String, Type::String, Type::String], |_, _| {
            Ok(Value::Map(Map::new()))
        });
        functions.set("lookup", none);
        // What the caller binds goes first.
        for (name, function) in self.functions.iter() {
            functions.set(name, function.clone());
        }
        functions
    }
}

/// Adds the templates of a chart and of its dependencies; gives the data that they share.
fn collect<'a>(
    chart: &'a Chart,
    parent: &str,
    scope: &Scope,
    values: &Map,
    into: &mut BTreeMap<String, Renderable<'a>>,
) -> Map {
    let is_root = parent.is_empty();
    let path = if is_root { chart.name().to_owned() } else { format!("{parent}/charts/{}", chart.name()) };
    let children = Map::new();
    let data: Map = [
        ("Chart", objects::chart(&chart.metadata, is_root)),
        ("Files", Value::object(FilesObject::new(chart))),
        ("Release", scope.release.clone()),
        ("Capabilities", scope.capabilities.clone()),
        ("Values", Value::Map(values.converted(Some(&objects::VALUES)))),
        ("Subcharts", Value::Map(children.clone())),
    ]
    .into_iter()
    .collect();
    for child in &chart.dependencies {
        let own = crate::values::table(values, child.name()).unwrap_or_default();
        let child_data = collect(child, &path, scope, &own, into);
        children.insert(child.name(), Value::Map(child_data));
    }
    for file in &chart.templates {
        let is_partial = file.name.rsplit('/').next().is_some_and(|name| name.starts_with('_'));
        if chart.is_library() && !is_partial {
            continue;
        }
        let text = text_of(&file.data);
        let base_path = format!("{path}/templates");
        into.insert(format!("{path}/{}", file.name), Renderable { text, data: data.clone(), base_path });
    }
    data
}

fn include() -> Function {
    let nested: Arc<Mutex<BTreeMap<Str, usize>>> = Arc::default();
    Function::new(&[Type::String, Type::Any], move |cx, args| {
        let Some(name) = args[0].as_str() else {
            return Err("include: the name is not a string".into());
        };
        let lock = || nested.lock().unwrap_or_else(PoisonError::into_inner);
        let count = lock().get(&**name).copied().unwrap_or(0);
        if count > MAX_NESTED_INCLUDES {
            return Err(FnError::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        lock().insert(name.clone(), count + 1);
        let result = cx.execute(&name.to_text(), &args[1]);
        lock().insert(name.clone(), count);
        result.map(Value::Str)
    })
}

fn tpl(cx: &mut Context<'_>, text: &Value, data: &Value) -> Result<Value, FnError> {
    let text = text.as_str().map(|s| s.to_text()).unwrap_or_default();
    let quoted = || gotemplate::format::quote(text.as_bytes());
    match cx.execute_text(&text, data) {
        Ok(out) if contains_no_value(&out) => Ok(Value::str(without_no_value(out.to_vec()))),
        Ok(out) => Ok(Value::Str(out)),
        Err(e @ FnError::Parse(_)) => Err(e.context(&format!("cannot parse template {}", quoted()))),
        Err(e) => Err(e.context(&format!("error during tpl function execution for {}", quoted()))),
    }
}

fn required(lint: bool, warning: &Value, value: &Value) -> Result<Value, FnError> {
    let is_missing = value.is_nil() || value.as_str().is_some_and(|s| s.is_empty());
    match (is_missing, lint) {
        (false, _) => Ok(value.clone()),
        (true, true) => Ok(Value::str("")),
        (true, false) => Err(error::warning(warning)),
    }
}

/// Stands, with the byte's value added, for a byte of a template that is not UTF-8: Go hands such bytes on.
const STRAY: u32 = 0x10_FF00;

/// A template's text. It is borrowed if it is UTF-8.
fn text_of(data: &[u8]) -> std::borrow::Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(data) {
        return text.into();
    }
    let mut text = String::with_capacity(data.len());
    for chunk in data.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(STRAY + u32::from(*byte))));
    }
    text.into()
}

/// Puts the bytes back.
fn with_stray_bytes(out: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(out.len());
    for chunk in out.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u32::from(c).checked_sub(STRAY).and_then(|byte| u8::try_from(byte).ok()) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        bytes.extend_from_slice(chunk.invalid());
    }
    bytes
}

/// Go prints this for what is missing even where missing values are to be empty; Helm takes it out again.
const NO_VALUE: &[u8] = b"<no value>";

fn contains_no_value(out: &[u8]) -> bool {
    out.split(|byte| *byte == NO_VALUE[0]).skip(1).any(|after| after.starts_with(&NO_VALUE[1..]))
}

fn without_no_value(mut out: Vec<u8>) -> Vec<u8> {
    if !contains_no_value(&out) {
        return out;
    }
    let mut kept = Vec::with_capacity(out.len());
    let mut rest = &out[..];
    while let Some(byte) = rest.first() {
        match rest.strip_prefix(NO_VALUE) {
            Some(after) => rest = after,
            None => {
                kept.push(*byte);
                rest = &rest[1..];
            }
        }
    }
    out = kept;
    out
}

/// Runs work on a thread whose stack has room for templates within templates.
fn on_large_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("templates".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .expect("a thread can be started: its stack is address space, not memory");
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
