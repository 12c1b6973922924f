//! Events as recorders of the control plane write them: the same one again counts up instead of making another.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::object::{EVENTS, key_of, name, namespace, uid};
use crate::context::{Cx, text};
use crate::status::Result;

/// How an event is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Normal,
    Warning,
}

/// Who reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorder<'a> {
    pub(crate) component: &'a str,
    /// The node, for a kubelet.
    pub(crate) host: &'a str,
}

impl<'a> Recorder<'a> {
    pub(crate) fn normal(self, cx: &mut Cx<'_>, about: &Value, reason: &str, message: &str) {
        self.record(cx, about, "", Tone::Normal, reason, message);
    }

    pub(crate) fn warning(self, cx: &mut Cx<'_>, about: &Value, reason: &str, message: &str) {
        self.record(cx, about, "", Tone::Warning, reason, message);
    }

    /// `part` is a field path within the object, such as `spec.containers{app}`.
    pub(crate) fn record(
        self,
        cx: &mut Cx<'_>,
        about: &Value,
        part: &str,
        tone: Tone,
        reason: &str,
        message: &str,
    ) {
        // Recorders drop what they cannot write: an event in a namespace that is going, or over a quota.
        let _dropped = self.write(cx, about, part, tone, reason, message);
    }

    fn write(
        self,
        cx: &mut Cx<'_>,
        about: &Value,
        part: &str,
        tone: Tone,
        reason: &str,
        message: &str,
    ) -> Result<()> {
        let tone = if tone == Tone::Normal { "Normal" } else { "Warning" };
        let space = if namespace(about).is_empty() { "default" } else { namespace(about) };
        let same = |event: &Value| {
            let involved = &event["involvedObject"];
            text(&involved["uid"]) == uid(about)
                && text(&involved["fieldPath"]) == part
                && event["reason"] == reason
                && event["message"] == message
                && event["type"] == tone
                && event["source"]["component"] == self.component
        };
        let now = cx.timestamp();
        if let Some(event) = cx.list(&EVENTS, Some(space)).into_iter().find(|event| same(event)) {
            return cx
                .modify(&key_of(&EVENTS, &event), None, |event| {
                    event["count"] = (event["count"].as_i64().unwrap_or(1) + 1).into();
                    event["lastTimestamp"] = now;
                })
                .map(drop);
        }
        let mut involved = json!({
            "kind": about["kind"], "apiVersion": about["apiVersion"], "name": name(about), "uid": uid(about),
            "resourceVersion": about["metadata"]["resourceVersion"],
        });
        for (key, value) in [("namespace", namespace(about)), ("fieldPath", part)] {
            if !value.is_empty() {
                involved[key] = value.into();
            }
        }
        let mut source = json!({"component": self.component});
        if !self.host.is_empty() {
            source["host"] = self.host.into();
        }
        let event = json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": {"name": format!("{}.{:016x}", name(about), nanoseconds(cx)), "namespace": space},
            "involvedObject": involved, "reason": reason, "message": message, "source": source,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1, "type": tone, "eventTime": null,
            "reportingComponent": self.component, "reportingInstance": self.host,
        });
        cx.create(&EVENTS, event).map(drop)
    }
}

/// The time, told apart from every other event's, and in their order, by the store's version.
fn nanoseconds(cx: &Cx<'_>) -> i128 {
    cx.now().duration_since(Timestamp::UNIX_EPOCH).as_nanos()
        + i128::from(cx.cluster.store.revision() % 1_000_000)
}
