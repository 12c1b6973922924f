//! Files that primitives write: by grant, whole, in the journal, and on an estate in memory only.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

use std::path::Path;
use std::sync::Arc;

use opsrun_core::{Cx, Declaration, Effect, Module, Primitive, Result, System, Undo, Value};
use opsrun_derive::Args;
use opsrun_gate::{FaultRule, Files, Gate, Grants, Route};
use opsrun_runtime::{Entry, MemoryJournal, Outcome, Registry, Run, Setup, World};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Writes a text into a file, and gives what the folder `notes` holds then.
#[derive(Deserialize, JsonSchema, Args)]
struct Jot {
    /// The file.
    #[arg(positional)]
    file: String,
    /// The text; the file is taken away if it is left out.
    text: Option<String>,
}

/// Says that it only reads, and writes.
#[derive(Deserialize, JsonSchema, Args)]
struct Peek {}

impl Primitive for Jot {
    const PATH: &'static str = "desk::jot";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a note stays");
    type Out = Vec<String>;

    async fn run(self, cx: &Cx) -> Result<Vec<String>> {
        match self.text {
            Some(text) => cx.write_file(&self.file, text.clone().into_bytes()).await?,
            None => cx.remove_file(&self.file).await?,
        }
        let found = cx.list_files("notes")?;
        let read = found.iter().map(|file| {
            let text = cx.read_file(Path::new("notes").join(file))?;
            Ok(format!("{}: {}", file.display(), String::from_utf8(text).unwrap()))
        });
        read.collect()
    }
}

impl Primitive for Peek {
    const PATH: &'static str = "desk::peek";
    const EFFECT: Effect = Effect::Read;
    type Out = ();

    async fn run(self, cx: &Cx) -> Result<()> {
        cx.write_file("notes/peeked", Vec::new()).await
    }
}

/// Copies a file piece by piece, and tells of all files in the folder `notes`.
#[derive(Deserialize, JsonSchema, Args)]
struct Trace {
    /// The file.
    #[arg(positional)]
    from: String,
    /// The copy.
    #[arg(positional)]
    to: String,
    /// Give it up in the middle.
    #[serde(default)]
    give_up: bool,
}

impl Primitive for Trace {
    const PATH: &'static str = "desk::trace";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a copy stays");
    type Out = Vec<String>;

    async fn run(self, cx: &Cx) -> Result<Vec<String>> {
        let facts = cx.file_facts(&self.from)?;
        let draft = cx.draft_file(&self.to)?;
        // The end first: pieces come in any order.
        for offset in (0..facts.size).rev() {
            draft.write_at(offset, &cx.read_file_part(&self.from, offset, 1)?)?;
        }
        if self.give_up {
            drop(draft);
        } else {
            draft.keep(Some(facts.modified)).await?;
        }
        let told = cx.walk_files("notes")?.map(|found| {
            let found = found?;
            let same_time = found.modified == facts.modified;
            Ok(format!("{}: {} {same_time}", found.path.display(), found.size))
        });
        told.collect()
    }
}

struct Desk;

static PRIMITIVES: &[Declaration] =
    &[Declaration::of::<Jot>(), Declaration::of::<Peek>(), Declaration::of::<Trace>()];
static MODULES: &[Module] = &[Module { path: "desk", doc: "A desk.", primitives: PRIMITIVES }];
static REGISTRY: Registry = Registry::new(&[&Desk]);

impl System for Desk {
    fn name(&self) -> &'static str {
        "desk"
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }
}

/// A folder with the note `old`, in which calls are made.
struct Stage {
    folder: tempfile::TempDir,
    grants: Vec<String>,
    fault: Option<&'static str>,
    imagined: bool,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("notes")).unwrap();
        std::fs::write(folder.path().join("notes/old"), "1").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let grants = vec![format!("file write {}/notes/*", root.display())];
        Stage { folder, grants, fault: None, imagined: false }
    }

    fn run(&self, calls: &[(usize, Value)]) -> (Outcome, Vec<Entry>) {
        let world = World::live();
        let grants = Grants::new(self.grants.iter().map(|grant| grant.parse().unwrap()).collect());
        let gate = Gate::new(REGISTRY.systems(), grants, world.clock(), Route::live());
        gate.set_faults(self.fault.iter().map(|rule| rule.parse::<FaultRule>().unwrap()).collect());
        let files = Files::new(self.folder.path());
        let journal = Arc::new(MemoryJournal::default());
        let run = Run::new(Setup {
            files: if self.imagined { files.imagined_writes() } else { files },
            journal: journal.clone(),
            ..Setup::new(REGISTRY, world.clone(), gate)
        });
        let outcome = run.execute("test".into(), |branch| {
            let made =
                calls.iter().map(|(number, arguments)| branch.call(&PRIMITIVES[*number], arguments.clone()));
            made.collect::<Result<Vec<_>>>().map(|made| made.last().cloned().unwrap_or_default())
        });
        (outcome.unwrap(), journal.records().into_iter().map(|record| record.entry).collect())
    }

    fn error(&self, calls: &[(usize, Value)]) -> String {
        self.run(calls).0.error().unwrap().report()
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(path)).ok()
    }
}

fn jot(file: &str, text: &str) -> (usize, Value) {
    (0, json!({ "file": file, "text": text }))
}

