//! Makes the cluster what a revision says: records, hooks, apply, deletion of what vanished, waiting.
//! Shared by install, upgrade and rollback, which differ in where the revision comes from.

use std::collections::BTreeSet;

use opsrun_core::{Error as CoreError, Result, Span};
use opsrun_k8s::apply::{self, Apply, Change, Conflicts, Undoing};
use opsrun_k8s::delete::{self, Cascade, Delete};
use opsrun_k8s::manifests::Wave;
use opsrun_k8s::object::{Address, Object};
use opsrun_k8s::readiness::{self, Readiness};
use opsrun_k8s::{Client, wait};
use serde_json::Value;

use crate::error::Error;
use crate::hooks::{self, Hooks};
use crate::release::{Release, Status};
use crate::storage::Storage;
use crate::{MANAGER, manifest};

/// Time for hooks and waiting, as Helm has it.
pub(crate) const TIMEOUT: Span = Span::from_secs(300);

/// How a revision is deployed.
#[derive(Debug, Clone)]
pub(crate) struct How {
    /// The hooks before and after.
    pub events: (&'static str, &'static str),
    /// What the record says in the end.
    pub description: String,
    /// Wait until everything is ready.
    pub wait: bool,
    pub wait_for_jobs: bool,
    pub timeout: Span,
    pub hooks: bool,
    pub conflicts: Conflicts,
    /// Take over objects that are not the release's.
    pub take_ownership: bool,
    /// The revision has its record: the run broke off after that.
    pub recorded: bool,
}

/// What became of the objects.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub created: usize,
    pub changed: usize,
    pub deleted: usize,
}

impl Counts {
    /// What a revision changes that came after `former` ones: where the run broke off in it, what it did before counts, too.
    ///
    /// # Errors
    /// `Invalid` if a manifest is not one.
    pub(crate) fn since(former: &[&Release], revision: &Release) -> Result<Self> {
        let mut old = Vec::new();
        for revision in former {
            old.extend(manifest::objects(&revision.chart_name(), &revision.manifest)?);
        }
        let objects = manifest::objects(&revision.chart_name(), &revision.manifest)?;
        Ok(Counts::between(&old, &objects, &revision.namespace))
    }

    fn between(old: &[Value], objects: &[Value], namespace: &str) -> Self {
        let all = |objects: &mut dyn Iterator<Item = &Value>| -> BTreeSet<Identity> {
            objects.map(|object| identity(object, namespace)).collect()
        };
        let (was, is) = (all(&mut old.iter()), all(&mut objects.iter()));
        let kept = all(&mut old.iter().filter(|object| manifest::is_kept(object)));
        Counts {
            created: is.difference(&was).count(),
            changed: is.intersection(&was).count(),
            deleted: was.difference(&is).filter(|gone| !kept.contains(gone)).count(),
        }
    }
}

/// Deploys `release`, which is recorded as pending; `former` are the revisions whose objects may be there.
///
/// # Errors
/// Whatever failed, once the revision is recorded as failed.
pub(crate) async fn run(
    storage: &Storage<'_>,
    mut release: Release,
    former: &[&Release],
    how: &How,
) -> Result<(Release, Counts)> {
    let client = storage.client();
    let mut objects = manifest::objects(&release.chart_name(), &release.manifest)?;
    objects.iter_mut().for_each(|object| manifest::own(object, &release.name, &release.namespace));
    let mut old = Vec::new();
    for revision in former {
        old.extend(manifest::objects(&revision.chart_name(), &revision.manifest)?);
    }
    if !how.take_ownership {
        check_ownership(client, &release, &objects, &old).await?;
    }
    if !how.recorded {
        storage.create(&release).await?;
    }
    match deploy(storage, &mut release, &objects, &old, how).await {
        Ok(counts) => {
            for mut superseded in storage.history(&release.name).await? {
                if superseded.revision != release.revision && superseded.info.status == Status::Deployed {
                    superseded.info.status = Status::Superseded;
                    storage.update(&superseded).await?;
                }
            }
            release.info.status = Status::Deployed;
            release.info.description = how.description.clone();
            storage.update(&release).await?;
            Ok((release, counts))
        }
        Err(error) => {
            let what = if release.info.status == Status::PendingUpgrade { "Upgrade" } else { "Release" };
            release.info.status = Status::Failed;
            release.info.description = format!("{what} \"{}\" failed: {}", release.name, error.message());
            // The failure itself is what matters; a record that stays pending is taken over by a rollback.
            if let Err(unrecorded) = storage.update(&release).await {
                client.cx().warn(format!("the failure could not be recorded: {unrecorded}"));
            }
            Err(error.context(format!(
                "revision {} of the release `{}` failed in {}",
                release.revision, release.name, release.namespace
            )))
        }
    }
}

