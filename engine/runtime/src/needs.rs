//! What a playbook needs to be allowed, found out by rehearsing it: undisturbed, again, taken back, and failing.
//! A name that is another one with another seed, or the next time, is made up; it cannot be granted by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use opsrun_core::{Error, Need, Result};
use opsrun_gate::{Asked, Auditor, Decision, FaultRule, Reply};

use crate::chronicle::Chronicle;
use crate::journal::{MemoryJournal, Record};
use crate::launch::Rehearsal;
use crate::past::{Course, Past};
use crate::run::{Outcome, Run, locked};

/// How a playbook's needs are looked for.
pub struct Inquiry<'a> {
    /// Starts an estate that is ready for the playbook, by its number and a seed.
    pub start: &'a dyn Fn(usize, u64) -> Result<Rehearsal>,
    /// Runs the playbook.
    pub run: &'a dyn Fn(&Arc<Run>) -> Result<Outcome>,
    /// How many estates there are.
    pub estates: usize,
    pub seed: u64,
    /// How often the playbook is run on an estate, one run after the other; at least once.
    pub times: u32,
    /// Faults with which it is rehearsed, too, each by itself.
    pub faults: Vec<FaultRule>,
}

/// What an inquiry found.
#[derive(Debug, Default)]
pub struct Needs {
    /// By the target's name.
    pub targets: BTreeMap<String, Vec<Need>>,
    /// How many times the playbook was gone through.
    pub rehearsals: usize,
}

impl Inquiry<'_> {
    /// Rehearses.
    ///
    /// # Errors
    /// Those of the playbook on the first estate: what it would have asked for after that is not known.
    pub fn carry_out(&self) -> Result<Needs> {
        // What the same part of an inquiry saw with one seed and with the other, and the parts that are alike otherwise.
        let mut parts: Vec<[Vec<Seen>; 2]> = Vec::new();
        let mut rehearsals = 0;
        for estate in 0..self.estates {
            let one = self.with_seed(estate, self.seed)?;
            let other = self.with_seed(estate, self.seed.wrapping_add(1))?;
            rehearsals += one.len() + other.len();
            for again in [&one, &other] {
                let runs = again.iter().filter(|part| part.again).map(|part| part.seen.clone());
                let runs: Vec<_> = runs.collect();
                parts.extend(runs.windows(2).map(|pair| [pair[0].clone(), pair[1].clone()]));
            }
            parts.extend(one.into_iter().zip(other).map(|(one, other)| [one.seen, other.seen]));
        }
        Ok(Needs { rehearsals, targets: Needs::of(&parts) })
    }

    fn with_seed(&self, estate: usize, seed: u64) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let rehearsal = (self.start)(estate, seed)?;
        let mut journals = Vec::new();
        for time in 0..self.times.max(1) {
            let (seen, records) = self.undisturbed(&rehearsal, estate == 0 && time == 0)?;
            parts.push(Part { seen, again: true });
            journals.push(records);
        }
        let stops = journals.first().map(|records| last_writes(records)).unwrap_or_default();
        let mut faults: Vec<FaultRule> = stops.iter().filter_map(|passed| refusal_after(*passed)).collect();
        faults.extend(self.faults.iter().cloned());
        while let Some(records) = journals.pop() {
            let watched = Arc::new(Watched::default());
            let past = Past::read(&records, rehearsal.registry());
            let run =
                rehearsal.permissive(watched.clone(), past, Course::Back, Arc::default(), Vec::new())?;
            // That something cannot be taken back is no need.
            (self.run)(&run)?;
            parts.push(Part { seen: watched.seen(), again: false });
        }
        for fault in faults {
            let rehearsal = (self.start)(estate, seed)?;
            let watched = Arc::new(Watched::default());
            let faults = vec![fault];
            let run = rehearsal.permissive(
                watched.clone(),
                Past::default(),
                Course::Onward,
                Arc::default(),
                faults,
            )?;
            (self.run)(&run)?;
            parts.push(Part { seen: watched.seen(), again: false });
        }
        Ok(parts)
    }

    fn undisturbed(&self, rehearsal: &Rehearsal, must_go_well: bool) -> Result<(Vec<Seen>, Vec<Record>)> {
        let watched = Arc::new(Watched::default());
        let journal = Arc::new(MemoryJournal::default());
        let run = rehearsal.permissive(
            watched.clone(),
            Past::default(),
            Course::Onward,
            journal.clone(),
            Vec::new(),
        )?;
        match (self.run)(&run)?.error() {
            Some(error) if must_go_well => Err(error.clone().context(
                "the playbook fails in a rehearsal, so what it would ask for after that is not known",
            )),
            // It may be one that can be run once only, or an estate that shows what a failure needs.
            _ => Ok((watched.seen(), journal.records())),
        }
    }
}

