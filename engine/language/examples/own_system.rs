//! opsrun as a library: a system of one's own with one primitive and its simulator, and a playbook that is rehearsed on it.
//! `docs/adding-a-system.md` leads through this file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response, StatusCode};
use opsrun_core::*;
use opsrun_derive::Args;
use opsrun_gate::FaultRule;
use opsrun_language::{Limits, Playbook};
use opsrun_runtime::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::io::DuplexStream;

/// Switches a feature on or off.
///
/// When the run is undone, it is what it was before.
///
/// ```rhai
/// flags::set("new-checkout", true);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
struct Set {
    /// The feature.
    #[arg(positional)]
    feature: String,
    /// Whether it is on from now on.
    #[arg(positional)]
    on: bool,
}

impl Primitive for Set {
    const PATH: &'static str = "flags::set";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("flags::set");
    type Out = bool;

    async fn run(self, cx: &Cx) -> Result<bool> {
        let before = ask(cx, Method::GET, &self.feature).await?;
        let inverse = Inverse::call("flags::set", json!({ "feature": self.feature, "on": before }));
        let _ = cx.undo(inverse).await?;
        ask(cx, if self.on { Method::PUT } else { Method::DELETE }, &self.feature).await
    }
}

/// The server answers 200 if the feature is on after the request, and 204 if it is off.
async fn ask(cx: &Cx, method: Method, feature: &str) -> Result<bool> {
    let invalid = |error| Error::invalid(format!("`{feature}` is no feature: {error}"));
    let uri = http::Uri::from_static("http://flags.example.com");
    let server = Arc::new(Endpoint { uri, tls: Tls::default(), socket: None });
    let request = Request::builder().method(method).uri(format!("/{feature}"));
    let response = cx.send("flags", &server, request.body(body(String::new())).map_err(invalid)?).await?;
    match response.status() {
        StatusCode::OK => Ok(true),
        StatusCode::NO_CONTENT => Ok(false),
        status => Err(Error::failed(format!("the feature `{feature}` cannot be switched: {status}"))),
    }
}

struct Flags;

impl System for Flags {
    fn name(&self) -> &'static str {
        "flags"
    }

    fn modules(&self) -> &'static [Module] {
        const { &[Module { path: "flags", doc: "Feature flags.", primitives: &[Declaration::of::<Set>()] }] }
    }

    fn simulator(&self, section: Option<&Value>, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        let on = serde_json::from_value(section.cloned().unwrap_or_else(|| json!([])));
        let on = on.map_err(|error| Error::invalid(format!("it lists the features that are on: {error}")))?;
        Ok(Some(Arc::new(SimulatedFlags { on: Arc::new(Mutex::new(on)) })))
    }
}

struct SimulatedFlags {
    on: Arc<Mutex<BTreeSet<String>>>,
}

impl Simulator for SimulatedFlags {
    fn connect(&self, system: &str, _authority: &str) -> Option<DuplexStream> {
        let on = self.on.clone();
        let answer = move |request: Request<_>| {
            let feature = request.uri().path().trim_start_matches('/').to_owned();
            let mut on = on.lock().unwrap_or_else(PoisonError::into_inner);
            if request.method() == Method::PUT {
                on.insert(feature.clone());
            } else if request.method() == Method::DELETE {
                on.remove(&feature);
            }
            let mut response = Response::new(String::new());
            *response.status_mut() =
                if on.contains(&feature) { StatusCode::OK } else { StatusCode::NO_CONTENT };
            std::future::ready(response)
        };
        (system == "flags").then(|| serve(answer))
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        let on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        on.iter().map(|feature| (feature.clone(), json!("on"))).collect()
    }
}

static REGISTRY: Registry = Registry::new(&[&Flags]);

const PLAYBOOK: &str = r#"
    step("Open the new checkout", || flags::set("new-checkout", true));
    step("Close the old one", || flags::set("old-checkout", false));
"#;

/// Rehearses the playbook: how it ended, and what is in the estate after it.
pub(crate) fn rehearse(faults: Vec<FaultRule>) -> Result<(Outcome, BTreeMap<String, Value>)> {
    let sources = BTreeMap::from([("release.rhai".to_owned(), PLAYBOOK.to_owned())]);
    let playbook = Playbook::load("release.rhai", &sources, REGISTRY).map_err(|refusal| refusal.error())?;
    let sections = BTreeMap::from([("flags".to_owned(), json!(["old-checkout"]))]);
    let estate = EstateFile { sections, ..EstateFile::default() };
    let rehearsal = Rehearsal::start(Launch::new(REGISTRY, Project::default()), &estate, 0)?;
    let run = rehearsal.run(Arc::new(Unwatched), faults)?;
    let begun = Entry::begun("release.rhai", "", env!("CARGO_PKG_VERSION"));
    let arguments = playbook.arguments(&[])?;
    let ended = opsrun_language::run(&Arc::new(playbook), &arguments, Limits::default(), &run, begun)?;
    Ok((ended.outcome, rehearsal.estate().snapshot()))
}

pub(crate) fn main() -> Result<()> {
    let (outcome, estate) = rehearse(Vec::new())?;
    let told = writeln!(std::io::stdout(), "{}: {}", outcome.word(), json!(estate));
    told.map_err(|error| Error::failed(format!("nobody reads the outcome: {error}")))
}
