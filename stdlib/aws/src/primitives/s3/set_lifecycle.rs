use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, Transition, TransitionStorageClass,
};
use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Undo};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::s3::Bucket;

/// Says after how long a bucket's objects are deleted or moved by themselves; gives whether that is new.
///
/// The rules take the place of all that are there; an empty list takes them away. Rules that are there and that this cannot write, such as
/// those that go by tags, are not written over: that is an error. Undo sets the former rules again.
///
/// ```rhai
/// s3::set_lifecycle("workflow-backups", [
///     #{ id: "dumps", prefix: "db/", days: 30, former_days: 7 },
///     #{ id: "parts", unfinished_days: 2 },
/// ]);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct SetLifecycle {
    /// The bucket.
    #[arg(positional)]
    bucket: String,
    /// All its rules.
    #[arg(positional)]
    rules: Vec<Rule>,
    /// Its region; it is found if left out.
    region: Option<String>,
}

/// A rule for what lies below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// What it is called.
    pub(crate) id: String,
    /// How the keys begin; all if left out.
    #[serde(default)]
    pub(crate) prefix: String,
    /// Whether it is on.
    #[serde(default = "on")]
    pub(crate) enabled: bool,
    /// Objects are deleted after so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) days: Option<i32>,
    /// Former versions are deleted so many days after they were replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) former_days: Option<i32>,
    /// Unfinished uploads are given up after so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unfinished_days: Option<i32>,
    /// Objects are moved to cheaper storage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) moves: Vec<Move>,
}

/// When objects are moved, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    /// After so many days.
    pub(crate) days: i32,
    /// `STANDARD_IA`, `GLACIER_IR`, `DEEP_ARCHIVE` …
    pub(crate) to: String,
}

fn on() -> bool {
    true
}

/// The rules of a bucket.
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    /// Rules that say more than a [`Rule`] can.
    beyond: Vec<String>,
}

impl Primitive for SetLifecycle {
    const PATH: &'static str = "s3::set_lifecycle";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("s3::set_lifecycle");
    type Out = bool;

    async fn run(self, cx: &Cx) -> Result<bool> {
        let bucket = Bucket::of(cx, &self.bucket, self.region.as_deref()).await?;
        let before = rules(&bucket).await?;
        if !before.beyond.is_empty() {
            return Err(Error::invalid(format!(
                "s3://{} has rules that would be lost: `{}`",
                self.bucket,
                before.beyond.join("`, `")
            ))
            .hint("they go by tags or sizes, or name dates: change the rules with `aws s3api put-bucket-lifecycle-configuration`"));
        }
        if before.rules == self.rules {
            return Ok(cx.broken_off().is_some_and(|before| before.wrote));
        }
        let inverse =
            json!({ "bucket": self.bucket, "rules": before.rules, "region": bucket.client.region() });
        let _ = cx.undo(Inverse::call("s3::set_lifecycle", inverse)).await?;
        let tried = format!("setting the lifecycle of s3://{}", self.bucket);
        if self.rules.is_empty() {
            let delete = bucket.s3.delete_bucket_lifecycle().bucket(&self.bucket).send();
            bucket.call("s3:PutLifecycleConfiguration", &tried, delete).await?;
            return Ok(true);
        }
        let rules = self.rules.iter().map(Rule::told).collect::<Result<Vec<_>>>()?;
        let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
        let rules = rules.map_err(|error| Error::invalid(format!("{tried}: {error}")))?;
        let put = bucket.s3.put_bucket_lifecycle_configuration();
        let put = put.bucket(&self.bucket).lifecycle_configuration(rules).send();
        bucket.call("s3:PutLifecycleConfiguration", &tried, put).await?;
        Ok(true)
    }
}

