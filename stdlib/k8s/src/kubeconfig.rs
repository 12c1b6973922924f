//! Kubeconfig files, merged and resolved as kubectl does: a context, its cluster, its user.
//! It assumes that what a file says may be secret, so no error quotes it. Files come through the run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opsrun_core::{Cx, Endpoint, Result, Tls};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{Config, Section, server_uri};
use crate::credentials::{Credentials, Identity, Source};
use crate::error::Error;
use crate::exec_plugin::ExecPlugin;

/// The parts of a kubeconfig file that a client needs. Unknown keys are other tools' business.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Kubeconfig {
    #[serde(default)]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default)]
    users: Option<Vec<NamedUser>>,
    #[serde(default)]
    contexts: Option<Vec<NamedContext>>,
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    #[serde(default)]
    cluster: Option<ClusterEntry>,
    #[serde(skip)]
    file: PathBuf,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct ClusterEntry {
    server: Option<String>,
    insecure_skip_tls_verify: bool,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
    disable_compression: bool,
    extensions: Option<Vec<Extension>>,
}

/// What tools keep in a kubeconfig for themselves.
#[derive(Deserialize)]
struct Extension {
    name: String,
    #[serde(default)]
    extension: Value,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<User>,
    #[serde(skip)]
    file: PathBuf,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    username: Option<String>,
    password: Option<String>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    #[serde(rename = "as")]
    impersonate: Option<String>,
    as_uid: Option<String>,
    as_groups: Option<Vec<String>>,
    as_user_extra: Option<BTreeMap<String, Vec<String>>>,
    exec: Option<ExecPlugin>,
    auth_provider: Option<Value>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    #[serde(default)]
    context: Option<ContextEntry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContextEntry {
    cluster: String,
    user: String,
    namespace: Option<String>,
}

/// What an exec plugin finds its own settings by.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

impl Kubeconfig {
    /// Reads and merges the files as kubectl does: what an earlier file says wins. `None` if none of them exists.
    ///
    /// # Errors
    /// `Invalid` for a file that is no kubeconfig; those of reading it.
    pub(crate) fn read(cx: &Cx, files: &[PathBuf]) -> Result<Option<Kubeconfig>> {
        let mut merged: Option<Kubeconfig> = None;
        for file in files {
            let content = match cx.read_configuration(file) {
                Ok(content) => content,
                Err(error) if error.kind() == opsrun_core::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.context("the kubeconfig cannot be read")),
            };
            let mut read = Kubeconfig::parse(file, &content)?;
            read.clusters.iter_mut().flatten().for_each(|cluster| cluster.file.clone_from(file));
            read.users.iter_mut().flatten().for_each(|user| user.file.clone_from(file));
            merged = Some(match merged {
                Some(earlier) => earlier.merge(read),
                None => read,
            });
        }
        Ok(merged)
    }

    /// An empty file is an empty kubeconfig, as for kubectl.
    fn parse(file: &Path, content: &[u8]) -> Result<Kubeconfig> {
        let shown = file.display().to_string();
        let text = std::str::from_utf8(content)
            .map_err(|_| opsrun_core::Error::invalid(format!("`{shown}` is no kubeconfig: it is no text")))?;
        let read: Option<Kubeconfig> = opsrun_core::yaml::from_secret_str(&shown, text)
            .map_err(|error| error.context(format!("`{shown}` is no kubeconfig")))?;
        Ok(read.unwrap_or_default())
    }

    /// Entries of the same name are found first to last, so those of `later` come last.
    fn merge(mut self, later: Kubeconfig) -> Kubeconfig {
        self.clusters.get_or_insert_default().extend(later.clusters.unwrap_or_default());
        self.users.get_or_insert_default().extend(later.users.unwrap_or_default());
        self.contexts.get_or_insert_default().extend(later.contexts.unwrap_or_default());
        self.current_context =
            self.current_context.filter(|context| !context.is_empty()).or(later.current_context);
        self
    }

