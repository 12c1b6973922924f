//! One pod on its node: volumes, sandbox, init containers, containers, probes, restarts, and the end.
//! `step` does what is due at the present time; the caller comes back at `due`.

mod life;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::life::{argv, hex, is_backing_off, pre_stop, restart_is_due, restarts, running, stop};
use super::container::{BackOff, Container, Ended, Happening, Pull, Role, Running, State};
use super::environment::{files, hostname, missing_volume, variables};
use super::images::{Images, invalid_name};
use super::probe::{Aim, Which};
use crate::context::{Cx, text};
use crate::controllers::events::{Recorder, Tone};
use crate::controllers::object::{int, is_going, list, pod, text_at, time, uid};
use crate::estate::EstateSection;
use crate::images::{Environment, ImageBehaviour, Played, Step, Unknown, play};

/// How long a sandbox takes to set up.
const SANDBOX: SignedDuration = SignedDuration::from_millis(300);
/// How soon the kubelet looks again at what changed by itself.
const RELIST: SignedDuration = SignedDuration::from_secs(1);
/// How soon it tries again what a missing object prevented.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// A pod as its kubelet knows it.
#[derive(Clone)]
pub(super) struct PodRun {
    pub(super) uid: String,
    pub(super) started: Timestamp,
    pub(super) ip: Option<String>,
    sandbox: Sandbox,
    volumes: BackOff,
    /// Init containers in order, then the others.
    pub(super) containers: Vec<Container>,
    ending: bool,
    /// Why the pod as a whole has failed: reason and message.
    pub(super) failure: Option<(&'static str, String)>,
    /// When it was last looked at: an outage since then was a restart of the node.
    pub(super) seen: Timestamp,
    /// The pod as it was when there was nothing to write about it.
    pub(super) settled: Option<Arc<Value>>,
}

#[derive(Clone)]
enum Sandbox {
    Wanted,
    WaitingForVolumes(Timestamp),
    Starting(Timestamp),
    Ready,
}

impl PodRun {
    pub(super) fn new(pod: &Value, estate: &EstateSection, now: Timestamp) -> Self {
        let inits = list(pod, "/spec/initContainers").iter().map(|spec| {
            let role = if spec["restartPolicy"] == "Always" { Role::Sidecar } else { Role::Init };
            (spec, role)
        });
        let mains = list(pod, "/spec/containers").iter().map(|spec| (spec, Role::Main));
        let initializing = !list(pod, "/spec/initContainers").is_empty();
        let reason = if initializing { "PodInitializing" } else { "ContainerCreating" };
        let containers = inits.chain(mains).map(|(spec, role)| Container {
            name: text(&spec["name"]).to_owned(),
            image: text(&spec["image"]).to_owned(),
            role,
            behaviour: estate.behaviour(text(&spec["image"])),
            state: State::Waiting { reason, message: String::new() },
            last: None,
            restarts: 0,
            starts: 0,
            pull: Pull::Wanted,
            back_off: BackOff::default(),
            next: None,
            stuck: false,
        });
        Self {
            uid: uid(pod).to_owned(),
            started: now,
            ip: None,
            sandbox: Sandbox::Wanted,
            volumes: BackOff::default(),
            containers: containers.collect(),
            ending: false,
            failure: None,
            seen: now,
            settled: None,
        }
    }

    /// A pod that another kubelet runs, as its status says. What runs goes on running, what does not, does not.
    pub(super) fn found(pod: &Value, estate: &EstateSection, now: Timestamp) -> Self {
        let mut run = Self::new(pod, estate, now);
        run.sandbox = Sandbox::Ready;
        run.started = time(&pod["status"]["startTime"]).unwrap_or(now);
        run.ip = pod["status"]["podIP"].as_str().map(str::to_owned);
        let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
        for status in statuses.iter().flat_map(|pointer| list(pod, pointer)) {
            let of_status = |container: &&mut Container| status["name"] == container.name.as_str();
            if let Some(container) = run.containers.iter_mut().find(of_status) {
                container.find(status, now);
            }
        }
        run
    }

    /// Whether its status says that a kubelet has begun with it.
    pub(super) fn was_begun(pod: &Value) -> bool {
        !list(pod, "/status/containerStatuses").is_empty()
    }

