//! What is asked of each row, whatever its primitive does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opsrun_aws::Aws;
use opsrun_core::{Error, Result, Undo, Value};
use opsrun_runtime::{
    Branch, Course, EstateFile, Event, Failure, FaultRule, Happening, Killed, Launch, MemoryJournal, Outcome,
    Past, Project, Registry, Rehearsal, Run, Trial, Watcher, changes, without_kept,
};
use serde_json::json;

pub(crate) static REGISTRY: Registry = Registry::new(&[&Aws]);

/// Calls a primitive by its path.
pub(crate) type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

/// A primitive, and a call of it that writes.
pub(crate) struct Row {
    pub(crate) path: &'static str,
    /// What tells it from other rows of the same primitive.
    pub(crate) case: &'static str,
    /// The `aws` section of its estate.
    pub(crate) estate: fn() -> Value,
    /// What is there besides: `before` makes it, and gives what the arguments are made of.
    pub(crate) before: fn(Caller<'_>) -> Result<Value>,
    pub(crate) arguments: fn(&Value) -> Value,
    pub(crate) back: Back,
    /// It tells what was left to do: gone on with, it tells of less.
    pub(crate) tells_the_rest: bool,
    /// It looks by writing: called again it sends the same, and changes nothing.
    pub(crate) writes_again: bool,
    /// Each call does it once more, and is told to.
    pub(crate) anew: bool,
    /// What it does is not what a user would call state: files, or what has happened.
    pub(crate) unseen: bool,
}

/// What undo makes of it.
#[derive(Clone, Copy)]
pub(crate) enum Back {
    /// All is as it was.
    Whole,
    /// Nothing, for this reason, which is told.
    Never(&'static str),
}

/// To begin a row with.
pub(crate) const ROW: Row = Row {
    path: "",
    case: "",
    estate: || Value::Null,
    before: |_| Ok(Value::Null),
    arguments: Value::clone,
    back: Back::Whole,
    tells_the_rest: false,
    writes_again: false,
    anew: false,
    unseen: false,
};

type State = BTreeMap<String, Value>;

/// A row on its estate as it is before the call.
struct Tried<'r> {
    row: &'r Row,
    start: Rehearsal,
    arguments: Value,
    /// The files that a sync goes by.
    _folder: tempfile::TempDir,
}

/// How a run ended.
struct Done {
    outcome: Outcome,
    told: Vec<String>,
    kept: BTreeMap<String, String>,
    journal: Arc<MemoryJournal>,
}

impl Row {
    /// # Panics
    /// If anything that is asked of it does not hold.
    pub(crate) fn holds(&self) {
        let tried = Tried::new(self, &Value::Null);
        let after = tried.is_called_twice();
        tried.is_taken_back(&after);
        tried.is_taken_back_twice(&after);
        tried.goes_on_after_a_lost_answer(&after);
        self.copes_with(&Value::Null, &Failure::ALL);
    }

    /// The same where AWS takes few requests at once.
    pub(crate) fn holds_throttled(&self, services: &[&str]) {
        let each = |service: &&str| json!({ "service": service, "rate": 1, "burst": 2 });
        let throttle: Vec<Value> = services.iter().map(each).collect();
        let tried = Tried::new(self, &json!({ "throttle": throttle }));
        let after = tried.is_called_twice();
        tried.is_taken_back(&after);
    }

    /// The same where what is read is some seconds old: what is there already is not made again, and what is gone not missed.
    pub(crate) fn holds_late(&self, services: &[&str]) {
        let lags: BTreeMap<&str, &str> = services.iter().map(|service| (*service, "5s")).collect();
        // What was written a moment ago is not seen, so it may be written again.
        let row = Row { writes_again: true, ..*self };
        let late = json!({ "consistency": lags });
        let tried = Tried::new(&row, &late);
        let after = tried.is_called_twice();
        tried.is_taken_back(&after);
        tried.goes_on_after_a_lost_answer(&after);
        let failures =
            [Failure::AnswerLost, Failure::Resumed(Killed::Answered), Failure::TakenBack(Killed::Answered)];
        row.copes_with(&late, &failures);
    }