/// What was seen in one part of an inquiry.
struct Part {
    seen: Vec<Seen>,
    /// The same is done again in the next such part.
    again: bool,
}

/// How many writes come before the last write of each step, by the records of a run.
fn last_writes(records: &[Record]) -> BTreeSet<u64> {
    let mut last: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for call in Chronicle::of(records, &[]).calls {
        let step = call.scope.steps().map(str::to_owned).collect();
        if let Some(write) = call.writes.iter().map(|write| write.write).max() {
            let before = last.entry(step).or_default();
            *before = write.saturating_sub(1).max(*before);
        }
    }
    last.into_values().collect()
}

fn refusal_after(passed: u64) -> Option<FaultRule> {
    format!("* write: 403 after {passed}").parse().ok()
}

/// Sees what a run asks for.
#[derive(Debug, Default)]
struct Watched(Mutex<Vec<Option<Seen>>>);

#[derive(Debug, Clone)]
struct Seen {
    target: String,
    need: Need,
}

impl Watched {
    fn seen(&self) -> Vec<Seen> {
        locked(&self.0).iter().flatten().cloned().collect()
    }
}

impl Auditor for Watched {
    fn asked(&self, asked: &Asked<'_>) -> Result<u64> {
        let seen = Seen {
            target: asked.call.target.name.clone(),
            need: Need {
                access: asked.access.clone(),
                request: asked.request.map(|request| (request.method.clone(), request.uri.clone())),
                status: None,
                pattern: None,
            },
        };
        let mut all = locked(&self.0);
        all.push((!matches!(asked.decision, Decision::Free(_))).then_some(seen));
        u64::try_from(all.len() - 1).map_err(|_| Error::failed("there are too many requests"))
    }

    fn answered(&self, number: u64, reply: &Reply, _: Option<&str>) -> Result<()> {
        let mut all = locked(&self.0);
        let seen = usize::try_from(number).ok().and_then(|number| all.get_mut(number));
        if let (Some(Some(seen)), Reply::Status(status)) = (seen, reply) {
            seen.need.status = Some(*status);
        }
        Ok(())
    }
}

/// What names are compared within.
type Place = (String, String, String, Option<String>);

fn place(seen: &Seen) -> Place {
    let access = &seen.need.access;
    (seen.target.clone(), access.system.clone(), access.resource.clone(), access.namespace.clone())
}

impl Needs {
    fn of(parts: &[[Vec<Seen>; 2]]) -> BTreeMap<String, Vec<Need>> {
        let made_up = made_up(parts);
        let mut targets: BTreeMap<String, Vec<Need>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for seen in parts.iter().flatten().flatten() {
            let mut need = seen.need.clone();
            if let (Some(names), Some(name)) = (made_up.get(&place(seen)), &need.access.name)
                && names.contains(name)
            {
                need.pattern = Some(common(names));
            }
            let name = need.pattern.as_ref().or(need.access.name.as_ref());
            let request = need.request.as_ref().map(|(method, uri)| {
                // Of a name that is made up any example will do.
                let uri = if need.pattern.is_some() { String::new() } else { uri.to_string() };
                (method.to_string(), uri)
            });
            let key = (place(seen), need.access.verb.clone(), name.cloned(), request, need.status);
            if known.insert(key) {
                targets.entry(seen.target.clone()).or_default().push(need);
            }
        }
        targets
    }
}

