//! S3 in a plan: each object by itself. What the run does not write is read for real; before it writes, what is there is looked up,
//! without its content. A listing is the real one, with what the run has written put in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH};
use http::{Method, Request, Response};
use jiff::Timestamp;
use opsrun_aws_simulator::{Asked, Origin, Taken, TakenBucket, Whereabouts, xml};
use opsrun_core::{Error, ErrorKind, Result, Value};

use super::import::objects::object;
use super::{Laid, real, things};
use crate::access::only_reads;
use crate::s3::Bucket;

const AT_ONCE: usize = 16;

/// What a plan knows of buckets.
#[derive(Default)]
pub(super) struct Buckets {
    /// Real ones in which the run has written.
    real: BTreeMap<String, Known>,
    /// Those that the run has made: nothing of them is real.
    own: BTreeSet<String>,
}

impl Buckets {
    /// Whether the simulation knows if this object is there.
    fn knows(&self, bucket: &str, key: &str) -> bool {
        let known = || self.real.get(bucket).is_some_and(|known| known.keys.contains(key));
        self.own.contains(bucket) || known()
    }
}

/// What is known of a real bucket.
#[derive(Default)]
struct Known {
    /// Of these objects the simulation knows whether they are there.
    keys: BTreeSet<String>,
    /// The last key of the page before, by the token that asks for the next one.
    pages: BTreeMap<String, String>,
}

/// What a request is about.
struct Place {
    bucket: String,
    /// Empty: the bucket itself.
    key: String,
    query: BTreeMap<String, String>,
}

impl Place {
    /// The overlay is asked with buckets in the path.
    fn of(request: &Request<Bytes>) -> Self {
        let path = decoded(request.uri().path().trim_start_matches('/'));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        Place { bucket: bucket.to_owned(), key: key.to_owned(), query: query.into_owned().collect() }
    }

    fn has(&self, member: &str) -> bool {
        self.query.contains_key(member)
    }

    fn version(&self) -> Option<&str> {
        self.query.get("versionId").map(String::as_str)
    }
}

/// # Errors
/// Those of asking; `Invalid` for what cannot be foreseen.
pub(super) async fn answer(laid: &Laid, request: &Request<Bytes>, asked: &Asked) -> Result<Response<Bytes>> {
    let place = Place::of(request);
    let reads = only_reads(&asked.service, &asked.operation);
    match (place.key.is_empty(), reads) {
        (false, true) => read(laid, request, asked, &place).await,
        (false, false) => {
            laid.write_to(&place, request, asked).await?;
            Ok(laid.simulated(request, asked))
        }
        (true, _) if laid.state().buckets.own.contains(&place.bucket) => Ok(laid.simulated(request, asked)),
        (true, true) if place.has("list-type") => {
            let page = real::ask(&laid.original, request, asked).await?;
            laid.state().merge(&place, page)
        }
        (true, true) => laid.unless_written(request, asked, &place).await,
        (true, false) if place.has("delete") => {
            laid.delete_many(&place, request, asked).await?;
            Ok(laid.simulated(request, asked))
        }
        (true, false) if *request.method() == Method::PUT && only_names(&place) => {
            laid.make(&place.bucket).await?;
            Ok(laid.simulated(request, asked))
        }
        (true, false) => Err(unforeseen(asked, "to a bucket that is there")),
    }
}

/// Whether the query says no more than what SDKs add to it.
fn only_names(place: &Place) -> bool {
    place.query.keys().all(|member| member == "x-id")
}

fn unforeseen(asked: &Asked, what: &str) -> Error {
    Error::invalid(format!("what s3:{} would do {what} cannot be planned", asked.operation))
        .hint("rehearse the playbook: `opsrun rehearse`")
}

async fn read(
    laid: &Laid,
    request: &Request<Bytes>,
    asked: &Asked,
    place: &Place,
) -> Result<Response<Bytes>> {
    let found = {
        let state = laid.state();
        let found = state.world.whereabouts(&place.bucket, &place.key, place.version());
        found.filter(|_| state.buckets.knows(&place.bucket, &place.key))
    };
    let is_upload = place.has("uploadId");
    match found {
        None => real::ask(&laid.original, request, asked).await,
        // Versions that the run does not know are real.
        Some(Whereabouts::Nowhere) if place.version().is_some() && !is_upload => {
            real::ask(&laid.original, request, asked).await
        }
        Some(Whereabouts::Elsewhere(origin)) if !is_upload => {
            let is_itself = origin.bucket == place.bucket && origin.key == place.key;
            match is_itself {
                true => real::ask(&laid.original, request, asked).await,
                // What a copy is, is known; what is in it, is not here.
                false if *request.method() == Method::HEAD => Ok(laid.simulated(request, asked)),
                false => real::ask(&laid.original, &instead(request, &origin)?, asked).await,
            }
        }
        Some(_) => Ok(laid.simulated(request, asked)),
    }
}

