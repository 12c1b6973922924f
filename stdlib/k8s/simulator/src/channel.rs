//! Exec, attach and port-forward over a websocket: which byte means which stream, in each protocol version.
//! It frames what a session sends and unframes what a client sends; containers are not known here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::channel::mpsc::UnboundedReceiver;
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

use crate::server::Simulator;
use crate::session::{Exit, Input, Output, SessionId, SessionRequest, What};
use crate::status::Status;

/// A frame carries at most this much, besides the channel's byte.
const PAYLOAD: usize = 32 * 1024;

/// The version of the channel protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// No protocol was asked for: frames as in `channel.k8s.io`.
    Unnamed,
    /// `channel.k8s.io`: the error channel carries plain text.
    V1,
    /// `base64.channel.k8s.io`: text frames.
    Base64,
    V4,
    /// Adds the closing of single channels.
    V5,
}

impl Protocol {
    const NAMED: [(Self, &'static str); 4] = [
        (Self::V5, "v5.channel.k8s.io"),
        (Self::V4, "v4.channel.k8s.io"),
        (Self::Base64, "base64.channel.k8s.io"),
        (Self::V1, "channel.k8s.io"),
    ];

    /// The first of the offered protocols that is known; `None` if none is.
    pub(crate) fn choose(offered: Option<&str>) -> Option<Self> {
        let Some(offered) = offered else { return Some(Self::Unnamed) };
        offered
            .split(',')
            .map(str::trim)
            .find_map(|name| Self::NAMED.iter().find(|(_, n)| *n == name).map(|(p, _)| *p))
    }

    fn name(self) -> Option<&'static str> {
        Self::NAMED.iter().find(|(protocol, _)| *protocol == self).map(|(_, name)| *name)
    }
}

/// 101.
pub(crate) fn switching(key: &[u8], protocol: Protocol) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key)) {
        headers.insert("sec-websocket-accept", accept);
    }
    if let Some(name) = protocol.name() {
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(name));
    }
    response
}

/// An upgraded connection.
pub(crate) struct Session {
    pub(crate) simulator: Simulator,
    pub(crate) request: SessionRequest,
    pub(crate) protocol: Protocol,
    pub(crate) output: UnboundedReceiver<Output>,
}

impl Session {
    /// Carries frames both ways until the session or the client ends.
    pub(crate) async fn run(self, upgrade: OnUpgrade) {
        let Self { simulator, request, protocol, mut output } = self;
        let id = request.id;
        let Ok(upgraded) = upgrade.await else {
            return send(&simulator, id, Input::Closed);
        };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let (mut sink, mut source) = socket.split();
        for message in greeting(&request, protocol) {
            if sink.send(message).await.is_err() {
                return send(&simulator, id, Input::Closed);
            }
        }
        loop {
            let turn = futures::future::select(output.next(), source.next()).await;
            match turn {
                futures::future::Either::Left((None, _)) => break,
                futures::future::Either::Left((Some(sent), _)) => {
                    let last = matches!(sent, Output::Exit(_));
                    for message in frames(&request, protocol, &sent) {
                        if sink.send(message).await.is_err() {
                            return send(&simulator, id, Input::Closed);
                        }
                    }
                    if last {
                        break;
                    }
                }
                futures::future::Either::Right((received, _)) => match received {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => {
                        return send(&simulator, id, Input::Closed);
                    }
                    Some(Ok(message)) => {
                        if let Some(input) = input(&request, protocol, &message) {
                            send(&simulator, id, input);
                        }
                    }
                },
            }
        }
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // The client may have gone first.
        let _gone = sink.send(Message::Close(Some(close))).await;
        let _gone = sink.close().await;
        send(&simulator, id, Input::Closed);
    }
}

fn send(simulator: &Simulator, id: SessionId, input: Input) {
    simulator.with(|cluster| cluster.session_input(id, input));
}

/// What the server sends first: an empty frame on its lowest channel, or each forwarded port's number.
fn greeting(request: &SessionRequest, protocol: Protocol) -> Vec<Message> {
    if let What::PortForward { ports } = &request.what {
        let numbered = ports.iter().zip(0u8..);
        return numbered
            .flat_map(|(port, index)| {
                [index * 2, index * 2 + 1].map(|channel| frame(protocol, channel, &port.to_le_bytes()))
            })
            .collect();
    }
    let lowest = match (request.stdout, request.stderr) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    vec![frame(protocol, lowest, &[])]
}

