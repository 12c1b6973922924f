use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::ecr::{self, has_code};
use crate::rds::time;

/// How often is asked whether a scan is through.
const EVERY: Span = Span::from_secs(5);
/// So long is waited if nobody says how long.
pub(super) const WITHIN: Span = Span::from_secs(600);

/// Tells what a scan has found in an image; one that goes on is waited for.
///
/// ```rhai
/// let found = ecr::scan_findings("api", "1.4.0", #{ wait: 5.m });
/// assert((found.counts.get("CRITICAL") ?? 0) == 0, `${found.findings[0].name}: ${found.findings[0].description}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetScanFindings {
    /// The repository's name.
    #[arg(positional)]
    repository: String,
    /// The image's tag, or its digest.
    #[arg(positional)]
    image: String,
    /// How long to wait for a scan that goes on (10 minutes).
    wait: Option<Span>,
    /// The repository's region; the target's if left out.
    region: Option<String>,
}

/// What a scan has found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Findings {
    /// `COMPLETE`, or `ACTIVE` where images are scanned all the time.
    pub(crate) status: String,
    /// When it was through.
    pub(crate) scanned: Option<String>,
    /// How many of each severity: `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, `INFORMATIONAL`, `UNDEFINED`.
    pub(crate) counts: BTreeMap<String, i32>,
    /// The worst first.
    pub(crate) findings: Vec<FindingOfScan>,
}

/// One thing that is wrong with an image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct FindingOfScan {
    /// `CVE-2026-1234`
    pub(crate) name: String,
    pub(crate) severity: String,
    pub(crate) description: String,
    pub(crate) uri: Option<String>,
    pub(crate) package: Option<String>,
    /// The package's version.
    pub(crate) version: Option<String>,
}

impl Primitive for GetScanFindings {
    const PATH: &'static str = "ecr::scan_findings";
    const EFFECT: Effect = Effect::Read;
    type Out = Findings;

    async fn run(self, cx: &Cx) -> Result<Findings> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(WITHIN);
        finished(&client, (&self.repository, &self.image), within).await
    }
}

/// Waits until a scan is through.
///
/// # Errors
/// `NotFound` if there never was one, `Timeout`, `Failed` with what AWS says.
pub(super) async fn finished(client: &Client, of: (&str, &str), within: Span) -> Result<Findings> {
    let cx = client.cx();
    let name = ecr::named(of.0, of.1);
    let found = cx.wait(within, EVERY, async || {
        let found = findings(client, of).await?;
        match found.status.as_str() {
            "PENDING" | "IN_PROGRESS" => {
                cx.progress(format!("scan of {name}: {}", found.status));
                Ok(None)
            }
            _ => Ok(Some(found)),
        }
    });
    found.await?.ok_or_else(|| {
        Error::new(ErrorKind::Timeout, format!("the scan of {name} is not through after {within}"))
            .hint("it goes on by itself; wait longer with the option `wait`")
    })
}

/// All pages of what is known of a scan.
async fn findings(client: &Client, (repository, image): (&str, &str)) -> Result<Findings> {
    let name = ecr::named(repository, image);
    let tried = format!("asking what the scan of {name} has found");
    let mut all =
        Findings { status: String::new(), scanned: None, counts: BTreeMap::new(), findings: Vec::new() };
    let mut next = None;
    loop {
        let asked = client.ecr().describe_image_scan_findings().repository_name(repository);
        let asked = asked.image_id(ecr::identifier(image)).set_next_token(next).send();
        let page = client.call("ecr:DescribeImageScanFindings", &tried, asked).await;
        let page = page.map_err(|error| match has_code(&error, "ScanNotFoundException") {
            true => error.hint(format!("scan it first: `ecr::scan(\"{repository}\", \"{image}\")`")),
            false => error,
        })?;
        let status = page.image_scan_status();
        all.status = status.and_then(|of| of.status()).map(|of| of.as_str().to_owned()).unwrap_or_default();
        if matches!(all.status.as_str(), "FAILED" | "UNSUPPORTED_IMAGE" | "FINDINGS_UNAVAILABLE") {
            let why = status.and_then(|of| of.description()).unwrap_or_default();
            let place = client.place();
            let message =
                format!("the scan of {name} is {} in {}, {}: {why}", all.status, place.region, place.account);
            return Err(Error::failed(message));
        }
        if let Some(found) = page.image_scan_findings() {
            all.take(found);
        }
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    all.findings.sort_by(|a, b| (rank(&a.severity), &a.name).cmp(&(rank(&b.severity), &b.name)));
    Ok(all)
}

impl Findings {
    fn take(&mut self, page: &aws_sdk_ecr::types::ImageScanFindings) {
        self.scanned = page.image_scan_completed_at().and_then(time).map(|at| at.to_string());
        let counts = page.finding_severity_counts().into_iter().flatten();
        self.counts.extend(counts.map(|(severity, count)| (severity.as_str().to_owned(), *count)));
        self.findings.extend(page.findings().iter().map(|of| {
            let attribute = |key: &str| {
                let found = of.attributes().iter().find(|attribute| attribute.key() == key);
                found.and_then(|attribute| attribute.value()).map(str::to_owned)
            };
            FindingOfScan {
                name: of.name().unwrap_or_default().to_owned(),
                severity: of.severity().map(|of| of.as_str().to_owned()).unwrap_or_default(),
                description: of.description().unwrap_or_default().to_owned(),
                uri: of.uri().map(str::to_owned),
                package: attribute("package_name"),
                version: attribute("package_version"),
            }
        }));
        self.findings.extend(page.enhanced_findings().iter().map(|of| {
            let details = of.package_vulnerability_details();
            let package = details.and_then(|of| of.vulnerable_packages().first());
            let id = details.and_then(|of| of.vulnerability_id());
            FindingOfScan {
                name: id.or(of.title()).unwrap_or_default().to_owned(),
                severity: of.severity().unwrap_or_default().to_owned(),
                description: of.description().unwrap_or_default().to_owned(),
                uri: details.and_then(|of| of.source_url()).map(str::to_owned),
                package: package.and_then(|of| of.name()).map(str::to_owned),
                version: package.and_then(|of| of.version()).map(str::to_owned),
            }
        }));
    }
}

fn rank(severity: &str) -> usize {
    const ORDER: &[&str] = &["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"];
    ORDER.iter().position(|of| *of == severity).unwrap_or(ORDER.len())
}
