//! IAM policies for what a run asked AWS for: the actions and resources that allow it, and no more.

use std::collections::{BTreeMap, BTreeSet};

use opsrun_core::{Grantee, Need, Policy};
use serde_json::json;

use crate::SYSTEM;

/// Operations whose permission is called otherwise in IAM, or that need several.
const OTHERWISE: &[(&str, &[&str])] = &[
    ("s3:CompleteMultipartUpload", &["s3:PutObject"]),
    ("s3:CopyObject", &["s3:PutObject"]),
    ("s3:CreateMultipartUpload", &["s3:PutObject"]),
    ("s3:DeleteObjects", &["s3:DeleteObject"]),
    ("s3:GetBucketLifecycleConfiguration", &["s3:GetLifecycleConfiguration"]),
    ("s3:HeadBucket", &["s3:ListBucket"]),
    ("s3:HeadObject", &["s3:GetObject"]),
    ("s3:ListBuckets", &["s3:ListAllMyBuckets"]),
    ("s3:ListMultipartUploads", &["s3:ListBucketMultipartUploads"]),
    ("s3:ListObjectVersions", &["s3:ListBucketVersions"]),
    ("s3:ListObjectsV2", &["s3:ListBucket"]),
    ("s3:ListParts", &["s3:ListMultipartUploadParts"]),
    ("s3:PutBucketLifecycleConfiguration", &["s3:PutLifecycleConfiguration"]),
    ("s3:UploadPart", &["s3:PutObject"]),
    ("s3:UploadPartCopy", &["s3:PutObject"]),
];

/// Everybody may ask these.
const FREE: &[&str] = &["sts:GetCallerIdentity"];

/// Actions that act on further things than the one that a request's access names: their kinds, in ARNs.
const BESIDES: &[(&str, &[&str])] = &[
    ("elasticache:CreateReplicationGroup", &["parametergroup", "snapshot", "subnetgroup", "usergroup"]),
    ("elasticache:CreateSnapshot", &["replicationgroup", "cluster"]),
    ("elasticache:DeleteReplicationGroup", &["snapshot"]),
    ("rds:CopyDBSnapshot", &["snapshot"]),
    ("rds:CreateDBInstanceReadReplica", &["db", "og", "pg", "subgrp"]),
    ("rds:CreateDBSnapshot", &["db"]),
    ("rds:DeleteDBInstance", &["snapshot"]),
    ("rds:ModifyDBInstance", &["og", "pg", "secgrp"]),
    ("rds:RestoreDBInstanceFromDBSnapshot", &["og", "pg", "snapshot", "subgrp"]),
    ("rds:RestoreDBInstanceToPointInTime", &["db", "og", "pg", "subgrp"]),
];

/// A policy for these needs; empty if nothing is needed.
pub(crate) fn iam(needs: &[Need], grantee: &Grantee<'_>) -> Policy {
    let account =
        grantee.target.section(SYSTEM).get("account").and_then(|account| account.as_str()).unwrap_or("*");
    let mut actions: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
    let mut resources: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for need in needs.iter().filter(|need| need.access.system == SYSTEM) {
        let verb = need.access.verb.as_str();
        if FREE.contains(&verb) || need.access.resource == "credentials" {
            continue;
        }
        let otherwise = OTHERWISE.iter().find(|(operation, _)| *operation == verb);
        let called: Vec<&str> = otherwise.map_or_else(|| vec![verb], |(_, called)| called.to_vec());
        for action in called {
            resources.entry(action.to_owned()).or_default().extend(arns(need, action, account));
        }
    }
    for (action, mut on) in resources {
        if on.contains("*") {
            on = BTreeSet::from(["*".to_owned()]);
        }
        actions.entry(on).or_default().insert(action);
    }
    if actions.is_empty() {
        return Policy { form: "iam", text: String::new() };
    }
    let statements: Vec<_> = actions
        .into_iter()
        .map(|(resources, actions)| json!({ "Effect": "Allow", "Action": actions, "Resource": resources }))
        .collect();
    let mut policy = json!({ "Version": "2012-10-17", "Statement": statements });
    if !grantee.target.name.is_empty() {
        // JSON has no comments.
        policy["Id"] = format!("{}-{}", grantee.name, grantee.target.name).into();
    }
    Policy { form: "iam", text: format!("{policy:#}\n") }
}

