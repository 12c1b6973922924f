//! Who we are to a host: from the target's section, else from where `helm registry login` and `docker login` keep it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opsrun_core::{Cx, ErrorKind, Result, yaml};
use serde_json::Value;

use super::error::RepositoryError;
use crate::section::Section;

/// A user and a password, which is hidden in all that the run writes out.
#[derive(Clone)]
pub(crate) struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.username, self.password)))
    }
}

/// What the target says about `host`.
pub(super) async fn of_target(cx: &Cx, section: &Section, host: &str) -> Result<Option<Credentials>> {
    let said = section.host(host);
    let (Some(username), Some(reference)) = (said.username, said.password) else { return Ok(None) };
    let password = cx
        .configured_secret(&reference)
        .await
        .map_err(|error| error.context(format!("the password for `{host}`, which the target names")))?;
    let credentials = Credentials { username, password: password.to_string() };
    hide(cx, host, &credentials);
    Ok(Some(credentials))
}

/// What the target says, else what this user has signed in with.
pub(super) async fn of_registry(cx: &Cx, section: &Section, host: &str) -> Result<Option<Credentials>> {
    if let Some(said) = of_target(cx, section, host).await? {
        return Ok(Some(said));
    }
    if section.estate {
        return Ok(None);
    }
    for file in files(cx) {
        let text = match cx.read_configuration(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound) => continue,
            Err(error) => return Err(error),
        };
        let config: Value = yaml::from_secret_str(&file, &text)?;
        if let Some(found) = of_config(&config, host)? {
            hide(cx, host, &found);
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn hide(cx: &Cx, host: &str, credentials: &Credentials) {
    let name = format!("password for {host}");
    cx.hide(&name, &credentials.password);
    // Together with the user it looks different in base64.
    cx.hide(&name, &format!("{}:{}", credentials.username, credentials.password));
}

/// Helm's own file, then Docker's.
fn files(cx: &Cx) -> Vec<String> {
    let variable = |name: &str| cx.variable(name).filter(|value| !value.is_empty());
    let home = variable("HOME").unwrap_or_default();
    let of_helm = variable("HELM_REGISTRY_CONFIG").unwrap_or_else(|| {
        let folder = variable("HELM_CONFIG_HOME").unwrap_or_else(|| {
            let base = variable("XDG_CONFIG_HOME").unwrap_or_else(|| format!("{home}/.config"));
            format!("{base}/helm")
        });
        format!("{folder}/registry/config.json")
    });
    let of_docker = variable("DOCKER_CONFIG").unwrap_or_else(|| format!("{home}/.docker"));
    vec![of_helm, format!("{of_docker}/config.json")]
}

/// What Docker's configuration says about `host`.
fn of_config(config: &Value, host: &str) -> Result<Option<Credentials>, RepositoryError> {
    let helper = |name: &Value| RepositoryError::Helper {
        host: host.to_owned(),
        helper: format!("docker-credential-{}", name.as_str().unwrap_or_default()),
    };
    if let Some(name) = config["credHelpers"].get(host) {
        return Err(helper(name));
    }
    let mut entries = config["auths"].as_object().into_iter().flatten();
    let Some((_, entry)) = entries.find(|(key, _)| is_for(key, host)) else { return Ok(None) };
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if text("identitytoken").is_some() {
        return Err(RepositoryError::IdentityToken { host: host.to_owned() });
    }
    if let Some(auth) = text("auth") {
        let decoded = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = decoded.as_deref().and_then(|decoded| decoded.split_once(':'));
        return match parts {
            Some((username, password)) => {
                let password = password.trim_end_matches('\0').to_owned();
                Ok(Some(Credentials { username: username.to_owned(), password }))
            }
            None => Err(RepositoryError::Unusable {
                what: format!("what is configured for `{host}`"),
                why: "its `auth` is not a user and a password in base64".to_owned(),
            }),
        };
    }
    match (text("username"), text("password"), config.get("credsStore")) {
        (Some(username), Some(password), _) => Ok(Some(Credentials { username, password })),
        // An entry with nothing in it says that a helper has it.
        (_, _, Some(name)) => Err(helper(name)),
        _ => Ok(None),
    }
}

/// Keys are hosts, of old ones also addresses: `https://index.docker.io/v1/`.
fn is_for(key: &str, host: &str) -> bool {
    let without_scheme = key.split_once("://").map_or(key, |(_, rest)| rest);
    let of_key = without_scheme.split('/').next().unwrap_or_default();
    of_key == host
        || (matches!(host, "registry-1.docker.io" | "docker.io" | "index.docker.io")
            && matches!(of_key, "index.docker.io" | "docker.io" | "registry-1.docker.io"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_found_by_host_and_helpers_are_refused() {
        let config = json!({
            "auths": {
                "registry.example.com": { "auth": STANDARD.encode("ci:hunter2") },
                "https://index.docker.io/v1/": { "username": "me", "password": "pw" },
                "kept.example.com": {},
                "token.example.com": { "identitytoken": "abc" },
            },
            "credHelpers": { "helped.example.com": "ecr-login" },
            "credsStore": "desktop",
        });
        let found = |host| {
            let found = of_config(&config, host).map_err(|error| error.to_string());
            found.map(|found| found.map(|found| format!("{}:{}", found.username, found.password)))
        };
        assert_eq!(found("registry.example.com"), Ok(Some("ci:hunter2".to_owned())));
        assert_eq!(found("registry-1.docker.io"), Ok(Some("me:pw".to_owned())));
        assert_eq!(found("other.example.com"), Ok(None));
        for (host, why) in [
            ("kept.example.com", "`docker-credential-desktop`"),
            ("helped.example.com", "`docker-credential-ecr-login`"),
            ("token.example.com", "identity token"),
        ] {
            assert!(found(host).is_err_and(|error| error.contains(why)), "{host}");
        }
    }
}
