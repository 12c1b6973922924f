//! The interpreter as a run uses it: its limits, the primitives as functions, and the way from a call to its branch.
//! An engine knows no run: calls find theirs through [`Here`], which travels in the interpreter's state.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use opsrun_core::{Declaration, Error, Value};
use opsrun_runtime::{Branch, Registry, Run};
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LanguageCorePackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    AST, Dynamic, Engine, FuncRegistration, GlobalRuntimeState, Map, Module, NativeCallContext,
    OptimizationLevel, Position, RhaiFunc, Shared, Token,
};

use crate::failure::{Failure, Frame, fail};
use crate::imports::{Imports, Libraries};
use crate::library::{self, Outcome};
use crate::limits::{Limits, Meter};
use crate::value::{from_json, to_json};

/// An interpreter with a run: lives as long as anything of the playbook may be called.
pub(crate) struct Host {
    pub engine: Engine,
    pub functions: Functions,
    pub meter: Arc<Meter>,
    /// What the user gave for the playbook's parameters, decoded.
    pub arguments: BTreeMap<String, Dynamic>,
    /// Where each closure was written, by its generated name.
    closures: RwLock<BTreeMap<String, Origin>>,
    /// The functions of each file that was evaluated.
    scripts: RwLock<BTreeMap<String, Shared<Module>>>,
}

/// What a closure needs of the file that it was written in: its functions, and its imports by their aliases.
#[derive(Clone)]
pub(crate) struct Origin {
    pub functions: Shared<Module>,
    pub imports: Vec<(String, Shared<Module>)>,
}

impl Origin {
    /// Whether the file has this closure, with so many parameters.
    fn takes(&self, closure: &str, parameters: usize) -> bool {
        self.functions
            .iter_script_fn_info()
            .any(|(.., name, count, _)| name == closure && count == parameters)
    }

    /// Makes the imports known to an evaluation.
    pub(crate) fn import_into(&self, global: &mut GlobalRuntimeState) {
        for (alias, module) in &self.imports {
            global.push_import(alias.clone(), module.clone());
        }
    }
}

/// Where a call of a host function comes from.
#[derive(Clone)]
pub(crate) struct Here {
    pub branch: Arc<Branch>,
    host: Weak<Host>,
    meter: Arc<Meter>,
}

impl Host {
    pub(crate) fn new(
        functions: &Functions,
        limits: Limits,
        arguments: BTreeMap<String, Dynamic>,
        libraries: Arc<Libraries>,
        branch: &Arc<Branch>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|host: &Weak<Host>| {
            let mut engine = functions.engine(limits);
            let meter = Arc::new(Meter::new(limits));
            measure(&mut engine, &meter, branch.run().clone());
            let here = Here { branch: branch.clone(), host: host.clone(), meter: meter.clone() };
            engine.set_default_tag(Dynamic::from(here));
            engine.set_module_resolver(Imports::new(host.clone(), libraries));
            catch_escaped_closures(&mut engine, host.clone());
            Host {
                engine,
                functions: functions.clone(),
                meter,
                arguments,
                closures: RwLock::default(),
                scripts: RwLock::default(),
            }
        })
    }

    /// Remembers what the closures among `functions` need.
    pub(crate) fn adopt(&self, functions: &Shared<Module>, imports: Vec<(String, Shared<Module>)>) {
        let file = functions.id().unwrap_or_default().to_owned();
        self.scripts.write().unwrap_or_else(PoisonError::into_inner).insert(file, functions.clone());
        let mut closures = self.closures.write().unwrap_or_else(PoisonError::into_inner);
        let origin = Origin { functions: functions.clone(), imports };
        for (.., name, _, _) in
            functions.iter_script_fn_info().filter(|(.., name, _, _)| name.starts_with("anon$"))
        {
            closures.insert(name.to_owned(), origin.clone());
        }
    }

    /// The one place among all functions that `suspects` finds: where the interpreter has lost it.
    pub(crate) fn only_place(&self, suspects: impl Fn(&AST) -> Vec<Position>) -> Option<Frame> {
        let functions = self.scripts.read().unwrap_or_else(PoisonError::into_inner);
        let places = functions.iter().flat_map(|(file, functions)| {
            let found = suspects(&AST::new([], functions.clone()));
            found.into_iter().map(move |at| Frame::at(file, at, ""))
        });
        let places: Vec<_> = places.collect();
        match places.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// Where this closure was written.
    pub(crate) fn origin_of(&self, closure: &str) -> Option<Origin> {
        self.closures.read().unwrap_or_else(PoisonError::into_inner).get(closure).cloned()
    }
}

