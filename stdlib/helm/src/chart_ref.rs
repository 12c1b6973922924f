//! How a playbook names a chart: where it is, and which version of it.

use std::fmt;

use helm_render::semver::{Constraint, Version};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value};

/// A chart: a folder, an archive, an address, or a map of `chart`, `repo` and `version`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "Written")]
pub(crate) enum ChartRef {
    /// A folder or an archive, read through the run.
    Local(String),
    /// The address of an archive.
    Archive(String),
    /// A chart of a registry.
    Oci(OciRef),
    /// A chart of an HTTP repository.
    Repository { chart: String, repo: String, version: Option<String> },
}

/// `HOST/PATH` of a registry, and which of the charts there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OciRef {
    /// With its port, if it has one.
    pub(crate) host: String,
    /// `charts/web`
    pub(crate) path: String,
    pub(crate) which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// The newest that satisfies this range; of all, without one.
    Range(Option<String>),
    /// As the registry has it: `1.2.3_build` is version `1.2.3+build`.
    Tag(String),
    /// `sha256:…`
    Digest(String),
}

/// As schemas describe it.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)] // only its shape is used
enum Written {
    /// `charts/web`, `web-1.2.3.tgz`, `https://…/web-1.2.3.tgz`, `oci://registry.example.com/charts/web:1.2.3`
    Text(String),
    Map {
        /// The chart's name in the repository, or `oci://…`.
        chart: String,
        /// `https://charts.example.com`
        repo: Option<String>,
        /// A version, or a range such as `^1.2`; the newest release if left out.
        version: Option<String>,
    },
}

const FORMS: &str = "write a folder or an archive (`charts/web`, `web-1.2.3.tgz`), an address \
    (`https://…/web-1.2.3.tgz`, `oci://registry.example.com/charts/web:1.2.3`), or a map: \
    `#{ chart: \"web\", repo: \"https://charts.example.com\", version: \"^1.2\" }`";

impl<'de> Deserialize<'de> for ChartRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match Value::deserialize(deserializer)? {
            Value::String(text) => ChartRef::parse(&text),
            Value::Object(map) => ChartRef::of_map(map),
            other => Err(format!("`{other}` is no chart; {FORMS}")),
        };
        read.map_err(D::Error::custom)
    }
}

impl ChartRef {
    /// Of a text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            _ if text.is_empty() => Err(format!("a chart is missing; {FORMS}")),
            None => Ok(ChartRef::Local(text.to_owned())),
            Some(("oci", rest)) => OciRef::parse(rest).map(ChartRef::Oci),
            Some(("http" | "https", _)) => Ok(ChartRef::Archive(address(text)?)),
            Some(("file", path)) => Ok(ChartRef::Local(path.to_owned())),
            Some((scheme, _)) => Err(format!("`{scheme}://` leads to no charts; {FORMS}")),
        }
    }

    fn of_map(mut map: Map<String, Value>) -> Result<Self, String> {
        let mut take = |key: &str| match map.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(other) => Err(format!("`{key}` is a text, such as \"1.2.3\", and not `{other}`")),
        };
        let (chart, repo, version) = (take("chart")?, take("repo")?, take("version")?);
        if let Some(key) = map.keys().next() {
            return Err(format!("a chart has no `{key}`: its keys are `chart`, `repo` and `version`"));
        }
        let chart = chart.ok_or("a chart's map needs `chart`, its name in the repository or its address")?;
        if let Some(version) = &version {
            Constraint::parse(version)
                .map_err(|why| format!("`version`: `{version}` is neither a version nor a range: {why}"))?;
        }
        if let Some(repo) = repo {
            return ChartRef::of_repository(chart, &repo, version);
        }
        match (ChartRef::parse(&chart)?, version) {
            (ChartRef::Oci(at), Some(version)) => at.with_version(version).map(ChartRef::Oci),
            (at @ (ChartRef::Local(_) | ChartRef::Archive(_)), Some(_)) => Err(format!(
                "`version` chooses among the charts of a repository, and `{at}` is one chart: leave it out, or say `repo`"
            )),
            (at, _) => Ok(at),
        }
    }

    /// `chart` in the repository `repo`.
    pub(crate) fn of_repository(chart: String, repo: &str, version: Option<String>) -> Result<Self, String> {
        if chart.contains("://") || chart.contains('/') {
            return Err(format!(
                "`chart` is a name in the repository `{repo}`, and `{chart}` is none: leave `repo` out, or give the name"
            ));
        }
        match repo.split_once("://") {
            Some(("oci", rest)) => {
                let at = OciRef::parse(&format!("{}/{chart}", rest.trim_end_matches('/')))?;
                match version {
                    Some(version) => at.with_version(version).map(ChartRef::Oci),
                    None => Ok(ChartRef::Oci(at)),
                }
            }
            Some(("http" | "https", _)) => Ok(ChartRef::Repository { chart, repo: address(repo)?, version }),
            _ => Err(format!(
                "`repo`: `{repo}` is no repository: write its address, such as `https://charts.example.com` or \
                 `oci://registry.example.com/charts`"
            )),
        }
    }
}

