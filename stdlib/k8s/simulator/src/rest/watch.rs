//! Watches: which changes a client is told of, and in which form.
//! Events leave through channels; who reads them is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::channel::mpsc::UnboundedSender;
use http::{HeaderValue, Response, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Call;
use super::options::{ListOptions, version};
use crate::cluster::{Cluster, Timer};
use crate::media::{Media, View};
use crate::registry::Served;
use crate::reply::Reply;
use crate::selector::Selector;
use crate::status::{Result, Status};
use crate::store::Change;
use crate::table::{self, IncludeObject};

/// How long a watch lasts that does not say.
const DEFAULT_TIMEOUT: SignedDuration = SignedDuration::from_mins(45);
/// Bookmarks come this often, and once shortly before the end.
const BOOKMARK_EVERY: SignedDuration = SignedDuration::from_secs(60);
const BOOKMARK_BEFORE_END: SignedDuration = SignedDuration::from_secs(2);

/// All open watches.
#[derive(Default)]
pub(crate) struct Watches {
    open: BTreeMap<u64, Watch>,
    made: u64,
}

struct Watch {
    served: Arc<Served>,
    namespace: Option<String>,
    selector: Selector,
    media: Media,
    include: IncludeObject,
    sender: UnboundedSender<Bytes>,
    bookmarks: bool,
    ends: Timestamp,
    columns_sent: bool,
}

impl Watches {
    /// None is open in a fork of the cluster; those to come get other numbers than those that stay behind.
    pub(crate) fn fork(&self) -> Self {
        Watches { open: BTreeMap::new(), made: self.made }
    }
}

/// Opens a watch; what exists or happened already is sent at once.
pub(super) fn open(cluster: &mut Cluster, call: &Call<'_>) -> Result<Reply> {
    let media = Media::of(call.request)?;
    let options = ListOptions::of(&call.request.query, true)?;
    let selector = Selector::of(&call.served, options.labels.as_deref(), options.fields.as_deref())?;
    let from = version(&options.resource_version).map_err(|why| Status::new(500, "", why))?;
    let (sender, body) = futures::channel::mpsc::unbounded();
    let timeout =
        options.timeout.filter(|seconds| *seconds > 0).map_or(DEFAULT_TIMEOUT, SignedDuration::from_secs);
    let mut watch = Watch {
        served: Arc::clone(&call.served),
        namespace: call.namespace.clone(),
        selector,
        media: Media { encoding: media.encoding, view: media.view },
        include: IncludeObject::of(&call.request.query),
        sender,
        bookmarks: options.bookmarks,
        ends: cluster.now + timeout,
        columns_sent: false,
    };
    let head = head(&watch);
    match watch.catch_up(cluster, from.unwrap_or(0), options.send_initial == Some(true)) {
        Ok(()) => cluster.add_watch(watch),
        // Sent as an event; the stream ends with the watch.
        Err(refusal) => watch.send_raw("ERROR", &refusal.to_value()),
    }
    Ok(Reply::Stream { head, body })
}

fn head(watch: &Watch) -> Response<()> {
    let mut head = Response::new(());
    let headers = head.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(watch.media.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    head
}

impl Watch {
    fn catch_up(&mut self, cluster: &Cluster, from: u64, send_initial: bool) -> Result<()> {
        let resource = &self.served.resource.storage.clone();
        let store = &cluster.store;
        if from == 0 || send_initial {
            let namespace = self.namespace.clone();
            for object in store.list(resource, namespace.as_deref()) {
                let object = self.served.view(object);
                if self.selector.matches(&self.served, &object) {
                    self.send("ADDED", &object, cluster.now);
                }
            }
            if send_initial && self.bookmarks {
                self.send_bookmark(store.revision(), true);
            }
            return Ok(());
        }
        if from < store.compacted() {
            let message = format!("too old resource version: {from} ({})", store.compacted());
            return Err(Status::new(410, "Expired", message));
        }
        for change in store.changes_since(resource, from) {
            self.tell(change, cluster.now);
        }
        Ok(())
    }

    /// Sends what a change means for this watch: objects may enter and leave its selection.
    fn tell(&mut self, change: &Change, now: Timestamp) {
        if change.key.resource != self.served.resource.storage
            || self.namespace.as_ref().is_some_and(|namespace| *namespace != change.key.namespace)
        {
            return;
        }
        let before = change.old.as_ref().map(|object| self.served.view(object));
        let before = before.filter(|object| self.selector.matches(&self.served, object));
        let after = change.new.as_ref().map(|object| self.served.view(object));
        let after = after.filter(|object| self.selector.matches(&self.served, object));
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => self.send("ADDED", &after, now),
            (Some(_), Some(after)) => self.send("MODIFIED", &after, now),
            (Some(mut before), None) => {
                before["metadata"]["resourceVersion"] = change.revision.to_string().into();
                self.send("DELETED", &before, now);
            }
        }
    }

    fn send(&mut self, kind: &str, object: &Value, now: Timestamp) {
        let shown = match self.media.view {
            View::Whole => object.clone(),
            View::Metadata => table::partial(object),
            View::Table => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let objects = std::slice::from_ref(object);
                let mut table = table::table(&self.served, objects, &metadata, self.include, now);
                if std::mem::replace(&mut self.columns_sent, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                table
            }
        };
        self.send_raw(kind, &shown);
    }

    fn send_bookmark(&mut self, revision: u64, initial_end: bool) {
        let resource = &self.served.resource;
        let mut object = json!({
            "kind": resource.kind, "apiVersion": resource.api_version(),
            "metadata": {"resourceVersion": revision.to_string()},
        });
        if initial_end {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        self.send_raw("BOOKMARK", &object);
    }

    fn send_raw(&mut self, kind: &str, object: &Value) {
        let event = json!({"type": kind, "object": object});
        // A reader that is gone is noticed by `is_closed`.
        let _gone = self.sender.unbounded_send(Media::JSON.encode(&event));
    }
}

impl Cluster {
    fn add_watch(&mut self, watch: Watch) {
        self.watches.made += 1;
        let id = self.watches.made;
        if watch.bookmarks {
            let last = watch.ends - BOOKMARK_BEFORE_END;
            self.set_timer((self.now + BOOKMARK_EVERY).min(last), Timer::Bookmark(id));
        }
        self.set_timer(watch.ends, Timer::WatchEnd(id));
        self.watches.open.insert(id, watch);
    }

    /// Tells all watches of a change.
    pub(crate) fn tell_watches(&mut self, change: &Change) {
        let now = self.now;
        self.watches.open.retain(|_, watch| !watch.sender.is_closed());
        for watch in self.watches.open.values_mut() {
            watch.tell(change, now);
        }
    }

    /// Sends a bookmark and sets the timer for the next.
    pub(crate) fn bookmark(&mut self, id: u64) {
        let (revision, now) = (self.store.revision(), self.now);
        let Some(watch) = self.watches.open.get_mut(&id) else { return };
        watch.send_bookmark(revision, false);
        let last = watch.ends - BOOKMARK_BEFORE_END;
        if now < last {
            self.set_timer((now + BOOKMARK_EVERY).min(last), Timer::Bookmark(id));
        }
    }

    /// Ends a watch whose time is over.
    pub(crate) fn end_watch(&mut self, id: u64) {
        self.watches.open.remove(&id);
    }
}
