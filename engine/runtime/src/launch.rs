//! Puts a run together: on real targets with a journal on disk, or on an estate with one in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use opsrun_core::{AccessPattern, Error, PatternError, Redactor, Result, Span, Target};
use opsrun_gate::{Auditor, Bound, FaultRule, Files, Gate, Grants, Programs, Route};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::approval::{Approvals, Asker, Rehearsed, words_file};
use crate::audit::{AuditLog, user};
use crate::estate::{Estate, EstateFile};
use crate::event::{Unwatched, Watcher};
use crate::journal::{Entry, Journal, MemoryJournal, Record};
use crate::journal_file::FileJournal;
use crate::past::{Course, Past};
use crate::plan::Plan;
use crate::project::Project;
use crate::run::{Registry, Run, Setup};
use crate::seal::Sealer;
use crate::trust::TrustStore;
use crate::vocabulary::Vocabulary;
use crate::world::World;

/// What a program knows before a run begins.
#[derive(Clone)]
pub struct Launch {
    pub registry: Registry,
    pub project: Project,
    /// The target's name; else the project's default, else its only one.
    pub target: Option<String>,
    /// Granted for this run alone.
    pub allow: Vec<AccessPattern>,
    /// A file whose grants count instead of the project's; whoever names it needs not trust the project.
    pub grants: Option<PathBuf>,
    /// The audit log, instead of the project's.
    pub audit: Option<PathBuf>,
    /// How long the run may take.
    pub deadline: Option<Span>,
    /// Why a live run does not keep to the windows and freezes of its target.
    pub override_freeze: Option<String>,
    /// Asks whoever sits before a live run for approvals.
    pub asker: Option<Arc<dyn Asker>>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// Knows what must not be written out; whoever shows the run asks it.
    pub redactor: Arc<Redactor>,
    /// A run on real targets writes nothing but what this says.
    pub plan: Option<Arc<Plan>>,
}

/// A run on real targets, and where its journal is.
pub struct LiveRun {
    pub run: Arc<Run>,
    pub journal: PathBuf,
}

/// What runs have otherwise.
struct Stage {
    name: String,
    world: World,
    route: Route,
    /// Those of the machine, if they are not an estate's.
    files: Option<Files>,
    journal: Arc<dyn Journal>,
    watcher: Arc<dyn Watcher>,
    seed: u64,
    allow: Vec<AccessPattern>,
    past: Past,
    course: Course,
    bound: Option<Bound>,
    /// On an estate.
    secrets: Option<BTreeMap<String, String>>,
    /// Whose grants count.
    ground: Ground,
    auditor: Option<Arc<dyn Auditor>>,
    approvals: Approvals,
}

/// Whose grants count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Something real is reached: the project's, if its file is trusted.
    Real,
    /// The same, for looking only: without its file's grants if that is not trusted.
    Looking,
    /// What is real is looked at by somebody else, and nothing is changed: the project's, if its file is trusted.
    Overlay,
    /// Nothing real is reached: the project's.
    Estate,
}

impl Stage {
    /// On the world's real route, with a seed that nobody knows.
    fn new(
        name: impl Into<String>,
        world: World,
        journal: Arc<dyn Journal>,
        watcher: Arc<dyn Watcher>,
    ) -> Self {
        Stage {
            name: name.into(),
            world,
            route: Route::live(),
            files: None,
            journal,
            watcher,
            seed: ChaCha12Rng::from_os_rng().random(),
            allow: Vec::new(),
            past: Past::default(),
            course: Course::Onward,
            bound: None,
            secrets: None,
            ground: Ground::Real,
            auditor: None,
            approvals: Approvals::default(),
        }
    }
}

impl Launch {
    /// On the project's own target, with its grants alone, and without an environment.
    pub fn new(registry: Registry, project: Project) -> Self {
        Launch {
            registry,
            project,
            target: None,
            allow: Vec::new(),
            grants: None,
            audit: None,
            deadline: None,
            override_freeze: None,
            asker: None,
            variables: BTreeMap::new(),
            redactor: Arc::default(),
            plan: None,
        }
    }

