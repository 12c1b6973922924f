//! The options map of a library function, taken apart with errors that name the key.

use opsrun_core::{Error, Span};
use rhai::{Dynamic, FnPtr, ImmutableString, Map, NativeCallContext};

use super::Outcome;
use crate::failure::fail;
use crate::value::kind_of;
use crate::words::suggestion;

/// What is left of an options map.
pub(super) struct Options<'c> {
    ctx: &'c NativeCallContext<'c>,
    function: &'static str,
    map: Map,
}

impl<'c> Options<'c> {
    /// # Errors
    /// `Invalid` for a key that is none of `known`.
    pub(super) fn new(
        ctx: &'c NativeCallContext<'c>,
        function: &'static str,
        known: &[(&str, &str)],
        map: Map,
    ) -> Outcome<Self> {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        if let Some(unknown) = map.keys().find(|key| !names.contains(&key.as_str())) {
            let error = Error::invalid(format!("`{function}` has no option `{unknown}`"));
            let error = match suggestion(unknown, &names, "its options are") {
                Some(hint) => error.hint(hint),
                None => error,
            };
            return Err(fail(ctx, error));
        }
        Ok(Options { ctx, function, map })
    }

    pub(super) fn any(&mut self, key: &str) -> Option<Dynamic> {
        self.map.remove(key)
    }

    pub(super) fn closure(&mut self, key: &str) -> Outcome<Option<FnPtr>> {
        self.typed(key, "a closure `|| …`", |value| {
            value.read_lock::<FnPtr>().map(|function| function.clone())
        })
    }

    pub(super) fn span(&mut self, key: &str) -> Outcome<Option<Span>> {
        self.typed(key, "a length of time such as `5.s`", span)
    }

    pub(super) fn text(&mut self, key: &str) -> Outcome<Option<String>> {
        self.typed(key, "a text", |value| value.clone().into_string().ok())
    }

    pub(super) fn flag(&mut self, key: &str) -> Outcome<Option<bool>> {
        self.typed(key, "`true` or `false`", |value| value.as_bool().ok())
    }

    pub(super) fn at_least_one(&mut self, key: &str) -> Outcome<Option<u32>> {
        self.typed(key, "an integer from 1", |value| {
            value.as_int().ok().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
        })
    }

    pub(super) fn factor(&mut self, key: &str) -> Outcome<Option<f64>> {
        #[allow(clippy::cast_precision_loss)] // a factor is a small number
        self.typed(key, "a number from 1", |value| {
            let number = value.as_float().or_else(|_| value.as_int().map(|integer| integer as f64)).ok();
            number.filter(|number| *number >= 1.0 && number.is_finite())
        })
    }

    fn typed<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl Fn(&Dynamic) -> Option<T>,
    ) -> Outcome<Option<T>> {
        let Some(value) = self.map.remove(key) else { return Ok(None) };
        match read(&value) {
            Some(read) => Ok(Some(read)),
            None => {
                let message = format!(
                    "`{}`: option `{key}`: {wanted} is expected, this is {}",
                    self.function,
                    kind_of(&value)
                );
                Err(fail(self.ctx, Error::invalid(message)))
            }
        }
    }
}

/// A length of time, also as text.
pub(super) fn span(value: &Dynamic) -> Option<Span> {
    if let Some(span) = value.read_lock::<Span>() {
        return Some(*span);
    }
    value.read_lock::<ImmutableString>().and_then(|text| text.parse().ok())
}
