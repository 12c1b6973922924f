//! The functions of Helm's templates: Sprig's, and Helm's own that need no executor (`include`, `tpl`, `required`, `fail` and
//! `lookup` are the engine's). One file for each theme; time and randomness come from [`FunctionEnv`], nothing else is asked.

mod args;
mod base;
mod bytes;
mod casing;
mod certificates;
mod crypto;
mod dates;
mod decimal;
mod dicts;
mod encoding;
mod keys;
mod layout;
mod lists;
mod math;
mod paths;
mod random;
mod re2;
mod reflection;
mod regexes;
mod strings;
mod time;
mod toml;
mod urls;
mod versions;
mod x509;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gotemplate::{Function, Functions, Type};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// What functions may know of the world.
#[derive(Clone)]
pub struct FunctionEnv {
    /// What `now` gives.
    pub now: jiff::Timestamp,
    /// Where random texts, keys and certificates come from.
    pub rng: SharedRng,
}

/// A generator that all functions of a render draw from, in the order of their calls.
#[derive(Clone)]
pub struct SharedRng(Arc<Mutex<ChaCha20Rng>>);

impl SharedRng {
    pub fn from_seed(seed: u64) -> Self {
        SharedRng(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed))))
    }

    fn lock(&self) -> MutexGuard<'_, ChaCha20Rng> {
        // A generator has no state that a panic could leave half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The functions that do not go through all that is in the values which they are given: they look at one level at most.
const PASSING_ON: &[&str] = &[
    "all",
    "any",
    "append",
    "chunk",
    "coalesce",
    "compact",
    "concat",
    "default",
    "dict",
    "dig",
    "empty",
    "first",
    "get",
    "hasKey",
    "initial",
    "keys",
    "kindIs",
    "kindOf",
    "last",
    "list",
    "mustAppend",
    "mustChunk",
    "mustCompact",
    "mustFirst",
    "mustInitial",
    "mustLast",
    "mustPrepend",
    "mustPush",
    "mustRest",
    "mustReverse",
    "mustSlice",
    "omit",
    "pick",
    "pluck",
    "prepend",
    "push",
    "rest",
    "reverse",
    "set",
    "slice",
    "ternary",
    "tuple",
    "typeIs",
    "typeIsLike",
    "typeOf",
    "unset",
    "values",
];

/// All functions by name.
pub fn table(env: &FunctionEnv) -> Functions {
    let mut functions = Functions::new();
    strings::add(&mut functions);
    lists::add(&mut functions);
    dicts::add(&mut functions);
    reflection::add(&mut functions);
    math::add(&mut functions);
    encoding::add(&mut functions);
    regexes::add(&mut functions);
    versions::add(&mut functions);
    paths::add(&mut functions);
    urls::add(&mut functions);
    dates::add(&mut functions, env);
    random::add(&mut functions, env);
    crypto::add(&mut functions, env);
    // Helm looks names up only where it was told to (`--enable-dns`), and so do not we.
    functions.set("getHostByName", Function::new(&[Type::String], |_, _| Ok("".into())));
    for name in PASSING_ON {
        if let Some(function) = functions.get(name).cloned() {
            functions.set(*name, function.passing_on());
        }
    }
    functions
}

/// Whether a text is a time as JSON has it; the error is Go's.
pub(crate) fn check_rfc3339(text: Option<&str>) -> std::result::Result<(), String> {
    let text = text.ok_or("Time.UnmarshalJSON: input is not a JSON string")?;
    layout::parse("2006-01-02T15:04:05Z07:00", text).map(|_| ())
}