impl Here {
    /// # Errors
    /// `Script` outside of a run, or if the run has used up what it may.
    pub(crate) fn of(ctx: &NativeCallContext) -> Outcome<Self> {
        let here = ctx.tag().and_then(|tag| tag.read_lock::<Here>().map(|here| here.clone()));
        let here = here.ok_or_else(|| fail(ctx, outside()))?;
        here.meter.call(ctx.call_level()).map_err(|error| fail(ctx, error))?;
        Ok(here)
    }

    /// # Errors
    /// `Script` if the playbook has ended.
    pub(crate) fn host(&self, ctx: &NativeCallContext) -> Outcome<Arc<Host>> {
        self.host.upgrade().ok_or_else(|| fail(ctx, outside()))
    }

    /// The same host, seen from another branch.
    pub(crate) fn at(host: &Arc<Host>, branch: &Arc<Branch>) -> Self {
        Here { branch: branch.clone(), host: Arc::downgrade(host), meter: host.meter.clone() }
    }
}

fn outside() -> Error {
    Error::new(opsrun_core::ErrorKind::Script, "this can be called in a run only")
}

/// Everything that can be called. Making it is most of what an interpreter costs, so interpreters share it.
#[derive(Clone)]
pub(crate) struct Functions {
    pub registry: Registry,
    global: Vec<Shared<Module>>,
    modules: Vec<(&'static str, Shared<Module>)>,
}

impl Functions {
    pub(crate) fn of(registry: Registry) -> Self {
        let global = vec![
            LanguageCorePackage::new().as_shared_module(),
            ArithmeticPackage::new().as_shared_module(),
            BasicStringPackage::new().as_shared_module(),
            BasicIteratorPackage::new().as_shared_module(),
            BasicFnPackage::new().as_shared_module(),
            LogicPackage::new().as_shared_module(),
            BasicMathPackage::new().as_shared_module(),
            BasicArrayPackage::new().as_shared_module(),
            BasicMapPackage::new().as_shared_module(),
            MoreStringPackage::new().as_shared_module(),
            library::module().into(),
        ];
        let primitives = |module: &opsrun_core::Module| {
            let mut functions = Module::new();
            for declaration in module.primitives {
                register(&mut functions, declaration);
            }
            functions.build_index();
            functions.into()
        };
        let modules = registry.modules().map(|module| (module.path, primitives(module))).collect();
        Functions { registry, global, modules }
    }

    /// An interpreter that knows every name, for parsing and, given a [`Here`], for running.
    pub(crate) fn engine(&self, limits: Limits) -> Engine {
        let mut engine = Engine::new_raw();
        for module in &self.global {
            engine.register_global_module(module.clone());
        }
        for (path, module) in &self.modules {
            engine.register_static_module(path, module.clone());
        }
        engine
            // The optimiser would call native functions while it compiles.
            .set_optimization_level(OptimizationLevel::None)
            .set_strict_variables(true)
            // A misspelt key is an error, not `()`.
            .set_fail_on_invalid_map_property(true)
            // These catch what the meter does not see: functions without variables, and what doubles in one expression.
            .set_max_call_levels(limits.depth + 8)
            .set_max_expr_depths(128, 64)
            .set_max_functions(FUNCTIONS)
            .set_max_string_size(limits.text.saturating_mul(3))
            .set_max_array_size(limits.items.saturating_mul(3))
            .set_max_map_size(limits.entries.saturating_mul(3))
            .disable_symbol("eval");
        free_words(&mut engine);
        engine
    }
}

/// Functions and closures of a file.
const FUNCTIONS: usize = 5000;

/// Words that Rhai reserves without using them, and that are keys in manifests and options: `#{ default: 3 }`.
const FREE: &[&str] = &[
    "async",
    "await",
    "default",
    "go",
    "is",
    "match",
    "module",
    "new",
    "package",
    "protected",
    "public",
    "shared",
    "spawn",
    "static",
    "super",
    "sync",
    "thread",
    "use",
    "with",
    "yield",
];

fn free_words(engine: &mut Engine) {
    #[allow(deprecated)] // rhai's mark for what may change; the version is pinned
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if FREE.contains(&word.as_str()) => Token::Identifier(word),
        other => other,
    });
}

/// Between two looks at whether the run was told to stop.
const OPERATIONS_PER_LOOK: u64 = 256;

/// Stops what was told to stop, or uses up more than it may. An error for a variable that is used keeps its place through
/// all functions; where no variable is used, the interpreter itself breaks off.
fn measure(engine: &mut Engine, meter: &Arc<Meter>, run: Arc<Run>) {
    let broken_off = |error| Some(Dynamic::from_map(Failure::new(error).into_map()));
    let ticking = meter.clone();
    engine.on_progress(move |operations| {
        if operations % OPERATIONS_PER_LOOK == 0 && run.is_stopped() {
            return broken_off(Error::interrupted());
        }
        if ticking.tick() { broken_off(ticking.too_much_work()) } else { None }
    });
    let meter = meter.clone();
    #[allow(deprecated)] // rhai's mark for what may change; the version is pinned
    engine.on_var(move |name, index, context| {
        let scope = context.scope();
        let value = match index.checked_sub(1) {
            Some(before) => scope.iter_raw().nth(before).map(|(.., value)| value),
            None => scope.get(name),
        };
        let looked =
            meter.check(context.call_level()).and_then(|()| value.map_or(Ok(()), |value| meter.look(value)));
        looked.map(|()| None).map_err(|error| Failure::new(error).raise())
    });
}

