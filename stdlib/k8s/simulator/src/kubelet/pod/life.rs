//! A container's life: what it runs, what it will do by itself, how it stops, and when it may start again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde_json::Value;

use super::super::container::{Container, Ended, Happening, Role, Running, State};
use super::super::environment::arguments;
use super::super::probe::Probes;
use crate::context::{Cx, text};
use crate::controllers::events::{Recorder, Tone};
use crate::controllers::object::{list, name, namespace, uid};
use crate::images::{ImageBehaviour, Played, Step};

/// How long a task is busy of which only is known that it ends.
const TASK: SignedDuration = SignedDuration::from_secs(2);

pub(super) fn argv(
    spec: &Value,
    behaviour: &ImageBehaviour,
    variables: &BTreeMap<String, String>,
) -> Vec<String> {
    let command = list(spec, "/command");
    let mut argv =
        if command.is_empty() { behaviour.entrypoint.clone() } else { arguments(command, variables) };
    argv.extend(arguments(list(spec, "/args"), variables));
    argv
}

/// A container that has just started, with all that it will do.
pub(super) fn running(
    container: &Container,
    spec: &Value,
    played: Played,
    id: String,
    now: Timestamp,
    serves: bool,
) -> Running {
    let behaviour = &container.behaviour;
    let mut running = Running {
        id,
        since: now,
        up: None,
        healthy: now,
        ahead: Default::default(),
        stop: None,
        stopping: None,
        probes: Probes::of(spec, now),
    };
    let mut log = |at: Timestamp, text: &str| {
        running.ahead.extend(text.lines().map(|line| (at, Happening::Log(line.to_owned()))));
    };
    match played {
        Played::Ran(steps) => {
            let mut end = None;
            for step in steps {
                match step {
                    Step::Out { at, text } | Step::Error { at, text } => log(now + at, &text),
                    Step::Exit { at, code } => end = Some((now + at, code)),
                }
            }
            running.ahead.extend(end.map(|(at, exit)| (at, Happening::End { exit, reason: reason(exit) })));
        }
        Played::Copies | Played::NoSuchProgram(_) => {}
        Played::Unknown => {
            let up = now + behaviour.start.duration();
            running.stop = behaviour.stop.and_then(|stop| SignedDuration::try_from(stop.duration()).ok());
            let crash = behaviour
                .crash
                .as_ref()
                .filter(|crash| crash.times.is_none_or(|times| container.starts <= times));
            behaviour.log.iter().for_each(|line| log(up, line));
            if let Some(run) = &behaviour.run {
                let at = now + run.duration.duration();
                run.log.iter().for_each(|line| log(now, line));
                running.ahead.push_back((at, Happening::End { exit: run.exit, reason: reason(run.exit) }));
            } else if crash.is_none() && !serves {
                running.ahead.push_back((now + TASK, Happening::End { exit: 0, reason: "Completed" }));
            } else {
                running.up = Some(up);
                running.healthy = up + behaviour.ready.duration();
            }
            if let Some(crash) = crash {
                let at = now + crash.after.duration();
                running.ahead.retain(|(time, _)| *time <= at);
                running.ahead.extend(crash.log.iter().map(|line| (at, Happening::Log(line.clone()))));
                let (exit, reason) =
                    if crash.oom { (137, "OOMKilled") } else { (crash.exit, reason(crash.exit)) };
                running.ahead.push_back((at, Happening::End { exit, reason }));
            }
        }
    }
    running
}

/// Asks a container to stop: it ends by itself, or is killed when its grace is over.
pub(super) fn stop(container: &mut Container, now: Timestamp, grace: SignedDuration, before: SignedDuration) {
    let Some(running) = container.running_mut() else { return };
    let kill = now + grace;
    running.stopping = Some(running.stopping.map_or(kill, |at| at.min(kill)));
    let Some(stop) = running.stop else { return };
    let at = now + before + stop;
    if at < kill {
        running.ahead.retain(|(time, happening)| *time < at && matches!(happening, Happening::Log(_)));
        running.ahead.push_back((at, Happening::End { exit: 0, reason: "Completed" }));
    }
}

/// How long a preStop hook takes.
pub(super) fn pre_stop(spec: &Value) -> SignedDuration {
    let hook = &spec["lifecycle"]["preStop"];
    if let Some(seconds) = hook["sleep"]["seconds"].as_i64() {
        return SignedDuration::from_secs(seconds);
    }
    let words: Vec<&str> = list(hook, "/exec/command").iter().map(text).collect();
    let last = words.last().map_or("", |word| word.rsplit("sleep ").next().unwrap_or(word));
    let sleeps = words.iter().any(|word| word.contains("sleep"));
    let seconds = last.trim_end_matches('s').trim().parse::<i64>().ok().filter(|_| sleeps);
    SignedDuration::from_secs(seconds.unwrap_or(0))
}

pub(super) fn is_backing_off(container: &Container) -> bool {
    matches!(container.state, State::Waiting { reason: "CrashLoopBackOff", .. })
}

/// Whether an ended container may start again now; if not, it waits in `CrashLoopBackOff`.
pub(super) fn restart_is_due(
    cx: &mut Cx<'_>,
    pod: &Value,
    container: &mut Container,
    ended: &Ended,
    part: &str,
    node: Recorder<'_>,
) -> bool {
    let now = cx.now();
    let until = container.back_off.until(ended.finished);
    if let Some(until) = until.filter(|until| *until > now) {
        let delay = super::super::status::go_duration(container.back_off.delay.unwrap_or_default());
        let who = format!("pod {}_{}({})", name(pod), namespace(pod), uid(pod));
        let event = format!("Back-off restarting failed container {} in {who}", container.name);
        let message = format!(
            "back-off {delay} restarting failed container={} {}",
            container.name,
            who.replacen(' ', "=", 1)
        );
        container.wait("CrashLoopBackOff", message);
        container.next = Some(until);
        node.record(cx, pod, part, Tone::Warning, "BackOff", &event);
        return false;
    }
    container.back_off.attempt(now);
    true
}

/// Whether a container that ended with `exit` is started again.
pub(super) fn restarts(policy: &str, role: Role, exit: i32) -> bool {
    match role {
        Role::Sidecar => true,
        Role::Init => exit != 0 && policy != "Never",
        Role::Main => policy == "Always" || (policy == "OnFailure" && exit != 0),
    }
}

pub(super) fn reason(exit: i32) -> &'static str {
    if exit == 0 { "Completed" } else { "Error" }
}

pub(super) fn hex(cx: &mut Cx<'_>) -> String {
    let bytes: [u8; 32] = cx.rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
