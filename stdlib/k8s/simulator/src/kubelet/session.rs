//! Exec, attach and port-forward into containers.
//! A command is played ahead of time and its output sent when it is due; a forwarded port speaks HTTP.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::environment::{files, variables};
use super::pod::{PodRun, answer, environment, listens, spec_of};
use crate::context::Cx;
use crate::controllers::object::{PODS, key_of, name};
use crate::images::{Played, Step, Unknown, play};
use crate::session::{Exit, Input, Output, SessionId, SessionRequest, What};
use crate::status::{Result, Status};
use crate::store::ObjectKey;

/// One open session.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) pod: ObjectKey,
    container: String,
    stdin: bool,
    ahead: VecDeque<(Timestamp, Output)>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// Everything it does is ahead.
    Played,
    /// Copies its input.
    Copies,
    /// Listens to the container.
    Attached { restart: u32 },
    /// What came in on each connection.
    Forwards(BTreeMap<u32, (u16, Vec<u8>)>),
}

impl Session {
    pub(super) fn open(cx: &mut Cx<'_>, request: &SessionRequest, run: Option<&PodRun>) -> Result<Self> {
        let pod = &request.pod;
        let mut session = Self {
            pod: key_of(&PODS, pod),
            container: request.container.clone(),
            stdin: request.stdin,
            ahead: VecDeque::new(),
            kind: Kind::Played,
        };
        if let What::PortForward { ports } = &request.what {
            session.kind = Kind::Forwards((0..).zip(ports.iter().map(|port| (*port, Vec::new()))).collect());
            return Ok(session);
        }
        let container =
            run.and_then(|run| run.containers.iter().find(|container| container.name == request.container));
        let Some(container) = container.filter(|container| container.running().is_some()) else {
            let why = format!("container not found (\"{}\")", request.container);
            let status = Status::internal(format!("unable to upgrade connection: {why}"));
            session.ahead.push_back((cx.now(), Output::Exit(Exit::Failed(status))));
            return Ok(session);
        };
        let What::Exec { command } = &request.what else {
            session.kind = Kind::Attached { restart: container.restarts };
            return Ok(session);
        };
        let spec = spec_of(pod, &request.container).cloned().unwrap_or_default();
        let variables = variables(cx, pod, &spec).unwrap_or_default();
        let files = files(cx, pod, &spec);
        let behaviour = &container.behaviour;
        match play(command, &environment(cx, pod, behaviour, &variables, &files, Unknown::Absent)) {
            Played::Copies if request.stdin => session.kind = Kind::Copies,
            Played::Copies => session.ahead.push_back((cx.now(), Output::Exit(Exit::Code(0)))),
            Played::NoSuchProgram(program) => session.fail(cx, &program),
            Played::Unknown => session.fail(cx, command.first().map_or("", String::as_str)),
            Played::Ran(steps) => {
                let now = cx.now();
                for step in steps {
                    session.ahead.push_back(match step {
                        Step::Out { at, text } => (now + at, Output::Stdout(crlf(text, request.tty))),
                        Step::Error { at, text } if request.tty => {
                            (now + at, Output::Stdout(crlf(text, true)))
                        }
                        Step::Error { at, text } => (now + at, Output::Stderr(text.into())),
                        Step::Exit { at, code } => (now + at, Output::Exit(Exit::Code(code))),
                    });
                }
            }
        }
        Ok(session)
    }

    fn fail(&mut self, cx: &Cx<'_>, program: &str) {
        let message = format!(
            "Internal error occurred: error executing command in container: failed to exec in container: failed to start \
             exec: OCI runtime exec failed: exec failed: unable to start container process: exec: \"{program}\": \
             executable file not found in $PATH: unknown"
        );
        let status = Status::new(500, "InternalError", message.clone()).with_details(
            json!({"causes": [{"message": message.trim_start_matches("Internal error occurred: ")}]}),
        );
        self.ahead.push_back((cx.now(), Output::Exit(Exit::Failed(status))));
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.ahead.front().map(|(at, _)| *at)
    }