/// # Errors
/// What AWS said.
pub(super) async fn rules(bucket: &Bucket) -> Result<Rules> {
    let asked = bucket.s3.get_bucket_lifecycle_configuration().bucket(&bucket.name).send();
    let tried = format!("asking for the lifecycle of s3://{}", bucket.name);
    let mut found = Rules { rules: Vec::new(), beyond: Vec::new() };
    let answer = match bucket.call("s3:GetLifecycleConfiguration", &tried, asked).await {
        Ok(answer) => answer,
        Err(error) if error.data_value()["code"] == "NoSuchLifecycleConfiguration" => return Ok(found),
        Err(error) => return Err(error),
    };
    for told in answer.rules() {
        let rule = Rule::of(told);
        // What it cannot say again, it did not understand.
        let same = rule.told().is_ok_and(|again| plain(&again) == plain(told));
        if !same {
            found.beyond.push(rule.id.clone());
        }
        found.rules.push(rule);
    }
    Ok(found)
}

/// Without what says nothing: a prefix may stand in two places.
fn plain(rule: &LifecycleRule) -> LifecycleRule {
    let mut rule = rule.clone();
    #[allow(deprecated)] // old rules have it there
    let outside = rule.prefix.take();
    let filter = rule.filter.take().filter(|filter| {
        filter.tag.is_some()
            || filter.and.is_some()
            || filter.object_size_greater_than.is_some()
            || filter.object_size_less_than.is_some()
            || filter.prefix.as_ref().is_some_and(|prefix| !prefix.is_empty())
    });
    rule.filter = match (outside.filter(|prefix| !prefix.is_empty()), filter) {
        (Some(prefix), None) => Some(LifecycleRuleFilter::builder().prefix(prefix).build()),
        (_, filter) => filter,
    };
    rule.transitions = rule.transitions.filter(|moves| !moves.is_empty());
    rule.noncurrent_version_transitions =
        rule.noncurrent_version_transitions.filter(|moves| !moves.is_empty());
    if let Some(expiration) = &mut rule.expiration
        && expiration.expired_object_delete_marker == Some(false)
    {
        expiration.expired_object_delete_marker = None;
    }
    rule
}

impl Rule {
    fn of(told: &LifecycleRule) -> Self {
        #[allow(deprecated)] // old rules have it there
        let outside = told.prefix();
        let inside = told.filter().and_then(LifecycleRuleFilter::prefix);
        Rule {
            id: told.id().unwrap_or_default().to_owned(),
            prefix: inside.or(outside).unwrap_or_default().to_owned(),
            enabled: *told.status() == ExpirationStatus::Enabled,
            days: told.expiration().and_then(LifecycleExpiration::days),
            former_days: told
                .noncurrent_version_expiration()
                .and_then(NoncurrentVersionExpiration::noncurrent_days),
            unfinished_days: told
                .abort_incomplete_multipart_upload()
                .and_then(AbortIncompleteMultipartUpload::days_after_initiation),
            moves: told
                .transitions()
                .iter()
                .filter_map(|transition| {
                    let to = transition.storage_class()?.as_str().to_owned();
                    Some(Move { days: transition.days()?, to })
                })
                .collect(),
        }
    }

    fn told(&self) -> Result<LifecycleRule> {
        let status = if self.enabled { ExpirationStatus::Enabled } else { ExpirationStatus::Disabled };
        let moves = self.moves.iter().map(|moves| {
            let to = TransitionStorageClass::from(moves.to.as_str());
            Transition::builder().days(moves.days).storage_class(to).build()
        });
        let rule =
            LifecycleRule::builder()
                .id(&self.id)
                .filter(LifecycleRuleFilter::builder().prefix(&self.prefix).build())
                .status(status)
                .set_transitions(Some(moves.collect()))
                .set_expiration(self.days.map(|days| LifecycleExpiration::builder().days(days).build()))
                .set_noncurrent_version_expiration(
                    self.former_days
                        .map(|days| NoncurrentVersionExpiration::builder().noncurrent_days(days).build()),
                )
                .set_abort_incomplete_multipart_upload(self.unfinished_days.map(|days| {
                    AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build()
                }))
                .build();
        rule.map_err(|error| Error::invalid(format!("the rule `{}` is none: {error}", self.id)))
    }
}