/// The same asked of what a copy was made of.
fn instead(request: &Request<Bytes>, origin: &Origin) -> Result<Request<Bytes>> {
    let unusable = |error: &dyn std::fmt::Display| {
        Error::failed(format!("s3://{}/{} cannot be asked for: {error}", origin.bucket, origin.key))
    };
    let version = origin.version.as_ref().filter(|id| *id != "null");
    let version = version.map(|id| format!("?versionId={}", encoded(id))).unwrap_or_default();
    let key: Vec<String> = origin.key.split('/').map(encoded).collect();
    let mut again = request.clone();
    *again.uri_mut() =
        format!("/{}/{}{version}", origin.bucket, key.join("/")).parse().map_err(|error| unusable(&error))?;
    // They are about the copy.
    again.headers_mut().remove(IF_MATCH);
    again.headers_mut().remove(IF_NONE_MATCH);
    Ok(again)
}

impl Laid {
    /// Looks up what a write of an object is about: the object, and what it is copied from.
    async fn write_to(&self, place: &Place, request: &Request<Bytes>, asked: &Asked) -> Result<()> {
        self.know(&place.bucket, vec![place.key.clone()]).await?;
        if *request.method() == Method::DELETE {
            self.may_delete(&place.bucket, &place.key, place.version(), asked)?;
        }
        let source = request.headers().get("x-amz-copy-source").and_then(|source| source.to_str().ok());
        let Some(source) = source else { return Ok(()) };
        let (path, version) = match source.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (source, None),
        };
        let path = decoded(path.trim_start_matches('/'));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        self.know(bucket, vec![key.to_owned()]).await?;
        let found = self.state().world.whereabouts(bucket, key, version.as_deref());
        if version.is_none() || found != Some(Whereabouts::Nowhere) {
            return Ok(());
        }
        let key = key.to_owned();
        let former = async move |bucket: Bucket| object(&bucket, &key, version.as_deref()).await;
        let Some(former) = self.of_bucket(bucket, former).await? else { return Ok(()) };
        let taken = TakenBucket { objects: vec![former], ..TakenBucket::default() };
        self.state().take_over(bucket, taken, self.clock.now())
    }

    /// Of a version that is real nobody knows what would come to light under it.
    fn may_delete(&self, bucket: &str, key: &str, version: Option<&str>, asked: &Asked) -> Result<()> {
        if version.is_none() {
            return Ok(());
        }
        match self.state().world.whereabouts(bucket, key, version) {
            Some(Whereabouts::Here | Whereabouts::Deleted) => Ok(()),
            _ => Err(unforeseen(asked, "to a single version")),
        }
    }

    async fn delete_many(&self, place: &Place, request: &Request<Bytes>, asked: &Asked) -> Result<()> {
        let named = xml::read(request.body())
            .map_err(|why| Error::invalid(format!("what is to be deleted: {why}")))?;
        let text = |of: &Value, member: &str| of.get(member).and_then(Value::as_str).map(str::to_owned);
        let named: Vec<(String, Option<String>)> = xml::items(named.get("Object"))
            .into_iter()
            .filter_map(|of| Some((text(of, "Key")?, text(of, "VersionId"))))
            .collect();
        self.know(&place.bucket, named.iter().map(|(key, _)| key.clone()).collect()).await?;
        named
            .iter()
            .try_for_each(|(key, version)| self.may_delete(&place.bucket, key, version.as_deref(), asked))
    }

    /// Making a bucket is about whether it is there.
    async fn make(&self, bucket: &str) -> Result<()> {
        match self.of_bucket(bucket, async |bucket: Bucket| bucket.exists().await).await {
            Ok(true) => return self.know(bucket, Vec::new()).await,
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.state().buckets.own.insert(bucket.to_owned());
        Ok(())
    }

    /// Looks up those of these objects that nothing is known of.
    async fn know(&self, bucket: &str, mut keys: Vec<String>) -> Result<()> {
        let is_new = {
            let state = self.state();
            keys.retain(|key| !state.buckets.knows(bucket, key));
            !state.buckets.own.contains(bucket) && state.world.whereabouts(bucket, "", None).is_none()
        };
        if keys.is_empty() && !is_new {
            return Ok(());
        }
        let wanted = keys.clone();
        let look = async move |bucket: Bucket| {
            let keeps_versions = is_new && bucket.keeps_versions().await?;
            let found = futures::stream::iter(wanted)
                .map(|key| {
                    let bucket = bucket.clone();
                    async move { object(&bucket, &key, None).await }
                })
                .buffered(AT_ONCE)
                .try_filter_map(|found| async { Ok(found) });
            let region = bucket.client.region().to_owned();
            Ok(TakenBucket { region, keeps_versions, objects: found.try_collect().await? })
        };
        let mut taken = self.of_bucket(bucket, look).await?;
        let mut state = self.state();
        // Somebody else may have looked, and written, meanwhile.
        taken.objects.retain(|object| !state.buckets.knows(bucket, &object.key));
        state.take_over(bucket, taken, self.clock.now())?;
        state.buckets.real.entry(bucket.to_owned()).or_default().keys.extend(keys);
        Ok(())
    }

    /// Asks something of a real bucket.
    async fn of_bucket<T, F>(&self, bucket: &str, ask: impl FnOnce(Bucket) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let (cx, bucket) = (self.original.cx().clone(), bucket.to_owned());
        self.original.ask(async move { ask(Bucket::of(&cx, &bucket, None).await?).await }).await
    }

    /// What is told of a bucket as a whole, as long as nothing in it was written.
    async fn unless_written(
        &self,
        request: &Request<Bytes>,
        asked: &Asked,
        place: &Place,
    ) -> Result<Response<Bytes>> {
        let is_written = {
            let buckets = &self.state().buckets;
            match place.bucket.is_empty() {
                true => !buckets.own.is_empty(),
                false => buckets.real.get(&place.bucket).is_some_and(|known| !known.keys.is_empty()),
            }
        };
        let about_objects = asked.operation.starts_with("List");
        match is_written && about_objects {
            true => Err(Error::invalid(format!(
                "what s3:{} would tell after something was written cannot be planned",
                asked.operation
            ))
            .hint("ask for it before the first write")),
            false => real::ask(&self.original, request, asked).await,
        }
    }
}

