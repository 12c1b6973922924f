//! Writing what comes of a restore into a folder: several files at a time, each whole or not at all. As with restic, nobody waits
//! for the disk.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use restic_repository::{Error, Node, NodeKind, Restore, Restored, Time};
use tokio::task::{JoinHandle, spawn_blocking};

/// What of a file is written at once.
const PORTION: usize = 4 << 20;
/// How much waits to be written, …
const MOST_BYTES: usize = 16 << 20;
/// … and in how many files.
const MOST_FILES: usize = 4;
/// What files are called until they are whole: beside their place, as a filesystem keeps together what is in a folder, and shortly, as
/// their own names may be as long as names can be.
const UNFINISHED: &str = ".restore-unfinished-";

/// What could not be brought back, and why. All else was.
pub(crate) type Failures = Vec<(PathBuf, Error)>;

/// Writes all that comes; `restore` has to begin its paths with `target`.
///
/// # Errors
/// Those of writing, which end it.
pub(crate) async fn write(mut restore: Restore<'_>, target: &Path) -> io::Result<Failures> {
    enter(target)?;
    let mut writing = Writing { number: 0, file: None, queue: VecDeque::new(), bytes: 0, files: 0 };
    let mut failures = Vec::new();
    while let Some(restored) = restore.next().await {
        match restored {
            Restored::Content(piece) => {
                writing.content(piece).await?;
                continue;
            }
            Restored::Failed { path, error } => {
                writing.give_up().await?;
                failures.push((path, error));
                continue;
            }
            Restored::Entry { path, node } => {
                writing.finish_file().await?;
                match &node.kind {
                    NodeKind::Folder { .. } => enter(&path)?,
                    NodeKind::Symlink { target } => link(target.as_ref(), &path)?,
                    NodeKind::File { .. } => writing.begin(path, node),
                    NodeKind::Other(kind) => {
                        let error = format!("{}: a {kind} is not restored", path.display());
                        return Err(io::Error::new(io::ErrorKind::Unsupported, error));
                    }
                }
            }
            Restored::Leave { path, node } => {
                writing.finish_file().await?;
                writing.queue.push_back(Queued::Leave(Box::new((path, node))));
            }
        }
    }
    writing.finish_file().await?;
    while writing.next_done().await? {}
    Ok(failures)
}

/// Whether it is what a restore has left that was killed.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()))
}

/// Makes a folder; in one that is there, what another restore has left is removed.
fn enter(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return fs::create_dir_all(folder);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_unfinished(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn link(to: &Path, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    symlink(to, path)
}

struct Writing {
    /// How many files there were, which are called by it until they are whole.
    number: u64,
    file: Option<OpenFile>,
    /// What is being written, in order; a folder's time is set when all before it is done.
    queue: VecDeque<Queued>,
    bytes: usize,
    files: usize,
}

enum Queued {
    File { job: JoinHandle<io::Result<()>>, bytes: usize },
    Leave(Box<(PathBuf, Node)>),
}

struct OpenFile {
    path: PathBuf,
    node: Node,
    part: PathBuf,
    /// What was begun already, of a large one.
    begun: Option<fs::File>,
    held: Vec<Bytes>,
    held_bytes: usize,
}

impl Writing {
    fn begin(&mut self, path: PathBuf, node: Node) {
        self.number += 1;
        let part = path.with_file_name(format!("{UNFINISHED}{}", self.number));
        self.file = Some(OpenFile { path, node, part, begun: None, held: Vec::new(), held_bytes: 0 });
    }

    async fn content(&mut self, piece: Bytes) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.held_bytes += piece.len();
        file.held.push(piece);
        if file.held_bytes >= PORTION {
            let (begun, part, held) = (file.begun.take(), file.part.clone(), std::mem::take(&mut file.held));
            file.held_bytes = 0;
            file.begun = Some(spawn_blocking(move || portion(begun, &part, &held)).await??);
        }
        Ok(())
    }

    async fn finish_file(&mut self) -> io::Result<()> {
        let Some(OpenFile { path, node, part, begun, held, held_bytes }) = self.file.take() else {
            return Ok(());
        };
        let job = spawn_blocking(move || {
            let file = portion(begun, &part, &held)?;
            set_facts(&file, &node)?;
            fs::rename(part, path)
        });
        self.queue.push_back(Queued::File { job, bytes: held_bytes });
        self.bytes += held_bytes;
        self.files += 1;
        while self.bytes > MOST_BYTES || self.files > MOST_FILES {
            self.next_done().await?;
        }
        Ok(())
    }

    /// What was under the final name before stays.
    async fn give_up(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some(OpenFile { part, begun: Some(_), .. }) => fs::remove_file(part),
            _ => Ok(()),
        }
    }

    /// Whether there was something left.
    async fn next_done(&mut self) -> io::Result<bool> {
        match self.queue.pop_front() {
            None => return Ok(false),
            Some(Queued::File { job, bytes }) => {
                job.await??;
                self.bytes -= bytes;
                self.files -= 1;
            }
            Some(Queued::Leave(left)) => {
                let (path, node) = *left;
                set_facts(&fs::File::open(path)?, &node)?;
            }
        }
        Ok(true)
    }
}

fn portion(begun: Option<fs::File>, part: &Path, held: &[Bytes]) -> io::Result<fs::File> {
    let mut file = match begun {
        Some(file) => file,
        None => fs::File::create(part)?,
    };
    for piece in held {
        file.write_all(piece)?;
    }
    Ok(file)
}

fn set_facts(file: &fs::File, node: &Node) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(node.mode))?;
    file.set_modified(system_time(node.mtime))
}

fn system_time(time: Time) -> SystemTime {
    let moment = time.moment();
    let seconds = Duration::from_secs(moment.as_second().unsigned_abs());
    let whole = match moment.as_second() >= 0 {
        true => SystemTime::UNIX_EPOCH + seconds,
        false => SystemTime::UNIX_EPOCH - seconds,
    };
    whole + Duration::from_nanos(u64::from(moment.subsec_nanosecond().unsigned_abs()))
}
