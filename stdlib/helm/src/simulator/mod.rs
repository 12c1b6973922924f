//! Repositories and registries that hold what an estate file says. Charts are folders or archives beside it.
//!
//! ```yaml
//! helm:
//!   https://charts.example.com/stable: [charts/web, archives/db-1.2.3.tgz]
//!   oci://registry.example.com/charts: []
//! ```

mod overlay;
mod registry;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opsrun_core::{Error, Result, Simulator, Surroundings, Value, serve};
use serde::Deserialize;
use serde_json::json;
use tokio::io::DuplexStream;

pub(crate) use overlay::lay;
use registry::Registry;
pub(crate) use registry::errors;

use crate::chart;
use crate::repository::{Image, archive, authority, digest_of};

/// By host.
type Hosts = BTreeMap<String, Host>;

/// What answers at one host.
#[derive(Debug, Clone, Default)]
struct Host {
    /// Indexes and archives, by path.
    files: BTreeMap<String, Bytes>,
    registry: Registry,
}

struct Simulated(Arc<Mutex<Hosts>>);

/// Starts what the section says.
///
/// # Errors
/// `Invalid` for what is no address; those of a chart that cannot be read or packed.
pub(crate) fn start(section: Option<&Value>, surroundings: &Surroundings) -> Result<Arc<dyn Simulator>> {
    let given: BTreeMap<String, Vec<String>> = match section {
        None => BTreeMap::new(),
        Some(section) => BTreeMap::deserialize(section).map_err(|error| {
            Error::invalid(error.to_string()).hint(
                "it says what is where, as paths of charts: `https://charts.example.com: [charts/web]`, `oci://registry.example.com/charts: []`",
            )
        })?,
    };
    let mut hosts = Hosts::new();
    for (place, charts) in &given {
        let charts = charts.iter().map(|path| packed(path, surroundings)).collect::<Result<Vec<_>>>();
        let charts = charts.map_err(|error| error.context(format!("`{place}`")))?;
        add(&mut hosts, place, charts)?;
    }
    Ok(Arc::new(Simulated(Arc::new(Mutex::new(hosts)))))
}

/// A chart with its archive.
type Packed = (helm_render::Chart, Vec<u8>);

fn packed(path: &str, surroundings: &Surroundings) -> Result<Packed> {
    let files = &surroundings.files;
    if chart::is_archive(path) {
        let bytes = files.read(Path::new(path))?;
        return Ok((archive::chart(path, &bytes)?, bytes));
    }
    let listed = files.list(Path::new(path))?;
    let chart = chart::of_files(path, chart::of_folder(path, &listed, &|file| files.read(file))?)?;
    let bytes = archive::pack(&chart)?;
    Ok((chart, bytes))
}

fn add(hosts: &mut Hosts, place: &str, charts: Vec<Packed>) -> Result<()> {
    let bad = || {
        Error::invalid(format!("`{place}` is no repository"))
            .hint("write it like `https://charts.example.com` or `oci://registry.example.com/charts`")
    };
    let (scheme, rest) = place.split_once("://").ok_or_else(bad)?;
    if scheme == "oci" {
        let (name, folder) =
            rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
        let host = hosts.entry(name.to_owned()).or_default();
        for (chart, bytes) in charts {
            let Image { tag, config, manifest } = Image::of(&chart, &bytes);
            let path = if folder.is_empty() {
                chart.name().to_owned()
            } else {
                format!("{folder}/{}", chart.name())
            };
            host.registry.add(&path, &tag, manifest.into(), [bytes.into(), config.into()]);
        }
        return Ok(());
    }
    let uri: Uri = place.parse().map_err(|_| bad())?;
    if !matches!(scheme, "http" | "https") || uri.host().is_none() {
        return Err(bad());
    }
    let base = uri.path().trim_end_matches('/');
    let host = hosts.entry(authority(&uri)).or_default();
    let mut entries: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (chart, bytes) in charts {
        let file = archive::name(&chart);
        entries.entry(chart.name().to_owned()).or_default().push(json!({
            "name": chart.name(),
            "version": chart.version(),
            "apiVersion": chart.metadata().api_version,
            "urls": [file],
            "digest": digest_of(&bytes).trim_start_matches("sha256:"),
        }));
        host.files.insert(format!("{base}/{file}"), bytes.into());
    }
    let index = json!({ "apiVersion": "v1", "entries": entries }).to_string();
    host.files.insert(format!("{base}/index.yaml"), index.into());
    Ok(())
}

impl Simulator for Simulated {
    fn connect(&self, system: &str, to: &Uri) -> Option<DuplexStream> {
        let name = authority(to);
        if system != crate::SYSTEM || !locked(&self.0).contains_key(&name) {
            return None;
        }
        let hosts = self.0.clone();
        Some(serve(move |request: Request<Incoming>| {
            let (hosts, name) = (hosts.clone(), name.clone());
            async move {
                let (parts, body) = request.into_parts();
                // A body that broke off is received as far as it came, and has another digest.
                let content = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let mut hosts = locked(&hosts);
                let host = hosts.entry(name).or_default();
                if let Some(file) = host.files.get(parts.uri.path()).filter(|_| parts.method.is_safe()) {
                    return Response::new(Full::new(file.clone()));
                }
                let answer = host.registry.answer(&parts.method, &parts.uri, content);
                answer.unwrap_or_else(|| registry::empty(StatusCode::NOT_FOUND))
            }
        }))
    }

    fn section(&self) -> Value {
        json!({ "estate": true })
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        let hosts = locked(&self.0);
        let tags = hosts.iter().flat_map(|(host, at)| {
            at.registry.tags().map(move |(tag, digest)| (format!("oci://{host}/{tag}"), digest.into()))
        });
        tags.collect()
    }

    fn fork(&self, _: &Surroundings) -> Option<Arc<dyn Simulator>> {
        let hosts = locked(&self.0).clone();
        Some(Arc::new(Simulated(Arc::new(Mutex::new(hosts)))))
    }
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
