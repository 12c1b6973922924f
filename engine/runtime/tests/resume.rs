//! Runs that break off: killed at every record of their journal, they go on or back as if nothing had happened.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod bar;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bar::{REGISTRY, Told, pour, ring, setup};
use opsrun_core::{Error, ErrorKind, Redactor, Result, Span, Value};
use opsrun_gate::{Gate, Grants};
use opsrun_runtime::{
    Branch, Chronicle, Course, Entry, Estate, EstateFile, FileJournal, Journal, MemoryJournal, Outcome,
    ParallelBody, Past, Record, RetryOptions, Run, Scope, Sealer, Settling, Setup, Word, World, read_journal,
};
use serde_json::json;

/// A bar that outlives the runs on it.
struct Bar {
    world: World,
    estate: Estate,
}

impl Bar {
    fn open() -> Self {
        let file = EstateFile::default();
        let world = World::simulated(file.start).unwrap();
        let estate = Estate::start(&file, REGISTRY, &world, 1).unwrap();
        Bar { world, estate }
    }

    /// A run of `playbook` that has done what `records` tell; how it ended, and what it told.
    fn run(
        &self,
        records: &[Record],
        course: Course,
        journal: Arc<dyn Journal>,
        playbook: Playbook,
    ) -> (Outcome, Vec<String>) {
        self.go(Past::read(records, REGISTRY), course, journal, playbook)
    }

    /// The same for a past that was looked at.
    fn go(
        &self,
        past: Past,
        course: Course,
        journal: Arc<dyn Journal>,
        playbook: Playbook,
    ) -> (Outcome, Vec<String>) {
        let gate = Gate::new(REGISTRY.systems(), grants(), self.world.clock(), self.estate.route());
        let told = Arc::new(Told::default());
        // What a run must know of its earlier part is in the journal, not in its seed.
        let seed = 2;
        let run =
            Run::new(Setup { past, course, seed, ..setup(self.world.clone(), gate, journal, told.clone()) });
        // A journal that takes nothing lets nothing begin.
        let outcome = run.execute("test.rhai".into(), playbook).unwrap_or_else(Outcome::Failed);
        let told = told.0.lock().unwrap().clone();
        (outcome, told)
    }

    /// What a run that is killed when its journal has `room` records leaves in it.
    fn killed_after(&self, room: usize, playbook: Playbook) -> Vec<Record> {
        let journal = Arc::new(MemoryJournal::dying_after(room));
        let gate = Gate::new(REGISTRY.systems(), grants(), self.world.clock(), self.estate.route());
        let run = Run::new(setup(self.world.clone(), gate, journal.clone(), Arc::new(Told::default())));
        // What a killed run thinks of its end nobody learns.
        let _ = run.execute("test.rhai".into(), playbook);
        journal.records()
    }

    fn glasses(&self) -> BTreeMap<String, Value> {
        self.estate.snapshot()
    }
}

fn grants() -> Grants {
    Grants::new(vec!["bar".parse().unwrap(), "secret read".parse().unwrap()])
}

type Playbook = fn(&Arc<Branch>) -> Result<Value>;

/// A secret, nested steps, one with an undo of its own, branches with steps of the same name, and a retry.
fn evening(branch: &Arc<Branch>) -> Result<Value> {
    branch.step("open", None, &mut |branch| pour(branch, &branch.secret("env:TABLE")?, 1))?;
    let undo = Box::new(|branch: &Arc<Branch>| pour(branch, "cleaned", 1).map(drop));
    branch.step("serve", Some(undo), &mut |branch| {
        pour(branch, "a", 2)?;
        branch.step("again", None, &mut |branch| pour(branch, "a", 3))?;
        branch.step("again", None, &mut |branch| pour(branch, "b", 4))?;
        let bodies: Vec<ParallelBody<'_>> = ["c", "d"]
            .into_iter()
            .map(|table| {
                let body: ParallelBody<'_> =
                    Box::new(move |branch| branch.step("table", None, &mut |branch| pour(branch, table, 5)));
                body
            })
            .collect();
        branch.parallel(bodies, 2)?.into_iter().collect::<Result<Vec<_>>>()?;
        let mut attempts = 0;
        let options = RetryOptions { times: 3, every: Span::from_secs(1), backoff: 1.0 };
        branch.retry(options, &mut |branch| {
            attempts += 1;
            branch.step("try", None, &mut |branch| pour(branch, "e", 6))?;
            if attempts < 2 { Err(Error::failed("not yet")) } else { Ok(Value::Null) }
        })
    })?;
    pour(branch, "till", 7)
}

