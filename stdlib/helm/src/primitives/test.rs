use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use opsrun_k8s::{Client, RESTORE, delete};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::deploy::TIMEOUT;
use crate::error::Error;
use crate::hooks::{self, Hooks};
use crate::storage::Storage;
use crate::types::{TestLog, Tested};

/// Runs the tests of a release: its chart's hooks for `test`, one after the other.
///
/// A test that fails is an error that says how its pod ended, with its last log lines. The tests' objects stay or go as their delete
/// policies say; undo takes back what is left of them.
///
/// ```rhai
/// helm::upgrade("web", "charts/web", #{ wait: 5.m });
/// for test in helm::test("web").tests { print(`${test.name}: ${test.log}`); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Test {
    /// The release's name.
    #[arg(positional)]
    release: String,
    /// The release's namespace; the target's if left out.
    namespace: Option<String>,
    /// How long a test may take (5 minutes).
    timeout: Option<Span>,
    /// Only the tests with these names.
    #[serde(default)]
    only: Vec<String>,
    /// Not the tests with these names.
    #[serde(default)]
    except: Vec<String>,
}

impl Primitive for Test {
    const PATH: &'static str = "helm::test";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(RESTORE);
    type Out = Tested;

    async fn run(self, cx: &Cx) -> Result<Tested> {
        let client = Client::new(cx)?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.namespace().to_owned());
        let storage = Storage::new(&client, &namespace)?;
        let Some(newest) = storage.kept(&self.release).await?.pop() else {
            return Err(Error::NoRelease { release: self.release, namespace }.into());
        };
        let mut release = newest.release;
        delete::remember(&client, &[(newest.at, newest.object)]).await?;
        let how = Hooks {
            only: &self.only,
            except: &self.except,
            logs: true,
            ..Hooks::of("test", self.timeout.unwrap_or(TIMEOUT))
        };
        let ended = hooks::run(&storage, &mut release, &how).await;
        storage.update(&release).await?;
        let tests =
            ended?.into_iter().map(|test| TestLog { name: test.name, log: test.log.unwrap_or_default() });
        Ok(Tested { release: self.release, revision: release.revision, tests: tests.collect() })
    }
}