    pub(super) fn has_sandbox(&self) -> bool {
        matches!(self.sandbox, Sandbox::Ready)
    }

    pub(super) fn is_running(&self) -> bool {
        self.containers.iter().any(|container| container.running().is_some())
    }

    /// When it wants to be looked at again.
    pub(super) fn due(&self, pod: &Value) -> Option<Timestamp> {
        if self.is_finished(pod) && !self.is_running() {
            return None;
        }
        let sandbox = match self.sandbox {
            Sandbox::WaitingForVolumes(at) | Sandbox::Starting(at) => Some(at),
            Sandbox::Wanted | Sandbox::Ready => None,
        };
        let deadline = self.deadline(pod).filter(|_| self.failure.is_none() && !self.ending);
        self.containers.iter().map(Container::due).chain([sandbox, deadline]).flatten().min()
    }

    fn deadline(&self, pod: &Value) -> Option<Timestamp> {
        let seconds = pod["spec"]["activeDeadlineSeconds"].as_i64()?;
        Some(self.started + SignedDuration::from_secs(seconds))
    }

    /// The node was started anew: what ran on it has ended, and the pod begins again, init containers first.
    pub(super) fn reboot(&mut self, cx: &mut Cx<'_>, pod: &Value, node: Recorder<'_>) {
        let now = cx.now();
        self.sandbox = match self.sandbox {
            Sandbox::Ready if self.is_running() => Sandbox::Wanted,
            Sandbox::Ready => return,
            _ => Sandbox::Wanted,
        };
        for container in &mut self.containers {
            if container.running().is_some() {
                cx.end_log(&self.uid, &container.name, container.restarts);
                container.end(now, 255, "Unknown");
            } else if let Some(ended) = container.ended().filter(|_| container.role == Role::Init).cloned() {
                container.last = Some(ended);
                container.state = State::Waiting { reason: "PodInitializing", message: String::new() };
            }
            container.pull = Pull::Wanted;
        }
        if !is_going(pod) {
            let message = "Pod sandbox changed, it will be killed and re-created.";
            node.normal(cx, pod, "SandboxChanged", message);
        }
    }

    /// Does everything that is due. `node` reports events.
    pub(super) fn step(&mut self, cx: &mut Cx<'_>, pod: &Value, images: &mut Images, node: Recorder<'_>) {
        let now = cx.now();
        self.seen = now;
        for index in 0..self.containers.len() {
            self.play(cx, index);
            self.probe(cx, pod, index, node);
        }
        if !self.ending && (is_going(pod) || self.is_overdue(pod, now)) {
            if !is_going(pod) {
                let message = "Pod was active on the node longer than the specified deadline".to_owned();
                node.normal(cx, pod, "DeadlineExceeded", &message);
                self.failure = Some(("DeadlineExceeded", message));
            }
            self.ending = true;
            self.stop_all(cx, pod, node);
        }
        if self.ending {
            self.shorten_grace(cx, pod);
            for index in 0..self.containers.len() {
                self.play(cx, index);
            }
            return;
        }
        if !self.sandbox_is_ready(cx, pod, images, node) {
            return;
        }
        self.advance(cx, pod, images, node);
    }

    /// Probes what is to be probed, of a pod that is as it was when its status was last looked at. Whether that is all
    /// there is to do: nothing else is due, and everything was found as before.
    pub(super) fn rests(&mut self, cx: &mut Cx<'_>, pod: &Value, node: Recorder<'_>) -> bool {
        let now = cx.now();
        let rests = |container: &Container| match &container.state {
            State::Running(running) => {
                running.stopping.is_none() && running.ahead.front().is_none_or(|(at, _)| *at > now)
            }
            State::Ended(_) => container.role == Role::Init && container.succeeded(),
            State::Waiting { .. } => false,
        };
        if self.ending
            || !self.has_sandbox()
            || self.deadline(pod).is_some()
            || !self.containers.iter().all(rests)
        {
            return false;
        }
        self.seen = now;
        let told = |run: &Self| -> Vec<(bool, bool)> {
            run.containers.iter().map(|container| (container.started(), container.ready())).collect()
        };
        let before = told(self);
        for index in 0..self.containers.len() {
            self.probe(cx, pod, index, node);
        }
        told(self) == before && self.containers.iter().all(rests)
    }

