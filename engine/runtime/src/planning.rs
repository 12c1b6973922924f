//! Runs on overlays: the real targets are read, and nothing else; what such a run would have done is its plan.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{Access, Alteration, Alterations, Error, How, Inverse, Original, Result, Target, Undo};

use crate::chronicle::Chronicle;
use crate::estate::{Estate, is_elsewhere};
use crate::event::{Event, Happening, Unwatched, Watcher};
use crate::journal::MemoryJournal;
use crate::launch::{Ground, Launch};
use crate::plan::{self, Plan, PlannedStep};
use crate::run::{Run, Subject};
use crate::world::World;

/// Targets with overlays laid over them. One run takes place on them.
pub struct Planning {
    launch: Launch,
    /// Reads the real targets.
    looking: Arc<Run>,
    target: Arc<Target>,
    world: World,
    estate: Arc<Estate>,
    seed: u64,
}

impl Planning {
    /// Lays overlays over the targets of `launch`. Nothing is asked of them yet. With `second_opinion`, servers that can say what
    /// they would answer to a write without carrying it out will be asked that, too.
    ///
    /// # Errors
    /// `Invalid` for a target that cannot be used.
    pub fn start(launch: Launch, seed: u64, second_opinion: bool) -> Result<Self> {
        // A project that is not trusted does not say which cluster is asked.
        launch.authority(Ground::Overlay)?;
        let reads = launch.registry.patterns("read");
        let looking = Launch { allow: reads, ..launch.clone() }.looking(Arc::new(Unwatched))?;
        let world = World::simulated(looking.now())?;
        let elsewhere = world.elsewhere(&looking.setup.world)?;
        let target = looking.setup.target.clone();
        let mut originals: Vec<(Arc<Target>, Original)> = Vec::new();
        for target in std::iter::once(&target).chain(looking.setup.targets.values()) {
            if originals.iter().all(|(known, _)| known.name != target.name) {
                let cx = looking.reading("plan", target.clone());
                let original = Original::new(cx, elsewhere.clone()).with_second_opinion(second_opinion);
                originals.push((target.clone(), original));
            }
        }
        let estate = Arc::new(Estate::lay(originals, launch.registry, &world, seed)?);
        Ok(Planning { launch, looking, target, world, estate, seed })
    }

    /// Which one the target leads to, for each system that can tell: the first thing that is asked there.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub fn identities(&self) -> Result<BTreeMap<String, String>> {
        identities(&self.looking, &self.target)
    }

    /// The world's clock is the real one when it starts, and runs ahead from then on.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The run that is planned, and what writes its plan down. It is allowed what it would be allowed for real.
    ///
    /// # Errors
    /// As [`Launch::live`].
    pub fn run(&self, watcher: Arc<dyn Watcher>) -> Result<(Arc<Run>, Planner)> {
        let journal = Arc::new(MemoryJournal::default());
        let noting = Arc::new(Noting { watcher, estate: self.estate.clone(), noted: Mutex::default() });
        let run =
            self.launch.on_overlay(&self.estate, &self.world, journal.clone(), noting.clone(), self.seed)?;
        Ok((run, Planner { noting, journal }))
    }
}

/// Which one the target leads to, for each system that can tell.
///
/// # Errors
/// Why it cannot be reached.
pub(crate) fn identities(looking: &Arc<Run>, target: &Arc<Target>) -> Result<BTreeMap<String, String>> {
    let mut identities = BTreeMap::new();
    for system in looking.registry().systems() {
        // A system that the target does not speak of is not asked where it would lead.
        if is_elsewhere(target, system.name()) {
            continue;
        }
        let identity = looking.block_on(system.identity(looking.reading("plan", target.clone())))??;
        identities.extend(identity.map(|identity| (system.name().to_owned(), identity)));
    }
    Ok(identities)
}

impl Plan {
    /// Whether what it rests on is still so: the target is the same, and so is what was read there.
    ///
    /// # Errors
    /// `Denied`, naming everything that is otherwise.
    pub fn holds(&self, launch: &Launch) -> Result<()> {
        let looking = Launch { allow: launch.registry.patterns("read"), ..launch.clone() }
            .looking(Arc::new(Unwatched))?;
        let target = looking.setup.target.clone();
        if target.name != self.target {
            return Err(plan::stale(format!(
                "the plan is for the target `{}`, this is `{}`",
                self.target, target.name
            )));
        }
        let now = identities(&looking, &target)?;
        if now != self.identities {
            return Err(plan::stale(format!(
                "the target `{}` is another one than when the plan was made: {now:?}, was {:?}",
                self.target, self.identities
            )));
        }
        let mut changed = Vec::new();
        for system in looking.registry().systems() {
            for then in self.preconditions.get(system.name()).into_iter().flatten() {
                let cx = looking.reading("plan", target.clone());
                let now = looking.block_on(system.look(cx, then.clone()))??;
                match (&then.digest, &now.digest) {
                    (then, now) if then == now => {}
                    (None, _) => changed.push(format!("{} exists now", then.what)),
                    (_, None) => changed.push(format!("{} is gone", then.what)),
                    _ if then.version.is_none() => changed.push(format!("{} is not as it was", then.what)),
                    _ => changed.push(format!(
                        "{} is another one: version {}, was {}",
                        then.what,
                        now.version.as_deref().unwrap_or("unknown"),
                        then.version.as_deref().unwrap_or("unknown")
                    )),
                }
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let error = plan::stale(format!("the plan {} no longer holds", self.short()));
        Err(changed.into_iter().fold(error, Error::detail))
    }
}

/// Writes the plan of a run down.
pub struct Planner {
    noting: Arc<Noting>,
    journal: Arc<MemoryJournal>,
}

impl Planner {
    /// The plan of the run, which has ended well.
    pub fn plan(self, subject: &Subject, planning: &Planning, identities: BTreeMap<String, String>) -> Plan {
        let mut noted = self.noting.finished();
        for (step, what) in irreversible(&self.journal, planning) {
            let step = noted.step(&step);
            if !step.irreversible.contains(&what) {
                step.irreversible.push(what);
            }
        }
        let steps = noted.steps.into_iter();
        let plan = Plan {
            format: plan::format(),
            opsrun: env!("CARGO_PKG_VERSION").to_owned(),
            made: planning.looking.now(),
            playbook: subject.playbook.clone(),
            files: plan::digests(subject.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))),
            params: subject.params.clone(),
            target: planning.target.name.clone(),
            identities,
            seed: planning.seed,
            preconditions: planning.estate.preconditions(&planning.target.name),
            steps: steps
                .filter(|step| !step.writes.is_empty() || step.alterations != Alterations::default())
                .collect(),
            hash: String::new(),
        };
        plan.sealed(planning.looking.redactor())
    }
}

