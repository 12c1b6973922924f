//! What shapes a run: steps, branches, retries, targets, parameters. Each takes closures and hands them to the branch.

use std::sync::{Mutex, PoisonError};

use opsrun_core::{Error, Span, Value};
use opsrun_runtime::{ApprovalTerms, LeaseTerms, ParallelBody, RetryOptions, StepUndo};
use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::options::{Options, span};
use super::{Function, Outcome, invalid};
use crate::closure::Closure;
use crate::failure::{Failure, Frame, fail};
use crate::host::Here;
use crate::value::{from_json, kind_of, to_json};

const STEP: &[(&str, &str)] = &[
    ("undo", "A closure that takes the step back; called if the run fails later, or in it."),
    ("within", "How long the step may take; then whatever it waits for fails."),
];
const APPROVE: &[(&str, &str)] = &[
    ("message", "What is to be approved of."),
    ("by_other", "Whether somebody else than who runs it has to; not if it is not said."),
    ("expires", "How long to wait; for ever if it is not said."),
];
const PARALLEL: &[(&str, &str)] = &[("max", "How many run at once; 16 if not said.")];
const RETRY: &[(&str, &str)] = &[
    ("times", "How often at most, the first time included; 3 if not said."),
    ("every", "The pause between two attempts; `1.s` if not said."),
    ("backoff", "Each pause is this many times as long as the one before; 1 if not said."),
];
const LEASE: &[(&str, &str)] = &[
    ("reason", "What for; told to others who want it."),
    ("expiry", "So long after the run has died it is free; `1.m` if not said."),
    ("wait", "How long to wait while somebody else holds it; not at all if not said."),
];
const PARAM: &[(&str, &str)] = &[
    ("default", "What it is if it is not given; without a default it is required."),
    ("help", "One line for `--help`."),
    ("choices", "An array of the values that are allowed."),
    (
        "secret",
        "With `true`: a secret. It is given as a reference such as `env:NAME`, and is what `secret` makes of that.",
    ),
    ("type", "`string`, `int`, `float`, `bool`, `span`, `bytes` or `list`; else the default's type."),
];

const BRANCHES: u32 = 16;