    fn is_overdue(&self, pod: &Value, now: Timestamp) -> bool {
        self.deadline(pod).is_some_and(|at| at <= now) && !self.is_finished(pod)
    }

    /// Nothing runs, and nothing will.
    pub(super) fn is_finished(&self, pod: &Value) -> bool {
        if self.ending {
            return !self.is_running();
        }
        let policy = text_at(pod, "/spec/restartPolicy");
        let mains_over = self.of_role(Role::Main).all(|container| {
            container.ended().is_some_and(|ended| !restarts(policy, Role::Main, ended.exit))
        });
        mains_over || self.failed_init(policy)
    }

    fn failed_init(&self, policy: &str) -> bool {
        policy == "Never"
            && self.of_role(Role::Init).any(|init| init.ended().is_some_and(|ended| ended.exit != 0))
    }

    fn of_role(&self, role: Role) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(move |container| container.role == role)
    }

    /// All init containers have done their part.
    pub(super) fn initialized(&self) -> bool {
        self.containers.iter().all(|container| match container.role {
            Role::Init => container.succeeded(),
            Role::Sidecar => container.started() || container.ended().is_some(),
            Role::Main => true,
        })
    }

    /// What a container does by itself.
    fn play(&mut self, cx: &mut Cx<'_>, index: usize) {
        let now = cx.now();
        let (uid, container) = (self.uid.clone(), &mut self.containers[index]);
        let (name, restart) = (container.name.clone(), container.restarts);
        loop {
            let Some(running) = container.running_mut() else { return };
            if running.stopping.is_some_and(|at| at <= now) {
                let ahead = running.ahead.front().is_some_and(|(at, _)| *at <= now);
                if !ahead {
                    cx.end_log(&uid, &name, restart);
                    container.end(now, 137, "Error");
                    return;
                }
            }
            match running.ahead.pop_front_if(|(at, _)| *at <= now) {
                None => return,
                Some((_, Happening::Log(line))) => cx.log(&uid, &name, restart, &line),
                Some((_, Happening::End { exit, reason })) => {
                    cx.end_log(&uid, &name, restart);
                    container.end(now, exit, reason);
                    container.next = Some(now + RELIST);
                }
            }
        }
    }

    fn probe(&mut self, cx: &mut Cx<'_>, pod: &Value, index: usize, node: Recorder<'_>) {
        let now = cx.now();
        let is_due = |running: &Running| running.probes.which_is_due(now).is_some();
        if !self.containers[index].running().is_some_and(is_due) {
            return;
        }
        let Some(spec) = self.spec(pod, index) else { return };
        while let Some(running) = self.containers[index].running() {
            let Some(which) = running.probes.which_is_due(now).filter(|_| running.stopping.is_none()) else {
                return;
            };
            let found = self.look(cx, pod, spec, index, which);
            let part = self.part(index);
            let container = &mut self.containers[index];
            let Some(running) = container.running_mut() else { return };
            let Some(probe) = running.probes.get_mut(which) else { return };
            let verdict = probe.count(found.is_ok(), now);
            if let Err(why) = &found {
                let message = format!("{} probe {why}", which.word());
                node.record(cx, pod, &part, Tone::Warning, "Unhealthy", &message);
            }
            match (which, verdict) {
                (Which::Startup, Some(true)) => running.probes.hurry(now),
                (Which::Startup | Which::Liveness, Some(false)) => {
                    let kind = if which == Which::Startup { "startup" } else { "liveness" };
                    let message =
                        format!("Container {} failed {kind} probe, will be restarted", container.name);
                    node.record(cx, pod, &part, Tone::Normal, "Killing", &message);
                    let grace = int(pod, "/spec/terminationGracePeriodSeconds");
                    stop(container, now, SignedDuration::from_secs(grace), SignedDuration::ZERO);
                    self.play(cx, index);
                    return;
                }
                _ => {}
            }
        }
    }