/// An address of HTTP, without a user in it.
fn address(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|error| format!("`{text}` is no address: {error}"))?;
    match uri.authority() {
        // What comes before the host may be a password: it is not repeated.
        Some(authority) if authority.as_str().contains('@') => Err(format!(
            "the address at `{}` bears a user or password: name them in the target, \
             `helm = {{ registries = {{ \"{0}\" = {{ username = \"…\", password = \"env:…\" }} }} }}`",
            authority.host()
        )),
        Some(authority) if !authority.host().is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` has no host")),
    }
}

impl OciRef {
    /// Of what comes after `oci://`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            format!(
                "`oci://{text}` names no chart: {why}; write it like `oci://registry.example.com/charts/web:1.2.3`"
            )
        };
        if text.split('/').next().is_some_and(|host| host.contains('@')) {
            address(&format!("https://{text}"))?;
        }
        let (name, digest) = match text.rsplit_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (host, path) = name.split_once('/').ok_or_else(|| bad("it has no path"))?;
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        if host.is_empty() || !is_authority(host) {
            return Err(bad("it has no host"));
        }
        if !path.split('/').all(is_component) {
            return Err(bad("a path has lower case letters and digits, with `.`, `_` and `-` between them"));
        }
        let which = match (digest, tag) {
            (Some(digest), _) if is_digest(digest) => Which::Digest(digest.to_owned()),
            (Some(_), _) => return Err(bad("a digest is `sha256:` and 64 hexadecimal digits")),
            (None, Some(tag)) if is_tag(tag) => Which::Tag(of_version(tag)),
            (None, Some(_)) => return Err(bad("its tag is none")),
            (None, None) => Which::Range(None),
        };
        Ok(OciRef { host: host.to_owned(), path: path.to_owned(), which })
    }

    fn with_version(self, version: String) -> Result<Self, String> {
        let which = match &self.which {
            // Helm takes what is a whole version for a tag, and looks for others among all of them.
            Which::Range(_) if is_whole_version(&version) => Which::Tag(of_version(&version)),
            Which::Range(_) => Which::Range(Some(version)),
            Which::Tag(tag) if *tag == of_version(&version) => self.which,
            Which::Tag(_) | Which::Digest(_) => {
                return Err(format!("`{self}` says which version already, and `version` is {version}"));
            }
        };
        Ok(OciRef { which, ..self })
    }

    /// Without what says which.
    pub(crate) fn name(&self) -> String {
        format!("oci://{}/{}", self.host, self.path).trim_end_matches('/').to_owned()
    }
}

/// A version as a tag, which has no `+`.
pub(crate) fn of_version(version: &str) -> String {
    version.replace('+', "_")
}

/// `1.2.3`, with or without what comes behind it.
fn is_whole_version(text: &str) -> bool {
    let core = text.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    Version::parse(text).is_ok() && core.split('.').count() == 3
}