/// How many records an undisturbed run has, and the bar after it.
fn undisturbed(playbook: Playbook) -> (usize, BTreeMap<String, Value>) {
    let bar = Bar::open();
    let journal = Arc::new(MemoryJournal::default());
    let (outcome, _) = bar.run(&[], Course::Onward, journal.clone(), playbook);
    assert_eq!(outcome.word(), "done");
    (journal.records().len(), bar.glasses())
}

#[test]
fn a_run_killed_anywhere_goes_on_to_the_same_end() {
    let (count, expected) = undisturbed(evening);
    assert!(count > 40, "{count} places to be killed at");
    for room in 1..count {
        let bar = Bar::open();
        let records = bar.killed_after(room, evening);
        let (outcome, told) = bar.run(&records, Course::Onward, Arc::new(MemoryJournal::default()), evening);
        assert_eq!(outcome.word(), "done", "killed after {room} records: {told:#?}");
        assert_eq!(bar.glasses(), expected, "killed after {room} records");
    }
}

#[test]
fn a_run_killed_anywhere_and_once_more_while_it_goes_on_ends_the_same() {
    let (count, expected) = undisturbed(evening);
    for room in (1..count).step_by(7) {
        for more in (1..count - room).step_by(5) {
            let bar = Bar::open();
            let mut records = bar.killed_after(room, evening);
            let second = Arc::new(MemoryJournal::dying_after(more));
            let _ = bar.run(&records, Course::Onward, second.clone(), evening);
            records.extend(second.records());
            let past = Past::read(&records, REGISTRY);
            if past.ended.is_some() {
                continue;
            }
            let (outcome, told) =
                bar.run(&records, Course::Onward, Arc::new(MemoryJournal::default()), evening);
            assert_eq!(outcome.word(), "done", "killed after {room} and {more} records: {told:#?}");
            assert_eq!(bar.glasses(), expected, "killed after {room} and {more} records");
        }
    }
}

#[test]
fn a_run_killed_anywhere_is_taken_back_steps_undo_included() {
    let (count, _) = undisturbed(evening);
    let mut cleaned = 0;
    for room in 1..count {
        let bar = Bar::open();
        let records = bar.killed_after(room, evening);
        let (outcome, told) = bar.run(&records, Course::Back, Arc::new(MemoryJournal::default()), evening);
        assert!(matches!(outcome.word(), "undone" | "failed"), "killed after {room} records: {told:#?}");
        let mut left = bar.glasses();
        cleaned += usize::from(left.remove("bar cleaned").is_some());
        assert_eq!(left, BTreeMap::new(), "killed after {room} records: {told:#?}");
    }
    assert!(cleaned > count / 2, "the step's own undo was carried out {cleaned} times");
}

#[test]
fn taking_back_that_is_killed_anywhere_goes_on_and_does_nothing_twice() {
    let bar = Bar::open();
    let records = bar.killed_after(25, evening);
    let whole = Arc::new(MemoryJournal::default());
    bar.run(&records, Course::Back, whole.clone(), evening);
    let count = whole.records().len();
    for room in 1..count {
        let bar = Bar::open();
        let mut records = bar.killed_after(25, evening);
        let first = Arc::new(MemoryJournal::dying_after(room));
        let _ = bar.run(&records, Course::Back, first.clone(), evening);
        records.extend(first.records());
        let past = Past::read(&records, REGISTRY);
        if let Err(error) = past.may_go(Course::Onward, "r", REGISTRY) {
            assert!(past.undoing || past.ended.is_some(), "{}", error.report());
        }
        bar.run(&records, Course::Back, Arc::new(MemoryJournal::default()), evening);
        let mut left = bar.glasses();
        let cleaned = left.remove("bar cleaned");
        assert_eq!(cleaned, Some(json!(1)), "the step's own undo stays, killed after {room} records");
        assert_eq!(left, BTreeMap::new(), "killed after {room} records of taking back");
    }
}

/// Its bell must not be rung once more only because nobody knows whether it was.
fn last_orders(branch: &Arc<Branch>) -> Result<Value> {
    branch.step("last orders", None, &mut |branch| {
        pour(branch, "a", 1)?;
        ring(branch)?;
        pour(branch, "b", 1)
    })
}