    /// Whatever fails, it copes, is taken back, or is gone on with by another process.
    fn copes_with(&self, troubles: &Value, failures: &[Failure]) {
        let (resumed, others): (Vec<Failure>, Vec<Failure>) =
            failures.iter().partition(|failure| matches!(failure, Failure::Resumed(_)));
        // What is hidden when something is taken back is not hidden from who goes on, in another process.
        Tried::new(self, troubles).copes_with(&resumed);
        // Of what is not taken back the estate is not as it was.
        if let Back::Whole = self.back {
            Tried::new(self, troubles).copes_with(&others);
        }
    }
}

impl<'r> Tried<'r> {
    /// `troubles` are added to the estate's section.
    fn new(row: &'r Row, troubles: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(folder.path().join("site")).expect("a folder can be made");
        for (name, text) in [("index.html", "<p>one"), ("style.css", "p {}")] {
            std::fs::write(folder.path().join("site").join(name), text).expect("a file can be written");
        }
        let project = Project { root: folder.path().to_owned(), ..Project::default() };
        let mut section = (row.estate)();
        for (key, value) in troubles.as_object().into_iter().flatten() {
            section[key] = value.clone();
        }
        let file = EstateFile::default().with("aws", section);
        let start = Rehearsal::start(Launch::new(REGISTRY, project), &file, 1);
        let start = start.unwrap_or_else(|error| panic!("{}: {}", row.path, error.report()));
        let arguments = Mutex::new(Value::Null);
        let run = start.setup(Arc::new(Told::default())).expect("an estate can be set up");
        let made = run.execute("before".into(), |branch: &Arc<Branch>| {
            let found = (row.before)(&|path, arguments| call(branch, path, arguments))?;
            *arguments.lock().unwrap() = (row.arguments)(&found);
            Ok(Value::Null)
        });
        let made = made.expect("a run can be executed");
        if let Some(error) = made.error() {
            panic!("{} ({}): before: {}", row.path, row.case, error.report());
        }
        start.settle("1h".parse().unwrap()).expect("time passes");
        let arguments = arguments.into_inner().unwrap();
        Tried { row, start, arguments, _folder: folder }
    }

    fn fork(&self) -> Rehearsal {
        self.start.fork().expect("an estate can be forked").expect("that of AWS, too")
    }

    /// What a user would call state, once what has begun has come to its end.
    fn state(&self, of: &Rehearsal) -> State {
        of.settle("1h".parse().unwrap()).expect("time passes");
        of.estate().snapshot()
    }

    fn before(&self) -> State {
        self.state(&self.fork())
    }

    fn once(&self, branch: &Arc<Branch>) -> Result<Value> {
        call(branch, self.row.path, self.arguments.clone())
    }

    fn wrong(&self, what: &str, done: &Done) -> ! {
        panic!("{} ({}): {what}\n{}", self.row.path, self.row.case, done.report())
    }

    fn same(&self, what: &str, one: &State, other: &State, done: &Done) {
        let (changes, _) = without_kept(changes(one, other), &done.kept);
        if !changes.is_empty() {
            self.wrong(&format!("{what}: {changes:#?}"), done);
        }
    }