impl super::State {
    /// Nothing of it is known yet, but perhaps the bucket itself.
    fn take_over(&mut self, bucket: &str, found: TakenBucket, now: Timestamp) -> Result<()> {
        let of_objects = found.objects.iter().map(|object| format!("s3 {bucket}/{}", object.key));
        let names: Vec<String> = [format!("s3 {bucket}")].into_iter().chain(of_objects).collect();
        let buckets = [(bucket.to_owned(), found)].into();
        self.world.take_over(Taken { buckets, ..Taken::default() }, now).map_err(Error::failed)?;
        let all = things(&mut self.world, now);
        for name in names {
            let Some(state) = all.get(&name) else { continue };
            self.before.entry(name.clone()).or_insert_with(|| state.clone());
            self.told.entry(name).or_insert_with(|| state.clone());
        }
        Ok(())
    }

    /// A page of the real listing with what the run knows better.
    fn merge(&mut self, place: &Place, page: Response<Bytes>) -> Result<Response<Bytes>> {
        if !page.status().is_success() {
            return Ok(page);
        }
        let unusable = |why: String| Error::failed(format!("the listing of s3://{}: {why}", place.bucket));
        let mut told = xml::read(page.body()).map_err(unusable)?;
        let text = |of: &Value, member: &str| of.get(member).and_then(Value::as_str).map(str::to_owned);
        let mut objects: Vec<Value> = xml::items(told.get("Contents")).into_iter().cloned().collect();
        let key = |object: &Value| text(object, "Key").unwrap_or_default();
        let known = self.buckets.real.entry(place.bucket.clone()).or_default();
        let after = match place.query.get("continuation-token") {
            Some(token) => known.pages.get(token).cloned().unwrap_or_default(),
            None => place.query.get("start-after").cloned().unwrap_or_default(),
        };
        let next = text(&told, "NextContinuationToken");
        let last = objects.last().map_or_else(|| after.clone(), key);
        if let Some(next) = &next {
            known.pages.insert(next.clone(), last.clone());
        }
        let prefix = place.query.get("prefix").map(String::as_str).unwrap_or_default();
        let here = known.keys.range::<String, _>((Bound::Excluded(&after), Bound::Unbounded));
        let here = here.filter(|key| key.starts_with(prefix) && (next.is_none() || **key <= last));
        let here: BTreeSet<String> = here.cloned().collect();
        if here.is_empty() {
            return Ok(page);
        }
        if place.query.get("delimiter").is_some_and(|delimiter| !delimiter.is_empty()) {
            let message = format!(
                "which folders s3://{} would have after something in it was written cannot be planned",
                place.bucket
            );
            return Err(Error::invalid(message).hint("list without `folders`, or before the first write"));
        }
        objects.retain(|object| !here.contains(&key(object)));
        objects.extend(self.world.listed(&place.bucket, &here));
        objects.sort_by_key(key);
        told["KeyCount"] = objects.len().into();
        told["Contents"] = objects.into();
        let (mut parts, _) = page.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(parts, xml::document("ListBucketResult", &told).into()))
    }

    /// What the run has put where nothing was, in real buckets.
    pub(super) fn made_objects(&self) -> impl Iterator<Item = String> {
        let real = self.buckets.real.iter();
        let all =
            real.flat_map(|(bucket, known)| known.keys.iter().map(move |key| format!("s3 {bucket}/{key}")));
        all.filter(|name| !self.before.contains_key(name))
    }
}

fn encoded(text: impl AsRef<str>) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_ref().as_bytes()).collect();
    encoded.replace('+', "%20")
}

fn decoded(text: &str) -> String {
    // In a path these are themselves.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}