#[test]
fn what_must_not_be_repeated_is_looked_at_first() {
    let (count, expected) = undisturbed(last_orders);
    let mut looked = 0;
    for room in 1..count {
        let bar = Bar::open();
        let mut records = bar.killed_after(room, last_orders);
        let past = Past::read(&records, REGISTRY);
        if let Some(unsettled) = past.unsettled(REGISTRY).into_iter().next() {
            looked += 1;
            let error = past.may_go(Course::Onward, "r1", REGISTRY).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert!(error.report().contains("how often the bell was heard"), "{}", error.report());
            let call = unsettled.call;
            let what = match bar.glasses().get("bar bell") {
                Some(_) => Settling::CallDone { call, value: json!({ "glasses": 1 }) },
                None => Settling::CallNotDone { call },
            };
            let entry = Entry::Settled { what, reason: "somebody listened".into() };
            records.push(Record { at: records[0].at, entry });
        }
        assert!(Past::read(&records, REGISTRY).may_go(Course::Onward, "r1", REGISTRY).is_ok());
        let (outcome, _) = bar.run(&records, Course::Onward, Arc::new(MemoryJournal::default()), last_orders);
        assert_eq!(outcome.word(), "done");
        assert_eq!(bar.glasses(), expected, "killed after {room} records");
    }
    assert!(looked >= 2, "before and after the bell was heard: {looked}");
}

#[test]
fn a_run_that_ended_does_not_go_on_and_is_taken_back_once() {
    let bar = Bar::open();
    let journal = Arc::new(MemoryJournal::default());
    bar.run(&[], Course::Onward, journal.clone(), evening);
    let mut records = journal.records();
    let past = Past::read(&records, REGISTRY);
    assert!(past.may_go(Course::Onward, "r1", REGISTRY).unwrap_err().message().contains("has ended: done"));
    past.may_go(Course::Back, "r1", REGISTRY).unwrap();
    let back = Arc::new(MemoryJournal::default());
    let (outcome, _) = bar.run(&records, Course::Back, back.clone(), evening);
    assert_eq!(outcome.word(), "undone");
    assert_eq!(bar.glasses(), BTreeMap::from([("bar cleaned".to_owned(), json!(1))]));
    records.extend(back.records());
    let past = Past::read(&records, REGISTRY);
    assert!(past.may_go(Course::Back, "r1", REGISTRY).unwrap_err().message().contains("taken back already"));
}

#[test]
fn a_run_taken_back_to_any_step_goes_on_from_there_to_the_same_end() {
    let (_, expected) = undisturbed(evening);
    let bar = Bar::open();
    let whole = Arc::new(MemoryJournal::default());
    bar.run(&[], Course::Onward, whole.clone(), evening);
    let steps: BTreeSet<String> =
        Past::read(&whole.records(), REGISTRY).steps().map(|(scope, _)| scope.to_string()).collect();
    assert!(steps.len() >= 6, "{steps:?}");
    for step in steps {
        let bar = Bar::open();
        let journal = Arc::new(MemoryJournal::default());
        bar.run(&[], Course::Onward, journal.clone(), evening);
        let mut records = journal.records();
        let past = match Past::read(&records, REGISTRY).back_to(&step) {
            Ok(past) => past,
            Err(error) => {
                assert_eq!(
                    (step.as_str(), error.kind()),
                    ("serve / table", ErrorKind::Invalid),
                    "{}",
                    error.report()
                );
                continue;
            }
        };
        let back = Arc::new(MemoryJournal::default());
        let (outcome, told) = bar.go(past, Course::Back, back.clone(), evening);
        assert_eq!(outcome.word(), "undone", "back to {step}: {told:#?}");
        records.extend(back.records());
        let past = Past::read(&records, REGISTRY);
        past.may_go(Course::Onward, "r1", REGISTRY).unwrap();
        let (outcome, told) = bar.go(past, Course::Onward, Arc::new(MemoryJournal::default()), evening);
        assert_eq!(outcome.word(), "done", "on from {step}: {told:#?}");
        assert!(told.iter().any(|line| line.contains(": was done before")), "{step}: {told:#?}");
        let mut left = bar.glasses();
        left.remove("bar cleaned");
        assert_eq!(left, expected, "back to {step} and on");
    }
    let error = Past::read(&whole.records(), REGISTRY).back_to("dance").err().unwrap();
    assert!(error.report().contains("the steps that it has finished are `open`, "), "{}", error.report());
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let (count, expected) = undisturbed(evening);
    for room in (1..count).step_by(3) {
        let bar = Bar::open();
        let mut records = bar.killed_after(room, evening);
        let times: Vec<_> = records.iter().rev().map(|record| record.at).collect();
        records.iter_mut().zip(times).for_each(|(record, at)| record.at = at);
        let (outcome, told) = bar.run(&records, Course::Onward, Arc::new(MemoryJournal::default()), evening);
        assert_eq!(outcome.word(), "done", "killed after {room} records: {told:#?}");
        assert_eq!(bar.glasses(), expected, "killed after {room} records");
        let told = Chronicle::of(&records, &[]);
        assert_eq!(told.steps.iter().filter(|step| step.step == "open").count(), usize::from(room > 1));
    }
}

