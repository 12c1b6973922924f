//! The rules for `Chart.yaml`.

use serde_json::Value as Json;

use super::{Linter, Severity};
use crate::files::Files;
use crate::metadata::Metadata;
use crate::semver;
use crate::yaml;

const FILE: &str = "Chart.yaml";

pub(super) fn lint(files: &Files, linter: &mut Linter) {
    let parsed = parse(files);
    let (chart, json) = match parsed {
        Ok(parsed) => parsed,
        Err(text) => {
            linter.check(Severity::Error, FILE, Err(format!("unable to parse YAML\n\t{text}")));
            return;
        }
    };
    linter.check(Severity::Warning, FILE, strict(files.get(FILE).unwrap_or_default(), &json));
    for result in [
        name(&chart),
        api_version(&chart),
        is_text(&json, "version"),
        version(&chart),
        is_text(&json, "appVersion"),
        maintainers(&chart),
        sources(&chart),
    ] {
        linter.check(Severity::Error, FILE, result);
    }
    if chart.icon.is_empty() {
        linter.check(Severity::Info, FILE, Err("icon is recommended".to_owned()));
    } else if !is_request_url(&chart.icon) {
        linter.check(Severity::Error, FILE, Err(format!("invalid icon URL '{}'", chart.icon)));
    }
    linter.check(Severity::Error, FILE, only_in_v2(&chart));
    if !chart.dependencies.is_empty() && chart.api_version != "v2" {
        let found = &chart.api_version;
        let text = format!(
            "dependencies are not valid in the Chart file with apiVersion '{found}'. They are valid in apiVersion 'v2'"
        );
        linter.check(Severity::Error, FILE, Err(text));
    }
    if !is_strict_version(&chart.version) {
        let text = format!("version '{}' is not a valid SemVerV2", chart.version);
        linter.check(Severity::Warning, FILE, Err(text));
    }
}

fn parse(files: &Files) -> Result<(Metadata, Json), String> {
    let text = files.get(FILE).ok_or("open Chart.yaml: no such file or directory")?;
    let json = yaml::to_json(text).map_err(|e| e.to_string())?;
    let mut chart = Metadata::default();
    chart.merge(&json)?;
    Ok((chart, json))
}

/// Keys that are given twice, or that no chart has.
fn strict(text: &[u8], json: &Json) -> Result<(), String> {
    const KNOWN: [&str; 17] = [
        "name",
        "home",
        "sources",
        "version",
        "description",
        "keywords",
        "maintainers",
        "icon",
        "apiVersion",
        "condition",
        "tags",
        "appVersion",
        "deprecated",
        "annotations",
        "kubeVersion",
        "dependencies",
        "type",
    ];
    let failed = |text: String| Err(format!("failed to strictly parse chart metadata file\n\t{text}"));
    if let Err(e) = yaml::to_json_strict(text) {
        return failed(e.to_string());
    }
    let unknown =
        json.as_object().and_then(|fields| fields.keys().find(|key| !KNOWN.contains(&key.as_str())));
    match unknown {
        None => Ok(()),
        Some(key) => {
            failed(format!("error unmarshaling JSON: while decoding JSON: json: unknown field {key:?}"))
        }
    }
}

fn name(chart: &Metadata) -> Result<(), String> {
    if chart.name.is_empty() {
        return Err("name is required".to_owned());
    }
    if chart.name.contains('/') {
        return Err(format!("chart name {:?} is invalid", chart.name));
    }
    Ok(())
}

fn api_version(chart: &Metadata) -> Result<(), String> {
    const WANTED: &str = "The value must be either \"v1\" or \"v2\"";
    match chart.api_version.as_str() {
        "v1" | "v2" => Ok(()),
        "" => Err(format!("apiVersion is required. {WANTED}")),
        other => Err(format!("apiVersion '{other}' is not valid. {WANTED}")),
    }
}

fn is_text(json: &Json, key: &str) -> Result<(), String> {
    let found = match json.get(key) {
        None | Some(Json::String(_)) => return Ok(()),
        Some(Json::Null) => "<nil>",
        Some(Json::Bool(_)) => "bool",
        Some(Json::Number(_)) => "float64",
        Some(Json::Array(_)) => "[]interface {}",
        Some(Json::Object(_)) => "map[string]interface {}",
    };
    Err(format!("{key} should be of type string but it's of type {found}"))
}

fn version(chart: &Metadata) -> Result<(), String> {
    if chart.version.is_empty() {
        return Err("version is required".to_owned());
    }
    if !semver::is_version(&chart.version) {
        return Err(format!("version '{}' is not a valid SemVer", chart.version));
    }
    if !semver::satisfies(">0.0.0-0", &chart.version) {
        return Err(format!("version {} is less than or equal to 0.0.0-0", chart.version));
    }
    Ok(())
}

/// Three numbers, as the specification of semantic versions wants them.
fn is_strict_version(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or(version);
    let is_number =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'));
    core.split('.').count() == 3 && core.split('.').all(is_number) && semver::is_version(version)
}

fn maintainers(chart: &Metadata) -> Result<(), String> {
    for maintainer in &chart.maintainers {
        if maintainer.name.is_empty() {
            return Err("each maintainer requires a name".to_owned());
        }
        if !maintainer.email.is_empty() && !is_email(&maintainer.email) {
            return Err(format!("invalid email '{}' for maintainer '{}'", maintainer.email, maintainer.name));
        }
        if !maintainer.url.is_empty() && !is_url(&maintainer.url) {
            return Err(format!("invalid url '{}' for maintainer '{}'", maintainer.url, maintainer.name));
        }
    }
    Ok(())
}

fn sources(chart: &Metadata) -> Result<(), String> {
    match chart.sources.iter().find(|source| !is_request_url(source)) {
        Some(source) => Err(format!("invalid source URL '{source}'")),
        None => Ok(()),
    }
}

fn only_in_v2(chart: &Metadata) -> Result<(), String> {
    if chart.kind.is_empty() || chart.api_version == "v2" {
        return Ok(());
    }
    let found = &chart.api_version;
    Err(format!("chart type is not valid in apiVersion '{found}'. It is valid in apiVersion 'v2'"))
}

/// An absolute URL.
fn is_request_url(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, rest)) => {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
                && !rest.is_empty()
                && !text.contains(char::is_whitespace)
        }
        None => false,
    }
}

/// A URL, of which the scheme may be missing, with a host.
fn is_url(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next().unwrap_or("");
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    (host == "localhost" || host.contains('.')) && host.split('.').all(is_part)
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-');
    !local.is_empty()
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(is_local)
        && domain.contains('.')
        && domain.split('.').all(is_part)
}
