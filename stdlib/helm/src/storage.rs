//! The revisions of releases, in the Secrets that Helm keeps them in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opsrun_core::{Cx, Result};
use opsrun_k8s::Client;
use opsrun_k8s::apply::Undoing;
use opsrun_k8s::client::{Parameters, PatchKind, Query};
use opsrun_k8s::delete::{self, Cascade, Delete};
use opsrun_k8s::object::{Address, Object};
use serde_json::{Value, json};

use crate::MANAGER;
use crate::error::Error;
use crate::release::{Release, Status};

/// As many revisions are kept as Helm keeps.
pub(crate) const HISTORY: usize = 10;

/// The releases of a namespace.
pub(crate) struct Storage<'c> {
    client: &'c Client,
    namespace: String,
}

impl<'c> Storage<'c> {
    pub(crate) fn new(client: &'c Client, namespace: &str) -> Self {
        Storage { client, namespace: namespace.to_owned() }
    }

    /// All revisions of a release, oldest first.
    pub(crate) async fn history(&self, release: &str) -> Result<Vec<Release>> {
        Ok(self.secrets(release).await?.into_iter().map(|(_, _, release)| release).collect())
    }

    /// The same, with the Secrets.
    pub(crate) async fn secrets(&self, release: &str) -> Result<Vec<(Address, Value, Release)>> {
        let secrets = self.client.kind_of("v1", "Secret").await?;
        let query = Query::labels(format!("owner=helm,name={release}"));
        let mut found = Vec::new();
        for secret in self.client.list(&secrets, Some(&self.namespace), &query).await? {
            if secret.text("/type") != "helm.sh/release.v1" {
                continue;
            }
            let read = read(&secret)?;
            let at = self.client.place(secrets.clone(), Some(&self.namespace), secret.name());
            found.push((at, secret, read));
        }
        found.sort_by_key(|(_, _, release)| release.revision);
        Ok(found)
    }

    /// Writes a new revision, and drops the oldest that are too many.
    pub(crate) async fn create(&self, release: &Release) -> Result<()> {
        let at = self.address(release).await?;
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "helm.sh/release.v1",
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
            "data": { "release": STANDARD.encode(release.encode()?) },
        });
        self.prune(&release.name).await?;
        self.client.create(&at, &secret, MANAGER).await.map_err(|error| match error.code() {
            Some(409) => opsrun_core::Error::from(Error::Pending {
                release: release.name.clone(),
                revision: release.revision,
                status: release.info.status,
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
            "data": { "release": STANDARD.encode(release.encode()?) },
        });
        let parameters = Parameters::default().with("fieldManager", MANAGER);
        self.client.patch(&at, None, PatchKind::Merge, &patch, &parameters).await?;
        Ok(())
    }

    /// Makes room for one more revision. The deployed one stays.
    async fn prune(&self, release: &str) -> Result<()> {
        let mut found = self.secrets(release).await?;
        let deployed = found.iter().rev().find(|(_, _, release)| release.info.status == Status::Deployed);
        let deployed = deployed.map(|(_, _, release)| release.revision);
        let excess = (found.len() + 1).saturating_sub(HISTORY);
        found.retain(|(_, _, release)| Some(release.revision) != deployed);
        let old: Vec<_> = found.into_iter().take(excess).map(|(at, secret, _)| (at, secret)).collect();
        let how = Delete { cascade: Cascade::Background, grace: None, undo: Undoing::Caller };
        delete::all(self.client, &old, &how).await
    }

    async fn address(&self, release: &Release) -> Result<Address> {
        let secrets = self.client.kind_of("v1", "Secret").await?;
        Ok(self.client.place(secrets, Some(&self.namespace), &release.secret()))
    }
}

fn read(secret: &Value) -> Result<Release, Error> {
    let unusable = |why: &str| Error::Record { secret: secret.name().to_owned(), why: why.to_owned() };
    let text = STANDARD
        .decode(secret.text("/data/release"))
        .map_err(|_| unusable("its data is not base64"))
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| unusable("its data is not text")))?;
    Release::decode(secret.name(), &text)
}

/// The revision that counts as current: the newest deployed one, else the newest that is failed or superseded.
pub(crate) fn current(history: &[Release]) -> Option<&Release> {
    let newest =
        |wanted: &[Status]| history.iter().rev().find(|release| wanted.contains(&release.info.status));
    newest(&[Status::Deployed]).or_else(|| newest(&[Status::Failed, Status::Superseded]))
}

/// Declares that what was tried stays in a release's history, as in Helm's, also when the run is undone.
pub(crate) fn keep_history(cx: &Cx, namespace: &str, release: &str) {
    let secrets = format!("k8s secrets {namespace}/sh.helm.release.v1.{release}.v*");
    cx.keep(&secrets, "a release's history tells what was tried, as Helm's does");
}