#[test]
fn a_file_is_written_with_its_folder_and_the_journal_has_it() {
    let stage = Stage::new();
    let (outcome, entries) = stage.run(&[jot("notes/new/a", "2"), jot("notes/old", "3")]);
    assert!(
        matches!(&outcome, Outcome::Done(value) if *value == json!(["new/a: 2", "old: 3"])),
        "{outcome:?}"
    );
    assert_eq!(
        (stage.text("notes/new/a").as_deref(), stage.text("notes/old").as_deref()),
        (Some("2"), Some("3"))
    );
    let intents = entries.iter().filter_map(|entry| match entry {
        Entry::WriteIntent { access, .. } => Some(access.to_string()),
        _ => None,
    });
    let intents: Vec<_> = intents.collect();
    assert!(intents.len() == 2 && intents[1].ends_with("/notes/old"), "{intents:?}");
    let (outcome, _) = stage.run(&[(0, json!({ "file": "notes/old" })), (0, json!({ "file": "notes/old" }))]);
    assert!(matches!(&outcome, Outcome::Done(value) if *value == json!(["new/a: 2"])), "{outcome:?}");
    assert_eq!(stage.text("notes/old"), None);
}

#[test]
fn what_is_not_granted_is_not_written_also_inside_of_the_project() {
    let stage = Stage::new();
    let error = stage.error(&[jot("other", "2")]);
    assert!(error.contains("`file write ") && error.contains("/other` is not granted"), "{error}");
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), stage.folder.path().join("notes/link")).unwrap();
    let error = stage.error(&[jot("notes/link/a", "2")]);
    let real = elsewhere.path().canonicalize().unwrap();
    assert!(error.contains(&format!("`file write {}/a` is not granted", real.display())), "{error}");
    let error = stage.error(&[jot("notes/none/../../../a", "2")]);
    assert!(error.contains("does not exist"), "{error}");
    let error = stage.error(&[jot("notes/link", "2")]);
    assert!(error.contains("is not granted"), "{error}");
    let error = stage.error(&[(1, json!({}))]);
    assert!(error.contains("is declared to read only, and was about to `file write"), "{error}");
    assert_eq!((stage.text("other"), stage.text("notes/peeked")), (None, None));
}

#[test]
fn on_an_estate_files_are_written_in_memory_where_they_are_read_again() {
    let stage = Stage { imagined: true, ..Stage::new() };
    let calls = [jot("notes/old", "3"), jot("notes/new/a", "2"), (0, json!({ "file": "notes/old" }))];
    let (outcome, _) = stage.run(&calls[..2]);
    assert!(
        matches!(&outcome, Outcome::Done(value) if *value == json!(["new/a: 2", "old: 3"])),
        "{outcome:?}"
    );
    let (outcome, _) = stage.run(&calls);
    assert!(matches!(&outcome, Outcome::Done(value) if *value == json!(["new/a: 2"])), "{outcome:?}");
    assert_eq!((stage.text("notes/old").as_deref(), stage.text("notes/new/a")), (Some("1"), None));
}

#[test]
fn a_fault_strikes_a_write_of_a_file() {
    for (fault, left) in
        [("file write: 503", "1"), ("file write: lost", "1"), ("file write: lost-answer", "2")]
    {
        let stage = Stage { fault: Some(fault), ..Stage::new() };
        let error = stage.error(&[jot("notes/old", "2")]);
        assert_eq!(error, "`notes/old` cannot be written: injected fault", "{fault}");
        assert_eq!(stage.text("notes/old").as_deref(), Some(left), "{fault}");
    }
}

#[test]
fn a_file_is_read_and_written_in_pieces_and_appears_whole() {
    for imagined in [false, true] {
        let stage = Stage { imagined, ..Stage::new() };
        let trace =
            |to: &str, give_up: bool| (2, json!({ "from": "notes/text", "to": to, "give_up": give_up }));
        let text = jot("notes/text", "a text");
        let (outcome, entries) = stage.run(&[text.clone(), trace("notes/a/copy", false)]);
        let told = json!(["a/copy: 6 true", "old: 1 false", "text: 6 true"]);
        assert!(matches!(&outcome, Outcome::Done(value) if *value == told), "{imagined}: {outcome:?}");
        let intents = entries.iter().filter(|entry| matches!(entry, Entry::WriteIntent { .. }));
        assert_eq!(intents.count(), 2, "{imagined}");
        let copied = stage.text("notes/a/copy");
        assert_eq!(copied.as_deref(), if imagined { None } else { Some("a text") });
        let stage = Stage { imagined, ..Stage::new() };
        let (outcome, _) = stage.run(&[text.clone(), trace("notes/copy", true)]);
        let told = json!(["old: 1 false", "text: 6 true"]);
        assert!(matches!(&outcome, Outcome::Done(value) if *value == told), "{imagined}: {outcome:?}");
        let error = stage.error(&[text, trace("elsewhere", false)]);
        assert!(error.contains("/elsewhere` is not granted"), "{imagined}: {error}");
    }
}

#[test]
fn a_fault_strikes_the_writing_of_a_file_in_pieces() {
    let stage = Stage { fault: Some("file write: 503 after 1"), ..Stage::new() };
    let trace = (2, json!({ "from": "notes/old", "to": "notes/copy" }));
    let error = stage.error(&[jot("notes/new", "2"), trace]);
    assert_eq!(error, "`notes/copy` cannot be written: injected fault");
    let left: Vec<_> = std::fs::read_dir(stage.folder.path().join("notes")).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing half done is left: {left:?}");
}
