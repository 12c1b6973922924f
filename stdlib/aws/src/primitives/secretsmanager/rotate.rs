use opsrun_core::{Cx, Effect, Error, ErrorKind, Inverse, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::describe::describe;
use super::put::{self, PutSecret};
use super::use_version;
use crate::client::Client;
use crate::ecr::has_code;

/// How often is asked.
const EVERY: Span = Span::from_secs(5);
/// So long is waited if nobody says how long.
const WITHIN: Span = Span::from_secs(600);

/// Has AWS give a secret another value by the function that it has for that, and waits until it is the one that is used.
///
/// A rotation that goes on already is waited for, and none is begun. Undo uses the former version again; where the function has changed a
/// database's password as well, that has to be changed there, too.
///
/// ```rhai
/// let rotated = secretsmanager::rotate("app/db", #{ wait: 10.m });
/// log(`version ${rotated.version} is used`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Rotate {
    /// Its name or its ARN.
    #[arg(positional)]
    secret: String,
    /// How long to wait (10 minutes).
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

impl Primitive for Rotate {
    const PATH: &'static str = "secretsmanager::rotate";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(use_version::PATH);
    type Out = PutSecret;

    async fn run(self, cx: &Cx) -> Result<PutSecret> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(WITHIN);
        let before = describe(&client, &self.secret).await?;
        let was = before.current.clone().unwrap_or_default();
        // The version that was used when this very call began, before the run broke off.
        let ours = cx.broken_off().filter(|before| before.wrote).and_then(|before| former(&before.inverses));
        let (from, changed) = match ours {
            // It is through, or goes on.
            Some(from) if from != was || before.pending.is_some() => (from, true),
            _ if before.pending.is_some() => {
                cx.info(format!("the secret `{}` is being rotated already", self.secret));
                (was, false)
            }
            _ => {
                let arguments = json!({ "secret": self.secret, "version": was, "region": client.region() });
                let _ = cx.undo(Inverse::call(use_version::PATH, arguments)).await?;
                self.begin(&client).await?;
                (was, true)
            }
        };
        let version = self.finished(&client, &from, within).await?;
        Ok(PutSecret { changed, version, previous: Some(from) })
    }
}

impl Rotate {
    async fn begin(&self, client: &Client) -> Result<()> {
        let asked = client.secretsmanager().rotate_secret().secret_id(&self.secret);
        let asked = asked.client_request_token(put::token(client.cx())).send();
        let tried = format!("rotating the secret `{}`", self.secret);
        let begun = client.call("secretsmanager:RotateSecret", &tried, asked).await;
        begun.map(drop).map_err(|error| match has_code(&error, "InvalidRequestException") {
            true => error.hint(
                "a secret is rotated by a function of Lambda, which has to be set up for it once; `secretsmanager::put` gives it a value of your own",
            ),
            false => error,
        })
    }

    async fn finished(&self, client: &Client, from: &str, within: Span) -> Result<String> {
        let cx = client.cx();
        let found = cx.wait(within, EVERY, async || {
            let found = describe(client, &self.secret).await?;
            let current = found.current.filter(|current| current != from);
            if current.is_none() || found.pending.is_some() {
                cx.progress(format!("the secret `{}` is being rotated", self.secret));
                return Ok(None);
            }
            Ok(current)
        });
        found.await?.ok_or_else(|| {
            let place = client.place();
            let message = format!(
                "the secret `{}` still has its former value after {within}, in {}, {}",
                self.secret, place.region, place.account
            );
            Error::new(ErrorKind::Timeout, message)
                .hint("the log of its rotation function says how far it came")
        })
    }
}

/// The version that an inverse goes back to.
fn former(inverses: &[Inverse]) -> Option<String> {
    inverses.iter().rev().find_map(|inverse| match inverse {
        Inverse::Call { args, .. } => Some(args.get("version")?.as_str()?.to_owned()),
        Inverse::None { .. } => None,
    })
}