    /// The second call says that it has changed nothing, and has not. Gives the state after it.
    fn is_called_twice(&self) -> State {
        let before = self.before();
        let rehearsal = self.fork();
        let done = go(&rehearsal, &[], &|branch| self.once(branch));
        let Outcome::Done(_) = &done.outcome else { self.wrong("it does not end well", &done) };
        if done.writes() == 0 {
            self.wrong("it writes nothing, so nothing is tried", &done);
        }
        let after = self.state(&rehearsal);
        if (before == after) != self.row.unseen {
            self.wrong("what it changes is not seen where it is said to be", &done);
        }
        if self.row.anew {
            return after;
        }
        let again = go(&rehearsal, &[], &|branch| self.once(branch));
        let Outcome::Done(value) = &again.outcome else { self.wrong("called again it fails", &again) };
        let says_changed = value.as_bool().or_else(|| value.get("changed").and_then(Value::as_bool));
        if says_changed == Some(true) && !self.row.writes_again {
            self.wrong("called again it says that it has changed something", &again);
        }
        if again.writes() != 0 && !self.row.writes_again {
            self.wrong("called again it writes", &again);
        }
        self.same("called again it changes something", &after, &self.state(&rehearsal), &again);
        after
    }

    fn is_taken_back(&self, after: &State) {
        let before = self.before();
        let rehearsal = self.fork();
        let done = go(&rehearsal, &[], &|branch| {
            self.once(branch)?;
            if !self.row.anew {
                self.once(branch)?;
            }
            Err(Error::failed("and now back"))
        });
        match self.row.back {
            Back::Whole => {
                let Outcome::Undone { .. } = &done.outcome else { self.wrong("it is not taken back", &done) };
                self.same("it is not as it was", &before, &self.state(&rehearsal), &done);
            }
            Back::Never(why) => {
                let declared = REGISTRY.primitive(self.row.path).map(|of| of.undo);
                let known = matches!(declared, Some(Undo::Never(known)) if known.contains(why));
                if !known && !done.told.iter().any(|line| line.contains(why)) {
                    self.wrong(&format!("nobody is told that `{why}`"), &done);
                }
                self.same("what stays is not as it was made", after, &self.state(&rehearsal), &done);
            }
        }
    }

    /// As from a journal whose end is not written: what is taken back already is taken back once more.
    fn is_taken_back_twice(&self, after: &State) {
        let before = self.before();
        let rehearsal = self.fork();
        let done = go(&rehearsal, &[], &|branch| self.once(branch));
        let records = rehearsal.as_written(&done.journal.records()).expect("records can be written");
        for time in ["once", "twice"] {
            let past = Past::read(&records, REGISTRY);
            past.may_go(Course::Back, "test", REGISTRY).expect("a run may be taken back");
            let back = goes(&rehearsal, past, Course::Back, &[], &|branch| self.once(branch));
            let Outcome::TakenBack { .. } = &back.outcome else {
                self.wrong(&format!("it is not taken back {time}"), &back)
            };
            let wanted = if matches!(self.row.back, Back::Whole) { &before } else { after };
            self.same(&format!("taken back {time}"), wanted, &self.state(&rehearsal), &back);
        }
    }

    /// A playbook that tries again after no answer came: all is as after one call, and can be taken back.
    fn goes_on_after_a_lost_answer(&self, after: &State) {
        let before = self.before();
        for number in 1.. {
            let fault = FaultRule::of_write(number, "lost-answer").expect("it is a fault");
            let again = |branch: &Arc<Branch>| self.once(branch).or_else(|_| self.once(branch));
            let rehearsal = self.fork();
            let done = go(&rehearsal, std::slice::from_ref(&fault), &again);
            if !done.lost() {
                assert!(number > 1, "{}: no answer was lost", self.row.path);
                break;
            }
            let Outcome::Done(_) = &done.outcome else {
                self.wrong(&format!("it does not go on after the answer to write {number} was lost"), &done)
            };
            let what = format!("after the answer to write {number} was lost");
            // The playbook's second call is one more of those.
            if !self.row.anew {
                self.same(&what, after, &self.state(&rehearsal), &done);
            }
            if let Back::Whole = self.row.back {
                let rehearsal = self.fork();
                let done = go(&rehearsal, std::slice::from_ref(&fault), &|branch| {
                    again(branch)?;
                    Err(Error::failed("and now back"))
                });
                self.same(&format!("taken back {what}"), &before, &self.state(&rehearsal), &done);
            }
        }
    }

