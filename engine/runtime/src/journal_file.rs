//! A journal in a file: one JSON object a line, each with a checksum. `docs/journal.md` describes the form.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use opsrun_core::{BoxFuture, Error, ErrorKind, Inverse, Redactor, Result, Value};
use opsrun_gate::AppendFile;
use tokio::sync::oneshot;

use crate::journal::{Entry, FORMAT, Journal, Record};
use crate::seal::Sealer;

/// A journal in a file; a thread writes, and flushes once for all that wait at that moment.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    lines: Mutex<Option<Sender<Line>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Why the writer has stopped.
    stopped: Arc<OnceLock<String>>,
    redactor: Arc<Redactor>,
    sealer: Arc<Sealer>,
}

#[derive(Debug)]
struct Line {
    text: String,
    written: Option<oneshot::Sender<Result<(), String>>>,
}

impl FileJournal {
    /// Begins the journal of the run `run` in `folder`. Of what is written, `redactor` hides the values that it knows, and
    /// `sealer` seals what has to be there all the same.
    ///
    /// # Errors
    /// `Failed` if the folder or the file cannot be made.
    pub fn create(folder: &Path, run: &str, redactor: Arc<Redactor>, sealer: Arc<Sealer>) -> Result<Self> {
        opsrun_gate::create_folder(folder)?;
        let path = folder.join(format!("{run}.jsonl"));
        Self::on(opsrun_gate::append_file(&path)?, path, redactor, sealer)
    }

    /// Goes on with the journal at `path`, and says what is in it so far. A torn last line, as a crash leaves it, is cut off.
    ///
    /// # Errors
    /// `NotFound`; `Denied` while another process carries the run out; `Failed`.
    pub fn resume(path: &Path, redactor: Arc<Redactor>, sealer: Arc<Sealer>) -> Result<(Self, Reading)> {
        let mut records = Vec::new();
        let (journal, damaged) = Self::go_on(path, redactor, sealer, &mut |record| records.push(record))?;
        Ok((journal, Reading { records, damaged }))
    }

    /// The same with one record after the other, so that a long journal is not in memory as a whole. Gives the damaged lines.
    ///
    /// # Errors
    /// As [`FileJournal::resume`].
    pub fn go_on(
        path: &Path,
        redactor: Arc<Redactor>,
        sealer: Arc<Sealer>,
        each: &mut dyn FnMut(Record),
    ) -> Result<(Self, Damage)> {
        let Some(mut file) = opsrun_gate::reopen_file(path)? else {
            let run = path.file_stem().unwrap_or_default().to_string_lossy();
            return Err(Error::new(
                ErrorKind::Denied,
                format!("another process is carrying out the run `{run}`"),
            )
            .hint("wait until it has ended, or end it: Ctrl-C lets it take back what it did"));
        };
        let (length, damaged) = scan(path, each)?;
        file.cut(length)
            .map_err(|error| Error::failed(format!("`{}` cannot be written: {error}", path.display())))?;
        Ok((Self::on(file, path.to_owned(), redactor, sealer)?, damaged))
    }

    fn on(file: AppendFile, path: PathBuf, redactor: Arc<Redactor>, sealer: Arc<Sealer>) -> Result<Self> {
        let (sender, receiver) = channel();
        let stopped = Arc::new(OnceLock::new());
        let told = stopped.clone();
        let writer = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || drop(write(file, &receiver).map_err(|why| told.set(why))));
        let writer =
            writer.map_err(|error| Error::failed(format!("the machine gives no thread: {error}")))?;
        let (lines, writer) = (Mutex::new(Some(sender)), Mutex::new(Some(writer)));
        Ok(FileJournal { path, lines, writer, stopped, redactor, sealer })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends from outside of any run, and returns when the record cannot be lost any more.
    ///
    /// # Errors
    /// `Failed` if it cannot be written.
    pub fn append_now(&self, record: &Record) -> Result<()> {
        match self.hand_over(record, true)?.blocking_recv() {
            Ok(written) => written.map_err(|why| self.failed(&why)),
            Err(_) => Err(stopped(&self.path, &self.stopped)),
        }
    }

    /// Gives a record to the writer, which says when it has it.
    fn hand_over(&self, record: &Record, durable: bool) -> Result<oneshot::Receiver<Result<(), String>>> {
        let sealed = self.sealed(record)?;
        let record = sealed.as_ref().unwrap_or(record);
        let mut value = serde_json::to_value(record).map_err(|error| self.failed(&error.to_string()))?;
        self.redactor.apply_value(&mut value);
        let (written, wait) = oneshot::channel();
        let line = Line { text: summed(&value), written: durable.then_some(written) };
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match lines.as_ref().is_some_and(|lines| lines.send(line).is_ok()) {
            true => Ok(wait),
            false => Err(stopped(&self.path, &self.stopped)),
        }
    }

