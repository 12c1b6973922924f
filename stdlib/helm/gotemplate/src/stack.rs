//! How much of the thread's stack is left, so that a template that calls itself fails instead of overflowing it.

/// A bound on the use of the current thread's stack, counted from where it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    base: usize,
    budget: usize,
}

impl Stack {
    pub(crate) fn with_budget(budget: usize) -> Self {
        Stack { base: here(), budget }
    }

    pub(crate) fn is_exhausted(self) -> bool {
        self.base.abs_diff(here()) > self.budget
    }
}

/// The address of a local variable, as a measure of how deep the calls are.
#[inline(never)]
fn here() -> usize {
    let local = 0u8;
    std::ptr::from_ref(std::hint::black_box(&local)).addr()
}
