//! AWS's own clients for one call of a primitive: their transport is the gate, their clock the run's.

mod clock;
mod door;
mod shown;

use std::sync::Arc;

use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{SdkConfig, StalledStreamProtectionConfig};
use opsrun_core::{Cx, Error, Result};

use self::clock::RunClock;
use self::door::door;
pub(crate) use self::door::{Tag, plain};
use self::shown::SHOWN_AFTER;
use crate::account::Account;
use crate::error::{self, Place};

/// The account of a call's target, in one region. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    cx: Cx,
    account: Arc<Account>,
    region: String,
}

/// One of AWS's clients, made of a [`Client`]; each takes 0.2 ms, so calls do not share them.
macro_rules! clients {
    ($($name:ident: $sdk:ident, $iam:literal;)*) => {
        impl Client {
            $(pub(crate) fn $name(&self) -> $sdk::Client {
                let mut config =
                    $sdk::config::Builder::from(&self.configuration()).interceptor(Tag::new(&self.region));
                config.set_endpoint_url(self.account.endpoint($iam));
                $sdk::Client::from_conf(config.build())
            })*
        }
    };
}

clients! {
    autoscaling: aws_sdk_autoscaling, "autoscaling";
    cloudfront: aws_sdk_cloudfront, "cloudfront";
    cloudwatch: aws_sdk_cloudwatch, "cloudwatch";
    costs: aws_sdk_costexplorer, "ce";
    ecr: aws_sdk_ecr, "ecr";
    eks: aws_sdk_eks, "eks";
    elasticache: aws_sdk_elasticache, "elasticache";
    route53: aws_sdk_route53, "route53";
    quotas: aws_sdk_servicequotas, "servicequotas";
    rds: aws_sdk_rds, "rds";
    secretsmanager: aws_sdk_secretsmanager, "secretsmanager";
    ssm: aws_sdk_ssm, "ssm";
    sts: aws_sdk_sts, "sts";
}

impl Client {
    /// The client of this call's target; `region` is the call's option.
    ///
    /// # Errors
    /// `Invalid` if nothing says which region, or how to sign in; those of reading what does.
    pub(crate) fn new(cx: &Cx, region: Option<&str>) -> Result<Client> {
        let account = Account::of(cx)?;
        let region = match region {
            Some(region) => region.to_owned(),
            None => account.region()?.to_owned(),
        };
        Ok(Client { cx: cx.clone(), account, region })
    }

    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.configuration());
        let config = config.interceptor(Tag::new(&self.region)).force_path_style(self.account.path_style());
        let mut config = config.disable_s3_express_session_auth(true);
        config.set_endpoint_url(self.account.endpoint("s3"));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Whether this service is not AWS's own, but speaks its protocol.
    pub(crate) fn is_elsewhere(&self, service: &str) -> bool {
        self.account.endpoint(service).is_some()
    }

    pub(crate) fn cx(&self) -> &Cx {
        &self.cx
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn place(&self) -> Place {
        Place { account: self.account.described().to_owned(), region: self.region.clone() }
    }

    /// Sends one request of an operation; `tried` is for errors.
    ///
    /// # Errors
    /// What AWS said, told by [`error::failed`].
    pub(crate) async fn call<T, E>(
        &self,
        action: &str,
        tried: &str,
        sent: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        sent.await.map_err(|error| error::failed(&self.place(), action, tried, &error))
    }

    /// As [`Client::call`], where it is an answer that there is no such thing.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(crate) async fn find<T, E>(
        &self,
        action: &str,
        tried: &str,
        sent: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<Option<T>>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match self.call(action, tried, sent).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == opsrun_core::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn configuration(&self) -> SdkConfig {
        let signed = Signed { cx: self.cx.clone(), account: self.account.clone() };
        configuration(&self.cx, &self.account, &self.region, SharedCredentialsProvider::new(signed))
    }
}

/// What came of looking and acting; `None` if AWS said with one of these codes that what was seen is not so any more: then it is time to
/// look once again.
///
/// # Errors
/// The other ones.
pub(crate) async fn unless_outdated<T>(cx: &Cx, outdated: &[&str], done: Result<T>) -> Result<Option<T>> {
    match done {
        Err(error) if error.data_value()["code"].as_str().is_some_and(|code| outdated.contains(&code)) => {
            cx.progress(format!("looking again: {error}"));
            cx.sleep(SHOWN_AFTER).await?;
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// Everything that reaches outside is replaced: transport, time, sleep, and what draws random numbers.
pub(crate) fn configuration(
    cx: &Cx,
    account: &Arc<Account>,
    region: &str,
    provider: SharedCredentialsProvider,
) -> SdkConfig {
    let clock = RunClock(cx.clone());
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(provider)
        .http_client(door(cx, account))
        .time_source(SharedTimeSource::new(clock.clone()))
        .sleep_impl(clock)
        // The door tries again: with waits that a seed decides, and only what was not carried out.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        // What is asked for is told by the body.
        .disable_request_compression(true)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::no_cache())
        .disable_clock_skew_correction(true)
        .build()
}

/// The account's credentials, as the SDK asks for them: they are renewed by the run's clock.
#[derive(Clone)]
struct Signed {
    cx: Cx,
    account: Arc<Account>,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signed")
    }
}

impl ProvideCredentials for Signed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found: Result<_, Error> = self.account.credentials(&self.cx).await;
            found.map_err(CredentialsError::provider_error)
        })
    }
}
