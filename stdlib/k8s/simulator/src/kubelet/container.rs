//! One container of a pod: what state it is in, what it will do by itself and when, and how often it was started.
//! It knows time and its image's behaviour; pods and their order are `pod`'s.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::probe::Probes;
use crate::controllers::object::{stamp, time};
use crate::images::ImageBehaviour;

/// A restart waits this long the second time, then twice as long each time …
pub(super) const FIRST_BACK_OFF: SignedDuration = SignedDuration::from_secs(10);
/// … up to this. Twice as long without a failure, and it starts over.
pub(super) const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_secs(300);

/// A container and its life so far.
#[derive(Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) role: Role,
    pub(super) behaviour: ImageBehaviour,
    pub(super) state: State,
    /// How it ended before the present state.
    pub(super) last: Option<Ended>,
    /// Starts beyond the first.
    pub(super) restarts: u32,
    pub(super) starts: u32,
    pub(super) pull: Pull,
    pub(super) back_off: BackOff,
    /// When to look at it again, if it is not running.
    pub(super) next: Option<Timestamp>,
    /// Another kubelet could not start it: it stays as it was found.
    pub(super) stuck: bool,
}

/// What a container is in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    /// An init container that stays.
    Sidecar,
    Main,
}

#[derive(Clone)]
pub(super) enum State {
    Waiting { reason: &'static str, message: String },
    Running(Box<Running>),
    Ended(Ended),
}

/// A running container.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) id: String,
    pub(super) since: Timestamp,
    /// From when on it listens; `None` for a command that serves nobody.
    pub(super) up: Option<Timestamp>,
    /// From when on its answers are good.
    pub(super) healthy: Timestamp,
    /// What it does by itself.
    pub(super) ahead: VecDeque<(Timestamp, Happening)>,
    /// How long it takes to obey; `None`: it does not.
    pub(super) stop: Option<SignedDuration>,
    pub(super) stopping: Option<Timestamp>,
    pub(super) probes: Probes,
}

#[derive(Clone)]
pub(super) enum Happening {
    Log(String),
    End { exit: i32, reason: &'static str },
}

/// How a container ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) exit: i32,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
}

/// How far the image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pull {
    Wanted,
    Running { since: Timestamp, done: Timestamp },
    Done,
}

/// A delay that doubles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackOff {
    pub(super) delay: Option<SignedDuration>,
    last: Option<Timestamp>,
}

impl BackOff {
    /// Until when to wait after a failure at `failed`; `None`: no longer.
    pub(super) fn until(&mut self, failed: Timestamp) -> Option<Timestamp> {
        let forgotten = self.last.is_some_and(|last| failed.duration_since(last) > LONGEST_BACK_OFF * 2);
        if forgotten {
            *self = Self::default();
        }
        self.delay.map(|delay| failed + delay)
    }

    /// When the next attempt may be made.
    pub(super) fn next(&self) -> Timestamp {
        match (self.last, self.delay) {
            (Some(last), Some(delay)) => last + delay,
            _ => Timestamp::MIN,
        }
    }

    /// Counts a new attempt.
    pub(super) fn attempt(&mut self, now: Timestamp) {
        self.delay = Some(self.delay.map_or(FIRST_BACK_OFF, |delay| (delay * 2).min(LONGEST_BACK_OFF)));
        self.last = Some(now);
    }
}

impl Container {
    pub(super) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    pub(super) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    pub(super) fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// Ended well; for an init container: its part is done.
    pub(super) fn succeeded(&self) -> bool {
        self.ended().is_some_and(|ended| ended.exit == 0)
    }

    /// Has passed its startup probe.
    pub(super) fn started(&self) -> bool {
        self.running().is_some_and(|running| running.probes.started())
    }

    pub(super) fn ready(&self) -> bool {
        match self.role {
            Role::Init => self.succeeded(),
            Role::Sidecar | Role::Main => self.running().is_some_and(|running| running.probes.ready()),
        }
    }

