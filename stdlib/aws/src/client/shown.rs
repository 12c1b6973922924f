//! AWS shows what was written some seconds later. Who is about to write looks first, and must not see what was before: it waits until
//! what other calls of the run have just written to the same thing is shown. What a call itself has written it waits for itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use opsrun_core::{CallId, Cx, Effect, Result, Span};

use crate::SYSTEM;
use crate::access::Asked;

/// So long after it was written AWS shows what was.
pub(crate) const SHOWN_AFTER: Span = Span::from_secs(10);

/// Services that show at once what was written.
const AT_ONCE: &[&str] = &["s3", "sso", "sts"];

struct Written {
    /// When the run first asked for anything. What a former process of it has written, it had written before.
    begun: Timestamp,
    /// By service and thing, which call has written to it last, and when.
    last: BTreeMap<(&'static str, String, Option<String>), (CallId, Timestamp)>,
}

/// Waits before a request as long as that takes, and notes a write.
///
/// # Errors
/// `Interrupted`.
pub(super) async fn wait(cx: &Cx, asked: &Asked) -> Result<()> {
    let call = cx.call();
    if call.effect != Effect::Write || AT_ONCE.contains(&asked.service) {
        return Ok(());
    }
    let now = cx.now();
    let written = cx.shared(&format!("{SYSTEM}/written"), || {
        Ok(Mutex::new(Written { begun: now, last: BTreeMap::new() }))
    })?;
    let thing = (asked.service, asked.resource.clone(), asked.name.clone());
    let due = {
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.effect() == Effect::Write {
            written.last.insert(thing, (call.id, now));
            return Ok(());
        }
        let follows = call.undoes || cx.broken_off().is_some_and(|before| before.wrote);
        match written.last.get(&thing) {
            Some((by, _)) if *by == call.id => None,
            Some((_, at)) => Some(*at),
            None => follows.then_some(written.begun),
        }
    };
    match due.map(|at| SHOWN_AFTER.after(at)) {
        Some(due) if due > now => {
            cx.sleep(Span::from(std::time::Duration::try_from(due.duration_since(now)).unwrap_or_default()))
                .await
        }
        _ => Ok(()),
    }
}