/// A closure that left its library is not found where it is called: it is called there with its library.
fn catch_escaped_closures(engine: &mut Engine, host: Weak<Host>) {
    #[allow(deprecated)] // rhai's mark for what may change; the version is pinned
    engine.on_missing_function(move |name, arguments, is_method, mut context| {
        let origin =
            host.upgrade().filter(|_| name.starts_with("anon$")).and_then(|host| host.origin_of(name));
        // Functions that give items to closures try it with more and more arguments, the item as `this` first. Only where the
        // closure takes just these it is what was meant.
        let given = arguments.len() - usize::from(is_method);
        let Some(origin) = origin.filter(|origin| origin.takes(name, given)) else { return Ok(None) };
        let imported = context.global_runtime_state().num_imports();
        origin.import_into(context.global_runtime_state_mut());
        let mut frame = context.new_frame().with_namespace(origin.functions);
        let result = frame.call_fn_raw(name, is_method, is_method, arguments);
        drop(frame);
        context.global_runtime_state_mut().truncate_imports(imported);
        result.map(Some)
    });
}

/// One overload for each number of arguments that can be given by place, each also with a map of options.
fn register(module: &mut Module, declaration: &'static Declaration) {
    let most = declaration.positional().count();
    let least = declaration.positional().filter(|field| field.required).count();
    let options = usize::from(declaration.options().next().is_some());
    for count in least..=most + options {
        let function =
            move |ctx: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]| -> Outcome<Dynamic> {
                let ctx = ctx.expect("the function is registered with `has_context`");
                let named = named(declaration, arguments).map_err(|error| fail(&ctx, error))?;
                let here = Here::of(&ctx)?;
                let result = here.branch.call(declaration, named).map_err(|error| fail(&ctx, error))?;
                Ok(from_json(&result))
            };
        let function =
            RhaiFunc::Pure { func: Arc::new(function), has_context: true, is_pure: true, is_volatile: true };
        FuncRegistration::new(declaration.name()).in_internal_namespace().set_into_module_raw(
            module,
            vec![TypeId::of::<Dynamic>(); count],
            function,
        );
    }
}

/// The arguments by name: those given by place, and the options of the map behind them.
fn named(declaration: &Declaration, arguments: &[&mut Dynamic]) -> Result<Value, Error> {
    let path = declaration.path;
    let fields: Vec<_> = declaration.positional().collect();
    let (by_place, options) = match arguments.split_last() {
        Some((last, before)) if are_options(declaration, arguments.len(), last) => (before, Some(last)),
        Some((last, _)) if arguments.len() > fields.len() => {
            let what = crate::value::kind_of(last);
            return Err(Error::invalid(format!(
                "`{path}`: its options are a map `#{{ … }}`, this is {what}"
            )));
        }
        _ => (arguments, None),
    };
    let mut named = serde_json::Map::new();
    let refused = |what: &str, name: &str, why: String| {
        Error::invalid(format!("`{path}`: {what} `{name}`: {why} cannot be passed"))
    };
    for (field, value) in fields.iter().zip(by_place) {
        let value = to_json(value).map_err(|why| refused("argument", field.name, why))?;
        named.insert(field.name.to_owned(), value);
    }
    let options =
        options.and_then(|options| options.read_lock::<Map>().map(|map| map.clone())).unwrap_or_default();
    for (key, value) in options {
        let value = to_json(&value).map_err(|why| refused("option", &key, why))?;
        if named.insert(key.to_string(), value).is_some() {
            return Err(Error::invalid(format!("`{path}`: `{key}` is given by its place and as an option")));
        }
    }
    Ok(Value::Object(named))
}

/// Whether the last of `count` arguments is the options map, and not an argument that may be a map.
pub(crate) fn are_options(declaration: &Declaration, count: usize, last: &Dynamic) -> bool {
    last.is_map() && options_at(declaration, count)
}

/// The same question where the last argument is known to be a map.
pub(crate) fn options_at(declaration: &Declaration, count: usize) -> bool {
    if declaration.options().next().is_none() {
        return false;
    }
    let required = declaration.positional().filter(|field| field.required).count();
    match count.checked_sub(1).and_then(|index| declaration.positional().nth(index)) {
        None => true,
        Some(_) if count <= required => false,
        Some(field) => !crate::check::accepts_map(&declaration.arguments_schema(), field.name),
    }
}
