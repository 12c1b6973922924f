use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine;
use opsrun_core::{Cx, Effect, Error, Primitive, Result, Span};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// How long the API server takes a token for good. What is signed is good for 15 minutes; a minute is left for clocks.
const GOOD_FOR: Span = Span::from_secs(14 * 60);
/// EKS refuses tokens whose signature says more.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// Makes a token that signs in to a cluster of EKS.
///
/// It is a signed question to STS, which the cluster asks in our name; nothing is sent to make it. Its value is a secret: it is
/// hidden wherever the run writes something out.
///
/// ```rhai
/// let token = eks::token("workflow-prod");
/// log(`it is good until ${token.expires}`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Token {
    /// The cluster's name.
    #[arg(positional)]
    cluster: String,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What signs in to a cluster.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Signed {
    token: String,
    /// Until when it is good.
    expires: String,
}

impl Primitive for Token {
    const PATH: &'static str = "eks::token";
    const EFFECT: Effect = Effect::Read;
    type Out = Signed;

    async fn run(self, cx: &Cx) -> Result<Signed> {
        let client = Client::new(cx, self.region.as_deref())?;
        let unsigned = |error: &dyn std::fmt::Display| {
            Error::failed(format!("the token for the cluster `{}` cannot be signed: {error}", self.cluster))
        };
        let identity = client.account().credentials(cx).await?.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(SIGNED_FOR);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(client.region())
            .name("sts")
            .time(SystemTime::from(cx.now()))
            .settings(settings)
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let mut address = format!(
            "https://sts.{}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            client.region()
        );
        let headers = [("x-k8s-aws-id", self.cluster.as_str())];
        let request = SignableRequest::new("GET", &address, headers.into_iter(), SignableBody::Bytes(&[]));
        let request = request.map_err(|error| unsigned(&error))?;
        let (signed, _) = sign(request, &parameters).map_err(|error| unsigned(&error))?.into_parts();
        for (name, value) in signed.params() {
            let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            address.push_str(&format!("&{name}={value}"));
        }
        let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(address);
        let token = format!("k8s-aws-v1.{encoded}");
        cx.hide("eks-token", &token);
        Ok(Signed { token, expires: GOOD_FOR.after(cx.now()).strftime("%Y-%m-%dT%H:%M:%SZ").to_string() })
    }
}