    /// Takes over what another kubelet says of it.
    pub(super) fn find(&mut self, status: &Value, now: Timestamp) {
        let restarts = status["restartCount"].as_u64().and_then(|count| u32::try_from(count).ok());
        self.restarts = restarts.unwrap_or(0);
        self.starts = self.restarts + 1;
        self.pull = Pull::Done;
        let id = status["containerID"].as_str().unwrap_or_default().to_owned();
        let since = |state: &Value, field: &str| time(&state[field]).unwrap_or(now);
        let state = &status["state"];
        if let Some(running) = state.get("running") {
            self.state = State::Running(Box::new(Running {
                id,
                since: since(running, "startedAt"),
                up: Some(now),
                healthy: now,
                ahead: VecDeque::new(),
                stop: self.behaviour.stop.and_then(|stop| SignedDuration::try_from(stop.duration()).ok()),
                stopping: None,
                probes: Probes::found(status["started"] != false, status["ready"] == true),
            }));
        } else if let Some(ended) = state.get("terminated") {
            self.stuck = true;
            self.state = State::Ended(Ended {
                id,
                exit: ended["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(0),
                reason: known(&REASONS, ended["reason"].as_str().unwrap_or_default(), "Error"),
                message: ended["message"].as_str().unwrap_or_default().to_owned(),
                started: since(ended, "startedAt"),
                finished: since(ended, "finishedAt"),
            });
        } else {
            self.stuck = true;
            let waiting = &state["waiting"];
            let reason = known(&REASONS, waiting["reason"].as_str().unwrap_or_default(), "ContainerCreating");
            let message = waiting["message"].as_str().unwrap_or_default().to_owned();
            self.state = State::Waiting { reason, message };
        }
    }

    pub(super) fn wait(&mut self, reason: &'static str, message: impl Into<String>) {
        if let State::Ended(ended) = &self.state {
            self.last = Some(ended.clone());
        }
        self.state = State::Waiting { reason, message: message.into() };
    }

    /// Ends it at `now`, if it runs.
    pub(super) fn end(&mut self, now: Timestamp, exit: i32, reason: &'static str) {
        let State::Running(running) = &self.state else { return };
        self.state = State::Ended(Ended {
            id: running.id.clone(),
            exit,
            reason,
            message: String::new(),
            started: running.since,
            finished: now,
        });
        self.next = None;
    }

    /// When something happens to it by itself.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match &self.state {
            State::Running(running) => {
                let ahead = running.ahead.front().map(|(at, _)| *at);
                let probes = running.probes.due().filter(|_| running.stopping.is_none());
                [ahead, running.stopping, probes].into_iter().flatten().min()
            }
            _ => match self.pull {
                Pull::Running { done, .. } => Some(done),
                _ => self.next,
            },
        }
    }

    /// The entry in `containerStatuses`.
    pub(super) fn status(&self, spec: &Value) -> Value {
        let mut status = json!({
            "name": self.name, "image": self.image, "imageID": "", "ready": self.ready(),
            "restartCount": self.restarts, "started": self.started(), "state": self.state_value(), "lastState": {},
        });
        if let Some(last) = &self.last {
            status["lastState"] = json!({"terminated": last.value()});
        }
        let mounts: Vec<Value> = spec["volumeMounts"].as_array().into_iter().flatten().map(mount).collect();
        if !mounts.is_empty() {
            status["volumeMounts"] = mounts.into();
        }
        let id = match &self.state {
            State::Running(running) => Some(&running.id),
            State::Ended(ended) => Some(&ended.id),
            State::Waiting { .. } => self.last.as_ref().map(|last| &last.id),
        };
        if let Some(id) = id {
            status["containerID"] = id.clone().into();
            status["imageID"] = image_id(&self.image).into();
            if self.running().is_some() {
                if !spec["resources"].is_null() {
                    status["resources"] = spec["resources"].clone();
                }
                if let Some(requests) = spec["resources"].get("requests") {
                    status["allocatedResources"] = requests.clone();
                }
            }
        }
        status
    }

    fn state_value(&self) -> Value {
        match &self.state {
            State::Waiting { reason, message } if message.is_empty() => {
                json!({"waiting": {"reason": reason}})
            }
            State::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
            State::Running(running) => json!({"running": {"startedAt": stamp(running.since)}}),
            State::Ended(ended) => json!({"terminated": ended.value()}),
        }
    }
}

impl Ended {
    fn value(&self) -> Value {
        let mut value = json!({
            "containerID": self.id, "exitCode": self.exit, "reason": self.reason,
            "startedAt": stamp(self.started), "finishedAt": stamp(self.finished),
        });
        if !self.message.is_empty() {
            value["message"] = self.message.clone().into();
        }
        value
    }
}

/// Why containers wait or have ended, as kubelets word it.
const REASONS: [&str; 13] = [
    "Completed",
    "Error",
    "OOMKilled",
    "StartError",
    "ContainerStatusUnknown",
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ContainerCreating",
    "PodInitializing",
];

fn known(words: &[&'static str], word: &str, otherwise: &'static str) -> &'static str {
    words.iter().find(|known| **known == word).copied().unwrap_or(otherwise)
}

fn mount(mount: &Value) -> Value {
    let mut status = json!({"name": mount["name"], "mountPath": mount["mountPath"]});
    if mount["readOnly"] == true {
        status["readOnly"] = true.into();
        let recursive = mount["recursiveReadOnly"].as_str().unwrap_or("Disabled");
        status["recursiveReadOnly"] = recursive.into();
    }
    status
}

/// A digest that is the same for the same name.
fn image_id(image: &str) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut word = |salt: u8| {
        for byte in image.bytes().chain([salt]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{state:016x}")
    };
    let digest: String = (0..4).map(&mut word).collect();
    let repository =
        image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(image, |(name, _)| name);
    format!("{repository}@sha256:{digest}")
}