    /// Sends what is due; says whether the session is over.
    pub(super) fn play(&mut self, cx: &mut Cx<'_>, id: SessionId, run: Option<&PodRun>) -> bool {
        while let Some((_, output)) = self.ahead.pop_front_if(|(at, _)| *at <= cx.now()) {
            let last = matches!(output, Output::Exit(_));
            cx.output(id, output);
            if last {
                return true;
            }
        }
        let container =
            run.and_then(|run| run.containers.iter().find(|container| container.name == self.container));
        let code = match &self.kind {
            Kind::Forwards(_) => return false,
            Kind::Attached { restart } => match container {
                Some(container) if container.running().is_some() && container.restarts == *restart => {
                    return false;
                }
                Some(container) => container.ended().map_or(0, |ended| ended.exit),
                None => 137,
            },
            Kind::Played | Kind::Copies
                if container.is_some_and(|container| container.running().is_some()) =>
            {
                return false;
            }
            Kind::Played | Kind::Copies => 137,
        };
        cx.output(id, Output::Exit(Exit::Code(code)));
        true
    }

    /// Takes what the client sent; says whether the session is over.
    pub(super) fn input(
        &mut self,
        cx: &mut Cx<'_>,
        id: SessionId,
        run: Option<&PodRun>,
        input: Input,
    ) -> bool {
        match (&mut self.kind, input) {
            (Kind::Copies, Input::Stdin(data)) => cx.output(id, Output::Stdout(data)),
            (Kind::Copies, Input::StdinClosed) if self.stdin => {
                cx.output(id, Output::Exit(Exit::Code(0)));
                return true;
            }
            (Kind::Forwards(open), Input::Data { connection, data }) => {
                if let Some((port, received)) = open.get_mut(&connection) {
                    received.extend_from_slice(&data);
                    let port = *port;
                    let pod = self.pod.clone();
                    while let Some(path) = take_request(received) {
                        reply(cx, id, connection, &pod, run, port, &path);
                    }
                }
            }
            (Kind::Forwards(open), Input::DataEnd { connection }) => {
                open.remove(&connection);
                cx.output(id, Output::DataEnd { connection });
            }
            _ => {}
        }
        false
    }
}

/// Takes one HTTP request off what was received, if it is whole; answers its path.
fn take_request(received: &mut Vec<u8>) -> Option<String> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + length.unwrap_or(0);
    if received.len() < whole {
        return None;
    }
    received.drain(..whole);
    Some(head.split_whitespace().nth(1).unwrap_or("/").to_owned())
}

fn reply(
    cx: &mut Cx<'_>,
    id: SessionId,
    connection: u32,
    pod: &ObjectKey,
    run: Option<&PodRun>,
    port: u16,
    path: &str,
) {
    let stored = cx.at(pod);
    let listener = run.zip(stored.as_ref()).and_then(|(run, stored)| {
        run.containers.iter().find(|container| {
            spec_of(stored, &container.name).is_some_and(|spec| listens(container, spec, port, cx.now()))
        })
    });
    let Some((container, running)) = listener.and_then(|container| Some((container, container.running()?)))
    else {
        let who = stored.as_deref().map_or("", name);
        let message = format!(
            "error forwarding port {port} to pod {who}, uid : failed to connect to localhost:{port} inside namespace \
             \"{who}\": dial tcp4 127.0.0.1:{port}: connect: connection refused"
        );
        cx.output(id, Output::ConnectionError { connection, message });
        return;
    };
    let (status, body) = answer(container, running, path, cx.now());
    let phrase =
        http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("");
    let text = format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    cx.output(id, Output::Data { connection, data: Bytes::from(text) });
}

/// A terminal ends its lines with CR LF.
fn crlf(text: String, tty: bool) -> Bytes {
    if tty { text.replace('\n', "\r\n").into() } else { text.into() }
}