pub(super) const FUNCTIONS: &[Function] = &[
    function!(
        "step",
        "step(name, [options], body) -> value",
        "Does something under a name: in the record, in the output, and in errors.\n\n\
         The result is what the body ends with, and must be data. A finished step is not done again when a run is resumed.\n\n\
         ```rhai\nlet answer = step(\"think\", #{ undo: || log(\"forgotten\") }, || 6 * 7);\n```",
        |ctx: NativeCallContext, name: &str, body: FnPtr| step(&ctx, name, Map::new(), body),
        |ctx: NativeCallContext, name: &str, options: Map, body: FnPtr| step(&ctx, name, options, body)
    )
    .options(STEP),
    function!(
        "parallel",
        "parallel(bodies, [options]) -> map or array",
        "Runs closures at once and waits for all of them; what they return comes in the shape of `bodies`.\n\n\
         Each branch works on copies: what it changes in variables from outside is not seen outside.\n\n\
         ```rhai\nlet found = parallel(#{ a: || 1, b: || 2 }, #{ max: 2 });\nassert(found.a + found.b == 3, \"both\");\n```",
        |ctx: NativeCallContext, bodies: Map| parallel_map(&ctx, bodies, Map::new()),
        |ctx: NativeCallContext, bodies: Map, options: Map| parallel_map(&ctx, bodies, options),
        |ctx: NativeCallContext, bodies: Array| parallel_array(&ctx, &bodies, Map::new()),
        |ctx: NativeCallContext, bodies: Array, options: Map| parallel_array(&ctx, &bodies, options)
    )
    .options(PARALLEL),
    function!(
        "retry",
        "retry([options], body) -> value",
        "Tries until it succeeds. What is invalid, denied or interrupted is not tried again.\n\n\
         ```rhai\nretry(#{ times: 5, every: 2.s, backoff: 2 }, || log(\"trying\"));\n```",
        |ctx: NativeCallContext, body: FnPtr| retry(&ctx, Map::new(), body),
        |ctx: NativeCallContext, options: Map, body: FnPtr| retry(&ctx, options, body)
    )
    .options(RETRY),
    function!(
        "defer",
        "defer(body)",
        "Does something at the end of the step (or of the run), however that ends; latest first.\n\n\
         ```rhai\ndefer(|| log(\"cleaned up\"));\n```",
        |ctx: NativeCallContext, body: FnPtr| defer(&ctx, &body)
    ),
    function!(
        "on",
        "on(target, body) -> value",
        "Does something on another target of `opsrun.toml`.\n\n\
         ```rhai\nfn replicate(name) { on(name, || log(\"there\")) }\n```",
        |ctx: NativeCallContext, target: &str, body: FnPtr| on(&ctx, target, body)
    ),
    function!(
        "lease",
        "lease(name, [options], body) -> value",
        "Does something while nobody else holds the lease of that name on the target.\n\n\
         It is kept in the cluster where the target has one, else on this machine, and renewed while the body runs. If it is lost, \
         nothing more is written, and the run fails. If the body fails, it is held until what was done is taken back.\n\n\
         ```rhai\nlease(\"deploy\", #{ reason: \"version 5\", wait: 5.m }, || log(\"nobody else deploys now\"));\n```",
        |ctx: NativeCallContext, name: &str, body: FnPtr| lease(&ctx, name, Map::new(), body),
        |ctx: NativeCallContext, name: &str, options: Map, body: FnPtr| lease(&ctx, name, options, body)
    )
    .options(LEASE),
    function!(
        "approve",
        "approve(name, [options]) -> map",
        "Waits until somebody approves, and gives who did (`by`), when (`at`) and why (`reason`).\n\n\
         Whoever sits at the run's terminal types the name; from elsewhere it is `opsrun approve RUN NAME`. A run that goes on does not \
         ask again. In a rehearsal it is approved at once, unless the estate says otherwise.\n\n\
         ```rhai\nlet word = approve(\"cut-over\", #{ message: \"the replica has caught up\", expires: 1.h });\n```",
        |ctx: NativeCallContext, name: &str| approve(&ctx, name, Map::new()),
        |ctx: NativeCallContext, name: &str, options: Map| approve(&ctx, name, options)
    )
    .options(APPROVE),
    function!(
        "sleep",
        "sleep(span)",
        "Waits on the run's clock: in a rehearsal no time passes on the wall.\n\n```rhai\nsleep(5.s);\n```",
        |ctx: NativeCallContext, span: Span| sleep(&ctx, span),
        |ctx: NativeCallContext, text: &str| match span(&text.into()) {
            Some(span) => sleep(&ctx, span),
            None => invalid(&ctx, format!("`{text}` is not a length of time: write it like `30.s` or \"30s\"")),
        }
    ),
    function!(
        "param",
        "param(name, [options]) -> value",
        "A parameter of the playbook: `--name VALUE` on the command line.\n\n\
         The name and the options are literals, as parameters are read before anything runs.\n\n\
         ```rhai\nlet replicas = param(\"replicas\", #{ default: 3, help: \"how many\" });\n```",
        |ctx: NativeCallContext, name: &str| param(&ctx, name, Map::new()),
        |ctx: NativeCallContext, name: &str, options: Map| param(&ctx, name, options)
    )
    .options(PARAM),
];

fn step(ctx: &NativeCallContext, name: &str, options: Map, body: FnPtr) -> Outcome<Dynamic> {
    let mut options = Options::new(ctx, "step", STEP, options)?;
    let undo = options.closure("undo")?.map(|undo| finisher(ctx, &undo)).transpose()?;
    let within = options.span("within")?;
    let (here, body) = (Here::of(ctx)?, Closure::of(ctx, body));
    let host = here.host(ctx)?;
    let mut told = Told::default();
    let result = here.branch.step(name, undo, &mut |branch| {
        let mut body = |branch: &_| {
            told.keep(body.call(&host, branch, Vec::new()).and_then(|value| {
                // What a step returns is recorded, and comes from the record when the run is resumed.
                to_json(&value).map_err(|what| {
                    Failure::new(Error::invalid(format!(
                        "the step `{name}` returns {what}, which cannot be recorded"
                    )))
                })
            }))
        };
        match within {
            Some(within) => branch.limited(within, format!("the step `{name}`"), body),
            None => body(branch),
        }
    });
    match result {
        Ok(value) => Ok(from_json(&value)),
        Err(error) => Err(told.raise(ctx, error, format!("step `{name}`"))),
    }
}

fn retry(ctx: &NativeCallContext, options: Map, body: FnPtr) -> Outcome<Dynamic> {
    let mut options = Options::new(ctx, "retry", RETRY, options)?;
    let options = RetryOptions {
        times: options.at_least_one("times")?.unwrap_or(3),
        every: options.span("every")?.unwrap_or(Span::from_secs(1)),
        backoff: options.factor("backoff")?.unwrap_or(1.0),
    };
    let (here, body) = (Here::of(ctx)?, Closure::of(ctx, body));
    let host = here.host(ctx)?;
    let mut told = Told::default();
    let mut value = Dynamic::UNIT;
    let result = here.branch.retry(options, &mut |branch| {
        told.keep(body.call(&host, branch, Vec::new()).map(|returned| {
            value = returned;
            Value::Null
        }))
    });
    result.map(|_| value).map_err(|error| told.raise(ctx, error, "retry"))
}

