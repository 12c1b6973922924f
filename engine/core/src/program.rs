//! Programs of the machine, and the process that a run lives in.

use std::pin::Pin;

use futures::future::join3;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{BoxFuture, Error, Result};

/// A program to run on this machine.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub name: String,
    pub args: Vec<String>,
    /// Added to the environment that the gate gives every program (`PATH`, `HOME`).
    pub env: Vec<(String, String)>,
    /// It changes something elsewhere: to the gate and the journal, running it is a write.
    pub writes: bool,
}

/// A program that was started.
pub struct Running {
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    pub output: Pin<Box<dyn AsyncRead + Send>>,
    /// Ends with it. What it says on its standard error is read whether or not this is awaited.
    pub ended: BoxFuture<'static, Result<ProgramEnd>>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEnd {
    /// `None`: by a signal.
    pub code: Option<i32>,
    /// The last 64 KiB of it.
    pub stderr: Vec<u8>,
}

/// How a program ended, and what it printed.
#[derive(Debug, Clone)]
pub struct ProgramOutput {
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Running {
    /// Gives it an input, and reads all that it prints.
    ///
    /// # Errors
    /// `Failed` if that cannot be read.
    pub async fn to_its_end(self, input: &[u8]) -> Result<ProgramOutput> {
        let Running { input: mut to, mut output, ended } = self;
        let give = async move {
            // A program that does not read its input has not failed.
            let _ = to.write_all(input).await;
            let _ = to.shutdown().await;
        };
        let mut stdout = Vec::new();
        let ((), read, ended) = join3(give, output.read_to_end(&mut stdout), ended).await;
        let ProgramEnd { code, stderr } = ended?;
        read.map_err(|error| Error::failed(format!("what a program printed cannot be read: {error}")))?;
        Ok(ProgramOutput { code, stdout, stderr })
    }
}

/// The process that a run lives in, as it signs what others read: locks, snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub host: String,
    pub user: String,
    pub uid: u32,
    pub gid: u32,
    pub pid: u32,
}

impl Process {
    pub fn of_an_estate() -> Self {
        Process { host: "estate".into(), user: "opsrun".into(), uid: 1000, gid: 1000, pid: 1 }
    }
}