    /// What the section's context, or the current one, says. `files` names the kubeconfig in errors.
    ///
    /// # Errors
    /// `Invalid`, naming the context, cluster or user.
    pub(crate) fn resolve(self, cx: &Cx, section: Section, files: &str) -> Result<Config> {
        let contexts = self.contexts.unwrap_or_default();
        let name = section.context.or(self.current_context).filter(|name| !name.is_empty());
        let Some(name) = name else {
            let known: Vec<String> = contexts.into_iter().map(|context| context.name).collect();
            return Err(Error::NoCurrentContext { files: files.to_owned(), known }.into());
        };
        let Some(context) = contexts.iter().find(|context| context.name == name) else {
            let known = contexts.into_iter().map(|context| context.name).collect();
            return Err(Error::NoContext { context: name, files: files.to_owned(), known }.into());
        };
        let default = ContextEntry::default();
        let context = context.context.as_ref().unwrap_or(&default);
        let missing = |what: &str, which: &str| {
            Error::Config(match which {
                "" => format!("context `{name}` of {files} names no {what}"),
                which => {
                    format!("context `{name}` refers to the {what} `{which}`, which {files} does not have")
                }
            })
        };
        let clusters = self.clusters.unwrap_or_default();
        let cluster = clusters
            .iter()
            .find(|cluster| cluster.name == context.cluster)
            .ok_or_else(|| missing("cluster", &context.cluster))?;
        let user = self.users.unwrap_or_default().into_iter().find(|user| user.name == context.user);
        if user.is_none() && !context.user.is_empty() {
            return Err(missing("user", &context.user).into());
        }
        let mut endpoint = cluster.endpoint(cx)?;
        let credentials = match user {
            Some(user) => {
                endpoint.tls.identity = user.certificate(cx)?;
                user.credentials(cx, cluster, &endpoint)?
            }
            None => Credentials::new(
                format!("context `{name}` of {files}, which names no user"),
                Identity::default(),
                Source::None,
            ),
        };
        Ok(Config {
            cluster: format!("context `{name}`"),
            context: Some(name),
            endpoint,
            namespace: section
                .namespace
                .or(context.namespace.clone())
                .filter(|namespace| !namespace.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            credentials,
        })
    }
}

impl NamedCluster {
    fn endpoint(&self, cx: &Cx) -> Result<Endpoint> {
        let place = Place { what: "cluster", name: &self.name, file: &self.file };
        let default = ClusterEntry::default();
        let cluster = self.cluster.as_ref().unwrap_or(&default);
        if cluster.proxy_url.as_deref().is_some_and(|proxy| !proxy.is_empty()) {
            return Err(opsrun_core::Error::from(place.wrong("it asks for a proxy (`proxy-url`), which is not supported"))
                .hint("run where the API server is reachable, or let a tunnel listen here and name that as `server`"));
        }
        let server = cluster
            .server
            .as_deref()
            .filter(|server| !server.is_empty())
            .ok_or_else(|| place.wrong("it has no `server`"))?;
        let roots = place.file_or_data(
            cx,
            "certificate-authority",
            cluster.certificate_authority.as_deref(),
            cluster.certificate_authority_data.as_deref(),
        )?;
        if roots.is_some() && cluster.insecure_skip_tls_verify {
            return Err(place
                .wrong("it has a certificate authority, and `insecure-skip-tls-verify`: one of them is not meant")
                .into());
        }
        Ok(Endpoint {
            uri: server_uri(server).map_err(|error| error.context(place.to_string()))?,
            tls: Tls {
                roots,
                identity: None,
                server_name: cluster.tls_server_name.clone().filter(|name| !name.is_empty()),
                insecure: cluster.insecure_skip_tls_verify,
            },
            socket: None,
        })
    }

