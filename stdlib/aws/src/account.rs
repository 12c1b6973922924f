//! The AWS account of a target: its region, where its services answer, and how to sign in there. Read once in a run.

mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::section::{EnvConfigSections, Profile};
use aws_types::os_shim_internal::{Env, Fs};
use opsrun_core::{Cx, Error, ErrorKind, Result, Span};
use tokio::sync::Mutex;

use self::sources::Source;
use crate::SYSTEM;
use crate::error::{self, Place};
use crate::section::Section;

/// Credentials are renewed when they end within this.
const RENEWED_BEFORE: Span = Span::from_secs(300);

pub(crate) struct Account {
    section: Section,
    /// The target's name, for errors.
    target: String,
    region: Option<String>,
    /// ``the profile `workflow-prod` ``
    described: String,
    /// What `AWS_ENDPOINT_URL` and its like say, by service; `""` is all of them.
    endpoints: Vec<(String, String)>,
    roots: Option<Vec<u8>>,
    source: Source,
    current: Mutex<Option<Credentials>>,
}

/// The files and variables that AWS's own programs read.
struct Found {
    sections: EnvConfigSections,
    profile: String,
}

impl Account {
    /// The account of the call's target.
    ///
    /// # Errors
    /// `Invalid` for a section, a file or a profile that cannot be used.
    pub(crate) fn of(cx: &Cx) -> Result<Arc<Self>> {
        cx.shared(&format!("{SYSTEM}/{}", cx.target().name), || Account::read(cx))
    }

    fn read(cx: &Cx) -> Result<Self> {
        let section = Section::of(cx)?;
        let target = cx.target().name.clone();
        if section.estate {
            let source = Source::Known(Credentials::new(
                section.keys.as_ref().map(|keys| keys.access_key.clone()).unwrap_or_default(),
                crate::simulator::SECRET_KEY,
                None,
                None,
                "estate",
            ));
            return Ok(Account {
                region: section.region.clone(),
                described: "the estate's account".to_owned(),
                endpoints: Vec::new(),
                roots: None,
                source,
                current: Mutex::new(None),
                section,
                target,
            });
        }
        let found = files(cx, &section)?;
        let profile = found.sections.get_profile(&found.profile);
        if profile.is_none() && section.profile.is_some() {
            return Err(no_profile(&found, &target));
        }
        let region = section
            .region
            .clone()
            .or_else(|| variable(cx, "AWS_REGION"))
            .or_else(|| variable(cx, "AWS_DEFAULT_REGION"))
            .or_else(|| profile.and_then(|profile| profile.get("region")).map(str::to_owned));
        let (source, described) = Source::choose(cx, &section, &found.sections, profile)?;
        let authority = section.certificate_authority.clone();
        let authority = authority.or_else(|| variable(cx, "AWS_CA_BUNDLE").map(PathBuf::from));
        let roots = authority.map(|file| cx.read_configuration(&file)).transpose();
        let roots = roots.map_err(|error| error.context("the authorities that AWS is trusted by"))?;
        Ok(Account {
            region,
            described,
            endpoints: endpoints(cx, profile),
            roots,
            source,
            current: Mutex::new(None),
            section,
            target,
        })
    }

    /// # Errors
    /// `Invalid` if nothing says which it is.
    pub(crate) fn region(&self) -> Result<&str> {
        self.region.as_deref().ok_or_else(|| {
            Error::invalid(format!("nothing says which region of AWS the target `{}` is", self.target))
                .hint("say it in the target, `aws = { region = \"us-west-2\" }`, or set AWS_REGION")
        })
    }

    /// How errors call it.
    pub(crate) fn described(&self) -> &str {
        &self.described
    }

    pub(crate) fn path_style(&self) -> bool {
        // A name in a host needs a server that is found under every name.
        self.section.path_style.unwrap_or_else(|| self.endpoint("s3").is_some())
    }

    pub(crate) fn roots(&self) -> Option<Vec<u8>> {
        self.roots.clone()
    }

    /// Where a service answers, by its name in IAM, if not at AWS.
    pub(crate) fn endpoint(&self, service: &str) -> Option<String> {
        let of_section = self.section.endpoint(service).map(str::to_owned);
        of_section.or_else(|| {
            let known = |wanted: &str| self.endpoints.iter().find(|(name, _)| name == wanted);
            known(service).or_else(|| known("")).map(|(_, endpoint)| endpoint.clone())
        })
    }

