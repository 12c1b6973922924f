use jiff::Timestamp;
use opsrun_core::{Cx, Effect, Primitive, Result, Span, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scan_findings::{Findings, WITHIN, finished};
use crate::client::Client;
use crate::ecr::{self, has_code};

/// Scans an image for what is known to be wrong with its packages, and tells what was found.
///
/// A scan that goes on already is waited for. ECR scans an image once in 24 hours: within these, the last scan's findings are told.
///
/// ```rhai
/// let scan = ecr::scan("api", "1.4.0", #{ wait: 10.m });
/// assert((scan.found.counts.get("CRITICAL") ?? 0) == 0, "the image has critical vulnerabilities");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Scan {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// The image's tag, or its digest.
    #[arg(positional)]
    image: String,
    /// How long to wait until it is through (10 minutes).
    wait: Option<Span>,
    /// The repository's region; the target's if left out.
    region: Option<String>,
}

/// A scan and what came of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Scanned {
    /// It was begun by this call.
    changed: bool,
    found: Findings,
}

const ONCE_IN: Span = Span::from_secs(24 * 3600);

impl Primitive for Scan {
    const PATH: &'static str = "ecr::scan";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::Never("a scan changes no image, and what it has found stays known");
    type Out = Scanned;

    async fn run(self, cx: &Cx) -> Result<Scanned> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(WITHIN);
        let of = (self.repository.as_str(), self.image.as_str());
        let name = ecr::named(of.0, of.1);
        let known = ecr::needed_image(&client, of.0, of.1).await?;
        let goes_on = matches!(known.scan.as_deref(), Some("PENDING" | "IN_PROGRESS" | "ACTIVE"));
        let ours = cx.broken_off().is_some_and(|before| before.wrote);
        // Asked for another one, ECR says what it says of too many requests, so that it would be asked again and again.
        if known.scan.as_deref() == Some("COMPLETE") && !ours {
            let found = finished(&client, of, within).await?;
            if is_of_today(&found, cx.now()) {
                cx.info(format!("{name} was scanned within the last 24 hours"));
                return Ok(Scanned { changed: false, found });
            }
        }
        let changed = match goes_on || (ours && known.scan.is_some()) {
            true => ours,
            false => begin(&client, of, &name).await?,
        };
        Ok(Scanned { changed, found: finished(&client, of, within).await? })
    }
}

fn is_of_today(found: &Findings, now: Timestamp) -> bool {
    let scanned = found.scanned.as_ref().and_then(|scanned| scanned.parse::<Timestamp>().ok());
    scanned.is_some_and(|scanned| ONCE_IN.after(scanned) > now)
}

/// Whether a scan could be begun: there may have been one within the day.
async fn begin(client: &Client, (repository, image): (&str, &str), name: &str) -> Result<bool> {
    let asked = client.ecr().start_image_scan().repository_name(repository);
    let asked = asked.image_id(ecr::identifier(image)).send();
    match client.call("ecr:StartImageScan", &format!("scanning {name}"), asked).await {
        Ok(_) => Ok(true),
        Err(error) if has_code(&error, "LimitExceededException") => {
            client.cx().info(format!("{name} was scanned within the last 24 hours"));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