    /// What a probe finds; the error continues `Readiness probe `.
    fn look(&self, cx: &Cx<'_>, pod: &Value, spec: &Value, index: usize, which: Which) -> Result<(), String> {
        let container = &self.containers[index];
        let Some(running) = container.running() else { return Err("failed: ".to_owned()) };
        let probe = match which {
            Which::Startup => &running.probes.startup,
            Which::Liveness => &running.probes.liveness,
            Which::Readiness => &running.probes.readiness,
        };
        let Some(aim) = probe.as_ref().and_then(|probe| Aim::of(&probe.spec, spec)) else { return Ok(()) };
        let ip = self.ip.clone().unwrap_or_default();
        let refused = |port: u16| format!("dial tcp {ip}:{port}: connect: connection refused");
        let listens = |port: u16| listens(container, spec, port, cx.now());
        match aim {
            Aim::Http { scheme, path, port } => {
                if !listens(port) {
                    return Err(format!("failed: Get \"{scheme}://{ip}:{port}{path}\": {}", refused(port)));
                }
                match answer(container, running, &path, cx.now()).0 {
                    200..=399 => Ok(()),
                    code => Err(format!("failed: HTTP probe failed with statuscode: {code}")),
                }
            }
            Aim::Tcp { port } if listens(port) => Ok(()),
            Aim::Tcp { port } => Err(format!("failed: {}", refused(port))),
            Aim::Grpc { port } if listens(port) && cx.now() >= running.healthy => Ok(()),
            Aim::Grpc { port } => {
                Err(format!("failed: timeout: failed to connect service \"{ip}:{port}\" within 1s"))
            }
            Aim::Exec { command } => self.look_by_command(cx, pod, spec, container, &command),
        }
    }

    fn look_by_command(
        &self,
        cx: &Cx<'_>,
        pod: &Value,
        spec: &Value,
        container: &Container,
        command: &[String],
    ) -> Result<(), String> {
        let variables = variables(cx, pod, spec).unwrap_or_default();
        let files = files(cx, pod, spec);
        match play(command, &environment(cx, pod, &container.behaviour, &variables, &files, Unknown::Opaque))
        {
            Played::NoSuchProgram(program) => Err(format!(
                "errored and resulted in unknown state: rpc error: code = Unknown desc = failed to exec in container: \
                 failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: exec: \
                 \"{program}\": executable file not found in $PATH: unknown"
            )),
            // What cannot be told succeeds once the container is healthy.
            Played::Unknown | Played::Copies => match container.running() {
                Some(running) if cx.now() >= running.healthy => Ok(()),
                _ => Err("failed: ".to_owned()),
            },
            Played::Ran(steps) => {
                let mut output = String::new();
                for step in steps {
                    match step {
                        Step::Out { text, .. } | Step::Error { text, .. } => output.push_str(&text),
                        Step::Exit { code: 0, .. } => return Ok(()),
                        Step::Exit { .. } => return Err(format!("failed: {output}")),
                    }
                }
                Err(format!("failed: command timed out: {output}"))
            }
        }
    }

    fn stop_all(&mut self, cx: &mut Cx<'_>, pod: &Value, node: Recorder<'_>) {
        let now = cx.now();
        let seconds = pod["metadata"]["deletionGracePeriodSeconds"].as_i64();
        let seconds = seconds.unwrap_or_else(|| int(pod, "/spec/terminationGracePeriodSeconds"));
        for index in 0..self.containers.len() {
            let Some(spec) = self.spec(pod, index) else { continue };
            let before = pre_stop(spec);
            let part = self.part(index);
            let container = &mut self.containers[index];
            if container.running().is_some() {
                let message = format!("Stopping container {}", container.name);
                node.record(cx, pod, &part, Tone::Normal, "Killing", &message);
                stop(container, now, SignedDuration::from_secs(seconds), before);
            } else {
                container.next = None;
                if matches!(container.pull, Pull::Running { .. }) {
                    container.pull = Pull::Wanted;
                }
            }
        }
        self.sandbox = match self.sandbox {
            Sandbox::Ready => Sandbox::Ready,
            _ => Sandbox::Wanted,
        };
    }

    /// A second deletion may ask for more haste.
    fn shorten_grace(&mut self, cx: &Cx<'_>, pod: &Value) {
        let Some(until) = time(&pod["metadata"]["deletionTimestamp"]) else { return };
        let until = until.max(cx.now());
        for running in self.containers.iter_mut().filter_map(Container::running_mut) {
            running.stopping = running.stopping.map(|at| at.min(until));
        }
    }