    /// # Errors
    /// `Forbidden` if nothing gives any, or who does has none to give; those of asking for them.
    pub(crate) async fn credentials(self: &Arc<Self>, cx: &Cx) -> Result<Credentials> {
        let mut current = self.current.lock().await;
        if let Some(known) = &*current {
            let ends = known.expiry();
            let ends = ends.and_then(|ends| jiff::Timestamp::try_from(ends).ok());
            if ends.is_none_or(|ends| ends > RENEWED_BEFORE.after(cx.now())) {
                return Ok(known.clone());
            }
        }
        let fresh = self.source.credentials(cx, self).await;
        let fresh =
            fresh.map_err(|error| error.context(format!("signing in to AWS by {}", self.described)))?;
        // An estate's keys are no secrets.
        if !self.section.estate {
            cx.hide("aws-secret-access-key", fresh.secret_access_key());
            if let Some(token) = fresh.session_token() {
                cx.hide("aws-session-token", token);
            }
        }
        self.is_expected(cx, &fresh).await?;
        *current = Some(fresh.clone());
        Ok(fresh)
    }
}

impl Account {
    /// Credentials of another account than the target's are not used.
    async fn is_expected(self: &Arc<Self>, cx: &Cx, fresh: &Credentials) -> Result<()> {
        let Some(expected) = &self.section.account else { return Ok(()) };
        let region = self.region()?;
        let asked = sources::sts(cx, self, region, Some(fresh.clone())).get_caller_identity().send().await;
        let place = Place { account: self.described.clone(), region: region.to_owned() };
        let asked = asked
            .map_err(|error| error::failed(&place, "sts:GetCallerIdentity", "asking who we are", &error))?;
        let found = asked.account().unwrap_or_default();
        if found == expected {
            return Ok(());
        }
        let who = asked.arn().unwrap_or_default();
        let message = format!(
            "the target `{}` is account {expected}, and this is account {found} ({who})",
            self.target
        );
        Err(Error::new(ErrorKind::Denied, message).hint("choose a profile or a role of that account"))
    }
}

fn variable(cx: &Cx, name: &str) -> Option<String> {
    cx.variable(name).filter(|value| !value.is_empty())
}

/// Below the user's home, or where a variable says.
fn file(cx: &Cx, named_by: &str, name: &str) -> Option<PathBuf> {
    let home = || cx.variable("HOME").map(|home| Path::new(&home).join(".aws").join(name));
    variable(cx, named_by).map(PathBuf::from).or_else(home)
}

fn files(cx: &Cx, section: &Section) -> Result<Found> {
    let read = |path: Option<PathBuf>| match path.map(|path| cx.read_configuration(path)) {
        None => Ok(String::new()),
        Some(Ok(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Some(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Some(Err(error)) => Err(error),
    };
    let files = EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, read(file(cx, "AWS_CONFIG_FILE", "config"))?)
        .with_contents(
            EnvConfigFileKind::Credentials,
            read(file(cx, "AWS_SHARED_CREDENTIALS_FILE", "credentials"))?,
        )
        .build();
    let profile = section.profile.clone().or_else(|| variable(cx, "AWS_PROFILE"));
    let profile = profile.unwrap_or_else(|| "default".to_owned());
    // All contents are given, so nothing is waited for.
    let (files_of, variables) = (Fs::from_slice(&[]), Env::from_slice(&[("AWS_PROFILE", profile.as_str())]));
    let loaded =
        futures::executor::block_on(aws_runtime::env_config::source::load(&variables, &files_of, &files));
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::invalid(format!(
            "the files of AWS's profiles (~/.aws/config, ~/.aws/credentials) cannot be read: {error}"
        ))
    };
    let source = loaded.map_err(|error| unreadable(&error))?;
    let sections = EnvConfigSections::parse(source).map_err(|error| unreadable(&error))?;
    Ok(Found { sections, profile })
}

fn no_profile(found: &Found, target: &str) -> Error {
    let mut known: Vec<&str> = found.sections.profiles().collect();
    known.sort_unstable();
    let error = Error::invalid(format!(
        "the target `{target}` names the profile `{}`, and there is none in ~/.aws/config and ~/.aws/credentials",
        found.profile
    ));
    match known.as_slice() {
        [] => error.hint("make it with `aws configure --profile NAME` or `aws configure sso`"),
        known => error.hint(format!("there are `{}`", known.join("`, `"))),
    }
}

/// `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3` …, and a profile's `endpoint_url`.
fn endpoints(cx: &Cx, profile: Option<&Profile>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for service in crate::access::SERVICES {
        let name = format!("AWS_ENDPOINT_URL_{}", service.sdk.to_ascii_uppercase().replace(' ', "_"));
        found.extend(variable(cx, &name).map(|endpoint| (service.iam.to_owned(), endpoint)));
    }
    let everywhere = variable(cx, "AWS_ENDPOINT_URL");
    let everywhere = everywhere.or_else(|| profile?.get("endpoint_url").map(str::to_owned));
    found.extend(everywhere.map(|endpoint| (String::new(), endpoint)));
    found
}
