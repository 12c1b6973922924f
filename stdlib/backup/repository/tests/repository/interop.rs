//! Stock restic reads, checks and restores what we write, and we what it writes.


use std::io::Cursor;
use std::sync::Arc;

use crate::support::{FolderStorage, Restic, Simulated, backup, file, log_text, make, noise, of, stream};

#[tokio::test]
async fn restic_restores_a_stream_with_its_true_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(restic) = Restic::of(folder.path()) else { return };
    let repository = make(Arc::new(FolderStorage(folder.path().to_owned())), Simulated::real());
    let repository = repository.await;
    let dump = [log_text(1, 5_000_000), noise(2, 20_000_000), log_text(1, 5_000_000)].concat();
    let entries = vec![stream("/pg/db.sql", Cursor::new(dump.clone())), file("/pg/empty", Vec::new())];
    let snapshot = backup(&repository, of("/pg"), entries).await.expect("a backup");
    assert_eq!(snapshot.snapshot.summary.as_ref().map(|summary| summary.total_bytes_processed), Some(30_000_000));
    restic.check();
    assert!(restic.run(&["dump", "latest", "/pg/db.sql"]) == dump, "dumped");
    let restored = tempfile::tempdir().expect("a folder");
    restic.run(&["restore", "latest", "--target", &restored.path().to_string_lossy()]);
    assert!(std::fs::read(restored.path().join("pg/db.sql")).expect("a file") == dump, "restored");
    assert!(std::fs::read(restored.path().join("pg/empty")).expect("a file").is_empty());
}
