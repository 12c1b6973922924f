//! An HTTP repository's `index.yaml`: which charts there are, and where. Chosen from by Helm's rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use helm_render::semver::{Constraint, Version};
use opsrun_core::{Error, Result, yaml};
use serde::Deserialize;

use super::client::{Ask, Client};
use super::error::RepositoryError;
use super::{Fetched, address, archive, digest_of, oci};
use crate::chart_ref::{OciRef, Which, of_version};

/// Bitnami's, the largest there was, had 25 MiB.
const LARGEST: u64 = 64 << 20;
/// As many names or versions an error lists.
const LISTED: usize = 10;

/// What is read of an index.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Index {
    #[serde(default)]
    entries: BTreeMap<String, Option<Vec<Option<Entry>>>>,
}

/// A version of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    digest: Option<String>,
}

/// The archive of `chart` in the repository `repo`.
pub(super) async fn fetch(
    client: &Client<'_>,
    repo: &str,
    chart: &str,
    version: Option<&str>,
) -> Result<Fetched> {
    let entry = find(client, repo, chart, version).await?;
    let what = format!("`{chart}` {} of {repo}", entry.version());
    let unusable = |why: &str| RepositoryError::Unusable { what: what.clone(), why: why.to_owned() };
    let url = entry.urls.iter().flatten().next().ok_or_else(|| unusable("its index gives no address"))?;
    // Some repositories are lists of what a registry holds.
    let fetched = match url.strip_prefix("oci://") {
        Some(rest) => {
            let at = OciRef::parse(rest).map_err(|why| unusable(&why))?;
            let which = match at.which {
                Which::Range(_) => Which::Tag(of_version(entry.version())),
                which => which,
            };
            oci::fetch(client, &OciRef { which, ..at }).await?
        }
        None => {
            let uri = address::in_repository(repo, url).map_err(|error| unusable(error.message()))?;
            let bytes = archive::fetch(client, uri.clone()).await?;
            Fetched { digest: digest_of(&bytes), source: address::shown(&uri), bytes }
        }
    };
    match entry.digest.as_deref().map(str::trim).filter(|digest| !digest.is_empty()) {
        // Indexes have it with and without the algorithm.
        Some(expected) => {
            let expected = expected.strip_prefix("sha256:").unwrap_or(expected).to_ascii_lowercase();
            let expected = format!("sha256:{expected}");
            if expected != fetched.digest {
                let (what, by) = (fetched.source, "the repository's index".to_owned());
                return Err(RepositoryError::Digest { what, by, expected, found: fetched.digest }.into());
            }
        }
        None => {
            client.cx().warn(format!("{what}: the index has no digest, so the archive is taken as it came"));
        }
    }
    Ok(fetched)
}

/// The version of `chart` that a fetch would take.
pub(super) async fn find(
    client: &Client<'_>,
    repo: &str,
    chart: &str,
    version: Option<&str>,
) -> Result<Entry> {
    let index = match client.known_index(repo) {
        Some(index) => index,
        None => {
            let index = Arc::new(read(client, repo).await?);
            client.keep_index(repo, &index);
            index
        }
    };
    index.choose(repo, chart, version)
}

async fn read(client: &Client<'_>, repo: &str) -> Result<Index> {
    let uri = address::in_repository(repo, "index.yaml")?;
    let answer = client.ask_repository(&Ask::get(uri, "", LARGEST)).await?;
    if !answer.status.is_success() {
        let error = Error::from(answer.refused(client.cx()));
        return Err(error.hint("a repository has an `index.yaml`; a registry is written `oci://HOST/PATH`"));
    }
    let unusable =
        |why: String| Error::from(RepositoryError::Unusable { what: format!("the index of {repo}"), why });
    let text = std::str::from_utf8(&answer.content).map_err(|_| unusable("it is no text".to_owned()))?;
    let index: Index = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| unusable(error.to_string()))?,
        false => yaml::from_large_str("index.yaml", text)
            .map_err(|error| unusable(first_lines(error.message())))?,
    };
    Ok(index)
}