    /// A run on real targets. `playbook` gives the run a part of its name.
    ///
    /// # Errors
    /// `Invalid` for a project or target that cannot be used; `Denied` if its file is not trusted; `Failed` if the journal or
    /// the audit log cannot be begun.
    pub fn live(&self, playbook: &Path, watcher: Arc<dyn Watcher>) -> Result<LiveRun> {
        // Before anything is written.
        self.authority(Ground::Real)?;
        let world = World::live();
        let stem = playbook.file_stem().unwrap_or_default().to_string_lossy();
        let time = world.clock().now().to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let name = format!("{time}-{stem}-{:04x}", ChaCha12Rng::from_os_rng().random::<u16>());
        let journal =
            FileJournal::create(&self.journal_folder()?, &name, self.redactor.clone(), self.sealer())?;
        let path = journal.path().to_owned();
        let approvals = self.approvals(&path);
        let mut stage = Stage { approvals, ..Stage::new(name, world, Arc::new(journal), watcher) };
        if let Some(plan) = &self.plan {
            // Generated names are those of the plan.
            stage = Stage { seed: plan.seed, bound: Some(plan.bound()), ..stage };
        }
        Ok(LiveRun { run: self.run(stage, |target| target)?, journal: path })
    }

    /// The run with this journal, from where it broke off; `past` is what the journal tells, and `course` a way that it may go.
    ///
    /// # Errors
    /// As [`Launch::live`].
    pub fn again(
        &self,
        journal: FileJournal,
        mut past: Past,
        watcher: Arc<dyn Watcher>,
        course: Course,
    ) -> Result<LiveRun> {
        self.authority(Ground::Real)?;
        let path = journal.path().to_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        past.open(&self.sealer(), &self.redactor)
            .map_err(|error| error.context(format!("the run `{name}` cannot be taken back here")))?;
        let (bound, approvals) = (past.plan.clone(), self.approvals(&path));
        let stage = Stage::new(name, World::live(), Arc::new(journal), watcher);
        let stage = Stage { past, course, bound, approvals, ..stage };
        Ok(LiveRun { run: self.run(stage, |target| target)?, journal: path })
    }

    /// A run on real targets that is to look only: its journal is in memory, and writes are held back.
    ///
    /// # Errors
    /// As [`Launch::live`].
    pub fn looking(&self, watcher: Arc<dyn Watcher>) -> Result<Arc<Run>> {
        let journal = Arc::new(MemoryJournal::default());
        let stage = Stage::new("looking", World::live(), journal, watcher);
        let run = self.run(Stage { ground: Ground::Looking, ..stage }, |target| target)?;
        run.gate().hold_writes(Some("this only looks".into()));
        Ok(run)
    }

    /// The run on overlays that have been laid over the targets.
    pub(crate) fn on_overlay(
        &self,
        estate: &Estate,
        world: &World,
        journal: Arc<dyn Journal>,
        watcher: Arc<dyn Watcher>,
        seed: u64,
    ) -> Result<Arc<Run>> {
        let stage = Stage::new("plan", world.clone(), journal, watcher);
        let files = Some(Files::new(&self.project.root).imagined_writes());
        let stage = Stage { route: estate.route(), files, seed, ground: Ground::Overlay, ..stage };
        self.run(stage, |target| estate.adopt(target))
    }