fn frame(protocol: Protocol, channel: u8, payload: &[u8]) -> Message {
    if protocol == Protocol::Base64 {
        return Message::text(format!("{channel}{}", STANDARD.encode(payload)));
    }
    let mut bytes = Vec::with_capacity(payload.len() + 1);
    bytes.push(channel);
    bytes.extend_from_slice(payload);
    Message::binary(bytes)
}

fn frames(request: &SessionRequest, protocol: Protocol, output: &Output) -> Vec<Message> {
    let data = |channel: u8, bytes: &Bytes| -> Vec<Message> {
        bytes.chunks(PAYLOAD).map(|chunk| frame(protocol, channel, chunk)).collect()
    };
    let forwarded =
        |connection: u32, offset: u8| u8::try_from(connection * 2).unwrap_or(u8::MAX - 1) + offset;
    match output {
        Output::Stdout(bytes) if request.stdout => data(1, bytes),
        Output::Stderr(bytes) if request.tty && request.stdout => data(1, bytes),
        Output::Stderr(bytes) if request.stderr && !request.tty => data(2, bytes),
        Output::Stdout(_) | Output::Stderr(_) | Output::DataEnd { .. } => Vec::new(),
        Output::Data { connection, data: bytes } => data(forwarded(*connection, 0), bytes),
        Output::ConnectionError { connection, message } => {
            vec![frame(protocol, forwarded(*connection, 1), message.as_bytes())]
        }
        Output::Exit(exit) => match protocol {
            Protocol::V4 | Protocol::V5 => vec![frame(protocol, 3, exit_status(exit).to_string().as_bytes())],
            _ => exit_text(exit).map(|text| frame(protocol, 3, text.as_bytes())).into_iter().collect(),
        },
    }
}

/// What the error channel says from v4 on.
fn exit_status(exit: &Exit) -> Value {
    match exit {
        Exit::Code(0) => json!({"metadata": {}, "status": "Success"}),
        Exit::Code(code) => json!({
            "metadata": {}, "status": "Failure", "message": exit_text(exit), "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Exit::Failed(Status { code, reason, message, details }) => {
            let mut status = json!({"metadata": {}, "status": "Failure", "message": message, "code": code});
            if !reason.is_empty() {
                status["reason"] = (*reason).into();
            }
            if let Some(details) = details {
                status["details"] = details.clone();
            }
            status
        }
    }
}

fn exit_text(exit: &Exit) -> Option<String> {
    match exit {
        Exit::Code(0) => None,
        Exit::Code(code) => Some(format!(
            "command terminated with non-zero exit code: command terminated with exit code {code}"
        )),
        Exit::Failed(status) => Some(status.message.clone()),
    }
}

fn input(request: &SessionRequest, protocol: Protocol, message: &Message) -> Option<Input> {
    let (channel, payload) = match message {
        Message::Binary(bytes) if protocol != Protocol::Base64 => (*bytes.first()?, bytes.slice(1..)),
        Message::Text(text) => {
            let channel = text.as_bytes().first()?.checked_sub(b'0')?;
            (channel, STANDARD.decode(text.get(1..)?).ok()?.into())
        }
        _ => return None,
    };
    if let What::PortForward { .. } = &request.what {
        // Even channels carry data; the odd ones are the server's.
        return channel
            .is_multiple_of(2)
            .then(|| Input::Data { connection: u32::from(channel / 2), data: payload });
    }
    match channel {
        0 if payload.is_empty() => None,
        0 => Some(Input::Stdin(payload)),
        4 => {
            let size: Value = serde_json::from_slice(&payload).ok()?;
            let side = |name: &str| size[name].as_u64().and_then(|n| u16::try_from(n).ok());
            Some(Input::Resize { width: side("Width")?, height: side("Height")? })
        }
        255 if protocol == Protocol::V5 && payload.first() == Some(&0) => Some(Input::StdinClosed),
        _ => None,
    }
}