/// The names that others take the place of: in the other part, or by counting on.
fn made_up(parts: &[[Vec<Seen>; 2]]) -> BTreeMap<Place, BTreeSet<String>> {
    let mut made_up: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for pair in parts {
        let [one, other] = pair.each_ref().map(|part| names(part));
        let nothing = BTreeSet::new();
        for (place, one) in &one {
            let other = other.get(place).unwrap_or(&nothing);
            let (only_one, only_other) = (one - other, other - one);
            let mut found: BTreeSet<String> = BTreeSet::new();
            if !only_one.is_empty() && !only_other.is_empty() {
                found.extend(only_one.union(&only_other).cloned());
            }
            // A release's first revision is there when the second is made.
            let all = one | other;
            for name in only_one.union(&only_other) {
                let alike =
                    all.iter().filter(|known| *known != name && unnumbered(known) == unnumbered(name));
                let alike: Vec<_> = alike.cloned().collect();
                if !alike.is_empty() {
                    found.extend(alike);
                    found.insert(name.clone());
                }
            }
            if !found.is_empty() {
                made_up.entry(place.clone()).or_default().extend(found);
            }
        }
    }
    made_up
}

/// The name without its numbers.
fn unnumbered(name: &str) -> String {
    name.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#")
}

fn names(seen: &[Seen]) -> BTreeMap<Place, BTreeSet<String>> {
    let mut names: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for seen in seen {
        if let Some(name) = &seen.need.access.name {
            names.entry(place(seen)).or_default().insert(name.clone());
        }
    }
    names
}

/// A pattern of what all names begin with, in whole words.
fn common(names: &BTreeSet<String>) -> String {
    let mut names = names.iter();
    let first = names.next().map_or("", String::as_str);
    let shared = names.fold(first.len(), |shared, name| {
        first.bytes().zip(name.bytes()).take(shared).take_while(|(one, other)| one == other).count()
    });
    let word = first.as_bytes()[..shared].iter().rposition(|byte| b"-./:".contains(byte));
    let word = word.map_or(0, |separator| separator + 1);
    format!("{}*", first.get(..word).unwrap_or_default())
}

/// The needs as grants of our own: no more than them, verbs joined. `hide` shows what of a text must not be written out.
pub fn own_grants(needs: &[Need], hide: &dyn Fn(&str) -> String) -> Vec<String> {
    type Thing<'n> = (&'n str, &'n str, Option<&'n str>);
    let mut things: BTreeMap<Thing<'_>, BTreeMap<Option<String>, BTreeSet<&str>>> = BTreeMap::new();
    for need in needs {
        let access = &need.access;
        let thing = (access.system.as_str(), access.resource.as_str(), access.namespace.as_deref());
        let name = need.pattern.as_ref().or(access.name.as_ref());
        let name = name.filter(|name| hide(name) == **name && name.as_str() != "*").cloned();
        things.entry(thing).or_default().entry(name).or_default().insert(&access.verb);
    }
    let mut grants = Vec::new();
    for ((system, resource, namespace), names) in &things {
        for (name, verbs) in names {
            let covered = |verb: &&&str| {
                names.iter().any(|(wider, allowed)| allowed.contains(**verb) && is_wider(wider, name))
            };
            let verbs: Vec<&str> = verbs.iter().filter(|verb| !covered(verb)).copied().collect();
            if verbs.is_empty() {
                continue;
            }
            let mut grant = format!("{system} {} {resource}", verbs.join(","));
            if let Some(name) = name {
                grant.push('/');
                grant.push_str(name);
            }
            if let Some(namespace) = namespace {
                grant.push_str(" in ");
                grant.push_str(namespace);
            }
            grants.push(grant);
        }
    }
    grants
}

