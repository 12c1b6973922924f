//! opsrun as a library: a system of one's own with one primitive and its simulator, and a playbook that is rehearsed on it.
//! `docs/adding-a-system.md` leads through this file.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use opsrun_core::*;
use opsrun_derive::Args;
use opsrun_runtime::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

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
        let server = Arc::new(Endpoint::from(Uri::from_static("http://flags.example.com")));
        let path = format!("/{}", self.feature);
        let before: bool = cx.ask_json("flags", &server, (Method::GET, &path), &Value::Null).await?;
        let inverse = Inverse::call("flags::set", json!({ "feature": self.feature, "on": before }));
        let _ = cx.undo(inverse).await?;
        cx.ask_json("flags", &server, (Method::PUT, &path), &self.on.into()).await
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
        let flags = BTreeMap::deserialize(section.unwrap_or(&json!({})));
        let flags = flags.map_err(|error| Error::invalid(format!("a map of features to bools: {error}")))?;
        Ok(Some(simulate("flags", flags, answer, |flags| flags.clone())))
    }
}

fn answer(flags: &mut BTreeMap<String, Value>, request: &Request<Bytes>) -> (StatusCode, String) {
    let Some(flag) = flags.get_mut(request.uri().path().trim_start_matches('/')) else {
        return (StatusCode::NOT_FOUND, "there is no such feature".to_owned());
    };
    if request.method() == Method::PUT {
        *flag = serde_json::from_slice(request.body()).unwrap_or_default();
    }
    (StatusCode::OK, flag.to_string())
}

const PLAYBOOK: &str = r#"
    step("Open the new checkout", || flags::set("new-checkout", true));
    step("Close the old one", || flags::set("old-checkout", false));
"#;

/// Rehearses the playbook: how it ended, and what is in the estate after it.
pub(crate) fn rehearse(faults: Vec<FaultRule>) -> Result<(Outcome, BTreeMap<String, Value>)> {
    let registry = Registry::new(&[&Flags]);
    let sources = BTreeMap::from([("release.rhai".to_owned(), PLAYBOOK.to_owned())]);
    let playbook = opsrun_language::Playbook::load("release.rhai", &sources, registry)?;
    let flags = json!({ "new-checkout": false, "old-checkout": true });
    let estate = EstateFile::default().with("flags", flags);
    let rehearsal = Rehearsal::start(Launch::new(registry, Project::default()), &estate, 0)?;
    let run = rehearsal.run(Arc::new(Unwatched), faults)?;
    let ended = opsrun_language::run(&playbook, &playbook.arguments(&[])?, &run)?;
    Ok((ended.outcome, rehearsal.estate().snapshot()))
}

#[allow(clippy::print_stdout)] // a program prints
pub(crate) fn main() -> Result<()> {
    rehearse(Vec::new()).map(|(outcome, estate)| println!("{}: {}", outcome.word(), json!(estate)))
}
