//! A fence: what a run holds and has to keep holding in order to write. It is looked at for each write, as it leaves.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Stands around the writes of a run as long as it holds something, such as a lease. Once it has fallen it stays so.
#[derive(Debug)]
pub struct Fence {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    until: Timestamp,
    fallen: Option<String>,
}

impl Fence {
    /// `name`: what is held, for people. It is held until `until`, if that is not moved.
    pub fn new(name: impl Into<String>, until: Timestamp) -> Self {
        Fence { name: name.into(), state: Mutex::new(State { until, fallen: None }) }
    }

    /// It is held longer.
    pub fn hold_until(&self, until: Timestamp) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).until = until;
    }

    pub fn until(&self) -> Timestamp {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).until
    }

    /// Somebody else holds it.
    pub fn fall(&self, why: impl Into<String>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).fallen.get_or_insert(why.into());
    }

    /// Why nothing may be written any more, if it may not.
    pub fn fallen(&self, now: Timestamp) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.fallen.is_none() && now >= state.until {
            state.fallen = Some(format!("it could not be renewed, and ran out at {}", state.until));
        }
        state.fallen.as_ref().map(|why| format!("{} was lost: {why}", self.name))
    }
}