fn one_step(branch: &Arc<Branch>) -> Result<Value> {
    branch.step("one", None, &mut |_| Ok(json!(1)))
}

/// Runs `one_step` with a journal on disk, which takes real time.
fn with_file(journal: FileJournal, records: &[Record]) -> (Outcome, Vec<String>) {
    let world = World::live();
    let gate = Gate::new(REGISTRY.systems(), Grants::default(), world.clock(), opsrun_gate::Route::live());
    let told = Arc::new(Told::default());
    let past = Past::read(records, REGISTRY);
    let run = Run::new(Setup { past, ..setup(world, gate, Arc::new(journal), told.clone()) });
    let outcome = run.execute("test.rhai".into(), one_step).unwrap();
    let lines = told.0.lock().unwrap().clone();
    let what = |line: &String| line.split_once("s ").map(|(_, what)| what.to_owned());
    (outcome, lines.iter().filter_map(what).collect())
}

/// A journal on disk with the four records of `one_step`.
fn journal_file(folder: &Path) -> std::path::PathBuf {
    let journal = FileJournal::create(folder, "r1", Arc::default(), Arc::default()).unwrap();
    let path = journal.path().to_owned();
    with_file(journal, &[]);
    path
}

#[test]
fn a_torn_or_altered_record_is_told_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = journal_file(folder.path());
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(read_journal(&path).unwrap().records.len(), 4);

    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let reading = read_journal(&path).unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((reading.records.len(), reading.damaged.len()), (lines, 0), "cut to {length} bytes");
    }
    for at in (0..whole.len()).filter(|at| whole[*at] != b'\n') {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        std::fs::write(&path, &flipped).unwrap();
        let reading = read_journal(&path).unwrap();
        let line = 1 + whole[..at].iter().filter(|byte| **byte == b'\n').count();
        assert!(reading.damaged.iter().any(|(number, _)| *number == line), "a flipped bit in byte {at}");
        assert!(reading.records.len() >= 3 - usize::from(flipped[at] == b'\n'), "a flipped bit in byte {at}");
    }
}

#[test]
fn only_one_process_carries_a_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = journal_file(folder.path());
    let (first, _) = FileJournal::resume(&path, Arc::default(), Arc::default()).unwrap();
    let error = FileJournal::resume(&path, Arc::default(), Arc::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.message().contains("another process is carrying out the run `r1`"));
    drop(first);
    FileJournal::resume(&path, Arc::default(), Arc::default()).unwrap();
}

#[test]
fn what_a_crash_left_of_a_line_is_cut_off_before_more_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = journal_file(folder.path());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let (journal, reading) = FileJournal::resume(&path, Arc::default(), Arc::default()).unwrap();
    assert_eq!(reading.records.len(), 3);
    let (outcome, told) = with_file(journal, &reading.records);
    assert_eq!(outcome.word(), "done");
    assert_eq!(told, ["one: was done before"]);
    let reading = read_journal(&path).unwrap();
    assert_eq!((reading.records.len(), reading.damaged.len()), (5, 0));
}

/// Sets glasses on a table that nobody is to know.
fn reserve(branch: &Arc<Branch>) -> Result<Value> {
    pour(branch, &branch.secret("env:TABLE")?, 3)
}

