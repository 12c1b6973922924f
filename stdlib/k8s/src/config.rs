//! Finds the cluster of a target: its section in `opsrun.toml`, a kubeconfig, or the service account of the pod we run in.
//! Files and variables come through the run; nothing here talks to a cluster.

use std::path::{Path, PathBuf};

use http::Uri;
use opsrun_core::{Cx, Endpoint, Result, Tls};
use serde::Deserialize;

use crate::credentials::{Credentials, Identity, Source};
use crate::error::Error;
use crate::kubeconfig::Kubeconfig;

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
    pub context: Option<String>,
    /// A kubeconfig file; `$KUBECONFIG` or `~/.kube/config` if left out.
    kubeconfig: Option<PathBuf>,
    /// For objects that name none.
    pub namespace: Option<String>,
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
                credentials: Credentials::new(format!("`{server}`"), Identity::default(), Source::None),
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
        None => home(cx).map(|home| home.join(".kube/config")).into_iter().collect(),
    }
}

fn expand_home(cx: &Cx, file: &Path) -> PathBuf {
    match (file.strip_prefix("~"), home(cx)) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => file.to_owned(),
    }
}

fn home(cx: &Cx) -> Option<PathBuf> {
    cx.variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
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

/// The address of an API server; a path in it is where the API begins.
pub(crate) fn server_uri(server: &str) -> Result<Uri> {
    let wrong = |why: &dyn std::fmt::Display| {
        Error::Config(format!("`{server}` is not the address of an API server: {why}"))
    };
    let uri: Uri = server.trim_end_matches('/').parse().map_err(|error| wrong(&error))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
        return Err(wrong(&"write it like `https://host:6443`").into());
    }
    if uri.query().is_some() {
        return Err(wrong(&"it has a query").into());
    }
    Ok(uri)
}

/// The service account that Kubernetes mounts into a pod.
fn in_cluster(cx: &Cx, section: Section) -> Result<Option<Config>> {
    let variable = |name: &str| cx.variable(name).filter(|value| !value.is_empty());
    let (Some(host), Some(port)) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"))
    else {
        return Ok(None);
    };
    let folder = Path::new(SERVICE_ACCOUNT);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let read = |name: &str| {
        cx.read_configuration(folder.join(name)).map_err(|error| {
            error.context(format!("this pod has no service account to ask its cluster with (`{name}`)")).hint(
                "let `automountServiceAccountToken` be true for the pod, or name a kubeconfig in the target's `k8s` \
                 section",
            )
        })
    };
    read("token")?;
    let namespace = match section.namespace {
        Some(namespace) => namespace,
        None => String::from_utf8_lossy(&read("namespace")?).trim().to_owned(),
    };
    Ok(Some(Config {
        cluster: "this pod's own cluster".to_owned(),
        context: None,
        endpoint: Endpoint {
            uri: server_uri(&format!("https://{host}:{port}"))?,
            tls: Tls { roots: Some(read("ca.crt")?), ..Tls::default() },
            socket: None,
        },
        namespace,
        credentials: Credentials::new(
            "this pod's service account".to_owned(),
            Identity::default(),
            Source::File(folder.join("token")),
        ),
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::surroundings::Surroundings;

    fn in_a_pod() -> Surroundings {
        Surroundings::default()
            .with_variable("KUBERNETES_SERVICE_HOST", "fd00:10:96::1")
            .with_variable("KUBERNETES_SERVICE_PORT", "443")
            .with_file(&format!("{SERVICE_ACCOUNT}/token"), "t")
            .with_file(&format!("{SERVICE_ACCOUNT}/ca.crt"), "PEM")
            .with_file(&format!("{SERVICE_ACCOUNT}/namespace"), "shop\n")
    }

    fn load(here: Surroundings) -> Result<Config> {
        Config::load(&Arc::new(here).cx())
    }

    #[test]
    fn in_a_pod_its_service_account_is_used() {
        let config = load(in_a_pod()).expect("a configuration");
        assert_eq!(config.endpoint.uri, "https://[fd00:10:96::1]:443/");
        assert_eq!(config.endpoint.tls.roots.as_deref(), Some(&b"PEM"[..]));
        assert_eq!((config.namespace.as_str(), config.cluster.as_str()), ("shop", "this pod's own cluster"));
        let other = in_a_pod().with_section(json!({ "namespace": "other" }));
        assert_eq!(load(other).expect("a configuration").namespace, "other");
        let v4 = in_a_pod().with_variable("KUBERNETES_SERVICE_HOST", "10.96.0.1");
        assert_eq!(load(v4).expect("a configuration").endpoint.uri, "https://10.96.0.1:443/");
    }

    #[test]
    fn a_kubeconfig_goes_before_the_service_account_and_a_named_context_needs_one() {
        let config = "contexts: [{ name: c, context: { cluster: c } }]\nclusters: [{ name: c, cluster: { server: 'http://c' } }]\n\
                      current-context: c\n";
        let both = in_a_pod().with_variable("HOME", "/root").with_file("/root/.kube/config", config);
        assert_eq!(load(both).expect("a configuration").cluster, "context `c`");
        let named = in_a_pod().with_section(json!({ "context": "prod" }));
        let refused = load(named.with_variable("HOME", "/root")).expect_err("there is no kubeconfig");
        assert_eq!(refused.message(), "no kubeconfig was found (looked for `/root/.kube/config`)");
    }

    #[test]
    fn a_pod_without_a_service_account_is_told_so() {
        let here = Surroundings::default()
            .with_variable("KUBERNETES_SERVICE_HOST", "10.96.0.1")
            .with_variable("KUBERNETES_SERVICE_PORT", "443");
        assert_eq!(
            load(here).expect_err("there is no token").report(),
            "this pod has no service account to ask its cluster with (`token`)\n  caused by: \
             `/var/run/secrets/kubernetes.io/serviceaccount/token` does not exist\n  hint: let \
             `automountServiceAccountToken` be true for the pod, or name a kubeconfig in the target's `k8s` section"
        );
    }

    #[test]
    fn an_address_of_an_api_server_may_have_a_path_and_nothing_else() {
        for (text, expected) in [
            ("https://host:6443", Some("https://host:6443/")),
            ("https://rancher.test/k8s/clusters/c-1/", Some("https://rancher.test/k8s/clusters/c-1")),
            ("host:6443", None),
            ("ftp://host", None),
            ("https://", None),
            ("https://host?x=1", None),
            ("https://a b", None),
        ] {
            let uri = server_uri(text).ok().map(|uri| uri.to_string());
            assert_eq!(uri.as_deref(), expected, "{text}");
        }
    }
}
