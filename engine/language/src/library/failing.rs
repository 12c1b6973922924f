//! Ways to fail, and to say something; and what Rhai brings along that would go around the run.

use opsrun_core::{Error, Value};
use opsrun_runtime::Level;
use rhai::{Dynamic, FuncRegistration, Map, Module, NativeCallContext};

use super::{Function, Outcome, invalid};
use crate::failure::fail;
use crate::host::Here;
use crate::value::{printed, to_json};

pub(super) const FUNCTIONS: &[Function] = &[
    function!(
        "assert",
        "assert(condition, [message])",
        "Fails with the message unless the condition holds.\n\n```rhai\nassert(1 < 2, \"numbers are in order\");\n```",
        |ctx: NativeCallContext, condition: bool| -> Outcome<()> {
            if condition { Ok(()) } else { Err(fail(&ctx, Error::failed("assertion failed"))) }
        },
        |ctx: NativeCallContext, condition: bool, message: &str| -> Outcome<()> {
            if condition {
                Ok(())
            } else {
                Err(fail(&ctx, Error::failed(format!("assertion failed: {message}"))))
            }
        }
    ),
    function!(
        "fail",
        "fail(message, [options])",
        "Ends the step, and the run if nobody catches it, with this message.\n\n\
         ```rhai\nif 1 > 2 { fail(\"numbers are out of order\", #{ hint: \"sort them\" }); }\n```",
        |ctx: NativeCallContext, message: &str| -> Outcome<()> { Err(fail(&ctx, Error::failed(message))) },
        |ctx: NativeCallContext, message: &str, options: Map| -> Outcome<()> {
            let mut error = Error::failed(message);
            for (key, value) in &options {
                match key.as_str() {
                    "hint" => error = error.hint(printed(value)),
                    "data" => error = error.data(json(&ctx, value)?),
                    other => {
                        return invalid(
                            &ctx,
                            format!("`fail` has no option `{other}`: it has `hint` and `data`"),
                        );
                    }
                }
            }
            Err(fail(&ctx, error))
        }
    )
    .options(&[("hint", "What to do about it."), ("data", "Facts for whoever catches it.")]),
    function!(
        "log",
        "log(message, [fields])",
        "Tells whoever watches the run; fields are shown behind the message and kept in the record.\n\n\
         ```rhai\nlog(\"scaled\", #{ replicas: 3 });\n```",
        |ctx: NativeCallContext, message: Dynamic| said(&ctx, Level::Info, &message, Map::new()),
        // Rhai's own `log` of a float is the logarithm, which is also `ln`.
        |ctx: NativeCallContext, number: f64| said(&ctx, Level::Info, &number.into(), Map::new()),
        |ctx: NativeCallContext, message: Dynamic, fields: Map| said(&ctx, Level::Info, &message, fields)
    ),
    function!(
        "warn",
        "warn(message, [fields])",
        "As `log`, but more visibly.\n\n```rhai\nwarn(\"the cache is cold\");\n```",
        |ctx: NativeCallContext, message: Dynamic| said(&ctx, Level::Warning, &message, Map::new()),
        |ctx: NativeCallContext, message: Dynamic, fields: Map| said(&ctx, Level::Warning, &message, fields)
    ),
    function!(
        "print",
        "print(value)",
        "As `log`.\n\n```rhai\nprint(\"hello\");\n```",
        |ctx: NativeCallContext, value: Dynamic| said(&ctx, Level::Info, &value, Map::new()),
        // Rhai has overloads of its own for these types, which would be preferred.
        |ctx: NativeCallContext, text: &str| said(&ctx, Level::Info, &text.into(), Map::new()),
        |ctx: NativeCallContext, flag: bool| said(&ctx, Level::Info, &flag.into(), Map::new()),
        |ctx: NativeCallContext, character: char| said(&ctx, Level::Info, &character.into(), Map::new()),
        |ctx: NativeCallContext, map: Map| said(&ctx, Level::Info, &Dynamic::from_map(map), Map::new()),
        |ctx: NativeCallContext, array: rhai::Array| said(
            &ctx,
            Level::Info,
            &Dynamic::from_array(array),
            Map::new()
        ),
    ),
];

/// Functions of Rhai's that would sleep on the wall's clock or end the script without its deferred work.
pub(super) fn replace_unwanted(module: &mut Module) {
    let no_unit = |ctx: &NativeCallContext, number: String| -> Outcome<()> {
        invalid(ctx, format!("`sleep({number})` has no unit: write `sleep({number}.s)`"))
    };
    FuncRegistration::new("sleep")
        .in_global_namespace()
        .set_into_module(module, move |ctx: NativeCallContext, number: i64| {
            no_unit(&ctx, number.to_string())
        });
    FuncRegistration::new("sleep")
        .in_global_namespace()
        .set_into_module(module, move |ctx: NativeCallContext, number: f64| {
            no_unit(&ctx, number.to_string())
        });
    // Rhai's go into what closures hold, which may be themselves.
    for name in ["to_string", "to_debug", "debug"] {
        let global = || FuncRegistration::new(name).in_global_namespace();
        global().set_into_module(module, |array: rhai::Array| printed(&Dynamic::from_array(array)));
        global().set_into_module(module, |map: Map| printed(&Dynamic::from_map(map)));
        global().set_into_module(module, |function: rhai::FnPtr| printed(&function.into()));
    }
    let no_exit = |ctx: &NativeCallContext| -> Outcome<()> {
        invalid(
            ctx,
            "`exit` is not available: use `return` at the top level of the playbook, or `fail(message)`",
        )
    };
    FuncRegistration::new("exit")
        .in_global_namespace()
        .set_into_module(module, move |ctx: NativeCallContext| no_exit(&ctx));
    FuncRegistration::new("exit")
        .in_global_namespace()
        .set_into_module(module, move |ctx: NativeCallContext, _: Dynamic| no_exit(&ctx));
}

fn said(ctx: &NativeCallContext, level: Level, message: &Dynamic, fields: Map) -> Outcome<()> {
    let fields = if fields.is_empty() { Value::Null } else { json(ctx, &Dynamic::from_map(fields))? };
    Here::of(ctx)?.branch.log(level, text(message), fields);
    Ok(())
}

/// Maps and arrays as JSON, as far as they are; everything else as it prints.
fn text(value: &Dynamic) -> String {
    match to_json(value) {
        Ok(Value::String(text)) => text,
        Ok(Value::Null) => String::new(),
        Ok(json) => json.to_string(),
        Err(_) => printed(value),
    }
}

fn json(ctx: &NativeCallContext, value: &Dynamic) -> Outcome<Value> {
    to_json(value).or_else(|what| invalid(ctx, format!("{what} cannot be logged")))
}