    fn sandbox_is_ready(
        &mut self,
        cx: &mut Cx<'_>,
        pod: &Value,
        images: &mut Images,
        node: Recorder<'_>,
    ) -> bool {
        let now = cx.now();
        match self.sandbox {
            Sandbox::Ready => return true,
            Sandbox::Starting(at) if at <= now => {
                self.ip = Some(images.new_address(pod));
                self.sandbox = Sandbox::Ready;
                return true;
            }
            Sandbox::Starting(_) => return false,
            Sandbox::WaitingForVolumes(at) if at > now => return false,
            Sandbox::WaitingForVolumes(_) | Sandbox::Wanted => {}
        }
        match missing_volume(cx, pod) {
            Some(why) => {
                node.warning(cx, pod, "FailedMount", &why);
                // Mounts are tried again after half a second, then twice as long each time, two minutes at most.
                let tenth = self.volumes.delay.map_or(SignedDuration::from_millis(500), |delay| delay / 10);
                self.volumes.attempt(now);
                self.sandbox = Sandbox::WaitingForVolumes(now + tenth.max(SignedDuration::from_millis(500)));
            }
            None => self.sandbox = Sandbox::Starting(now + SANDBOX),
        }
        false
    }

    /// Starts what is to be started: init containers one after the other, then all others.
    fn advance(&mut self, cx: &mut Cx<'_>, pod: &Value, images: &mut Images, node: Recorder<'_>) {
        let policy = text_at(pod, "/spec/restartPolicy").to_owned();
        if self.failed_init(&policy) || self.is_finished(pod) {
            self.stop_sidecars(cx, pod, node);
            return;
        }
        let inits = self.containers.iter().take_while(|container| container.role != Role::Main).count();
        for index in 0..inits {
            self.bring_up(cx, pod, index, &policy, images, node);
            let container = &self.containers[index];
            let done = match container.role {
                Role::Sidecar => container.started(),
                _ => container.succeeded(),
            };
            if !done {
                return;
            }
        }
        for index in inits..self.containers.len() {
            self.bring_up(cx, pod, index, &policy, images, node);
        }
    }

    /// Sidecars end when the containers they serve have.
    fn stop_sidecars(&mut self, cx: &mut Cx<'_>, pod: &Value, node: Recorder<'_>) {
        let now = cx.now();
        let grace = SignedDuration::from_secs(int(pod, "/spec/terminationGracePeriodSeconds"));
        for index in 0..self.containers.len() {
            let part = self.part(index);
            let container = &mut self.containers[index];
            let runs = container.running().is_some_and(|running| running.stopping.is_none());
            if container.role == Role::Sidecar && runs {
                let message = format!("Stopping container {}", container.name);
                node.record(cx, pod, &part, Tone::Normal, "Killing", &message);
                stop(container, now, grace, SignedDuration::ZERO);
            }
        }
    }

    /// Takes a container one step nearer to running, if it is its time.
    fn bring_up(
        &mut self,
        cx: &mut Cx<'_>,
        pod: &Value,
        index: usize,
        policy: &str,
        images: &mut Images,
        node: Recorder<'_>,
    ) {
        let now = cx.now();
        let part = self.part(index);
        let container = &mut self.containers[index];
        if container.running().is_some() || container.stuck || container.next.is_some_and(|at| at > now) {
            return;
        }
        if let Some(ended) = container.ended().cloned() {
            if !restarts(policy, container.role, ended.exit)
                || !restart_is_due(cx, pod, container, &ended, &part, node)
            {
                return;
            }
            container.pull = Pull::Wanted;
        } else if let Some(last) = container.last.clone().filter(|_| is_backing_off(container))
            && !restart_is_due(cx, pod, container, &last, &part, node)
        {
            return;
        }
        container.next = None;
        let others_pull = self
            .containers
            .iter()
            .enumerate()
            .any(|(other, container)| other != index && matches!(container.pull, Pull::Running { .. }));
        let container = &mut self.containers[index];
        if let Some(why) = invalid_name(&container.image) {
            container.wait("InvalidImageName", why.clone());
            container.next = Some(now + RETRY);
            node.record(cx, pod, &part, Tone::Warning, "InspectFailed", &why);
            return;
        }
        let Some(spec) = spec_of(pod, &container.name) else { return };
        if !images.pull(cx, pod, spec, container, &part, others_pull, node) {
            return;
        }
        let variables = match variables(cx, pod, spec) {
            Ok(variables) => variables,
            Err(why) => {
                node.record(cx, pod, &part, Tone::Warning, "Failed", &format!("Error: {why}"));
                container.wait("CreateContainerConfigError", why);
                container.next = Some(now + RETRY);
                return;
            }
        };
        self.start(cx, pod, index, policy, &variables, node);
    }

