//! What is told of everything that asks to leave, whether it may or not: requests, programs and files.

use http::request::Parts;
use opsrun_core::{Access, Call, Result, Value};

/// Keeps what it is told: the audit log, or whoever finds out what a playbook needs.
pub trait Auditor: Send + Sync {
    /// Before it leaves, or as it is refused. Gives it a number. Once this returns for a write, what it was told cannot be
    /// lost any more.
    ///
    /// # Errors
    /// `Failed` if it cannot be kept: then nothing leaves.
    fn asked(&self, asked: &Asked<'_>) -> Result<u64>;

    /// What became of it.
    ///
    /// # Errors
    /// As [`Auditor::asked`].
    fn answered(&self, number: u64, reply: &Reply, fault: Option<&str>) -> Result<()>;

    /// Something about the run that is no request: that it does not keep to what is usual, say. It is durable like a write.
    ///
    /// # Errors
    /// As [`Auditor::asked`].
    fn remarked(&self, _what: &str, _fields: Value) -> Result<()> {
        Ok(())
    }
}

/// Something that a call asks for, and what the gate says to it.
pub struct Asked<'a> {
    pub call: &'a Call,
    pub access: &'a Access,
    /// Its method and path, if it is a request.
    pub request: Option<&'a Parts>,
    pub decision: &'a Decision,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It leaves, by this grant.
    Granted(String),
    /// It leaves, and needs no grant because of this.
    Free(&'static str),
    /// It does not leave, and why.
    Denied(String),
    /// It is a write, and writes are held back.
    Held(String),
}

/// What became of something that was let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A request was answered with this status.
    Status(u16),
    /// A request cannot have arrived.
    NotSent(String),
    /// A request may have arrived: there was no answer.
    Lost(String),
    /// A program ended with this code; `None`: by a signal.
    Exit(Option<i32>),
    /// A file was read.
    Read,
    /// A program could not be run, or a file not be read.
    Failed(String),
}