fn is_wider(wider: &Option<String>, name: &Option<String>) -> bool {
    match (wider, name) {
        (None, Some(_)) => true,
        (Some(wider), Some(name)) => wider != name && opsrun_core::glob(wider, name),
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use opsrun_core::{Access, Effect};

    use super::*;

    fn seen(verb: &str, resource: &str, name: &str) -> Seen {
        let access = Access {
            system: "k8s".into(),
            verb: verb.into(),
            resource: resource.into(),
            name: (!name.is_empty()).then(|| name.into()),
            namespace: Some("prod".into()),
            effect: Effect::Read,
        };
        let need = Need { access, request: None, status: None, pattern: None };
        Seen { target: String::new(), need }
    }

    fn granted(parts: &[[Vec<Seen>; 2]]) -> Vec<String> {
        let needs = Needs::of(parts).remove("").unwrap_or_default();
        let grants = own_grants(&needs, &|text| text.replace("s3cr3t", "‹key›"));
        for need in &needs {
            let allowed = grants.iter().any(|grant| {
                grant.parse::<opsrun_core::AccessPattern>().is_ok_and(|grant| grant.matches(&need.access))
            });
            assert!(allowed, "{} is not allowed by {grants:?}", need.access);
        }
        grants
    }

    #[test]
    fn names_that_differ_are_made_up_and_others_are_granted_by_themselves() {
        let one = vec![
            seen("get", "deployments", "api"),
            seen("patch", "deployments", "api"),
            seen("list", "pods", ""),
            seen("get", "pods/log", "api-5d9-x2x7"),
            seen("get", "pods/log", "app-5d9-99xq"),
            seen("create", "secrets", "release.v1"),
            seen("get", "secrets", "token"),
        ];
        let other = vec![
            seen("get", "deployments", "api"),
            seen("patch", "deployments", "api"),
            seen("list", "pods", ""),
            seen("get", "pods/log", "api-5d9-aaaa"),
            seen("get", "pods/log", "app-5d9-bbbb"),
            seen("create", "secrets", "release.v2"),
            seen("get", "secrets", "token"),
        ];
        assert_eq!(
            granted(&[[one, other]]),
            [
                "k8s get,patch deployments/api in prod",
                "k8s list pods in prod",
                "k8s get pods/log in prod",
                "k8s create secrets/release.* in prod",
                "k8s get secrets/token in prod",
            ]
        );
    }

    #[test]
    fn a_name_that_is_only_missing_is_not_made_up() {
        let all = vec![seen("get", "jobs", "a"), seen("get", "jobs", "b")];
        let fewer = vec![seen("get", "jobs", "a")];
        assert_eq!(granted(&[[all, fewer]]), ["k8s get jobs/a in prod", "k8s get jobs/b in prod"]);
    }

    #[test]
    fn a_name_that_is_counted_on_is_made_up_though_the_first_is_there_again() {
        let first = vec![seen("create", "secrets", "release.v1"), seen("get", "pods", "db-0")];
        let second = vec![
            seen("patch", "secrets", "release.v1"),
            seen("create", "secrets", "release.v2"),
            seen("get", "secrets", "token"),
            seen("get", "pods", "db-0"),
        ];
        assert_eq!(
            granted(&[[first, second]]),
            [
                "k8s get pods/db-0 in prod",
                "k8s create,patch secrets/release.* in prod",
                "k8s get secrets/token in prod",
            ]
        );
    }

    #[test]
    fn what_is_allowed_without_a_name_is_not_said_again_with_one() {
        let seen = vec![seen("get", "jobs", ""), seen("get", "jobs", "a"), seen("delete", "jobs", "a")];
        assert_eq!(granted(&[[seen.clone(), seen]]), ["k8s get jobs in prod", "k8s delete jobs/a in prod"]);
    }

    #[test]
    fn a_name_that_must_not_be_written_out_is_left_out() {
        let seen = vec![seen("get", "jobs", "s3cr3t")];
        assert_eq!(granted(&[[seen.clone(), seen]]), ["k8s get jobs in prod"]);
    }
}
