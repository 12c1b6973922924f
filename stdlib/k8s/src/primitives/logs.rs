use opsrun_core::{Cx, Effect, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::client::Client;
use crate::logs::{self, Excerpt};
use crate::object::{Labels, ObjectRef};

/// Reads what containers wrote.
///
/// Of a pod, of the pods of a workload, or of those that `labels` select. With more than one container every line begins with
/// `POD/CONTAINER: `. A container that has not started yet has written nothing.
///
/// ```rhai
/// k8s::apply(#{ file: "web.yaml" }, #{ wait: 2.m });
/// print(k8s::logs("deployment/web", #{ tail: 20 }));
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Logs {
    /// A pod or workload, such as `pod/api-0` or `deployment/api`; `pods` together with `labels`.
    #[arg(positional)]
    object: ObjectRef,
    /// Its namespace; the target's if left out.
    namespace: Option<String>,
    /// Only this container.
    container: Option<String>,
    /// Only so many lines of each container, from the end.
    tail: Option<u32>,
    /// Only what was written so long ago or later.
    since: Option<Span>,
    /// Of the container's former run.
    #[serde(default)]
    previous: bool,
    /// The pods that have these labels.
    labels: Option<Labels>,
}

impl Primitive for Logs {
    const PATH: &'static str = "k8s::logs";
    const EFFECT: Effect = Effect::Read;
    type Out = String;

    async fn run(self, cx: &Cx) -> Result<String> {
        let Logs { object, namespace, container, tail, since, previous, labels } = self;
        let excerpt = Excerpt { container, tail, since, previous };
        logs::of(&Client::new(cx)?, &object, labels.as_ref(), namespace.as_deref(), &excerpt).await
    }
}
