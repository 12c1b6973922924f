//! Finds the cluster of a target: its section in `opsrun.toml`, a kubeconfig, or the service account of the pod we run in.
//! Files and variables come through the run; nothing here talks to a cluster.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use http::Uri;
use opsrun_core::{Cx, Endpoint, Result, Tls};
use serde::Deserialize;

use crate::credentials::{Credentials, Exec, Identity, Source};
use crate::error::Error;

/// Where a cluster is and how to speak to it.
#[derive(Debug)]
pub(crate) struct Config {
    /// ``context `prod` ``, for errors.
    pub cluster: String,
    /// The context of the kubeconfig, if it is one.
    pub context: Option<String>,
    pub endpoint: Endpoint,
    pub namespace: String,
    pub credentials: Credentials,
}

/// The `k8s` section of a target.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    /// A context of the kubeconfig; its current one if left out.
    context: Option<String>,
    /// A kubeconfig file; `$KUBECONFIG` or `~/.kube/config` if left out.
    kubeconfig: Option<PathBuf>,
    /// For objects that name none.
    namespace: Option<String>,
    /// An API server that wants no credentials, such as a simulated one; then there is no kubeconfig.
    server: Option<String>,
}

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Config {
    pub(crate) fn load(cx: &Cx) -> Result<Config> {
        let section = Section::of(cx)?;
        if let Some(server) = &section.server {
            return Ok(Config {
                cluster: format!("`{server}`"),
                context: None,
                endpoint: server_uri(server)?.into(),
                namespace: section.namespace.unwrap_or_else(|| "default".to_owned()),
                credentials: Credentials::new(Identity::default(), Source::None),
            });
        }
        let files = kubeconfig_files(cx, &section);
        let asked_for = section.kubeconfig.is_some() || section.context.is_some();
        match Kubeconfig::read(cx, &files)? {
            Some(kubeconfig) => kubeconfig.resolve(cx, section, &shown(&files)),
            None if asked_for => Err(no_kubeconfig(&files)),
            None => in_cluster(cx, section)?.ok_or_else(|| no_kubeconfig(&files)),
        }
    }
}

impl Section {
    fn of(cx: &Cx) -> Result<Section> {
        let section = cx.target().section(crate::SYSTEM);
        if section.is_null() {
            return Ok(Section::default());
        }
        Section::deserialize(section).map_err(|error| {
            let target = &cx.target().name;
            opsrun_core::Error::invalid(format!("the section `k8s` of the target `{target}`: {error}"))
        })
    }
}

fn kubeconfig_files(cx: &Cx, section: &Section) -> Vec<PathBuf> {
    if let Some(file) = &section.kubeconfig {
        return vec![expand_home(cx, file)];
    }
    match cx.variable("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(list) => list.split(':').filter(|file| !file.is_empty()).map(PathBuf::from).collect(),
        None => cx.variable("HOME").map(|home| Path::new(&home).join(".kube/config")).into_iter().collect(),
    }
}

fn expand_home(cx: &Cx, file: &Path) -> PathBuf {
    match (file.strip_prefix("~"), cx.variable("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => file.to_owned(),
    }
}

fn shown(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("`{}`", file.display())).collect::<Vec<_>>().join(", ")
}

fn no_kubeconfig(files: &[PathBuf]) -> opsrun_core::Error {
    let looked = if files.is_empty() { String::new() } else { format!(" (looked for {})", shown(files)) };
    opsrun_core::Error::invalid(format!("no kubeconfig was found{looked}")).hint(
        "set `KUBECONFIG`, or `kubeconfig` in the target's `k8s` section; `opsrun rehearse` needs no cluster",
    )
}

fn server_uri(server: &str) -> Result<Uri> {
    let uri: Uri = server
        .trim_end_matches('/')
        .parse()
        .map_err(|error| Error::Config(format!("`{server}` is not the address of an API server: {error}")))?;
    if uri.scheme().is_none() || uri.authority().is_none() {
        let why =
            format!("`{server}` is not the address of an API server: write it like `https://host:6443`");
        return Err(Error::Config(why).into());
    }
    Ok(uri)
}

