//! The revisions of releases, in the Secrets or ConfigMaps that Helm keeps them in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use opsrun_core::{Result, Span};
use opsrun_k8s::Client;
use opsrun_k8s::apply::Undoing;
use opsrun_k8s::client::{Parameters, PatchKind, Query};
use opsrun_k8s::delete::{self, Cascade, Delete};
use opsrun_k8s::object::{Address, Object};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::MANAGER;
use crate::error::Error;
use crate::release::{Release, Status};
use crate::section::Section;

const SECRET_TYPE: &str = "helm.sh/release.v1";

/// So many bytes of data the API server takes in a Secret or ConfigMap.
const LARGEST: usize = 1024 * 1024;

/// As many revisions are kept as Helm keeps.
pub(crate) const HISTORY: usize = 10;

/// What holds a revision. Helm's `HELM_DRIVER` is a target's choice here, as all who operate a release have to look in the
/// same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Driver {
    #[default]
    Secrets,
    ConfigMaps,
}

/// The releases of a namespace.
pub(crate) struct Storage<'c> {
    client: &'c Client,
    namespace: String,
    driver: Driver,
}

/// A revision where it is kept.
pub(crate) struct Kept {
    pub at: Address,
    /// The Secret or ConfigMap.
    pub object: Value,
    pub release: Release,
}

impl Kept {
    /// Since when it is as it is, and who wrote it last, as far as the record's managed fields tell.
    pub(crate) fn left(&self, now: Timestamp) -> Option<String> {
        let writes = self.object.items("/metadata/managedFields").iter();
        let last = writes.max_by_key(|write| write.text("/time").to_owned())?;
        let since: Timestamp = last.text("/time").parse().ok()?;
        let age = Span::from_secs(now.duration_since(since).as_secs().max(0).unsigned_abs());
        Some(format!("it is so since {since} ({age} ago), written by `{}`", last.text("/manager")))
    }
}

impl<'c> Storage<'c> {
    /// # Errors
    /// `Invalid` if the target's `helm` section cannot be used.
    pub(crate) fn new(client: &'c Client, namespace: &str) -> Result<Self> {
        let section = Section::of(client.cx())?;
        Ok(Storage { client, namespace: namespace.to_owned(), driver: section.storage })
    }