    /// Where journals are: what the project says, else `$XDG_STATE_HOME/opsrun/runs`.
    ///
    /// # Errors
    /// `Invalid` if neither the project nor the environment says.
    pub fn journal_folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.project.table.journal {
            return Ok(self.project.root.join(folder));
        }
        state_folder(&self.variables).map(|state| state.join("runs")).ok_or_else(|| {
            Error::invalid("there is no place for the journal")
                .hint("set HOME, or `journal = \"FOLDER\"` in `opsrun.toml`")
        })
    }

    /// Seals with the key `$XDG_STATE_HOME/opsrun/key`.
    pub fn sealer(&self) -> Arc<Sealer> {
        Arc::new(Sealer::new(state_folder(&self.variables).map(|state| state.join("key"))))
    }

    fn approvals(&self, journal: &Path) -> Approvals {
        let rehearsed = BTreeMap::new();
        Approvals { file: Some(words_file(journal)), asker: self.asker.clone(), rehearsed }
    }

    /// The project as far as its grants count on this ground.
    pub(crate) fn authority(&self, ground: Ground) -> Result<Project> {
        if let Some(file) = &self.grants {
            return self.project.granting(file, self.registry);
        }
        let trusted = match ground {
            Ground::Estate => Ok(()),
            Ground::Real | Ground::Looking | Ground::Overlay => {
                TrustStore::of(&self.variables).check(&self.project)
            }
        };
        match trusted {
            Err(_) if ground == Ground::Looking => Ok(self.project.granting_nothing()),
            trusted => trusted.map(|()| self.project.clone()),
        }
    }

    /// The audit log of a run, if one is wanted.
    fn audit_log(&self, project: &Project, run: &str, world: &World) -> Result<Option<Arc<dyn Auditor>>> {
        let of_project = project.table.audit.as_ref().map(|file| project.root.join(file));
        let Some(path) = self.audit.clone().or(of_project) else { return Ok(None) };
        let who = user(&self.variables);
        let log = AuditLog::open(&path, run, &who, world.clock(), self.redactor.clone())?;
        Ok(Some(Arc::new(log)))
    }

    /// The estate file for a rehearsal: the one that is named, else the project's, else none.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` with line and column.
    pub fn estate_file(&self, named: Option<&Path>) -> Result<EstateFile> {
        match (named, &self.project.table.estate) {
            (Some(path), _) => EstateFile::load(path),
            (None, Some(path)) => EstateFile::load(&self.project.named(path)),
            (None, None) => Ok(EstateFile::default()),
        }
    }

    /// The name of the target that the run begins on; empty if the project has none.
    ///
    /// # Errors
    /// `Invalid` if it is not one of the project's.
    pub fn target_name(&self) -> Result<String> {
        let targets = &self.project.table.targets;
        let named = self.target.as_ref().or(self.project.table.default_target.as_ref());
        match named {
            Some(name) if targets.contains_key(name) => Ok(name.clone()),
            Some(name) => Err(unknown_target(name, targets.keys())),
            None if targets.len() == 1 => Ok(targets.keys().next().cloned().unwrap_or_default()),
            None => Ok(String::new()),
        }
    }

    /// A run on `stage`; `adopt` leads a target there.
    fn run(&self, stage: Stage, adopt: impl Fn(Target) -> Target) -> Result<Arc<Run>> {
        let Stage {
            name,
            world,
            route,
            files,
            journal,
            watcher,
            seed,
            allow,
            past,
            course,
            bound,
            secrets,
            ground,
            auditor,
            approvals,
        } = stage;
        let project = self.authority(ground)?;
        let auditor = match ground {
            Ground::Estate | Ground::Overlay => auditor,
            Ground::Real | Ground::Looking => self.audit_log(&project, &name, &world)?,
        };
        let targets: BTreeMap<String, Arc<Target>> = project
            .targets(self.registry)?
            .into_iter()
            .map(|(name, target)| (name, Arc::new(adopt(target))))
            .collect();
        let vocabulary = Vocabulary::of(self.registry);
        self.allow.iter().try_for_each(|pattern| {
            vocabulary.check(pattern).map_err(|error| error.context("this access cannot be allowed"))
        })?;
        let target = targets.get(&self.target_name()?).cloned();
        let target = target.unwrap_or_else(|| Arc::new(adopt(Target::default())));
        let grants = Grants::new(project.grants(self.registry)?).and(self.allow.iter().cloned()).and(allow);
        let inherited =
            ["PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"];
        let env = inherited
            .iter()
            .filter_map(|name| self.variables.get(*name).map(|value| ((*name).to_owned(), value.clone())));
        Ok(Run::new(Setup {
            registry: self.registry,
            gate: Gate::new(self.registry.systems(), grants, world.clock(), route).audited(auditor),
            world,
            files: files.unwrap_or_else(|| Files::new(&self.project.root)),
            programs: Programs::new(env.collect()),
            journal,
            watcher,
            redactor: self.redactor.clone(),
            sealer: self.sealer(),
            estate_secrets: secrets,
            targets,
            target,
            seed,
            name,
            past,
            course,
            bound,
            variables: self.variables.clone(),
            user: user(&self.variables),
            deadline: self.deadline,
            calendars: if ground == Ground::Real { project.calendars() } else { BTreeMap::new() },
            override_freeze: self.override_freeze.clone(),
            approvals,
            lease_folder: match ground {
                Ground::Estate | Ground::Overlay => None,
                Ground::Real | Ground::Looking => {
                    state_folder(&self.variables).map(|state| state.join("leases"))
                }
            },
        }))
    }
}

