//! Secrets of playbooks and Secrets of the cluster: reading a value for a reference, and putting values into manifests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsrun_core::{BoxFuture, Cx, Error, Result, SecretScheme};
use serde_json::Value;

use crate::client::Client;
use crate::object::Object;

/// `k8s:NAMESPACE/NAME#KEY`; without a namespace, the target's.
pub(crate) const SCHEME: SecretScheme = SecretScheme {
    scheme: "k8s",
    form: "k8s:NAMESPACE/NAME#KEY",
    is_whole: |reference| Reference::read(reference).is_some(),
    read,
};

/// A key of a Secret.
struct Reference<'r> {
    namespace: Option<&'r str>,
    name: &'r str,
    key: &'r str,
}

impl<'r> Reference<'r> {
    fn read(text: &'r str) -> Option<Self> {
        let (object, key) = text.split_once('#')?;
        let (namespace, name) = match object.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, object),
        };
        let is_name = |name: &str| !name.is_empty() && !name.contains(['/', ' ']);
        (is_name(name) && is_name(key) && namespace.is_none_or(is_name)).then_some(Reference {
            namespace,
            name,
            key,
        })
    }
}

fn read(cx: Cx, reference: String) -> BoxFuture<'static, Result<String>> {
    Box::pin(async move { value_of(&cx, &reference).await })
}

async fn value_of(cx: &Cx, reference: &str) -> Result<String> {
    let Reference { namespace, name, key } = Reference::read(reference).ok_or_else(|| {
        Error::invalid(format!("`k8s:{reference}` names no key of a Secret"))
            .hint(format!("it is written `{}`", SCHEME.form))
    })?;
    let client = Client::new(cx)?;
    let at = client.place(client.kind_of("v1", "Secret").await?, namespace, name);
    let secret = client.get(&at).await?;
    let data = secret.get("data").and_then(Value::as_object);
    let encoded = data.and_then(|data| data.get(key)).and_then(Value::as_str).ok_or_else(|| {
        let keys: Vec<&str> = data.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        Error::not_found(format!("{at} has no key `{key}`"))
            .hint(format!("its keys are `{}`", keys.join("`, `")))
    })?;
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| Error::failed(format!("the key `{key}` of {at} is not base64")))?;
    String::from_utf8(bytes).map_err(|_| Error::failed(format!("the key `{key}` of {at} is no text")))
}

/// Puts the values of secrets into Secrets, and only there: every other kind is read by whoever may look.
///
/// # Errors
/// `Invalid`, naming object and field; those of reading a secret.
pub(crate) async fn reveal(cx: &Cx, objects: &mut [Value]) -> Result<()> {
    for object in objects {
        let named = format!("{} `{}`", object.text("/kind"), object.name());
        for found in
            cx.secrets_in(object).map_err(|error| error.context(format!("{named} cannot be read")))?
        {
            if object.text("/kind") == "Secret" && found.pointer.starts_with("/stringData/") {
                continue;
            }
            let field = found.pointer.trim_start_matches('/').replace('/', ".");
            return Err(Error::invalid(format!(
                "{named}: `{field}` cannot hold the secret `{}`",
                found.reference
            ))
            .hint("secrets may stand in `stringData` of a Secret; let pods read them from there"));
        }
        cx.reveal(object).await?;
    }
    Ok(())
}