    pub(crate) fn client(&self) -> &'c Client {
        self.client
    }

    /// All revisions of a release, oldest first.
    pub(crate) async fn history(&self, release: &str) -> Result<Vec<Release>> {
        Ok(self.kept(release).await?.into_iter().map(|kept| kept.release).collect())
    }

    /// The same, with what they are kept in.
    pub(crate) async fn kept(&self, release: &str) -> Result<Vec<Kept>> {
        let kind = self.client.kind_of("v1", self.driver.kind()).await?;
        let query = Query::labels(format!("owner=helm,name={release}"));
        let mut found = Vec::new();
        for object in self.client.list(&kind, Some(&self.namespace), &query).await? {
            if self.driver == Driver::Secrets && object.text("/type") != SECRET_TYPE {
                continue;
            }
            let release = self.driver.read(&object)?;
            let at = self.client.place(kind.clone(), Some(&self.namespace), object.name());
            found.push(Kept { at, object, release });
        }
        found.sort_by_key(|kept| kept.release.revision);
        Ok(found)
    }

    /// Writes a new revision, and drops the oldest that are too many.
    pub(crate) async fn create(&self, release: &Release) -> Result<()> {
        let at = self.address(release).await?;
        let mut object = json!({
            "apiVersion": "v1",
            "kind": self.driver.kind(),
            "metadata": {
                "name": at.name,
                "labels": {
                    "name": release.name,
                    "owner": "helm",
                    "status": release.info.status,
                    "version": release.revision.to_string(),
                    "createdAt": self.client.cx().now().as_second().to_string(),
                },
            },
            "data": { "release": self.driver.data(release)? },
        });
        if self.driver == Driver::Secrets {
            object["type"] = SECRET_TYPE.into();
        }
        self.prune(&release.name).await?;
        self.client.create(&at, &object, MANAGER).await.map_err(|error| match error.code() {
            Some(409) => opsrun_core::Error::from(Error::Pending {
                release: release.name.clone(),
                revision: release.revision,
                status: release.info.status,
                left: None,
            }),
            _ => error.into(),
        })?;
        Ok(())
    }

    /// Writes a revision's new state.
    pub(crate) async fn update(&self, release: &Release) -> Result<()> {
        let at = self.address(release).await?;
        let patch = json!({
            "metadata": { "labels": {
                "status": release.info.status,
                "modifiedAt": self.client.cx().now().as_second().to_string(),
            } },
            "data": { "release": self.driver.data(release)? },
        });
        let parameters = Parameters::default().with("fieldManager", MANAGER);
        self.client.patch(&at, None, PatchKind::Merge, &patch, &parameters).await?;
        Ok(())
    }

    /// Makes room for one more revision. The deployed one stays.
    async fn prune(&self, release: &str) -> Result<()> {
        let mut found = self.kept(release).await?;
        let deployed = found.iter().rev().find(|kept| kept.release.info.status == Status::Deployed);
        let deployed = deployed.map(|kept| kept.release.revision);
        let excess = (found.len() + 1).saturating_sub(HISTORY);
        found.retain(|kept| Some(kept.release.revision) != deployed);
        let old: Vec<_> = found.into_iter().take(excess).map(|kept| (kept.at, kept.object)).collect();
        let how = Delete { cascade: Cascade::Background, grace: None, undo: Undoing::Caller };
        delete::all(self.client, &old, &how).await
    }

    async fn address(&self, release: &Release) -> Result<Address> {
        let kind = self.client.kind_of("v1", self.driver.kind()).await?;
        Ok(self.client.place(kind, Some(&self.namespace), &release.record_name()))
    }

    /// Declares that what was tried stays in a release's history, as in Helm's, also when the run is undone.
    pub(crate) fn keep_history(&self, release: &str) {
        let kind = match self.driver {
            Driver::Secrets => "secrets",
            Driver::ConfigMaps => "configmaps",
        };
        let records = format!("k8s {kind} {}/sh.helm.release.v1.{release}.v*", self.namespace);
        self.client.cx().keep(&records, "a release's history tells what was tried, as Helm's does");
    }
}

impl Driver {
    fn kind(self) -> &'static str {
        match self {
            Driver::Secrets => "Secret",
            Driver::ConfigMaps => "ConfigMap",
        }
    }

    /// The record as `data.release` has it; a Secret's own base64 comes on top.
    fn data(self, release: &Release) -> Result<String, Error> {
        let text = release.encode()?;
        // Of a Secret, the server counts the bytes within its base64.
        if text.len() > LARGEST {
            let Release { name, revision, .. } = release;
            return Err(Error::TooBig { release: name.clone(), revision: *revision, size: text.len() });
        }
        Ok(match self {
            Driver::Secrets => STANDARD.encode(text),
            Driver::ConfigMaps => text,
        })
    }

    fn read(self, object: &Value) -> Result<Release, Error> {
        let unusable = |why: &str| Error::Record { record: object.name().to_owned(), why: why.to_owned() };
        let data = object.text("/data/release");
        match self {
            Driver::Secrets => {
                let text = STANDARD.decode(data).map_err(|_| unusable("its data is not base64"))?;
                let text = String::from_utf8(text).map_err(|_| unusable("its data is not text"))?;
                Release::decode(object.name(), &text)
            }
            Driver::ConfigMaps => Release::decode(object.name(), data),
        }
    }
}

/// The revision that counts as current: the newest deployed one, else the newest that is failed or superseded.
pub(crate) fn current(history: &[Release]) -> Option<&Release> {
    let newest =
        |wanted: &[Status]| history.iter().rev().find(|release| wanted.contains(&release.info.status));
    newest(&[Status::Deployed]).or_else(|| newest(&[Status::Failed, Status::Superseded]))
}

/// The revisions whose objects may be there: the current one, and a newer one that failed.
pub(crate) fn former_revisions<'r>(
    current: Option<&'r Release>,
    last: Option<&'r Release>,
) -> impl Iterator<Item = &'r Release> {
    let newer = last.filter(move |last| current.is_none_or(|current| current.revision != last.revision));
    current.into_iter().chain(newer)
}
