//! Buckets and how they are set up.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::store::{Bucket, Versioning};
use super::turn::{Turn, told};

/// Where a bucket is made whose region is not said.
const UNSAID: &str = "us-east-1";

pub(super) fn list(turn: &mut Turn, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
    let prefix = input.prefix.unwrap_or_default();
    let own = turn.buckets.iter().filter(|(name, bucket)| {
        bucket.account == turn.caller.account
            && name.starts_with(&prefix)
            && input.bucket_region.as_ref().is_none_or(|region| *region == bucket.region)
    });
    let buckets = own
        .map(|(name, bucket)| s3s::dto::Bucket {
            name: Some(name.clone()),
            creation_date: Some(told(bucket.made)),
            bucket_region: Some(bucket.region.clone()),
        })
        .collect();
    let owner = Owner { display_name: None, id: Some(turn.caller.account.clone()) };
    Ok(ListBucketsOutput { buckets: Some(buckets), owner: Some(owner), ..Default::default() })
}

pub(super) fn create(turn: &mut Turn, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
    let wanted =
        input.create_bucket_configuration.and_then(|configuration| configuration.location_constraint);
    let wanted = wanted.as_ref().map(|wanted| wanted.as_str().to_owned());
    let region = turn.caller.region.clone();
    let fits = match &wanted {
        // From there a bucket is made anywhere.
        Some(_) if region == UNSAID => true,
        Some(wanted) => *wanted == region,
        None => region == UNSAID,
    };
    if !fits {
        let wanted = wanted.as_deref().unwrap_or("unspecified");
        let message = format!(
            "The {wanted} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        return Err(s3_error!(IllegalLocationConstraintException, "{message}"));
    }
    match turn.buckets.get(&input.bucket) {
        Some(bucket) if bucket.account == turn.caller.account => {
            let message =
                "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(s3_error!(BucketAlreadyOwnedByYou, "{message}"));
        }
        Some(_) => {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
            return Err(s3_error!(BucketAlreadyExists, "{message}"));
        }
        None => {}
    }
    let bucket = Bucket::new(&turn.caller.account, wanted.as_deref().unwrap_or(&region), turn.now);
    let location = Some(format!("/{}", input.bucket));
    turn.buckets.insert(input.bucket, Arc::new(bucket));
    Ok(CreateBucketOutput { location })
}

pub(super) fn delete(turn: &mut Turn, input: DeleteBucketInput) -> S3Result<DeleteBucketOutput> {
    let bucket = turn.bucket(&input.bucket)?;
    if !bucket.objects.is_empty() {
        let message = if bucket.versioning == Versioning::Never {
            "The bucket you tried to delete is not empty"
        } else {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        };
        return Err(s3_error!(BucketNotEmpty, "{message}"));
    }
    turn.buckets.remove(&input.bucket);
    Ok(DeleteBucketOutput::default())
}

pub(super) fn head(turn: &mut Turn, input: HeadBucketInput) -> S3Result<HeadBucketOutput> {
    let region = turn.bucket(&input.bucket)?.region.clone();
    Ok(HeadBucketOutput { bucket_region: Some(region), ..Default::default() })
}

pub(super) fn location(turn: &mut Turn, input: GetBucketLocationInput) -> S3Result<GetBucketLocationOutput> {
    let region = turn.anywhere(&input.bucket)?.region.clone();
    let region = (region != UNSAID).then(|| BucketLocationConstraint::from(region));
    Ok(GetBucketLocationOutput { location_constraint: region })
}

pub(super) fn versioning(
    turn: &mut Turn,
    input: GetBucketVersioningInput,
) -> S3Result<GetBucketVersioningOutput> {
    let status = match turn.bucket(&input.bucket)?.versioning {
        Versioning::Never => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    let status = status.map(BucketVersioningStatus::from_static);
    Ok(GetBucketVersioningOutput { status, ..Default::default() })
}

pub(super) fn set_versioning(
    turn: &mut Turn,
    input: PutBucketVersioningInput,
) -> S3Result<PutBucketVersioningOutput> {
    let status = input.versioning_configuration.status;
    let (bucket, ..) = turn.change(&input.bucket)?;
    bucket.versioning = match status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => return Err(s3_error!(IllegalVersioningConfigurationException)),
    };
    Ok(PutBucketVersioningOutput::default())
}

pub(super) fn lifecycle(
    turn: &mut Turn,
    input: GetBucketLifecycleConfigurationInput,
) -> S3Result<GetBucketLifecycleConfigurationOutput> {
    let rules = turn.bucket(&input.bucket)?.lifecycle.clone();
    if rules.is_empty() {
        let message = "The lifecycle configuration does not exist";
        return Err(s3_error!(NoSuchLifecycleConfiguration, "{message}"));
    }
    Ok(GetBucketLifecycleConfigurationOutput { rules: Some(rules), ..Default::default() })
}

pub(super) fn set_lifecycle(
    turn: &mut Turn,
    input: PutBucketLifecycleConfigurationInput,
) -> S3Result<PutBucketLifecycleConfigurationOutput> {
    let mut rules =
        input.lifecycle_configuration.map(|configuration| configuration.rules).unwrap_or_default();
    if rules.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let (bucket, random, _) = turn.change(&input.bucket)?;
    for rule in &mut rules {
        let days = rule.expiration.as_ref().and_then(|expiration| expiration.days);
        if days.is_some_and(|days| days <= 0) {
            let message = "'Days' for Expiration action must be a positive integer";
            return Err(s3_error!(InvalidArgument, "{message}"));
        }
        let id = rule.id.take().unwrap_or_else(|| random.uuid());
        rule.id = Some(id);
    }
    bucket.lifecycle = rules;
    Ok(PutBucketLifecycleConfigurationOutput::default())
}

pub(super) fn delete_lifecycle(
    turn: &mut Turn,
    input: DeleteBucketLifecycleInput,
) -> S3Result<DeleteBucketLifecycleOutput> {
    let (bucket, ..) = turn.change(&input.bucket)?;
    bucket.lifecycle.clear();
    Ok(DeleteBucketLifecycleOutput::default())
}