/// The service account that Kubernetes mounts into a pod.
fn in_cluster(cx: &Cx, section: Section) -> Result<Option<Config>> {
    let (Some(host), Some(port)) =
        (cx.variable("KUBERNETES_SERVICE_HOST"), cx.variable("KUBERNETES_SERVICE_PORT"))
    else {
        return Ok(None);
    };
    let folder = Path::new(SERVICE_ACCOUNT);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let namespace = match section.namespace {
        Some(namespace) => namespace,
        None => text(cx, &folder.join("namespace"))?,
    };
    Ok(Some(Config {
        cluster: "this pod's own cluster".to_owned(),
        context: None,
        endpoint: Endpoint {
            uri: server_uri(&format!("https://{host}:{port}"))?,
            tls: Tls { roots: Some(cx.read_configuration(folder.join("ca.crt"))?), ..Tls::default() },
            socket: None,
        },
        namespace,
        credentials: Credentials::new(Identity::default(), Source::File(folder.join("token"))),
    }))
}

fn text(cx: &Cx, file: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&cx.read_configuration(file)?).trim().to_owned())
}

/// The parts of a kubeconfig file that a client needs. Unknown keys are other tools' business.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(default)]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default)]
    users: Option<Vec<NamedUser>>,
    #[serde(default)]
    contexts: Option<Vec<NamedContext>>,
    current_context: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    #[serde(default)]
    cluster: ClusterEntry,
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct ClusterEntry {
    server: Option<String>,
    insecure_skip_tls_verify: bool,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<User>,
    #[serde(skip)]
    folder: PathBuf,
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
    as_groups: Option<Vec<String>>,
    exec: Option<Exec>,
    auth_provider: Option<serde_json::Value>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("User(…)")
    }
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    #[serde(default)]
    context: ContextEntry,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct ContextEntry {
    cluster: String,
    user: String,
    namespace: Option<String>,
}