    fn start(
        &mut self,
        cx: &mut Cx<'_>,
        pod: &Value,
        index: usize,
        policy: &str,
        variables: &BTreeMap<String, String>,
        node: Recorder<'_>,
    ) {
        let now = cx.now();
        let part = self.part(index);
        let Some(spec) = self.spec(pod, index).cloned() else { return };
        let files = files(cx, pod, &spec);
        let container = &mut self.containers[index];
        let argv = argv(&spec, &container.behaviour, variables);
        let played = if argv.is_empty() {
            Played::Unknown
        } else {
            let behaviour = container.behaviour.clone();
            play(&argv, &environment(cx, pod, &behaviour, variables, &files, Unknown::Opaque))
        };
        let id = format!("containerd://{}", hex(cx));
        if let Some(previous) = container.ended().cloned() {
            container.last = Some(previous);
        }
        if container.starts > 0 {
            container.restarts += 1;
        }
        container.starts += 1;
        let message = format!("Created container: {}", container.name);
        node.record(cx, pod, &part, Tone::Normal, "Created", &message);
        if let Played::NoSuchProgram(program) = &played {
            let why = format!(
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create \
                 failed: unable to start container process: error during container init: exec: \"{program}\": stat \
                 {program}: no such file or directory: unknown"
            );
            node.record(cx, pod, &part, Tone::Warning, "Failed", &format!("Error: {why}"));
            container.state = State::Ended(Ended {
                id,
                exit: 128,
                reason: "StartError",
                message: why,
                started: Timestamp::UNIX_EPOCH,
                finished: now,
            });
            cx.end_log(&self.uid, &container.name, container.restarts);
            container.next = Some(now + RELIST);
            return;
        }
        let message = format!("Started container {}", container.name);
        node.record(cx, pod, &part, Tone::Normal, "Started", &message);
        let serves = policy == "Always" && container.role != Role::Init || container.role == Role::Sidecar;
        container.state = State::Running(Box::new(running(container, &spec, played, id, now, serves)));
        self.play(cx, index);
        self.probe(cx, pod, index, node);
    }

    /// The specification of a container.
    fn spec<'a>(&self, pod: &'a Value, index: usize) -> Option<&'a Value> {
        spec_of(pod, &self.containers[index].name)
    }

    /// The field path of a container, as events name it.
    fn part(&self, index: usize) -> String {
        let container = &self.containers[index];
        let list = if container.role == Role::Main { "containers" } else { "initContainers" };
        format!("spec.{list}{{{}}}", container.name)
    }

    /// Whether what is stored says that the pod has ended.
    pub(super) fn was_finished(pod: &Value) -> bool {
        pod::is_finished(pod)
    }
}

pub(super) fn spec_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let all = list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
    all.into_iter().find(|spec| spec["name"] == container)
}

/// Whether a container listens on a port.
pub(super) fn listens(container: &Container, spec: &Value, port: u16, now: Timestamp) -> bool {
    let up = container.running().and_then(|running| running.up).is_some_and(|up| up <= now);
    let declared = list(spec, "/ports");
    up && match &container.behaviour.ports {
        Some(ports) => ports.contains(&port),
        None => {
            declared.is_empty()
                || declared.iter().any(|p| p["containerPort"].as_u64() == Some(u64::from(port)))
        }
    }
}

/// What a container answers to a request: status and body.
pub(super) fn answer(container: &Container, running: &Running, path: &str, now: Timestamp) -> (u16, String) {
    if now < running.healthy {
        return (503, "starting\n".to_owned());
    }
    let page = container.behaviour.page(path);
    (page.code(), page.body().to_owned())
}

pub(super) fn environment<'a>(
    cx: &Cx<'_>,
    pod: &'a Value,
    behaviour: &'a ImageBehaviour,
    variables: &'a BTreeMap<String, String>,
    files: &'a BTreeMap<String, String>,
    unknown: Unknown,
) -> Environment<'a> {
    Environment { behaviour, variables, files, now: cx.now(), hostname: hostname(pod), unknown }
}
