//! Probes: when they are due, what they find, and what follows from so many findings in a row.
//! A finding is asked of the container's behaviour; nothing is sent anywhere.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::controllers::object::{int_or, text_at};

/// The three probes of a running container.
#[derive(Clone)]
pub(super) struct Probes {
    pub(super) startup: Option<Probe>,
    pub(super) liveness: Option<Probe>,
    pub(super) readiness: Option<Probe>,
    /// Of a container that another kubelet started: whether it had started and was ready there. It stays so.
    found: Option<(bool, bool)>,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) spec: Value,
    due: Timestamp,
    period: SignedDuration,
    failure_threshold: i64,
    success_threshold: i64,
    failures: i64,
    successes: i64,
    verdict: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Startup,
    Liveness,
    Readiness,
}

impl Which {
    pub(super) const ALL: [Self; 3] = [Self::Startup, Self::Liveness, Self::Readiness];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

impl Probes {
    pub(super) fn of(container: &Value, now: Timestamp) -> Self {
        let probe = |field: &str| {
            container.get(field).filter(|spec| !spec.is_null()).map(|spec| Probe::new(spec, now))
        };
        Self {
            startup: probe("startupProbe"),
            liveness: probe("livenessProbe"),
            readiness: probe("readinessProbe"),
            found: None,
        }
    }

    /// Those of a container that another kubelet started.
    pub(super) fn found(started: bool, ready: bool) -> Self {
        Self { startup: None, liveness: None, readiness: None, found: Some((started, ready)) }
    }

    pub(super) fn started(&self) -> bool {
        if let Some((started, _)) = self.found {
            return started;
        }
        self.startup.as_ref().is_none_or(|probe| probe.verdict == Some(true))
    }

    pub(super) fn ready(&self) -> bool {
        if let Some((_, ready)) = self.found {
            return ready;
        }
        self.started() && self.readiness.as_ref().is_none_or(|probe| probe.verdict == Some(true))
    }

    /// The probe that is due; the others wait for the startup probe.
    pub(super) fn which_is_due(&self, now: Timestamp) -> Option<Which> {
        Which::ALL.into_iter().find(|which| self.active(*which).is_some_and(|probe| probe.due <= now))
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        Which::ALL.into_iter().filter_map(|which| self.active(which)).map(|probe| probe.due).min()
    }

    pub(super) fn get_mut(&mut self, which: Which) -> Option<&mut Probe> {
        match which {
            Which::Startup => self.startup.as_mut(),
            Which::Liveness => self.liveness.as_mut(),
            Which::Readiness => self.readiness.as_mut(),
        }
    }

    fn active(&self, which: Which) -> Option<&Probe> {
        match which {
            Which::Startup => self.startup.as_ref().filter(|_| !self.started()),
            Which::Liveness => self.liveness.as_ref().filter(|_| self.started()),
            Which::Readiness => self.readiness.as_ref().filter(|_| self.started()),
        }
    }

    /// What is ready need not wait for its probe's next turn once the container has started.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        if let Some(probe) = &mut self.readiness {
            probe.due = probe.due.min(now);
        }
    }
}

impl Probe {
    fn new(spec: &Value, now: Timestamp) -> Self {
        let period = int_or(spec, "/periodSeconds", 10).max(1);
        let delay = int_or(spec, "/initialDelaySeconds", 0);
        // Probes tick from the start; ticks before the delay is over are skipped.
        let first = (delay + period - 1) / period * period;
        Self {
            spec: spec.clone(),
            due: now + SignedDuration::from_secs(first),
            period: SignedDuration::from_secs(period),
            failure_threshold: int_or(spec, "/failureThreshold", 3),
            success_threshold: int_or(spec, "/successThreshold", 1),
            failures: 0,
            successes: 0,
            verdict: None,
        }
    }

    /// Counts a finding; answers the verdict if there is one now.
    pub(super) fn count(&mut self, fine: bool, now: Timestamp) -> Option<bool> {
        self.due = now + self.period;
        if fine {
            self.successes += 1;
            self.failures = 0;
        } else {
            self.failures += 1;
            self.successes = 0;
        }
        if self.successes >= self.success_threshold {
            self.verdict = Some(true);
        } else if self.failures >= self.failure_threshold {
            self.verdict = Some(false);
        } else {
            return None;
        }
        self.verdict
    }
}

/// What a probe looks at.
pub(super) enum Aim {
    Http { scheme: String, path: String, port: u16 },
    Tcp { port: u16 },
    Grpc { port: u16 },
    Exec { command: Vec<String> },
}

impl Aim {
    /// `container` resolves named ports.
    pub(super) fn of(spec: &Value, container: &Value) -> Option<Self> {
        if let Some(get) = spec.get("httpGet").filter(|get| !get.is_null()) {
            let path = match text_at(get, "/path") {
                "" => "/".to_owned(),
                path if path.starts_with('/') => path.to_owned(),
                path => format!("/{path}"),
            };
            let scheme = match text_at(get, "/scheme") {
                "" => "http".to_owned(),
                scheme => scheme.to_lowercase(),
            };
            return Some(Self::Http { scheme, path, port: port(&get["port"], container)? });
        }
        if let Some(socket) = spec.get("tcpSocket").filter(|socket| !socket.is_null()) {
            return Some(Self::Tcp { port: port(&socket["port"], container)? });
        }
        if let Some(grpc) = spec.get("grpc").filter(|grpc| !grpc.is_null()) {
            return Some(Self::Grpc { port: port(&grpc["port"], container)? });
        }
        let command = spec["exec"]["command"].as_array()?;
        Some(Self::Exec { command: command.iter().filter_map(Value::as_str).map(str::to_owned).collect() })
    }
}

/// A port by number or by the name it has in the container.
pub(super) fn port(port: &Value, container: &Value) -> Option<u16> {
    let number = match port.as_str() {
        Some(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => {
                let ports = container["ports"].as_array()?;
                ports.iter().find(|port| port["name"] == text)?["containerPort"].as_i64()?
            }
        },
        None => port.as_i64()?,
    };
    u16::try_from(number).ok()
}