/// What `action` is asked on.
fn arns(need: &Need, action: &str, account: &str) -> Vec<String> {
    let access = &need.access;
    let (service, operation) = action.split_once(':').unwrap_or((action, ""));
    let region = access.namespace.as_deref().unwrap_or("*");
    let made_up = need.pattern.as_deref();
    let name = made_up.or(access.name.as_deref());
    let below = |kind: &str, name: &str| format!("arn:aws:{service}:{region}:{account}:{kind}{name}");
    let lists = ["Describe", "List"].iter().any(|word| operation.starts_with(word));
    let first = match (service, access.resource.as_str(), name) {
        ("autoscaling" | "servicequotas" | "ce", _, _) if access.effect == opsrun_core::Effect::Read => {
            "*".to_owned()
        }
        ("autoscaling", _, name) => below("autoScalingGroup:*:autoScalingGroupName/", name.unwrap_or("*")),
        ("eks", "nodegroup", Some(name)) => below("nodegroup/", &format!("{name}/*")),
        ("eks", kind, Some(name)) => below(&format!("{kind}/"), name),
        ("route53", "hostedzone", Some(zone)) => format!("arn:aws:route53:::hostedzone/{zone}"),
        // A change's id is made up by AWS.
        ("route53", "change", _) => "arn:aws:route53:::change/*".to_owned(),
        ("s3", "*", _) => "*".to_owned(),
        ("s3", bucket, _) if lists && !operation.contains("Parts") => format!("arn:aws:s3:::{bucket}"),
        ("s3", bucket, Some(key)) => format!("arn:aws:s3:::{bucket}/{key}"),
        // Several objects are named in the body.
        ("s3", bucket, None) if operation == "DeleteObject" => format!("arn:aws:s3:::{bucket}/*"),
        ("s3", bucket, None) => format!("arn:aws:s3:::{bucket}"),
        // AWS appends six characters of its own.
        ("secretsmanager", _, Some(name)) => below("secret:", &format!("{name}-??????")),
        ("ssm", _, Some(name)) => below("parameter/", name.trim_start_matches('/')),
        ("sts", _, Some(role)) => format!("arn:aws:iam::*:role/{role}"),
        ("ecr", _, Some(name)) => below("repository/", name),
        // A password is for all of them.
        ("ecr", _, None) if operation != "GetAuthorizationToken" => below("repository/", "*"),
        ("cloudfront", kind, Some(name)) => format!("arn:aws:cloudfront::{account}:{kind}/{name}"),
        // Of metrics IAM knows no names.
        ("cloudwatch", "metric", _) => "*".to_owned(),
        ("rds" | "elasticache" | "cloudwatch", kind, Some(name)) => below(&format!("{kind}:"), name),
        ("rds" | "elasticache", kind, None) if lists => {
            below(&format!("{}:", kind_listed(operation, kind)), "*")
        }
        _ => "*".to_owned(),
    };
    let further = BESIDES.iter().find(|(known, _)| *known == action).map_or(&[][..], |(_, kinds)| *kinds);
    std::iter::once(first).chain(further.iter().map(|kind| below(&format!("{kind}:"), "*"))).collect()
}