/// A seed that nobody knows.
pub fn fresh_seed() -> u64 {
    // A JSON reader that keeps numbers as floats keeps it whole.
    ChaCha12Rng::from_os_rng().random::<u64>() >> 12
}

/// What an estate is given to become what its file says, so that a rehearsal does not begin before its controllers have.
const SETTLING: Span = Span::from_secs(10);

/// An estate with its world, on which runs take place one after the other.
pub struct Rehearsal {
    launch: Launch,
    world: World,
    estate: Estate,
    /// What its runs write is the estate's, too.
    files: Files,
    secrets: BTreeMap<String, String>,
    seed: u64,
    approvals: BTreeMap<String, Rehearsed>,
}

impl Rehearsal {
    /// Starts the estate of `file`.
    ///
    /// # Errors
    /// `Invalid` for an estate that cannot be.
    pub fn start(launch: Launch, file: &EstateFile, seed: u64) -> Result<Self> {
        let boot = file.start.checked_sub(SETTLING.duration());
        let world = World::simulated(boot.map_err(|error| Error::invalid(format!("`start`: {error}")))?)?;
        let rehearsal = Self::start_in(launch, file, seed, world)?;
        rehearsal.settle(SETTLING)?;
        Ok(rehearsal)
    }

    /// The same in a world of choice: `estate up` takes one whose time passes.
    ///
    /// # Errors
    /// As [`Rehearsal::start`].
    pub fn start_in(launch: Launch, file: &EstateFile, seed: u64, world: World) -> Result<Self> {
        let estate = Estate::start(file, launch.registry, &world, seed)?;
        let (secrets, approvals) = (file.secrets.clone(), file.approvals.clone());
        let files = Files::new(&launch.project.root).imagined_writes();
        Ok(Rehearsal { launch, world, estate, files, secrets, seed, approvals })
    }

    /// The same estate once more, as it is now, in a world of its own; `None` if one of its simulators cannot be forked.
    ///
    /// # Errors
    /// `Failed` if the machine gives no thread.
    pub fn fork(&self) -> Result<Option<Self>> {
        let world = World::simulated(self.world.clock().now())?;
        let estate = self.estate.fork(&world, self.seed)?;
        let (launch, secrets, seed) = (self.launch.clone(), self.secrets.clone(), self.seed);
        let (approvals, files) = (self.approvals.clone(), self.files.fork());
        Ok(estate.map(|estate| Rehearsal { launch, world, estate, files, secrets, seed, approvals }))
    }

    /// Lets time pass, so that the estate's controllers catch up.
    ///
    /// # Errors
    /// `Failed` if the machine gives no thread.
    pub fn settle(&self, span: Span) -> Result<()> {
        let clock = self.world.clock();
        let end = span.after(clock.now());
        self.world.enter(|place| {
            self.world.block_on(&place, Box::pin(async move { clock.sleep_until(end).await }))
        })?
    }

    /// Records as they are read back off a journal in a file: without the values that are hidden, but for those that are
    /// sealed there.
    ///
    /// # Errors
    /// `Failed` if one cannot be written.
    pub fn as_written(&self, records: &[Record]) -> Result<Vec<Record>> {
        let written = records.iter().map(|record| {
            let mut value = serde_json::to_value(record)?;
            if !matches!(record.entry, Entry::Inverse { .. }) {
                self.launch.redactor.apply_value(&mut value);
            }
            serde_json::from_value(value)
        });
        let written: Result<_, serde_json::Error> = written.collect();
        written.map_err(|error| Error::failed(format!("a record cannot be written: {error}")))
    }