async fn deploy(
    storage: &Storage<'_>,
    release: &mut Release,
    objects: &[Value],
    old: &[Value],
    how: &How,
) -> Result<Counts> {
    let client = storage.client();
    let (before, after) = how.events;
    if how.hooks {
        hooks::run(storage, release, &Hooks::of(before, how.timeout)).await?;
    }
    let namespace = release.namespace.clone();
    let apply = Apply {
        manager: MANAGER,
        conflicts: how.conflicts,
        dry_run: false,
        namespace: Some(&namespace),
        undo: Undoing::Caller,
    };
    let applied = apply::all(client, objects, &apply).await?;
    let places: Vec<Address> = applied.iter().map(|applied| applied.at.clone()).collect();
    let deleted = delete_vanished(client, &namespace, &places, old).await?;
    if how.wait {
        let judge = if how.wait_for_jobs { readiness::of } else { ready_without_jobs };
        wait::ready_by(client, &places, how.timeout, judge).await?;
    }
    if how.hooks {
        hooks::run(storage, release, &Hooks::of(after, how.timeout)).await?;
    }
    let count = |change| applied.iter().filter(|applied| applied.change == change).count();
    let (created, changed) = (count(Change::Created), count(Change::Changed));
    if how.recorded {
        return Ok(Counts::between(old, objects, &namespace));
    }
    Ok(Counts { created, changed, deleted })
}

/// A Job that runs is as good as one that has ended.
fn ready_without_jobs(object: &Value) -> Readiness {
    match (object.text("/kind"), readiness::of(object)) {
        ("Job", Readiness::Waiting(_)) => Readiness::Ready,
        (_, readiness) => readiness,
    }
}

/// Objects that the release did not have before must not exist, or be marked as its own.
async fn check_ownership(client: &Client, release: &Release, objects: &[Value], old: &[Value]) -> Result<()> {
    let known: BTreeSet<Identity> = old.iter().map(|object| identity(object, &release.namespace)).collect();
    let mut new = Vec::new();
    for object in objects.iter().filter(|object| !known.contains(&identity(object, &release.namespace))) {
        match client.address_of(object, Some(&release.namespace)).await {
            Ok(at) => new.push(at),
            // Its kind comes with this revision, so it does not exist yet.
            Err(opsrun_k8s::error::Error::UnknownKind { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for (at, found) in new.iter().zip(apply::read_all(client, &new).await?) {
        let why = found.and_then(|found| manifest::not_ours(&found, &release.name, &release.namespace));
        if let Some(why) = why {
            let object = at.to_string();
            return Err(Error::NotOurs { object, release: release.name.clone(), why }.into());
        }
    }
    Ok(())
}

/// Kind, namespace and name, whatever the version.
type Identity = (String, String, String, String);

fn identity(object: &Value, namespace: &str) -> Identity {
    let group = object.text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let own = object.text("/metadata/namespace");
    let namespace = if own.is_empty() { namespace } else { own };
    (group.to_owned(), object.text("/kind").to_owned(), namespace.to_owned(), object.name().to_owned())
}

async fn delete_vanished(
    client: &Client,
    namespace: &str,
    places: &[Address],
    old: &[Value],
) -> Result<usize> {
    let vanished = vanished(client, namespace, places, old).await?;
    let how = Delete { cascade: Cascade::Background, grace: None, undo: Undoing::Caller };
    delete::all(client, &vanished, &how).await?;
    Ok(vanished.len())
}

/// What a release has no more: those of `old` that exist and are not at one of `places`.
pub(crate) async fn vanished(
    client: &Client,
    namespace: &str,
    places: &[Address],
    old: &[Value],
) -> Result<Vec<(Address, Value)>> {
    existing(client, namespace, old, |at| {
        !places.iter().any(|place| {
            (&place.resource.group, &place.resource.kind, &place.namespace, &place.name)
                == (&at.resource.group, &at.resource.kind, &at.namespace, &at.name)
        })
    })
    .await
}

/// Those of `objects` that exist, are wanted and need not be kept, in the order of deletion.
pub(crate) async fn existing(
    client: &Client,
    namespace: &str,
    objects: &[Value],
    wanted: impl Fn(&Address) -> bool,
) -> Result<Vec<(Address, Value)>, CoreError> {
    let mut places = Vec::new();
    for object in objects {
        match client.address_of(object, Some(namespace)).await {
            Ok(at) => places.push(at),
            // With its kind, the object went.
            Err(opsrun_k8s::error::Error::UnknownKind { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    places.retain(wanted);
    places.sort();
    places.dedup();
    places.sort_by_key(|at| std::cmp::Reverse(Wave::of(&at.resource.kind)));
    let found = apply::read_all(client, &places).await?;
    let found = places.into_iter().zip(found).filter_map(|(at, object)| Some((at, object?)));
    Ok(found.filter(|(_, object)| !manifest::is_kept(object)).collect())
}