impl Kubeconfig {
    /// Reads and merges the files as kubectl does: what an earlier file says wins. `None` if none of them exists.
    fn read(cx: &Cx, files: &[PathBuf]) -> Result<Option<Kubeconfig>> {
        let mut merged: Option<Kubeconfig> = None;
        for file in files {
            let content = match cx.read_configuration(file) {
                Ok(content) => content,
                Err(error) if error.kind() == opsrun_core::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let text = String::from_utf8_lossy(&content);
            let mut read: Kubeconfig = opsrun_core::yaml::from_str(&file.display().to_string(), &text)?;
            let folder = file.parent().unwrap_or(Path::new("")).to_owned();
            read.clusters.iter_mut().flatten().for_each(|cluster| cluster.folder.clone_from(&folder));
            read.users.iter_mut().flatten().for_each(|user| user.folder.clone_from(&folder));
            merged = Some(match merged {
                Some(earlier) => earlier.merge(read),
                None => read,
            });
        }
        Ok(merged)
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

    fn resolve(self, cx: &Cx, section: Section, files: &str) -> Result<Config> {
        let contexts = self.contexts.unwrap_or_default();
        let name = section.context.or(self.current_context).filter(|name| !name.is_empty());
        let Some(name) = name else {
            let error = Error::Config(format!("{files} has no current context"));
            return Err(
                opsrun_core::Error::from(error).hint("name one: `context` in the target's `k8s` section")
            );
        };
        let Some(context) = contexts.iter().find(|context| context.name == name) else {
            let known = contexts.into_iter().map(|context| context.name).collect();
            return Err(Error::NoContext { context: name, files: files.to_owned(), known }.into());
        };
        let missing = |what: &str, which: &str| {
            Error::Config(format!(
                "context `{name}` refers to the {what} `{which}`, which {files} does not have"
            ))
        };
        let clusters = self.clusters.unwrap_or_default();
        let cluster = clusters
            .iter()
            .find(|cluster| cluster.name == context.context.cluster)
            .ok_or_else(|| missing("cluster", &context.context.cluster))?;
        let users = self.users.unwrap_or_default();
        let user = users.into_iter().find(|user| user.name == context.context.user);
        if user.is_none() && !context.context.user.is_empty() {
            return Err(missing("user", &context.context.user).into());
        }
        let (user, folder) =
            user.map(|user| (user.user.unwrap_or_default(), user.folder)).unwrap_or_default();
        let mut endpoint = cluster.endpoint(cx, &name)?;
        endpoint.tls.identity = user.certificate(cx, &folder)?;
        Ok(Config {
            cluster: format!("context `{name}`"),
            context: Some(name.clone()),
            endpoint,
            namespace: section
                .namespace
                .or(context.context.namespace.clone())
                .filter(|namespace| !namespace.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            credentials: user.credentials(cx, &name, &folder)?,
        })
    }
}

impl NamedCluster {
    fn endpoint(&self, cx: &Cx, context: &str) -> Result<Endpoint> {
        let cluster = &self.cluster;
        if cluster.proxy_url.as_deref().is_some_and(|proxy| !proxy.is_empty()) {
            let why = format!("context `{context}` asks for a proxy (`proxy-url`), which is not supported");
            return Err(Error::Config(why).into());
        }
        let server = cluster.server.as_deref().unwrap_or_default();
        Ok(Endpoint {
            uri: server_uri(server)?,
            tls: Tls {
                roots: file_or_data(
                    cx,
                    &self.folder,
                    cluster.certificate_authority.as_deref(),
                    cluster.certificate_authority_data.as_deref(),
                )?,
                identity: None,
                server_name: cluster.tls_server_name.clone(),
                insecure: cluster.insecure_skip_tls_verify,
            },
            socket: None,
        })
    }
}

impl User {
    fn certificate(&self, cx: &Cx, folder: &Path) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let certificate = file_or_data(
            cx,
            folder,
            self.client_certificate.as_deref(),
            self.client_certificate_data.as_deref(),
        )?;
        let key = file_or_data(cx, folder, self.client_key.as_deref(), self.client_key_data.as_deref())?;
        Ok(certificate.zip(key))
    }

    fn credentials(self, cx: &Cx, context: &str, folder: &Path) -> Result<Credentials> {
        let identity = Identity { user: self.impersonate, groups: self.as_groups.unwrap_or_default() };
        let source = if let Some(exec) = self.exec {
            Source::Exec(exec.in_folder(folder))
        } else if let Some(file) = self.token_file {
            Source::File(folder.join(file))
        } else if let Some(token) = self.token.filter(|token| !token.is_empty()) {
            cx.hide("k8s-token", &token);
            Source::Token(token)
        } else if let (Some(username), Some(password)) = (self.username, self.password) {
            cx.hide("k8s-password", &password);
            Source::Basic { username, password }
        } else if self.auth_provider.is_some() {
            let why = format!("context `{context}` uses an `auth-provider`, which Kubernetes has removed");
            return Err(
                opsrun_core::Error::from(Error::Config(why)).hint("use the provider's exec plugin instead")
            );
        } else {
            Source::None
        };
        Ok(Credentials::new(identity, source))
    }
}

fn file_or_data(cx: &Cx, folder: &Path, file: Option<&Path>, data: Option<&str>) -> Result<Option<Vec<u8>>> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let decoded = base64::engine::general_purpose::STANDARD.decode(data.trim()).map_err(|error| {
            Error::Config(format!("a certificate in the kubeconfig is not base64: {error}"))
        })?;
        return Ok(Some(decoded));
    }
    match file.filter(|file| !file.as_os_str().is_empty()) {
        Some(file) => cx.read_configuration(folder.join(file)).map(Some),
        None => Ok(None),
    }
}