    fn copes_with(&self, failures: &[Failure]) {
        let start = || Ok(self.fork());
        let play = |run: &Arc<Run>| {
            run.execute("test".into(), |branch: &Arc<Branch>| {
                let value = self.once(branch)?;
                Ok(if self.row.tells_the_rest { Value::Null } else { without_what_differs(value) })
            })
        };
        let trial = Trial::begin(&start, &play).unwrap_or_else(|error| panic!("{}", error.report()));
        let mut tried = trial.all();
        tried.retain(|at| failures.contains(&at.failure));
        let wrong: Vec<_> = trial.cases(&tried, 2).into_iter().filter(|case| !case.held()).collect();
        let (path, case) = (self.row.path, self.row.case);
        assert!(wrong.is_empty(), "{path} ({case}): {} of {}: {wrong:#?}", wrong.len(), tried.len());
    }
}

/// Identifiers that AWS, or the process that goes on, has drawn, and how old something is: two runs that did the same differ in it.
fn without_what_differs(mut value: Value) -> Value {
    let members = value.as_object_mut().into_iter().flatten();
    for (name, member) in members {
        match name.as_str() {
            "latest_restorable" => *member = Value::Null,
            "age" | "id" | "marker" | "previous" | "version" if !member.is_null() => {
                *member = "(differs)".into();
            }
            _ => *member = without_what_differs(member.take()),
        }
    }
    value
}

fn call(branch: &Arc<Branch>, path: &str, arguments: Value) -> Result<Value> {
    let declaration =
        REGISTRY.primitive(path).ok_or_else(|| Error::failed(format!("there is no primitive `{path}`")))?;
    branch.call(declaration, arguments)
}

type Body<'b> = &'b (dyn Fn(&Arc<Branch>) -> Result<Value> + Sync);

fn go(rehearsal: &Rehearsal, faults: &[FaultRule], body: Body<'_>) -> Done {
    goes(rehearsal, Past::default(), Course::Onward, faults, body)
}

fn goes(rehearsal: &Rehearsal, past: Past, course: Course, faults: &[FaultRule], body: Body<'_>) -> Done {
    let (told, journal) = (Arc::new(Told::default()), Arc::new(MemoryJournal::default()));
    let run = rehearsal.again(past, course, journal.clone(), told.clone()).expect("a run can be made");
    run.gate().set_faults(faults.to_vec());
    let outcome = run.execute("test".into(), |branch: &Arc<Branch>| body(branch));
    let mut told = std::mem::take(&mut *told.0.lock().unwrap());
    if !faults.is_empty() && run.gate().unused_faults().is_empty() {
        told.push(LOST.to_owned());
    }
    Done { outcome: outcome.expect("a run can be executed"), told, kept: run.kept(), journal }
}

const LOST: &str = "an answer was lost";

impl Done {
    fn writes(&self) -> usize {
        self.told.iter().filter(|line| line.starts_with("wrote ")).count()
    }

    fn lost(&self) -> bool {
        self.told.iter().any(|line| line == LOST)
    }

    fn report(&self) -> String {
        let end = match &self.outcome {
            Outcome::Done(value) => value.to_string(),
            Outcome::UndoFailed { error, errors, .. } => {
                let errors: Vec<_> =
                    errors.iter().map(|(what, error)| format!("{what}: {}", error.report())).collect();
                format!("{}\nnot undone: {errors:#?}", error.report())
            }
            other => other.error().map(Error::report).unwrap_or_default(),
        };
        format!("{}\n{end}", self.told.join("\n"))
    }
}

/// What whoever watches is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Watcher for Told {
    fn event(&self, event: &Event) {
        let line = match &event.what {
            Happening::Wrote { access, status, .. } => format!("wrote {access}: {status}"),
            Happening::Undone { what } => format!("undone {what}"),
            Happening::Left { what, why } => format!("left {what}: {why}"),
            Happening::Note { note, .. } => format!("{note:?}"),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}