    /// The record with those parts of an inverse sealed that are secret; `None` if there are none.
    fn sealed(&self, record: &Record) -> Result<Option<Record>> {
        let Entry::Inverse { inverse: Some(Inverse::Call { args, secret, .. }), .. } = &record.entry else {
            return Ok(None);
        };
        let mut pointers = secret.clone();
        self.add_hidden(args, &mut String::new(), &mut pointers);
        if pointers.is_empty() {
            return Ok(None);
        }
        let mut record = record.clone();
        if let Entry::Inverse { inverse: Some(Inverse::Call { args, secret, .. }), .. } = &mut record.entry {
            for pointer in &pointers {
                if let Some(part) = args.pointer_mut(pointer) {
                    *part = Value::String(self.sealer.seal(part)?);
                }
            }
            *secret = pointers;
        }
        Ok(Some(record))
    }

    /// Adds the places of texts that would be hidden, and could not be put back then.
    fn add_hidden(&self, value: &Value, at: &mut String, pointers: &mut Vec<String>) {
        let length = at.len();
        match value {
            _ if pointers.contains(at) => {}
            Value::String(text) if self.redactor.finds(text) => pointers.push(at.clone()),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    at.push_str(&format!("/{index}"));
                    self.add_hidden(item, at, pointers);
                    at.truncate(length);
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    at.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
                    self.add_hidden(item, at, pointers);
                    at.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn failed(&self, why: &str) -> Error {
        unwritten(&self.path, why)
    }
}

fn unwritten(path: &Path, why: &str) -> Error {
    Error::failed(format!("the journal `{}` cannot be written: {why}", path.display()))
}

/// The writer stops at the first record that it cannot write; those who waited for a later one learn why.
fn stopped(path: &Path, why: &OnceLock<String>) -> Error {
    unwritten(path, why.get().map_or("its writer has stopped", String::as_str))
}

impl Journal for FileJournal {
    fn append(&self, record: &Record, durable: bool) -> BoxFuture<'static, Result<()>> {
        let (handed, reason) = (self.hand_over(record, durable), self.stopped.clone());
        let path = self.path.clone();
        Box::pin(async move {
            let wait = handed?;
            if !durable {
                return Ok(());
            }
            match wait.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(why)) => Err(unwritten(&path, &why)),
                Err(_) => Err(stopped(&path, &reason)),
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

fn write(mut file: AppendFile, lines: &Receiver<Line>) -> Result<(), String> {
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
        result?;
    }
    Ok(())
}

/// The lines that cannot be read, from 1, and why.
pub type Damage = Vec<(usize, String)>;

/// What is in a journal.
#[derive(Debug, Default)]
pub struct Reading {
    pub records: Vec<Record>,
    pub damaged: Damage,
}

/// Reads a journal back. A torn last line, as a crash leaves it, is left out; any other line that is not what was written is
/// told as damaged, and the rest is read.
///
/// # Errors
/// `NotFound`, `Failed`; `Invalid` if a later opsrun wrote it.
pub fn read_journal(path: &Path) -> Result<Reading> {
    let mut records = Vec::new();
    let (_, damaged) = scan(path, &mut |record| records.push(record))?;
    Ok(Reading { records, damaged })
}

/// Gives each record, and then the bytes that whole lines take, and the damaged ones.
fn scan(path: &Path, each: &mut dyn FnMut(Record)) -> Result<(u64, Damage)> {
    let bytes = opsrun_gate::read_bytes(path)?;
    let (mut length, mut damaged) = (0, Vec::new());
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        length += line.len() as u64;
        match checked(whole) {
            Ok(record) => {
                if let Entry::RunBegun { format, .. } | Entry::RunResumed { format, .. } = record.entry
                    && format > FORMAT
                {
                    let path = path.display();
                    return Err(Error::invalid(format!(
                        "`{path}` is in form {format} of the journal, this opsrun reads up to {FORMAT}"
                    ))
                    .hint("use the opsrun that wrote it, or a later one"));
                }
                each(record);
            }
            Err(why) => damaged.push((number + 1, why)),
        }
    }
    Ok((length, damaged))
}

/// What comes last in a line: the checksum of what stands before it.
const SUM: &str = ",\"crc32\":\"";

/// A line of the file: the object, with the checksum of all that stands before that as its last member.
fn summed(value: &Value) -> String {
    let text = value.to_string();
    let open = text.strip_suffix('}').unwrap_or(&text);
    format!("{open}{SUM}{:08x}\"}}\n", crc32fast::hash(open.as_bytes()))
}

fn checked(line: &[u8]) -> Result<Record, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is no text".to_owned())?;
    let (open, rest) = text.rsplit_once(SUM).ok_or("it has no checksum")?;
    let sum = rest.strip_suffix("\"}").ok_or("it has no checksum")?;
    if sum != format!("{:08x}", crc32fast::hash(open.as_bytes())) {
        return Err("its checksum is wrong".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}
