//! The journal: what a run did, in the order in which it became true. One JSON object a line.
//! Intents are on the disk before the write leaves; everything else is at the latest when the run ends.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use opsrun_core::{Access, BoxFuture, Error, Inverse, Redactor, Result, Value};
use opsrun_gate::AppendFile;
use serde::{Deserialize, Serialize};

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub at: Timestamp,
    #[serde(flatten)]
    pub entry: Entry,
}

/// What can happen in a run. Calls and writes are numbered within it; steps are named by their path and occurrence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    RunBegun {
        run: String,
        playbook: String,
        /// Of the playbook's text.
        sha256: String,
        target: String,
        params: Value,
        version: String,
    },
    StepBegun {
        step: Vec<String>,
        occurrence: u32,
    },
    StepEnded {
        step: Vec<String>,
        occurrence: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        value: Value,
    },
    CallBegun {
        call: u64,
        path: String,
        step: Vec<String>,
        arguments: Value,
        /// The inverse that this call carries out, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<(u64, usize)>,
    },
    /// What takes the next write of this call back; a later one for the same slot replaces it, `null` removes it.
    Inverse {
        call: u64,
        slot: usize,
        inverse: Option<Inverse>,
    },
    WriteIntent {
        call: u64,
        write: u64,
        access: Access,
    },
    WriteOutcome {
        write: u64,
        outcome: WriteOutcome,
    },
    CallEnded {
        call: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
        #[serde(default, skip_serializing_if = "Value::is_null")]
        value: Value,
    },
    UndoBegun {
        because: String,
    },
    UndoEnded {
        errors: Vec<Value>,
    },
    RunEnded {
        outcome: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
    },
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteOutcome {
    Status(u16),
    NotSent(String),
    /// It may have been carried out.
    Lost(String),
}

/// Where records go.
pub trait Journal: Send + Sync {
    /// Appends in order. If `durable`, the future ends when the record cannot be lost any more.
    fn append(&self, record: &Record, durable: bool) -> BoxFuture<'static, Result<()>>;
}

/// A journal that dies with the process: for rehearsals.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Vec<Record>>);

impl MemoryJournal {
    pub fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Journal for MemoryJournal {
    fn append(&self, record: &Record, _: bool) -> BoxFuture<'static, Result<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
        Box::pin(async { Ok(()) })
    }
}

/// A journal in a file; a thread writes, and flushes once for all that wait at that moment.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    lines: Mutex<Option<Sender<Line>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    redactor: Arc<Redactor>,
}

#[derive(Debug)]
struct Line {
    text: String,
    written: Option<tokio::sync::oneshot::Sender<Result<(), String>>>,
}

impl FileJournal {
    /// Begins the journal of the run `run` in `folder`.
    ///
    /// # Errors
    /// `Failed` if the folder or the file cannot be made.
    pub fn create(folder: &Path, run: &str, redactor: Arc<Redactor>) -> Result<Self> {
        opsrun_gate::create_folder(folder)?;
        let path = folder.join(format!("{run}.jsonl"));
        let file = opsrun_gate::append_file(&path)?;
        let (sender, receiver) = channel();
        let writer = std::thread::Builder::new().name("journal".into()).spawn(move || write(file, &receiver));
        let writer =
            writer.map_err(|error| Error::failed(format!("the machine gives no thread: {error}")))?;
        Ok(FileJournal { path, lines: Mutex::new(Some(sender)), writer: Mutex::new(Some(writer)), redactor })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Journal for FileJournal {
    fn append(&self, record: &Record, durable: bool) -> BoxFuture<'static, Result<()>> {
        let path = self.path.clone();
        let failed = move |why: &str| {
            Error::failed(format!("the journal `{}` cannot be written: {why}", path.display()))
        };
        let mut value = match serde_json::to_value(record) {
            Ok(value) => value,
            Err(error) => return Box::pin(async move { Err(failed(&error.to_string())) }),
        };
        self.redactor.apply_value(&mut value);
        let (written, wait) = tokio::sync::oneshot::channel();
        let line = Line { text: format!("{value}\n"), written: durable.then_some(written) };
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = lines.as_ref().is_some_and(|lines| lines.send(line).is_ok());
        Box::pin(async move {
            if !sent {
                return Err(failed("its writer has stopped"));
            }
            match durable {
                false => Ok(()),
                true => match wait.await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(why)) => Err(failed(&why)),
                    Err(_) => Err(failed("its writer has stopped")),
                },
            }
        })
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        // Without a sender the writer ends, after what was sent.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = writer.join();
        }
    }
}

fn write(mut file: AppendFile, lines: &Receiver<Line>) {
    while let Ok(first) = lines.recv() {
        let mut text = first.text;
        let mut waiting: Vec<_> = first.written.into_iter().collect();
        // One flush for everything that has come by now.
        while let Ok(line) = lines.try_recv() {
            text.push_str(&line.text);
            waiting.extend(line.written);
        }
        let result = file.append(text.as_bytes()).map_err(|error| error.to_string());
        for written in waiting {
            // Who no longer waits was interrupted.
            let _ = written.send(result.clone());
        }
        if result.is_err() {
            return;
        }
    }
}

/// Reads a journal back. A torn last line, as a crash leaves it, is left out.
///
/// # Errors
/// `NotFound`; `Failed` with the line if another one cannot be read.
pub fn read_journal(path: &Path) -> Result<Vec<Record>> {
    let text = opsrun_gate::read_text(path)?;
    let whole = text.ends_with('\n');
    let count = text.lines().count();
    let mut records = Vec::with_capacity(count);
    for (number, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(_) if !whole && number + 1 == count => {}
            Err(error) => {
                return Err(Error::failed(format!("`{}` line {}: {error}", path.display(), number + 1)));
            }
        }
    }
    Ok(records)
}