/// A parser's error quotes the text, which may be long.
fn first_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().take(6).map(|line| line.chars().take(200).collect()).collect();
    lines.join("\n")
}

impl Entry {
    pub(super) fn version(&self) -> &str {
        self.version.as_deref().unwrap_or_default()
    }
}

impl Index {
    fn choose(&self, repo: &str, chart: &str, wanted: Option<&str>) -> Result<Entry> {
        let Some(entries) = self.entries.get(chart) else {
            let near = nearest(chart, self.entries.keys().map(String::as_str));
            let (chart, place) = (chart.to_owned(), repo.to_owned());
            return Err(RepositoryError::NoChart { chart, place, near }.into());
        };
        let entries: Vec<&Entry> = entries.iter().flatten().flatten().collect();
        if let Some(exact) = entries.iter().find(|entry| wanted == Some(entry.version())) {
            return Ok((*exact).clone());
        }
        let versions = entries.iter().map(|entry| entry.version());
        let chosen = choose(versions, wanted)?;
        let found = chosen.and_then(|chosen| entries.iter().find(|entry| entry.version() == chosen));
        found.map(|entry| (*entry).clone()).ok_or_else(|| {
            let available = newest(entries.iter().map(|entry| entry.version()));
            let (chart, place) = (chart.to_owned(), repo.to_owned());
            RepositoryError::NoVersion { chart, place, wanted: wanted.map(str::to_owned), available }.into()
        })
    }
}

/// The newest version that satisfies the range; without one, the newest release. What is no version is passed over.
pub(super) fn choose<'v>(
    versions: impl Iterator<Item = &'v str>,
    wanted: Option<&str>,
) -> Result<Option<&'v str>> {
    let range = wanted.unwrap_or("*");
    let range = Constraint::parse(range)
        .map_err(|why| Error::invalid(format!("`{range}` is neither a version nor a range: {why}")))?;
    let fitting = versions.filter_map(|text| Some((Version::parse(text).ok()?, text)));
    let best = fitting.filter(|(version, _)| range.allows(version)).max_by(|(a, _), (b, _)| a.cmp(b));
    Ok(best.map(|(_, text)| text))
}

/// The newest few, newest first.
pub(super) fn newest<'v>(versions: impl Iterator<Item = &'v str>) -> Vec<String> {
    let mut known: Vec<_> = versions.filter_map(|text| Some((Version::parse(text).ok()?, text))).collect();
    known.sort_by(|(a, _), (b, _)| b.cmp(a));
    known.iter().take(LISTED).map(|(_, text)| (*text).to_owned()).collect()
}

/// The names that are most like `wanted`.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut all: Vec<_> = names.map(|name| (strsim::damerau_levenshtein(wanted, name), name)).collect();
    all.sort_unstable();
    all.iter().take(LISTED).map(|(_, name)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_taken_and_a_prerelease_only_if_asked_for() {
        let versions = ["1.2.0", "1.10.0", "2.0.0-rc.1", "no-version", "0.9.0+build"];
        let chosen = |wanted| choose(versions.into_iter(), wanted).expect("a range");
        assert_eq!(chosen(None), Some("1.10.0"));
        assert_eq!(chosen(Some("^1.2")), Some("1.10.0"));
        assert_eq!(chosen(Some("<1.5")), Some("1.2.0"));
        assert_eq!(chosen(Some(">=1.0.0-0")), Some("2.0.0-rc.1"));
        assert_eq!(chosen(Some("0.9.x")), Some("0.9.0+build"));
        assert_eq!(chosen(Some("^3")), None);
        assert_eq!(newest(versions.into_iter()), ["2.0.0-rc.1", "1.10.0", "1.2.0", "0.9.0+build"]);
    }
}