fn lease(ctx: &NativeCallContext, name: &str, options: Map, body: FnPtr) -> Outcome<Dynamic> {
    let mut options = Options::new(ctx, "lease", LEASE, options)?;
    let terms = LeaseTerms {
        reason: options.text("reason")?.unwrap_or_default(),
        expiry: options.span("expiry")?.unwrap_or(Span::from_secs(60)),
        wait: options.span("wait")?.unwrap_or(Span::from_secs(0)),
    };
    let (here, body) = (Here::of(ctx)?, Closure::of(ctx, body));
    let host = here.host(ctx)?;
    let mut told = Told::default();
    let mut value = Dynamic::UNIT;
    let result = here.branch.lease(name, terms, &mut |branch| {
        told.keep(body.call(&host, branch, Vec::new()).map(|returned| {
            value = returned;
            Value::Null
        }))
    });
    result.map(|_| value).map_err(|error| told.raise(ctx, error, format!("lease `{name}`")))
}

fn approve(ctx: &NativeCallContext, name: &str, options: Map) -> Outcome<Dynamic> {
    let mut options = Options::new(ctx, "approve", APPROVE, options)?;
    let terms = ApprovalTerms {
        message: options.text("message")?.unwrap_or_default(),
        by_other: options.flag("by_other")?.unwrap_or_default(),
        expires: options.span("expires")?,
    };
    let word = Here::of(ctx)?.branch.approve(name, &terms);
    word.map(|word| from_json(&word)).map_err(|error| fail(ctx, error))
}

fn on(ctx: &NativeCallContext, target: &str, body: FnPtr) -> Outcome<Dynamic> {
    let (here, body) = (Here::of(ctx)?, Closure::of(ctx, body));
    let host = here.host(ctx)?;
    let mut told = Told::default();
    let mut value = Dynamic::UNIT;
    let result = here.branch.on(target, &mut |branch| {
        told.keep(body.call(&host, branch, Vec::new()).map(|returned| {
            value = returned;
            Value::Null
        }))
    });
    result.map(|_| value).map_err(|error| told.raise(ctx, error, format!("target `{target}`")))
}

fn defer(ctx: &NativeCallContext, body: &FnPtr) -> Outcome<()> {
    let body = finisher(ctx, body)?;
    Here::of(ctx)?.branch.defer(body);
    Ok(())
}

fn sleep(ctx: &NativeCallContext, span: Span) -> Outcome<()> {
    Here::of(ctx)?.branch.sleep(span).map_err(|error| fail(ctx, error))
}

fn param(ctx: &NativeCallContext, name: &str, options: Map) -> Outcome<Dynamic> {
    let mut options = Options::new(ctx, "param", PARAM, options)?;
    let host = Here::of(ctx)?.host(ctx)?;
    let secret = options.any("secret").and_then(|secret| secret.as_bool().ok()).unwrap_or_default();
    match host.arguments.get(name).cloned().or_else(|| options.any("default")) {
        Some(value) if secret => super::secrets::of_parameter(ctx, name, value),
        Some(value) => Ok(value),
        None => Err(fail(
            ctx,
            Error::invalid(format!("the parameter `{name}` is not given"))
                .hint(format!("add `--{name} VALUE`")),
        )),
    }
}

fn parallel_map(ctx: &NativeCallContext, bodies: Map, options: Map) -> Outcome<Dynamic> {
    let names: Vec<_> = bodies.keys().cloned().collect();
    let shown: Vec<_> = names.iter().map(|name| format!("branch `{name}`")).collect();
    let results = parallel(ctx, &shown, &bodies.into_values().collect::<Vec<_>>(), options)?;
    Ok(Dynamic::from_map(names.into_iter().zip(results).collect()))
}

fn parallel_array(ctx: &NativeCallContext, bodies: &[Dynamic], options: Map) -> Outcome<Dynamic> {
    let shown: Vec<_> = (1..=bodies.len()).map(|number| format!("branch {number}")).collect();
    Ok(Dynamic::from_array(parallel(ctx, &shown, bodies, options)?))
}

