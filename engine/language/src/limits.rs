//! What a playbook may use up, and the meter that counts it. One meter serves all branches of a run; what it counts is
//! work and not time, so a rehearsal stops where it stopped before. It may assume that Rhai's own limits catch what
//! doubles in one expression; what grows bit by bit is seen here, when the variable that holds it is used.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use opsrun_core::{Error, ErrorKind};
use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};

/// What a playbook may use up before it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps of the interpreter in a run, in an entry of a session, or in one body that takes back: a loop for ever is over
    /// after some seconds. Calls of primitives, and the use of large values, count as many of them.
    pub operations: u64,
    /// How deep functions may call each other.
    pub depth: usize,
    /// Bytes of text in a value, all its parts together.
    pub text: usize,
    /// Items of arrays in a value, all its parts together.
    pub items: usize,
    /// Entries of maps in a value, all its parts together.
    pub entries: usize,
}

/// Deeper than this, a value is taken for one that holds itself.
pub(crate) const DEEPEST: usize = 100;

/// A call of something that acts: it costs far more than the interpreter's step.
const CALL: u64 = 250;
/// So many parts of a value that was made anew are as much work as one operation.
const MADE: u64 = 2;
/// The same for a value that has grown: Rhai counts all of it again.
const GROWN: u64 = 64;
/// The same for a value that is as it was: it may be copied.
const USED: u64 = 256;
/// The same for bytes of text.
const BYTES: u64 = 128;
/// What is smaller is not worth remembering.
const SMALL: usize = 32;
/// So often a value that seems to be as it was is believed.
const BELIEVED: u32 = 32;
/// Every so many looks, closures are looked into.
const CLOSURES: u64 = 64;
/// What is still allowed to a playbook that was told to stop, until it is broken off without its place.
const GRACE: u64 = 10_000;
/// Values that are remembered.
const KNOWN: usize = 4096;
/// Branches at work at the same time: each is a thread of the machine.
const BRANCHES: usize = 256;

impl Default for Limits {
    fn default() -> Self {
        Limits { operations: 25_000_000, depth: 100, text: 64 << 20, items: 100_000, entries: 1_000_000 }
    }
}

/// Counts the work of a run and looks after the size of its values.
#[derive(Default)]
pub(crate) struct Meter {
    limits: Limits,
    used: AtomicU64,
    looks: AtomicU64,
    branches: AtomicUsize,
    /// Large values, by where they are.
    known: Mutex<BTreeMap<usize, Known>>,
}

/// A value as it was when it was weighed.
struct Known {
    mark: Mark,
    size: Size,
    looks: u32,
}

