use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use opsrun_core::{BoxFuture, Cx, Effect, Error, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::MANAGER;
use crate::apply::{read_all, together};
use crate::client::{Client, Parameters, PatchKind};
use crate::error;
use crate::inverse::{Former, Memory, Outcome, RESTORE, Was, difference, managed, without_state};
use crate::manifests::Wave;
use crate::object::{Address, Object};
use crate::readiness::{self, Readiness};
use crate::recreate::fresh;
use crate::types::Restored;
use crate::wait;

/// Puts objects back as they were: what undo does for all other primitives of `k8s`.
///
/// What did not exist is deleted, what was deleted is created again, and what was changed gets its former parts and field managers
/// back; the rest of an object is left as it is. Its argument is what those primitives recorded.
///
/// ```rhai
/// k8s::restore([#{ apiVersion: "v1", kind: "ConfigMap", name: "none", was: #{ absent: #{} } }]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Restore {
    /// The objects, and how each was.
    #[arg(positional)]
    objects: Vec<Former>,
}

const GONE_WITHIN: Span = Span::from_secs(180);
const READY_WITHIN: Span = Span::from_secs(180);

impl Primitive for Restore {
    const PATH: &'static str = RESTORE;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Restored;

    async fn run(self, cx: &Cx) -> Result<Restored> {
        let client = Client::new(cx)?;
        let (mut places, mut ready) = (Vec::new(), BTreeSet::new());
        for former in self.objects {
            match client.kind_of(&former.api_version, &former.kind).await {
                Ok(resource) => {
                    let at = client.place(resource, former.namespace.as_deref(), &former.name);
                    if former.ready {
                        ready.insert(at.clone());
                    }
                    places.push((at, former));
                }
                // With its kind, the object went too.
                Err(error::Error::UnknownKind { .. }) if matches!(former.was, Was::Absent { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        places.sort_by_key(|(at, former)| {
            let wave = Wave::of(&at.resource.kind) as i8;
            // What goes, goes last, in reverse.
            if is_absent(former) { (1, -wave) } else { (0, wave) }
        });
        let addresses: Vec<Address> = places.iter().map(|(at, _)| at.clone()).collect();
        let now = read_all(&client, &addresses).await?;
        let mut memory =
            Memory::of(&client, addresses.iter().cloned().zip(now.iter().cloned()).collect()).await?;
        let (mut outcomes, mut failure) = (Vec::new(), None);
        let mut from = 0;
        while from < places.len() && failure.is_none() {
            let group = |(at, former): &(Address, Former)| (Wave::of(&at.resource.kind), is_absent(former));
            let first = group(&places[from]);
            let mut puts: Vec<BoxFuture<'_, (usize, Result<Outcome, error::Error>)>> = Vec::new();
            for (index, (at, former)) in places.iter().enumerate().skip(from) {
                if group(&places[index]) != first {
                    break;
                }
                let (client, now) = (&client, now[index].as_ref());
                puts.push(Box::pin(async move { (index, put_back(client, at, former, now).await) }));
            }
            from += puts.len();
            let results = together(puts).await;
            for (index, result) in results {
                let outcome = match result {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        let outcome = Outcome::of_failure(&error);
                        failure.get_or_insert(error);
                        outcome
                    }
                };
                memory.note(index, outcome.clone());
                outcomes.push((index, outcome));
            }
        }
        memory.settle().await?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        let touched = |wanted: fn(&Outcome) -> bool| -> Vec<Address> {
            let found = outcomes.iter().filter(|(_, outcome)| wanted(outcome));
            found.map(|(index, _)| addresses[*index].clone()).collect()
        };
        let gone = touched(|outcome| matches!(outcome, Outcome::Gone));
        wait::gone(&client, &gone, GONE_WITHIN).await?;
        let back = touched(|outcome| matches!(outcome, Outcome::Now(_)));
        settle_workloads(&client, &back, &ready).await?;
        Ok(Restored { restored: back.iter().chain(&gone).map(Address::short).collect() })
    }
}

fn is_absent(former: &Former) -> bool {
    matches!(former.was, Was::Absent { .. })
}

/// Which objects this process has created again, by what they were: uid and uid.
#[derive(Default)]
struct Recreated(Mutex<BTreeMap<String, String>>);

impl Recreated {
    fn of(cx: &Cx) -> Result<Arc<Self>> {
        cx.shared("k8s objects created again", || Ok(Recreated::default()))
    }

    fn note(&self, was: &str, is: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(was.to_owned(), is.to_owned());
    }

    /// What has become of the object with this uid.
    fn now(&self, uid: &str) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut uid = uid;
        while let Some(is) = all.get(uid) {
            uid = is;
        }
        uid.to_owned()
    }
}

async fn put_back(
    client: &Client,
    at: &Address,
    former: &Former,
    now: Option<&Value>,
) -> Result<Outcome, error::Error> {
    let recreated = Recreated::of(client.cx())?;
    match (&former.was, now) {
        (Was::Absent { .. }, None) => Ok(Outcome::Untouched),
        (Was::Absent { uid }, Some(now)) => {
            let ours = match uid {
                Some(uid) => recreated.now(uid) == now.uid(),
                // An object without any fields of its own is managed by nobody.
                None => {
                    let managers = now.items("/metadata/managedFields");
                    managers.is_empty() || managers.iter().any(|entry| entry["manager"] == MANAGER)
                }
            };
            if !ours {
                client.cx().warn(format!("{at} is left alone: somebody else has created it since"));
                return Ok(Outcome::Untouched);
            }
            let options = json!({
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "propagationPolicy": cascade(at),
                "preconditions": { "uid": now.uid() },
            });
            client.delete(at, &options).await?;
            Ok(Outcome::Gone)
        }
        (Was::Whole(object), None) => {
            let created = client.create(at, &fresh(object), MANAGER).await?;
            if let Some(uid) = &former.uid {
                recreated.note(uid, created.uid());
            }
            own_as_before(client, at, created, &managed(object)).await.map(Outcome::Now)
        }
        (Was::Whole(object), Some(now)) => {
            let patch = difference(&without_state(now), object);
            change_back(client, at, now, patch.as_ref(), &managed(object)).await
        }
        (Was::Parts { patch, managed }, Some(now)) => {
            change_back(client, at, now, Some(patch), managed).await
        }
        (Was::Parts { .. }, None) => {
            let gone = format!("{at} cannot be put back: it was deleted after it had been changed");
            Err(Error::not_found(gone).into())
        }
    }
}

/// What owns pods goes after them, so that nothing is left when it is gone; the core kinds own nothing.
fn cascade(at: &Address) -> &'static str {
    if at.resource.group.is_empty() { "Background" } else { "Foreground" }
}

async fn change_back(
    client: &Client,
    at: &Address,
    now: &Value,
    patch: Option<&Value>,
    managed: &Value,
) -> Result<Outcome, error::Error> {
    let parameters = Parameters::default().with("fieldManager", MANAGER);
    let mut object = now.clone();
    if let Some(patch) = patch.filter(|patch| patch.as_object().is_some_and(|patch| !patch.is_empty())) {
        object = client.patch(at, None, PatchKind::Merge, patch, &parameters).await?.1;
    }
    let object = own_as_before(client, at, object, managed).await?;
    let same = object.resource_version() == now.resource_version();
    Ok(if same { Outcome::Untouched } else { Outcome::Now(object) })
}

/// Gives the fields back to their former managers. What controllers wrote into the status since is theirs.
async fn own_as_before(
    client: &Client,
    at: &Address,
    object: Value,
    managed: &Value,
) -> Result<Value, error::Error> {
    let of_status = |entry: &&Value| entry["subresource"] == "status";
    let mut wanted: Vec<Value> =
        managed.as_array().into_iter().flatten().filter(|entry| !of_status(entry)).cloned().collect();
    wanted.extend(object.items("/metadata/managedFields").iter().filter(of_status).cloned());
    if untimed(&wanted) == untimed(object.items("/metadata/managedFields")) {
        return Ok(object);
    }
    let patch = json!({ "metadata": { "managedFields": wanted } });
    let parameters = Parameters::default().with("fieldManager", MANAGER);
    Ok(client.patch(at, None, PatchKind::Merge, &patch, &parameters).await?.1)
}

fn untimed(entries: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = entries
        .iter()
        .cloned()
        .map(|mut entry| {
            entry.as_object_mut().map(|entry| entry.remove("time"));
            entry.to_string()
        })
        .collect();
    texts.sort();
    texts
}

/// Waits for the workloads among what was put back. One that does not come up again is told, and no reason to stop undoing.
async fn settle_workloads(client: &Client, objects: &[Address], ready: &BTreeSet<Address>) -> Result<()> {
    let is_workload = |at: &&Address| at.resource.group == "apps" && ready.contains(*at);
    let workloads: Vec<Address> = objects.iter().filter(is_workload).cloned().collect();
    match wait::ready_by(client, &workloads, READY_WITHIN, ready_again).await {
        Err(error) if error.kind() == opsrun_core::ErrorKind::Timeout => {
            client.cx().warn(format!("put back, but {}", error.message()));
            Ok(())
        }
        other => other,
    }
}

/// A deadline that the write which is being undone exceeded says nothing about the state before it.
fn ready_again(object: &Value) -> Readiness {
    match readiness::of(object) {
        Readiness::Failed(why) => Readiness::Waiting(why),
        state => state,
    }
}
