use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::{Client, Query};
use crate::diagnosis;
use crate::object::{Address, Labels, Object, ObjectRef};
use crate::until::Until;
use crate::wait;

/// Waits until an object is as wanted.
///
/// `until` is `ready` (whatever that means for the kind), `exists`, `deleted`, a condition (`condition=Available`,
/// `condition=Ready=False`), or a field and its value (`.status.phase=Bound`; without a value any will do). With `labels` it
/// waits for all objects of the kind that have them now. If it does not come about, the error is a `timeout` that says what is
/// wrong with the pods behind it.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" });
/// k8s::wait("deployment/web", "condition=Available", #{ within: 2.m });
/// k8s::wait("deployment/web", ".status.readyReplicas=2");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Wait {
    /// Kind and name, such as `deployment/api`; a kind alone together with `labels`.
    #[arg(positional)]
    object: ObjectRef,
    /// What to wait for; `ready` if left out.
    #[arg(positional)]
    until: Option<Until>,
    /// How long to wait (5 minutes).
    within: Option<Span>,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
    /// All objects of the kind that have these labels.
    labels: Option<Labels>,
}

const WITHIN: Span = Span::from_secs(300);

impl Primitive for Wait {
    const PATH: &'static str = "k8s::wait";
    const EFFECT: Effect = Effect::Read;
    type Out = Vec<String>;

    async fn run(self, cx: &Cx) -> Result<Vec<String>> {
        let client = Client::new(cx)?;
        let within = self.within.unwrap_or(WITHIN);
        let places = self.places(&client).await?;
        match self.until.unwrap_or(Until::Ready) {
            Until::Ready => wait::ready(&client, &places, within).await?,
            Until::Deleted => wait::gone(&client, &places, within).await?,
            until => {
                let waits = places.iter().map(|at| one(&client, at, &until, within));
                futures::future::try_join_all(waits).await?;
            }
        }
        Ok(places.iter().map(Address::short).collect())
    }
}

impl Wait {
    async fn places(&self, client: &Client) -> Result<Vec<Address>> {
        let Some(labels) = &self.labels else {
            return Ok(vec![client.address(&self.object, self.namespace.as_deref()).await?]);
        };
        if self.object.name.is_some() {
            return Err(Error::invalid("`k8s::wait` takes a name or `labels`, not both"));
        }
        let resource = client.kind_named_by(&self.object).await?;
        let namespace = self.namespace.as_deref().unwrap_or(client.namespace());
        let found = client.list(&resource, Some(namespace), &Query::labels(labels.as_str())).await?;
        if found.is_empty() && !matches!(self.until, Some(Until::Deleted)) {
            return Err(Error::not_found(format!(
                "no {} has the labels `{}`",
                resource.singular,
                labels.as_str()
            )));
        }
        let place = |object: &Value| {
            client.place(resource.clone(), Some(object.text("/metadata/namespace")), object.name())
        };
        Ok(found.iter().map(place).collect())
    }
}

async fn one(client: &Client, at: &Address, until: &Until, within: Span) -> Result<()> {
    let mut last = Value::Null;
    let found = wait::object(client, at, within, |object| {
        last = object.cloned().unwrap_or_default();
        client.cx().progress(format!("{}: {}", at.short(), until.found_in(&last)));
        Ok(object.is_some_and(|object| until.holds(object)).then_some(()))
    })
    .await?;
    if found.is_some() {
        return Ok(());
    }
    let state = if last.is_null() { "it does not exist".to_owned() } else { until.found_in(&last) };
    let error = Error::new(ErrorKind::Timeout, format!("{at} is not `{until}` after {within}: {state}"));
    Err(diagnosis::of(client, std::slice::from_ref(at)).await.explain(error))
}