#[test]
fn a_secret_in_an_inverse_is_sealed_on_the_disk_and_opened_with_the_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sealer = |name: &str| Arc::new(Sealer::new(Some(folder.path().join(name))));
    let world = World::live();
    let estate = Estate::start(&EstateFile::default(), REGISTRY, &world, 1).unwrap();
    let run = |journal: FileJournal, redactor: Arc<Redactor>, past, course| {
        let gate = Gate::new(REGISTRY.systems(), grants(), world.clock(), estate.route());
        let variables = BTreeMap::from([("TABLE".to_owned(), "canary-table".to_owned())]);
        let setup = setup(world.clone(), gate, Arc::new(journal), Arc::new(Told::default()));
        Run::new(Setup { past, course, variables, redactor, ..setup })
            .execute("test.rhai".into(), reserve)
            .unwrap()
    };
    let redactor = Arc::new(Redactor::default());
    let journal = FileJournal::create(folder.path(), "r1", redactor.clone(), sealer("key")).unwrap();
    let path = journal.path().to_owned();
    assert_eq!(run(journal, redactor, Past::default(), Course::Onward).word(), "done");
    assert_eq!(estate.snapshot(), BTreeMap::from([("bar canary-table".to_owned(), json!(3))]));
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.contains("sealed:1:") && !written.contains("canary-table"), "{written}");

    let redactor = Arc::new(Redactor::default());
    let (journal, reading) = FileJournal::resume(&path, redactor.clone(), sealer("key")).unwrap();
    let past = || Past::read(&reading.records, REGISTRY);
    assert_eq!(past().open(&sealer("other"), &Redactor::default()).unwrap_err().kind(), ErrorKind::Denied);
    let mut past = past();
    past.open(&sealer("key"), &redactor).unwrap();
    assert_eq!(run(journal, redactor, past, Course::Back).word(), "undone");
    assert_eq!(estate.snapshot(), BTreeMap::new());
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(!written.contains("canary-table"), "{written}");
}

#[test]
fn a_journal_of_a_later_opsrun_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.jsonl");
    let line = r#"{"at":"2026-03-02T03:00:00Z","entry":"run-begun","format":99,"run":"r1","playbook":"p","target":"","params":{},"version":"9""#;
    let sum = crc32fast::hash(line.as_bytes());
    std::fs::write(&path, format!("{line},\"crc32\":\"{sum:08x}\"}}\n")).unwrap();
    let error = read_journal(&path).unwrap_err();
    assert!(error.message().contains("is in form 99 of the journal"), "{}", error.report());

    // It may also have gone on with a journal of an earlier one.
    let path = journal_file(folder.path());
    let mut text = std::fs::read_to_string(&path).unwrap();
    let line = r#"{"at":"2026-03-02T03:00:00Z","entry":"run-resumed","format":98,"version":"9""#;
    let sum = crc32fast::hash(line.as_bytes());
    text.push_str(&format!("{line},\"crc32\":\"{sum:08x}\"}}\n"));
    std::fs::write(&path, text).unwrap();
    let error = read_journal(&path).unwrap_err();
    assert!(error.message().contains("is in form 98 of the journal"), "{}", error.report());
}

#[test]
fn the_page_on_the_journal_names_every_kind_of_entry() {
    let bar = Bar::open();
    let mut records = bar.killed_after(25, evening);
    let back = Arc::new(MemoryJournal::default());
    bar.run(&records, Course::Back, back.clone(), evening);
    records.extend(back.records());
    let settled = Entry::Settled { what: Settling::CallNotDone { call: 1 }, reason: "it was quiet".into() };
    // What a bar has none of.
    let (at, scope, name) = (records[0].at, Scope::default(), "last-orders".to_owned());
    let word = Word { by: "ann".into(), at, reason: String::new(), refused: false };
    let asked = Entry::ApprovalAsked {
        scope: scope.clone(),
        name: name.clone(),
        number: 0,
        message: String::new(),
        runner: "bob".into(),
        by_other: true,
        expires: None,
    };
    let given = Entry::ApprovalGiven { scope, name, number: 0, word };
    let overridden = Entry::FreezeOverridden {
        target: "bar".into(),
        closed: "it is late".into(),
        reason: "thirst".into(),
        by: "ann".into(),
    };
    records.extend([settled, asked, given, overridden].map(|entry| Record { at, entry }));
    let kind = |record: &Record| serde_json::to_value(record).unwrap()["entry"].as_str().unwrap().to_owned();
    let written: BTreeSet<String> = records.iter().map(kind).collect();

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/journal.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.split("| entry |").nth(1).unwrap().split("\n\n").next().unwrap();
    let first_columns = rows.lines().filter_map(|row| row.strip_prefix("| `")?.split(" |").next());
    let named =
        first_columns.flat_map(|column| column.trim_end_matches('`').split("`, `").map(str::to_owned));
    assert_eq!(named.collect::<BTreeSet<_>>(), written);
}