fn is_authority(host: &str) -> bool {
    host.parse::<http::uri::Authority>().is_ok_and(|authority| !authority.as_str().contains('@'))
}

/// Of the distribution specification: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (first, last) = (part.bytes().next(), part.bytes().next_back());
    first.is_some_and(plain)
        && last.is_some_and(plain)
        && part.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

fn is_tag(tag: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-+".contains(&byte);
    (1..=128).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.bytes().all(plain)
}

/// `sha256:` and 64 digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

impl fmt::Display for OciRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.path)?;
        match &self.which {
            Which::Range(None) => Ok(()),
            Which::Range(Some(range)) => write!(f, " {range}"),
            Which::Tag(version) => write!(f, ":{version}"),
            Which::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// As errors name it.
impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChartRef::Local(text) | ChartRef::Archive(text) => f.write_str(text),
            ChartRef::Oci(at) => at.fmt(f),
            ChartRef::Repository { chart, repo, version } => {
                write!(f, "{chart}")?;
                version.iter().try_for_each(|version| write!(f, " {version}"))?;
                write!(f, " of {repo}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<String, String> {
        serde_json::from_value::<ChartRef>(value).map(|at| at.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_chart_is_named_by_a_text_or_a_map() {
        for (given, shown) in [
            (json!("charts/web"), "charts/web"),
            (json!("https://a.example/web-1.0.0.tgz"), "https://a.example/web-1.0.0.tgz"),
            (json!("oci://a.example/charts/web"), "oci://a.example/charts/web"),
            (json!("oci://localhost:5000/web:1.2.3+b"), "oci://localhost:5000/web:1.2.3_b"),
            (
                json!({ "chart": "web", "repo": "https://a.example", "version": "^1.2" }),
                "web ^1.2 of https://a.example",
            ),
            (json!({ "chart": "oci://a.example/web", "version": "1.2.3" }), "oci://a.example/web:1.2.3"),
            (json!({ "chart": "oci://a.example/web", "version": "1.2" }), "oci://a.example/web 1.2"),
            (json!({ "chart": "web", "repo": "oci://a.example/charts" }), "oci://a.example/charts/web"),
        ] {
            assert_eq!(read(given.clone()).as_deref(), Ok(shown), "{given}");
        }
    }

    #[test]
    fn what_names_no_chart_says_how_to_write_it() {
        for (given, expected) in [
            (json!(1), "`1` is no chart; write a folder or an archive"),
            (json!(""), "a chart is missing"),
            (json!("ftp://a.example/web.tgz"), "`ftp://` leads to no charts"),
            (json!("oci://web"), "it has no path"),
            (json!("oci://a.example/Web"), "a path has lower case letters"),
            (json!("oci://a.example/web@sha256:12"), "64 hexadecimal digits"),
            (json!({ "repo": "https://a.example" }), "needs `chart`"),
            (json!({ "chart": "web", "repo": "stable" }), "`repo`: `stable` is no repository"),
            (json!({ "chart": "web", "repo": "https://a.example", "verison": "1" }), "has no `verison`"),
            (json!({ "chart": "web", "repo": "https://a.example", "version": 1 }), "`version` is a text"),
            (
                json!({ "chart": "web", "repo": "https://a.example", "version": "one" }),
                "neither a version nor a range",
            ),
            (json!({ "chart": "charts/web", "version": "1.0.0" }), "is one chart"),
            (
                json!({ "chart": "oci://a.example/web:1.0.0", "version": "1.0.1" }),
                "says which version already",
            ),
        ] {
            let error = read(given.clone()).expect_err("it names no chart");
            assert!(error.contains(expected), "{given}: {error}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for given in ["https://me:hunter2@a.example/web.tgz", "oci://me:hunter2@a.example/web"] {
            let error = read(json!(given)).expect_err(given);
            assert!(error.contains("bears a user or password") && !error.contains("hunter2"), "{error}");
        }
    }
}
