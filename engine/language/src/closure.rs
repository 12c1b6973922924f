//! The one way in which host functions call closures of a script, wherever these were written.

use std::sync::Arc;

use opsrun_core::Error;
use opsrun_runtime::Branch;
#[allow(deprecated)] // rhai's mark for what may change; the version is pinned
use rhai::NativeCallContextStore;
use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use crate::failure::{Failure, Frame};
use crate::host::{Here, Host};
use crate::limits::DEEPEST;

/// A closure with the surroundings in which it was handed over.
pub(crate) struct Closure {
    function: FnPtr,
    #[allow(deprecated)] // rhai's mark for what may change; the version is pinned
    context: NativeCallContextStore,
}

impl Closure {
    #[allow(deprecated)] // as above
    pub(crate) fn of(ctx: &NativeCallContext, function: FnPtr) -> Self {
        Closure { function, context: ctx.store_data() }
    }

    /// A copy that shares no variable with the script: for a thread of its own.
    ///
    /// # Errors
    /// `Invalid` if it holds a value that holds itself.
    pub(crate) fn apart(ctx: &NativeCallContext, function: &FnPtr) -> Result<Self, Error> {
        let mut copied = 0;
        let Some(function) = snapshot(&function.clone().into(), 0, &mut copied)?.try_cast::<FnPtr>() else {
            return Err(Error::invalid("a closure is expected"));
        };
        Ok(Closure::of(ctx, function))
    }

    /// Calls it on `branch`.
    ///
    /// # Errors
    /// What the script failed with, and where.
    #[allow(deprecated)] // as above
    pub(crate) fn call(
        &self,
        host: &Arc<Host>,
        branch: &Arc<Branch>,
        arguments: Vec<Dynamic>,
    ) -> Result<Dynamic, Failure> {
        let mut context = self.context.clone();
        let name = self.function.fn_name();
        // A closure is looked for in the first library: that must be the one it was written in.
        let here = context.global.lib.iter().rev().find(|library| {
            library.get_script_fn(name, self.function.curry().len() + arguments.len()).is_some()
        });
        let library = here.cloned().or_else(|| {
            let origin = host.origin_of(name)?;
            origin.import_into(&mut context.global);
            Some(origin.functions)
        });
        if let Some(library) = library {
            context.global.lib.clear();
            context.global.lib.push(library);
        }
        context.global.tag = Dynamic::from(Here::at(host, branch));
        let file = context.global.source.as_deref().unwrap_or_default().to_owned();
        let result = self.function.call_raw(&context.create_context(&host.engine), None, arguments);
        let result = result
            .map_err(|error| Failure::read(&error, &file, host))
            // What was caught of being told to stop.
            .and_then(|value| host.meter.check(0).map(|()| value).map_err(Failure::new));
        result.map_err(|mut failure| {
            if failure.trace.is_empty() {
                failure.trace.push(Frame::at(&file, self.context.pos, ""));
            }
            failure
        })
    }
}

/// More parts than these are not copied: closures that share variables would be copied for each of them.
const MOST: usize = 1_000_000;

/// The value with nothing in it shared with anybody, captured variables of closures included. `copied` counts parts.
fn snapshot(value: &Dynamic, depth: usize, copied: &mut usize) -> Result<Dynamic, Error> {
    *copied += 1;
    if depth > DEEPEST {
        return Err(Error::invalid(format!(
            "a branch cannot take along a value that holds itself, or is nested more than {DEEPEST} deep"
        )));
    }
    if *copied > MOST {
        return Err(Error::invalid(format!(
            "a branch cannot take along a value of more than {MOST} parts, or closures that share so many"
        )));
    }
    if let Some(function) = value.read_lock::<FnPtr>() {
        let mut function = function.clone();
        for captured in function.iter_curry_mut() {
            *captured = snapshot(captured, depth + 1, copied)?;
        }
        return Ok(function.into());
    }
    if let Some(array) = value.read_lock::<Array>() {
        let items = array.iter().map(|item| snapshot(item, depth + 1, copied)).collect::<Result<_, _>>()?;
        return Ok(Dynamic::from_array(items));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let entries = map.iter().map(|(key, item)| Ok((key.clone(), snapshot(item, depth + 1, copied)?)));
        return Ok(Dynamic::from_map(entries.collect::<Result<Map, Error>>()?));
    }
    Ok(value.flatten_clone())
}