/// What tells cheaply whether a value is still the same: how long it is, and where its first and last parts are.
type Mark = (usize, usize, usize);

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Meter { limits, ..Meter::default() }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// For a session's next entry.
    pub(crate) fn reset(&self) {
        self.used.store(0, Ordering::Relaxed);
    }

    /// Counts a step of the interpreter; whether it is to be broken off.
    pub(crate) fn tick(&self) -> bool {
        self.used.fetch_add(1, Ordering::Relaxed) > self.limits.operations.saturating_add(GRACE)
    }

    /// Counts a call of something that acts.
    ///
    /// # Errors
    /// `Script` if there was too much work, or functions call each other too deep.
    pub(crate) fn call(&self, level: usize) -> Result<(), Error> {
        self.charge(CALL);
        self.check(level)
    }

    /// # Errors
    /// `Script` if there was too much work, or functions call each other too deep.
    pub(crate) fn check(&self, level: usize) -> Result<(), Error> {
        if self.used.load(Ordering::Relaxed) > self.limits.operations {
            return Err(self.too_much_work());
        }
        match level > self.limits.depth {
            true => Err(self.too_deep()),
            false => Ok(()),
        }
    }

    /// Does `body` with an allowance of its own: what takes back must not suffer from what was done.
    pub(crate) fn afresh<T>(&self, body: impl FnOnce() -> T) -> T {
        let used = self.used.swap(0, Ordering::Relaxed);
        let result = body();
        self.used.store(used, Ordering::Relaxed);
        result
    }

    /// Counts `wanted` branches in, or as many as there may be; they are given back by [`Meter::join`].
    ///
    /// # Errors
    /// `Script` if there are too many already.
    pub(crate) fn fork(&self, wanted: usize) -> Result<usize, Error> {
        let running = self.branches.load(Ordering::Relaxed);
        let granted = if running == 0 { wanted.min(BRANCHES) } else { wanted };
        if running + granted > BRANCHES {
            return Err(stopped(format!("more than {BRANCHES} branches would run at once"))
                .hint("does a branch of `parallel` call `parallel` without an end?"));
        }
        self.branches.fetch_add(granted, Ordering::Relaxed);
        Ok(granted)
    }

    pub(crate) fn join(&self, granted: usize) {
        self.branches.fetch_sub(granted, Ordering::Relaxed);
    }

    /// Looks at the value of a variable that is used.
    ///
    /// # Errors
    /// `Script` if it is too large, or nested too deep.
    pub(crate) fn look(&self, value: &Dynamic) -> Result<(), Error> {
        if let Some(text) = value.read_lock::<ImmutableString>() {
            self.charge(text.len() as u64 / BYTES);
            return Size { text: text.len(), ..Size::default() }.within(self.limits);
        }
        let thorough = || self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLOSURES);
        let Some((place, mark)) = place_and_mark(value) else {
            return match value.is_fnptr() && thorough() {
                true => self.weigh(value).map(drop),
                false => Ok(()),
            };
        };
        let mut small = Scale { parts: SMALL, into_closures: thorough(), ..Scale::new(self.limits) };
        match small.add(value, 0) {
            Ok(()) => return Ok(()),
            Err(Heavy::Parts) => {}
            Err(heavy) => return Err(heavy.error(self.limits)),
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(&place).filter(|known| known.mark == mark) {
            known.looks += 1;
            if known.looks < BELIEVED {
                self.charge(known.size.parts() / USED);
                return Ok(());
            }
        }
        let size = self.weigh(value)?;
        if known.len() > KNOWN {
            known.clear();
        }
        let parts = size.parts();
        let before = known.insert(place, Known { mark, size, looks: 0 });
        let grown = before.is_some_and(|before| before.size.parts().abs_diff(parts) <= parts / 8);
        self.charge(parts / if grown { GROWN } else { MADE });
        Ok(())
    }

    fn charge(&self, operations: u64) {
        self.used.fetch_add(operations, Ordering::Relaxed);
    }

    fn weigh(&self, value: &Dynamic) -> Result<Size, Error> {
        let mut scale = Scale::new(self.limits);
        scale.add(value, 0).map_err(|heavy| heavy.error(self.limits))?;
        Ok(scale.size)
    }

    pub(crate) fn too_much_work(&self) -> Error {
        stopped(format!("the playbook was stopped after {} operations", self.limits.operations))
            .hint("is this a loop for ever? to wait for something, `sleep` in the loop or use a primitive that waits")
    }

    pub(crate) fn too_deep(&self) -> Error {
        stopped(format!("functions call each other more than {} deep", self.limits.depth))
            .hint("does a function call itself without an end?")
    }
}

impl Limits {
    pub(crate) fn too_large(&self) -> Error {
        stopped(format!(
            "a value has grown too large: it may hold {} bytes of text, {} items of arrays and {} entries of maps",
            self.text, self.items, self.entries
        ))
        .hint("does it grow for ever? where a primitive returned it, ask for less: by selector, name or field")
    }
}

fn stopped(message: String) -> Error {
    Error::new(ErrorKind::Script, message)
}

#[derive(Default, Clone, Copy)]
struct Size {
    text: usize,
    items: usize,
    entries: usize,
}

impl Size {
    fn parts(self) -> u64 {
        (self.items + self.entries) as u64
    }