fn parallel(ctx: &NativeCallContext, names: &[String], bodies: &[Dynamic], options: Map) -> Outcome<Array> {
    let at_most = Options::new(ctx, "parallel", PARALLEL, options)?.at_least_one("max")?.unwrap_or(BRANCHES);
    let mut closures = Vec::with_capacity(bodies.len());
    for (name, body) in names.iter().zip(bodies) {
        let Some(function) = body.read_lock::<FnPtr>() else {
            return invalid(ctx, format!("`parallel`: {name} is no closure `|| …`, but {}", kind_of(body)));
        };
        closures.push(Closure::apart(ctx, &function).map_err(|error| fail(ctx, error))?);
    }
    let here = Here::of(ctx)?;
    let host = here.host(ctx)?;
    let slots: Vec<Mutex<Option<Result<Dynamic, Failure>>>> =
        closures.iter().map(|_| Mutex::new(None)).collect();
    let branches = closures.into_iter().zip(&slots).map(|(closure, slot)| {
        let host = &host;
        let body: ParallelBody<'_> = Box::new(move |branch| {
            let result = closure.call(host, branch, Vec::new());
            let told = result.as_ref().map(|_| Value::Null).map_err(|failure| failure.error.clone());
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            told
        });
        body
    });
    let at_most = usize::try_from(at_most).unwrap_or(usize::MAX).min(names.len());
    let granted = host.meter.fork(at_most).map_err(|error| fail(ctx, error))?;
    let results = here.branch.parallel(branches.collect(), granted);
    host.meter.join(granted);
    let results = results.map_err(|error| fail(ctx, error))?;
    let mut values = Array::with_capacity(results.len());
    let mut failed = Vec::new();
    for ((name, result), slot) in names.iter().zip(results).zip(slots) {
        let kept = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (result, kept) {
            (Ok(_), Some(Ok(value))) => values.push(value),
            (Ok(_), _) => values.push(Dynamic::UNIT),
            (Err(error), kept) => {
                let trace = kept.and_then(Result::err).map(|failure| failure.trace).unwrap_or_default();
                failed.push((name, Failure { error, trace }));
            }
        }
    }
    together(ctx, failed).map_or(Ok(values), |failure| Err(failure.raise()))
}

/// One failure of all: the first one leads, the others are its details.
fn together(ctx: &NativeCallContext, failed: Vec<(&String, Failure)>) -> Option<Failure> {
    let mut failed = failed.into_iter();
    let (name, mut first) = failed.next()?;
    // Where the run was stopped, all branches say the same.
    let alike = |failure: &Failure| failure.error.message() == first.error.message();
    let (others, again): (Vec<_>, Vec<_>) = failed.partition(|(_, failure)| !alike(failure));
    for (name, failure) in others {
        first.error = first.error.detail(format!("{name} failed, too: {}", failure.error.report()));
    }
    match again.as_slice() {
        [] => {}
        [(name, _)] => first.error = first.error.detail(format!("{name} failed alike")),
        several => first.error = first.error.detail(format!("{} more branches failed alike", several.len())),
    }
    first.trace.push(Frame::of(ctx, format!("{name} of `parallel`")));
    Some(first)
}

/// A closure that the branch calls later, when the call that it was given to is over. It sees variables as they are now:
/// in a loop they will have changed.
fn finisher(ctx: &NativeCallContext, function: &FnPtr) -> Outcome<StepUndo> {
    let closure = Closure::apart(ctx, function).map_err(|error| fail(ctx, error))?;
    let host = std::sync::Arc::downgrade(&Here::of(ctx)?.host(ctx)?);
    Ok(Box::new(move |branch| {
        let Some(host) = host.upgrade() else {
            return Err(Error::failed("the playbook has ended before its closure could be called"));
        };
        let result = host.meter.afresh(|| closure.call(&host, branch, Vec::new()));
        result.map(drop).map_err(|failure| match failure.place() {
            Some(at) => failure.error.detail(format!("at {at}")),
            None => failure.error,
        })
    }))
}

/// Keeps where a body failed, while the runtime handles the error alone.
#[derive(Default)]
struct Told(Option<Failure>);

impl Told {
    fn keep(&mut self, result: Result<Value, Failure>) -> Result<Value, Error> {
        self.0 = None;
        result.map_err(|failure| {
            let error = failure.error.clone();
            self.0 = Some(failure);
            error
        })
    }

    fn raise(
        self,
        ctx: &NativeCallContext,
        error: Error,
        called: impl Into<String>,
    ) -> Box<rhai::EvalAltResult> {
        let mut failure = Failure { error, trace: self.0.map(|told| told.trace).unwrap_or_default() };
        let called = if failure.trace.is_empty() { String::new() } else { called.into() };
        failure.trace.push(Frame::of(ctx, called));
        failure.raise()
    }
}
