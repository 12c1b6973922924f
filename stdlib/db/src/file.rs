//! Files of the project that go to a server.

use std::path::PathBuf;

use bytes::Bytes;
use futures::StreamExt;
use opsrun_core::{Content, Cx, Error};

/// What is read of a file at a time.
const PIECE: usize = 1 << 20;

/// A file, piece by piece.
pub(crate) fn file_content(cx: &Cx, file: PathBuf) -> Content {
    let cx = cx.clone();
    let pieces = futures::stream::try_unfold(0_u64, move |at| {
        let piece = cx.read_file_part(&file, at, PIECE);
        async move {
            let piece = piece?;
            let next = at + piece.len() as u64;
            Ok::<_, Error>((!piece.is_empty()).then(|| (Bytes::from(piece), next)))
        }
    });
    pieces.boxed()
}
