//! Charts as `.tgz`. Limits and messages are Helm's: an archive comes from outside and may be hostile.

use std::io::Read;

use thiserror::Error;

use super::{Files, MAX_FILE};

/// Why an archive was refused.
#[derive(Debug, Error)]
pub enum ArchiveError {
    #[error("the archive cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("chart illegally contains absolute paths")]
    AbsolutePath,
    #[error("chart illegally contains content outside the base directory: {0:?}")]
    OutsideBase(String),
    #[error("chart illegally references parent directory")]
    ParentFolder,
    #[error("chart contains illegally named files")]
    IllegalName,
    #[error("chart yaml not in base directory")]
    NoBase,
    #[error("decompressed chart is larger than the maximum size {MAX_CHART}")]
    ChartTooLarge,
    #[error("decompressed chart file {0:?} is larger than the maximum file size {MAX_FILE}")]
    FileTooLarge(String),
    #[error("the archive has more than {MAX_FILES} files")]
    TooManyFiles,
    #[error("no files in chart archive")]
    Empty,
}

/// Helm's `MaxDecompressedChartSize`.
const MAX_CHART: u64 = 100 << 20;

/// Helm does not count files; each takes memory, even when it is empty.
const MAX_FILES: usize = 20_000;

pub(super) fn read(bytes: &[u8]) -> Result<Files, ArchiveError> {
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(bytes));
    let mut files = Files::new();
    let mut room = MAX_CHART;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let full = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_dir() || full.ends_with('/') || kind.is_pax_global_extensions() {
            continue;
        }
        let path = inner_path(&full)?;
        let size = entry.header().size()?;
        if size > room {
            return Err(ArchiveError::ChartTooLarge);
        }
        if size > MAX_FILE as u64 {
            return Err(ArchiveError::FileTooLarge(full));
        }
        let mut data = Vec::new();
        let read = (&mut entry).take(room).read_to_end(&mut data)? as u64;
        room -= read;
        if read < size || room == 0 {
            return Err(ArchiveError::ChartTooLarge);
        }
        if files.0.len() >= MAX_FILES {
            return Err(ArchiveError::TooManyFiles);
        }
        files.insert(path, data);
    }
    if files.is_empty() { Err(ArchiveError::Empty) } else { Ok(files) }
}

/// The path within the folder that holds the chart.
fn inner_path(full: &str) -> Result<String, ArchiveError> {
    let delimiter = if full.contains('\\') { '\\' } else { '/' };
    let (base, rest) = full.split_once(delimiter).unwrap_or((full, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err(ArchiveError::AbsolutePath);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if path.is_empty() && base != "Chart.yaml" {
        return Err(ArchiveError::OutsideBase(full.to_owned()));
    }
    if path.starts_with("..") {
        return Err(ArchiveError::ParentFolder);
    }
    let drive = path.as_bytes();
    if drive.len() >= 3 && drive[0].is_ascii_alphabetic() && &drive[1..3] == b":/" {
        return Err(ArchiveError::IllegalName);
    }
    if base == "Chart.yaml" { Err(ArchiveError::NoBase) } else { Ok(path) }
}