    pub fn estate(&self) -> &Estate {
        &self.estate
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// A run that is allowed what the target allows; everything, if the project has no targets.
    ///
    /// # Errors
    /// As [`Launch::live`]; `Invalid` for a fault that no system can have.
    pub fn run(&self, watcher: Arc<dyn Watcher>, faults: Vec<FaultRule>) -> Result<Arc<Run>> {
        let vocabulary = Vocabulary::of(self.launch.registry);
        faults.iter().try_for_each(|fault| {
            vocabulary
                .check(fault.pattern())
                .map_err(|error| error.context(format!("the fault `{fault}` cannot happen")))
        })?;
        let run = self.again(Past::default(), Course::Onward, Arc::new(MemoryJournal::default()), watcher)?;
        run.gate().set_faults(faults);
        Ok(run)
    }

    /// The run with this past, going `course`, with a journal of choice for what is new.
    ///
    /// # Errors
    /// As [`Launch::live`].
    pub fn again(
        &self,
        past: Past,
        course: Course,
        journal: Arc<dyn Journal>,
        watcher: Arc<dyn Watcher>,
    ) -> Result<Arc<Run>> {
        let everything = self.launch.target_name()?.is_empty();
        let allow = if everything { self.everything()? } else { Vec::new() };
        let stage = Stage::new("rehearsal", self.world.clone(), journal, watcher);
        self.on_estate(Stage { past, course, allow, ..stage })
    }

    /// A run that sets the estate up: it is allowed everything.
    ///
    /// # Errors
    /// As [`Launch::live`].
    pub fn setup(&self, watcher: Arc<dyn Watcher>) -> Result<Arc<Run>> {
        let stage = Stage::new("setup", self.world.clone(), Arc::new(MemoryJournal::default()), watcher);
        self.on_estate(Stage { allow: self.everything()?, ..stage })
    }

    /// Of an estate, that is: no real secret is read there, and no real file written.
    fn everything(&self) -> Result<Vec<AccessPattern>> {
        let others = ["secret read", "file write"].map(str::parse).into_iter().collect::<Result<Vec<_>, _>>();
        let others = others.map_err(|error: PatternError| Error::failed(format!("{error}")))?;
        Ok([self.launch.registry.patterns(""), others].concat())
    }

    /// A run that is allowed everything, of which `auditor` sees what it asks for.
    ///
    /// # Errors
    /// As [`Launch::live`].
    pub(crate) fn permissive(
        &self,
        auditor: Arc<dyn Auditor>,
        past: Past,
        course: Course,
        journal: Arc<MemoryJournal>,
        faults: Vec<FaultRule>,
    ) -> Result<Arc<Run>> {
        let mut allow = self.launch.registry.patterns("");
        allow.extend(["file", "program", "secret"].iter().filter_map(|system| system.parse().ok()));
        let stage = Stage::new("rehearsal", self.world.clone(), journal, Arc::new(Unwatched));
        let run = self.on_estate(Stage { past, course, allow, auditor: Some(auditor), ..stage })?;
        run.gate().set_faults(faults);
        Ok(run)
    }

    pub(crate) fn registry(&self) -> Registry {
        self.launch.registry
    }

    fn on_estate(&self, stage: Stage) -> Result<Arc<Run>> {
        let secrets = Some(self.secrets.clone());
        let approvals = Approvals { rehearsed: self.approvals.clone(), ..Approvals::default() };
        // Who goes on with a run draws other names than who began it.
        let seed = self.seed.wrapping_add(u64::from(!stage.past.is_empty()));
        let (route, files) = (self.estate.route(), Some(self.files.clone()));
        let stage = Stage { route, files, seed, secrets, ground: Ground::Estate, approvals, ..stage };
        self.launch.run(stage, |target| self.estate.adopt(target))
    }
}

/// Where opsrun keeps what it remembers on this machine: `$XDG_STATE_HOME/opsrun`.
pub(crate) fn state_folder(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    let variable = |name| variables.get(name).filter(|path| !path.is_empty());
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| variable("HOME").map(|home| Path::new(home).join(".local/state")));
    state.map(|state| state.join("opsrun"))
}

pub(crate) fn unknown_target<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> Error {
    let names: Vec<_> = known.map(String::as_str).collect();
    let error = Error::invalid(format!("there is no target `{name}`"));
    match names.is_empty() {
        true => error.hint("`opsrun.toml` names none: add a table [targets.NAME]"),
        false => error.hint(format!("the targets are `{}`", names.join("`, `"))),
    }
}
