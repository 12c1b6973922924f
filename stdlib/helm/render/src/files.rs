//! The files of a chart, in memory, by their path within it. Reads archives; knows nothing of what the files mean.

mod archive;
mod ignore;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

pub use archive::ArchiveError;
pub use ignore::{IgnoreError, IgnoreRules};

/// Files by path: relative, with `/` between its parts, such as `templates/deployment.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(pub(crate) BTreeMap<String, Content>);

/// The bytes of a file: held once, as they were read.
pub(crate) type Content = Arc<Vec<u8>>;

/// Something that folders of files can be read from. The crate does no I/O of its own: who has a file system (or a gate
/// in front of one) implements this.
pub trait Folder {
    /// The entries of a folder, in any order; the path is relative to the chart, empty for the chart itself. Links are
    /// followed.
    fn list(&self, path: &str) -> io::Result<Vec<Entry>>;
    /// The bytes of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Without its folder.
    pub name: String,
    pub is_folder: bool,
}

/// Larger files are refused (Helm's `MaxDecompressedFileSize`).
const MAX_FILE: usize = 5 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How deep folders may be within each other.
const MAX_FOLDERS: usize = 100;

impl Files {
    pub fn new() -> Self {
        Files::default()
    }

    /// Adds a file; a byte order mark is dropped, as Helm drops it.
    pub fn insert(&mut self, path: impl Into<String>, data: impl Into<Vec<u8>>) {
        let mut data = data.into();
        if data.starts_with(BYTE_ORDER_MARK) {
            data.drain(..BYTE_ORDER_MARK.len());
        }
        self.0.insert(path.into(), Arc::new(data));
    }

    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(|data| data.as_slice())
    }

    /// The files in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(path, data)| (path.as_str(), data.as_slice()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The files of a gzipped tar archive, without the folder that holds them all.
    pub fn from_archive(bytes: &[u8]) -> Result<Self, ArchiveError> {
        archive::read(bytes)
    }

    /// The files of a folder, without those that its `.helmignore` names.
    pub fn from_folder(folder: &dyn Folder) -> io::Result<Self> {
        let has_rules = folder.list("")?.iter().any(|entry| entry.name == ".helmignore" && !entry.is_folder);
        let text = if has_rules { folder.read(".helmignore")? } else { Vec::new() };
        let rules = IgnoreRules::parse(&String::from_utf8_lossy(&text)).map_err(io::Error::other)?;
        let mut files = Files::new();
        files.read_folder(folder, "", &rules, 0)?;
        Ok(files)
    }

    fn read_folder(
        &mut self,
        folder: &dyn Folder,
        path: &str,
        rules: &IgnoreRules,
        depth: usize,
    ) -> io::Result<()> {
        if depth > MAX_FOLDERS {
            // A link to a folder further out makes one that contains itself.
            return Err(io::Error::other(format!("folders nest deeper than {MAX_FOLDERS}: {path:?}")));
        }
        for entry in folder.list(path)? {
            let path = if path.is_empty() { entry.name } else { format!("{path}/{}", entry.name) };
            if rules.ignores(&path, entry.is_folder) {
                continue;
            }
            if entry.is_folder {
                self.read_folder(folder, &path, rules, depth + 1)?;
                continue;
            }
            let data = folder.read(&path)?;
            if data.len() > MAX_FILE {
                let message = format!("chart file {path:?} is larger than the maximum file size {MAX_FILE}");
                return Err(io::Error::other(message));
            }
            self.insert(path, data);
        }
        Ok(())
    }
}
