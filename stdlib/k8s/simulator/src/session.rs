//! Exec, attach and port-forward: what passes between a client's connection and a container.
//! It knows neither websockets nor containers; `server` frames it, `kubelet` answers it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::status::Status;

/// One open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What a client asked for.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    pub id: SessionId,
    pub what: What,
    pub pod: Arc<Value>,
    /// Resolved: a container of the pod; empty for port-forward.
    pub container: String,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Exec {
        command: Vec<String>,
    },
    Attach,
    /// A connection to each of these ports is open from the start; they are numbered from 0 in this order.
    PortForward {
        ports: Vec<u16>,
    },
}

/// From the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Stdin(Bytes),
    StdinClosed,
    Resize {
        width: u16,
        height: u16,
    },
    Data {
        connection: u32,
        data: Bytes,
    },
    /// The client will send no more on this connection.
    DataEnd {
        connection: u32,
    },
    /// The client is gone.
    Closed,
}

/// To the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Stdout(Bytes),
    Stderr(Bytes),
    Data {
        connection: u32,
        data: Bytes,
    },
    DataEnd {
        connection: u32,
    },
    /// The connection could not be made or broke.
    ConnectionError {
        connection: u32,
        message: String,
    },
    /// The last of an exec or attach session.
    Exit(Exit),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Exit {
    /// Exit code 0 is success.
    Code(i32),
    /// It could not be run: no such program, no such container any more.
    Failed(Status),
}