    fn within(self, limits: Limits) -> Result<(), Error> {
        match self.text > limits.text || self.items > limits.items || self.entries > limits.entries {
            true => Err(limits.too_large()),
            false => Ok(()),
        }
    }
}

/// Why a value is not weighed to its end.
enum Heavy {
    Deep,
    Large,
    /// It has more parts than were to be looked at.
    Parts,
}

impl Heavy {
    fn error(&self, limits: Limits) -> Error {
        match self {
            Heavy::Deep => stopped(format!("a value is nested more than {DEEPEST} deep"))
                .hint("is it put into itself again and again?"),
            Heavy::Large | Heavy::Parts => limits.too_large(),
        }
    }
}

/// Adds up a value; what several closures share counts once.
struct Scale {
    limits: Limits,
    size: Size,
    /// How many parts are looked at at most.
    parts: usize,
    into_closures: bool,
    shared: HashSet<usize>,
}

impl Scale {
    fn new(limits: Limits) -> Self {
        let parts = limits.items.saturating_add(limits.entries).saturating_mul(2);
        Scale { limits, size: Size::default(), parts, into_closures: true, shared: HashSet::new() }
    }

    fn add(&mut self, value: &Dynamic, depth: usize) -> Result<(), Heavy> {
        if depth > DEEPEST {
            return Err(Heavy::Deep);
        }
        if let Some(text) = value.read_lock::<ImmutableString>() {
            self.size.text += text.len();
        } else if let Some(array) = value.read_lock::<Array>() {
            self.size.items += array.len();
            self.go_on(array.len())?;
            for item in array.iter() {
                self.add(item, depth + 1)?;
            }
        } else if let Some(map) = value.read_lock::<Map>() {
            self.size.entries += map.len();
            self.go_on(map.len())?;
            for item in map.values() {
                self.add(item, depth + 1)?;
            }
        } else if self.into_closures
            && let Some(function) = value.read_lock::<FnPtr>()
        {
            self.go_on(function.curry().len())?;
            for captured in function.iter_curry() {
                self.captured(captured, depth)?;
            }
        }
        match self.size.within(self.limits) {
            Ok(()) => Ok(()),
            Err(_) => Err(Heavy::Large),
        }
    }

    fn captured(&mut self, captured: &Dynamic, depth: usize) -> Result<(), Heavy> {
        if !captured.is_shared() {
            return self.add(captured, depth + 1);
        }
        // One that is being changed is weighed the next time.
        let Some(inside) = captured.read_lock::<Dynamic>() else { return Ok(()) };
        match self.shared.insert(std::ptr::from_ref::<Dynamic>(&inside).addr()) {
            true => self.add(&inside, depth + 1),
            false => Ok(()),
        }
    }

    fn go_on(&mut self, parts: usize) -> Result<(), Heavy> {
        self.parts = self.parts.checked_sub(parts).ok_or(Heavy::Parts)?;
        Ok(())
    }
}

/// Where an array or a map is in memory, and its mark; `None` for everything else.
fn place_and_mark(value: &Dynamic) -> Option<(usize, Mark)> {
    let part = |part: Option<&Dynamic>| {
        let place = part.and_then(|part| match (part.read_lock::<Array>(), part.read_lock::<Map>()) {
            (Some(array), _) => Some(std::ptr::from_ref::<Array>(&array).addr().wrapping_add(array.len())),
            (_, Some(map)) => Some(std::ptr::from_ref::<Map>(&map).addr().wrapping_add(map.len())),
            _ => None,
        });
        place.unwrap_or_default()
    };
    if let Some(array) = value.read_lock::<Array>() {
        let mark = (array.len(), part(array.first()), part(array.last()));
        return Some((std::ptr::from_ref::<Array>(&array).addr(), mark));
    }
    let map = value.read_lock::<Map>()?;
    let first = map.first_key_value().map(|(_, value)| value);
    let last = map.last_key_value().map(|(_, value)| value);
    Some((std::ptr::from_ref::<Map>(&map).addr(), (map.len(), part(first), part(last))))
}