/// What of the run's writes could not be taken back, and why, by step.
fn irreversible(journal: &MemoryJournal, planning: &Planning) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    for call in
        Chronicle::of(&journal.records(), &[]).calls.into_iter().filter(|call| !call.writes.is_empty())
    {
        let step: Vec<String> = call.scope.steps().map(str::to_owned).collect();
        let declared =
            planning.launch.registry.primitive(&call.primitive).map(|declaration| declaration.undo);
        if let Some(Undo::Never(why)) = declared {
            let writes = call.writes.iter().map(|write| format!("{}: {why}", write.access));
            found.extend(writes.map(|what| (step.clone(), what)));
        }
        for inverse in call.inverses {
            if let Inverse::None { why } = inverse {
                found.push((step.clone(), format!("{}: {why}", call.primitive)));
            }
        }
    }
    found
}

/// Notes what each step of a run does, while it does it.
struct Noting {
    watcher: Arc<dyn Watcher>,
    estate: Arc<Estate>,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    steps: Vec<PlannedStep>,
    /// What happened since a step last ended or wrote, and was not asked for by a write that was named since.
    pending: Alterations,
}

impl Noted {
    fn step(&mut self, names: &[String]) -> &mut PlannedStep {
        let known = self.steps.iter().position(|step| step.step == names);
        let at = known.unwrap_or_else(|| {
            self.steps.push(PlannedStep { step: names.to_vec(), ..PlannedStep::default() });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    /// Of what happened, what this write names is the step's; the rest waits for whose it is.
    fn wrote(&mut self, steps: &[String], access: &Access) {
        let name = match (&access.name, &access.namespace) {
            (Some(name), Some(namespace)) => format!("{namespace}/{name}"),
            (Some(name), None) => name.clone(),
            (None, _) => String::new(),
        };
        let resource = access.resource.split('/').next().unwrap_or_default();
        let what = format!("{resource} {name}");
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending.things).into_iter().partition(|thing| thing.what == what);
        self.pending.things = others;
        let step = self.step(steps);
        let write = access.to_string();
        if !step.writes.contains(&write) {
            step.writes.push(write);
        }
        own.into_iter().for_each(|thing| merge(&mut step.alterations, thing));
    }

    /// What is left is what followed from the step's writes.
    fn ended(&mut self, steps: &[String]) {
        let pending = std::mem::take(&mut self.pending);
        if pending == Alterations::default() {
            return;
        }
        let step = self.step(steps);
        pending.things.into_iter().for_each(|thing| merge(&mut step.alterations, thing));
        for consequence in pending.consequences {
            if !step.alterations.consequences.contains(&consequence) {
                step.alterations.consequences.push(consequence);
            }
        }
    }
}

/// A thing that is altered twice has the fields of both: the first value before, the last one after.
fn merge(into: &mut Alterations, thing: Alteration) {
    let Some(known) = into.things.iter_mut().find(|known| known.what == thing.what) else {
        into.things.push(thing);
        return;
    };
    known.how = match (known.how, thing.how) {
        (How::Created, How::Deleted) => {
            into.things.retain(|known| known.what != thing.what);
            return;
        }
        (How::Created, _) => How::Created,
        (How::Deleted, How::Created) => How::Replaced,
        (How::Changed, how) => how,
        (How::Replaced, How::Changed) => How::Replaced,
        (_, how) => how,
    };
    if known.how == How::Created {
        // It is new as a whole, whatever was done to it since.
        known.fields.clear();
        return;
    }
    for field in thing.fields {
        match known.fields.iter_mut().find(|known| known.path == field.path) {
            Some(known) => known.after = field.after,
            None => known.fields.push(field),
        }
    }
    known.fields.retain(|field| field.before != field.after);
}

impl Noting {
    fn finished(&self) -> Noted {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        self.collect(&mut noted);
        noted.ended(&[]);
        std::mem::take(&mut *noted)
    }

    fn collect(&self, noted: &mut Noted) {
        let happened = self.estate.alterations();
        noted.pending.things.extend(happened.things);
        noted.pending.consequences.extend(happened.consequences);
    }
}

impl Watcher for Noting {
    fn event(&self, event: &Event) {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            match &event.what {
                Happening::Wrote { access, status, .. } => {
                    self.collect(&mut noted);
                    if *status < 400 {
                        noted.wrote(&event.steps, access);
                    }
                }
                Happening::StepEnded { .. } => {
                    self.collect(&mut noted);
                    noted.ended(&event.steps);
                }
                _ => {}
            }
        }
        self.watcher.event(event);
    }
}
