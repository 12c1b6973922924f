//! What a template may use of time and memory, so that a hostile one fails instead of taking the machine with it. Real
//! charts stay far below. Go has none of these limits.

use std::cell::Cell;

use crate::error::FnError;

/// The bytes that one text may have, or the output of one template.
pub const MAX_TEXT: usize = 32 << 20;

/// The items that one list may have.
pub const MAX_ITEMS: usize = 1 << 20;

/// How deep lists and maps may nest where something goes through all of them.
pub const MAX_NESTING: usize = 1_000;

/// How many texts may be rendered within each other by functions such as Helm's `tpl`.
pub(crate) const MAX_TEXTS: usize = 1_000;

/// The default of [`crate::Templates::set_work`].
pub const DEFAULT_WORK: u64 = 200_000_000;

/// Fails if a text of this length may not be.
pub fn check_text(length: usize) -> Result<(), FnError> {
    if length > MAX_TEXT { Err(too_long("the text").into()) } else { Ok(()) }
}

/// Fails if a list of this length may not be.
pub fn check_items(count: usize) -> Result<(), FnError> {
    if count > MAX_ITEMS {
        return Err(FnError::new(format!("the list would have more than {MAX_ITEMS} items")));
    }
    Ok(())
}

pub(crate) fn too_long(what: &str) -> String {
    format!("{what} is longer than {} MiB", MAX_TEXT >> 20)
}

/// What is left of the work that may be done.
#[derive(Debug)]
pub(crate) struct Work {
    allowed: u64,
    left: Cell<u64>,
}

impl Work {
    pub(crate) fn new(allowed: u64, spent: u64) -> Self {
        Work { allowed, left: Cell::new(allowed.saturating_sub(spent)) }
    }

    #[inline]
    pub(crate) fn spend(&self, units: u64) -> Result<(), String> {
        match self.left.get().checked_sub(units) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(format!("the templates do more than the {} units of work they may", self.allowed)),
        }
    }

    pub(crate) fn spent(&self) -> u64 {
        self.allowed - self.left.get()
    }
}