/// A list of everything names nothing: the operation says of what.
fn kind_listed<'k>(operation: &str, kind: &'k str) -> &'k str {
    match operation {
        "DescribeDBInstances" => "db",
        "DescribeDBSnapshots" => "snapshot",
        "DescribeCacheClusters" => "cluster",
        "DescribeReplicationGroups" => "replicationgroup",
        "DescribeSnapshots" => "snapshot",
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use opsrun_core::{Access, Effect, Target};

    use super::*;

    fn need(verb: &str, resource: &str, name: Option<&str>) -> Need {
        let reads = ["Describe", "Get", "List", "Head"].iter().any(|word| verb.contains(word));
        let access = Access {
            system: SYSTEM.into(),
            verb: verb.into(),
            resource: resource.into(),
            name: name.map(Into::into),
            namespace: Some("us-west-2".into()),
            effect: if reads { Effect::Read } else { Effect::Write },
        };
        Need { access, request: None, status: Some(200), pattern: None }
    }

    #[test]
    fn a_policy_has_the_actions_and_what_they_act_on() {
        let target = Target {
            sections: BTreeMap::from([(SYSTEM.to_owned(), json!({ "account": "111122223333" }))]),
            ..Target::default()
        };
        let needs = [
            need("sts:GetCallerIdentity", "role", None),
            need("rds:CreateDBSnapshot", "snapshot", Some("before-1")),
            need("rds:DescribeDBSnapshots", "snapshot", Some("before-1")),
            need("eks:UpdateNodegroupConfig", "nodegroup", Some("prod/workers")),
            need("s3:HeadObject", "up", Some("a/b")),
            need("s3:ListObjectsV2", "up", None),
            need("route53:GetChange", "change", Some("C1")),
            need("ecr:GetAuthorizationToken", "repository", None),
            need("ecr:PutImage", "repository", Some("team/api")),
            need("ecr:DescribeRepositories", "repository", None),
            need("ce:GetCostAndUsage", "*", None),
            need("cloudfront:CreateInvalidation", "distribution", Some("E1")),
            need("autoscaling:SuspendProcesses", "autoScalingGroup", Some("legacy")),
            need("autoscaling:DescribeAutoScalingGroups", "autoScalingGroup", Some("x")),
            need("secretsmanager:GetSecretValue", "secret", Some("app/db")),
            need("cloudwatch:DisableAlarmActions", "alarm", Some("lag")),
            need("cloudwatch:GetMetricData", "metric", None),
            need("elasticache:CreateSnapshot", "snapshot", Some("before-1")),
            need("elasticache:DescribeReplicationGroups", "snapshot", None),
        ];
        let policy = iam(&needs, &Grantee { name: "x", target: &target, subject: None });
        let text: serde_json::Value = serde_json::from_str(&policy.text).expect("it is JSON");
        let mut lines: Vec<String> = Vec::new();
        for statement in text["Statement"].as_array().expect("statements") {
            lines.push(format!("{} on {}", statement["Action"], statement["Resource"]));
        }
        lines.sort();
        assert_eq!(
            lines,
            [
                r#"["autoscaling:DescribeAutoScalingGroups","ce:GetCostAndUsage","cloudwatch:GetMetricData","ecr:GetAuthorizationToken"] on ["*"]"#,
                r#"["autoscaling:SuspendProcesses"] on ["arn:aws:autoscaling:us-west-2:111122223333:autoScalingGroup:*:autoScalingGroupName/legacy"]"#,
                r#"["cloudfront:CreateInvalidation"] on ["arn:aws:cloudfront::111122223333:distribution/E1"]"#,
                r#"["cloudwatch:DisableAlarmActions"] on ["arn:aws:cloudwatch:us-west-2:111122223333:alarm:lag"]"#,
                r#"["ecr:DescribeRepositories"] on ["arn:aws:ecr:us-west-2:111122223333:repository/*"]"#,
                r#"["ecr:PutImage"] on ["arn:aws:ecr:us-west-2:111122223333:repository/team/api"]"#,
                r#"["eks:UpdateNodegroupConfig"] on ["arn:aws:eks:us-west-2:111122223333:nodegroup/prod/workers/*"]"#,
                r#"["elasticache:CreateSnapshot"] on ["arn:aws:elasticache:us-west-2:111122223333:cluster:*","arn:aws:elasticache:us-west-2:111122223333:replicationgroup:*","arn:aws:elasticache:us-west-2:111122223333:snapshot:before-1"]"#,
                r#"["elasticache:DescribeReplicationGroups"] on ["arn:aws:elasticache:us-west-2:111122223333:replicationgroup:*"]"#,
                r#"["rds:CreateDBSnapshot"] on ["arn:aws:rds:us-west-2:111122223333:db:*","arn:aws:rds:us-west-2:111122223333:snapshot:before-1"]"#,
                r#"["rds:DescribeDBSnapshots"] on ["arn:aws:rds:us-west-2:111122223333:snapshot:before-1"]"#,
                r#"["route53:GetChange"] on ["arn:aws:route53:::change/*"]"#,
                r#"["s3:GetObject"] on ["arn:aws:s3:::up/a/b"]"#,
                r#"["s3:ListBucket"] on ["arn:aws:s3:::up"]"#,
                r#"["secretsmanager:GetSecretValue"] on ["arn:aws:secretsmanager:us-west-2:111122223333:secret:app/db-??????"]"#,
            ]
        );
    }
}