    /// `spec.cluster` of an `ExecCredential`.
    fn info(&self, endpoint: &Endpoint) -> Value {
        let default = ClusterEntry::default();
        let cluster = self.cluster.as_ref().unwrap_or(&default);
        let mut info = json!({ "server": cluster.server });
        if let Some(name) = &endpoint.tls.server_name {
            info["tls-server-name"] = name.as_str().into();
        }
        if let Some(roots) = &endpoint.tls.roots {
            info["certificate-authority-data"] = BASE64.encode(roots).into();
        }
        if cluster.insecure_skip_tls_verify {
            info["insecure-skip-tls-verify"] = true.into();
        }
        if cluster.disable_compression {
            info["disable-compression"] = true.into();
        }
        let own = cluster.extensions.iter().flatten().find(|extension| extension.name == EXEC_EXTENSION);
        info["config"] = own.map_or(Value::Null, |own| own.extension.clone());
        info
    }
}

impl NamedUser {
    fn certificate(&self, cx: &Cx) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let Some(user) = &self.user else { return Ok(None) };
        let place = self.place();
        let certificate = place.file_or_data(
            cx,
            "client-certificate",
            user.client_certificate.as_deref(),
            user.client_certificate_data.as_deref(),
        )?;
        let key = place.file_or_data(
            cx,
            "client-key",
            user.client_key.as_deref(),
            user.client_key_data.as_deref(),
        )?;
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(place.wrong("it has a client certificate, but no `client-key`").into()),
            (None, Some(_)) => Err(place.wrong("it has a client key, but no `client-certificate`").into()),
        }
    }

    fn credentials(mut self, cx: &Cx, cluster: &NamedCluster, endpoint: &Endpoint) -> Result<Credentials> {
        let user = self.user.take().unwrap_or_default();
        let place = self.place();
        let who = place.to_string();
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (token, password) = (text(user.token), text(user.password));
        for (name, secret) in [("k8s-token", &token), ("k8s-password", &password)] {
            if let Some(secret) = secret {
                cx.hide(name, secret);
            }
        }
        let wrong = |what: &str| opsrun_core::Error::from(place.wrong(what));
        if user.auth_provider.is_some() {
            return Err(wrong("it uses an `auth-provider`, which Kubernetes has removed")
                .hint("use the provider's exec plugin instead"));
        }
        let basic = text(user.username).zip(password);
        if basic.is_some() && (token.is_some() || user.token_file.is_some()) {
            return Err(wrong("it has a token and a password: only one of them can be meant"));
        }
        let source = if let Some(file) = user.token_file.filter(|file| !file.as_os_str().is_empty()) {
            Source::File(folder_of(&self.file).join(file))
        } else if let Some(token) = token {
            Source::Token(token)
        } else if let Some((username, password)) = basic {
            Source::Basic { username, password }
        } else if let Some(plugin) = user.exec {
            let info = cluster.info(endpoint);
            Source::Exec(plugin.of_user(&who, folder_of(&self.file), info)?)
        } else if endpoint.tls.identity.is_some() {
            Source::Certificate
        } else {
            Source::None
        };
        let identity = Identity {
            user: text(user.impersonate),
            uid: text(user.as_uid),
            groups: user.as_groups.unwrap_or_default(),
            extra: user.as_user_extra.unwrap_or_default(),
        };
        if identity.user.is_none() && identity != Identity::default() {
            return Err(wrong("it has `as-groups`, `as-uid` or `as-user-extra`, but no `as`"));
        }
        Ok(Credentials::new(who, identity, source))
    }

    fn place(&self) -> Place<'_> {
        Place { what: "user", name: &self.name, file: &self.file }
    }
}

/// An entry of a kubeconfig, for errors: ``user `robot` of `/home/me/.kube/config` ``.
struct Place<'a> {
    what: &'static str,
    name: &'a str,
    file: &'a Path,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}` of `{}`", self.what, self.name, self.file.display())
    }
}

impl Place<'_> {
    fn wrong(&self, what: &str) -> Error {
        Error::Config(format!("{self}: {what}"))
    }

    /// PEM that stands in the kubeconfig (`KEY-data`, which goes first) or in a file that it names (`KEY`).
    fn file_or_data(
        &self,
        cx: &Cx,
        key: &str,
        file: Option<&Path>,
        data: Option<&str>,
    ) -> Result<Option<Vec<u8>>> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let decoded = BASE64.decode(data.trim()).map_err(|error| {
                self.wrong(&format!("`{key}-data` is not base64: {}", without_data(&error)))
            })?;
            return Ok(Some(decoded));
        }
        match file.filter(|file| !file.as_os_str().is_empty()) {
            Some(file) => cx
                .read_configuration(folder_of(self.file).join(file))
                .map(Some)
                .map_err(|error| error.context(self.wrong(&format!("`{key}` cannot be read")).to_string())),
            None => Ok(None),
        }
    }
}

/// Where in the data it is wrong, not what stands there.
fn without_data(error: &base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => {
            format!("its byte {at} cannot be")
        }
        base64::DecodeError::InvalidLength(_) => "it is cut off".to_owned(),
        base64::DecodeError::InvalidPadding => "its padding is wrong".to_owned(),
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}
