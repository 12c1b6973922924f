//! What a request asks for, in the words of IAM: `aws rds:CreateDBSnapshot snapshot/before-1.4.0 in us-west-2`.
//!
//! The protocols have the operation in the path, in a header or in the body, so it is noted before the request is bytes: a
//! request bears an [`Asked`] among its extensions.

use opsrun_aws_simulator::cbor;
use opsrun_core::{Access, Effect, Value};

use crate::SYSTEM;

/// What a client was about to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// IAM's name of the service: `rds`.
    pub(crate) service: &'static str,
    /// `CreateDBSnapshot`
    pub(crate) operation: String,
    /// `None`: the service has no regions.
    pub(crate) region: Option<String>,
    /// The kind of thing, as it is called in ARNs, and its name. Of S3, a bucket and a key.
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
}

/// A service: what it is called, and what its operations act on.
pub(crate) struct Service {
    /// As the SDK calls it: `Secrets Manager`.
    pub(crate) sdk: &'static str,
    /// As IAM calls it: `secretsmanager`.
    pub(crate) iam: &'static str,
    /// It answers for all regions at once.
    pub(crate) global: bool,
    /// Members of an operation's input that name what it acts on, with the kind of thing as ARNs have it; the first that an
    /// operation has, counts.
    pub(crate) names: &'static [(&'static str, &'static str)],
}

const fn service(
    sdk: &'static str,
    iam: &'static str,
    names: &'static [(&'static str, &'static str)],
) -> Service {
    Service { sdk, iam, global: false, names }
}

const fn global(
    sdk: &'static str,
    iam: &'static str,
    names: &'static [(&'static str, &'static str)],
) -> Service {
    Service { sdk, iam, global: true, names }
}

/// All services that primitives speak to.
pub(crate) const SERVICES: &[Service] = &[
    service("Auto Scaling", "autoscaling", &[("AutoScalingGroupName", "autoScalingGroup")]),
    service(
        "CloudWatch",
        "cloudwatch",
        &[
            ("AlarmNames", "alarm"),
            ("AlarmName", "alarm"),
            ("ResourceARN", "resource"),
            ("Namespace", "metric"),
        ],
    ),
    service(
        "ECR",
        "ecr",
        &[("repositoryName", "repository"), ("repositoryNames", "repository"), ("resourceArn", "repository")],
    ),
    service("EKS", "eks", &[("nodegroupName", "nodegroup"), ("name", "cluster"), ("clusterName", "cluster")]),
    service(
        "ElastiCache",
        "elasticache",
        &[
            ("TargetSnapshotName", "snapshot"),
            ("SnapshotName", "snapshot"),
            ("ReplicationGroupId", "replicationgroup"),
            ("CacheClusterId", "cluster"),
            ("ResourceName", "resource"),
        ],
    ),
    service(
        "RDS",
        "rds",
        &[
            ("TargetDBSnapshotIdentifier", "snapshot"),
            ("TargetDBInstanceIdentifier", "db"),
            ("DBSnapshotIdentifier", "snapshot"),
            ("DBInstanceIdentifier", "db"),
            ("ResourceName", "resource"),
        ],
    ),
    service("S3", "s3", &[]),
    service("Secrets Manager", "secretsmanager", &[("SecretId", "secret"), ("Name", "secret")]),
    service("Service Quotas", "servicequotas", &[("ServiceCode", "quota")]),
    service("SSM", "ssm", &[("Name", "parameter"), ("Path", "parameter"), ("Names", "parameter")]),
    service("SSO", "sso", &[]),
    service("STS", "sts", &[("RoleArn", "role")]),
    global("CloudFront", "cloudfront", &[]),
    global("Cost Explorer", "ce", &[]),
    global("Route 53", "route53", &[]),
];

pub(crate) fn service_of(sdk: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.sdk == sdk)
}

impl Asked {
    /// `path` is the request's own, without where the service answers; `body` is what stands in it, if it is not streamed.
    pub(crate) fn new(
        service: &'static Service,
        operation: &str,
        region: Option<&str>,
        (host, path): (&str, &str),
        body: &[u8],
    ) -> Self {
        let (resource, name) = match service.iam {
            "s3" => in_s3(host, path),
            "route53" | "cloudfront" => in_path(path),
            _ => in_members(service, operation, path, body),
        };
        Asked {
            service: service.iam,
            operation: operation.to_owned(),
            region: region.filter(|_| !service.global).map(str::to_owned),
            resource,
            name,
        }
    }

    /// Of a request that was read off the wire.
    pub(crate) fn of_wire(asked: &opsrun_aws_simulator::Asked, path: &str, body: &[u8]) -> Self {
        let known = SERVICES.iter().find(|service| service.iam == asked.service);
        match known {
            Some(service) => Asked::new(service, &asked.operation, Some(&asked.region), ("", path), body),
            None => Asked {
                service: "*",
                operation: asked.operation.clone(),
                region: Some(asked.region.clone()),
                resource: "*".to_owned(),
                name: None,
            },
        }
    }

    pub(crate) fn effect(&self) -> Effect {
        if only_reads(self.service, &self.operation) { Effect::Read } else { Effect::Write }
    }
}

impl From<&Asked> for Access {
    fn from(asked: &Asked) -> Self {
        Access {
            system: SYSTEM.into(),
            verb: format!("{}:{}", asked.service, asked.operation),
            resource: asked.resource.clone(),
            name: asked.name.clone(),
            namespace: asked.region.clone(),
            effect: asked.effect(),
        }
    }
}

/// By their names; `sts` and `sso` hand out credentials and keep nothing.
pub(crate) fn only_reads(service: &str, operation: &str) -> bool {
    matches!(service, "sts" | "sso") || opsrun_aws_simulator::reads(operation)
}

/// Bucket and key, of a path or of a host like `bucket.s3.us-west-2.amazonaws.com`.
fn in_s3(host: &str, path: &str) -> (String, Option<String>) {
    let path = path.trim_start_matches('/');
    let in_host = host.split_once(".s3.").or_else(|| host.split_once(".s3-")).map(|(bucket, _)| bucket);
    let (bucket, key) = match in_host {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    let bucket = if bucket.is_empty() { "*" } else { bucket };
    (decoded(bucket), Some(key).filter(|key| !key.is_empty()).map(decoded))
}

/// `/2013-04-01/hostedzone/Z1/rrset` is `hostedzone/Z1`.
fn in_path(path: &str) -> (String, Option<String>) {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).skip(1);
    let resource = parts.next().unwrap_or("*").to_owned();
    (resource, parts.next().map(decoded))
}

fn in_members(service: &Service, operation: &str, path: &str, body: &[u8]) -> (String, Option<String>) {
    let form: Vec<(String, String)>;
    let json: Value;
    // A form begins with a letter, and a map of CBOR with none.
    let is_cbor = body.first().is_some_and(|first| (0xa0..=0xbf).contains(first));
    let find: &dyn Fn(&str) -> Option<String> = if is_cbor || body.first() == Some(&b'{') {
        json = match is_cbor {
            true => cbor::read(body).unwrap_or_default(),
            false => serde_json::from_slice(body).unwrap_or_default(),
        };
        &|member| match json.get(member)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => items.first().and_then(Value::as_str).map(str::to_owned),
            _ => None,
        }
    } else {
        form = form_urlencoded::parse(body).into_owned().collect();
        &|member| {
            let of_list = format!("{member}.member.1");
            form.iter().find(|(key, _)| key == member || *key == of_list).map(|(_, value)| value.clone())
        }
    };
    if service.iam == "eks" {
        return in_eks(path, find("nodegroupName").or_else(|| find("name")));
    }
    // What something is made of is not what is made.
    let made = match operation {
        "CreateReplicationGroup" => Some("replicationgroup"),
        operation if operation.starts_with("RestoreDBInstance") => Some("db"),
        _ => None,
    };
    let members = service.names.iter().filter(|(_, kind)| made.is_none_or(|made| made == *kind));
    for (member, kind) in members {
        if let Some(name) = find(member) {
            return match in_arn(&name) {
                // Only the ARN says what kind of thing it is.
                Some((kind_in_arn, name)) if *kind == "resource" => {
                    (kind_in_arn.to_owned(), Some(name.to_owned()))
                }
                Some((_, name)) => ((*kind).to_owned(), Some(name.to_owned())),
                None => ((*kind).to_owned(), Some(name)),
            };
        }
    }
    let of_metrics = service.iam == "cloudwatch" && operation.contains("Metric");
    let kind = if of_metrics { "metric" } else { service.names.first().map_or("*", |(_, kind)| *kind) };
    (kind.to_owned(), None)
}

/// What an ARN names: `arn:aws:secretsmanager:us-west-2:111122223333:secret:app/db-AbCdEf` is a secret, `app/db-AbCdEf`.
fn in_arn(arn: &str) -> Option<(&str, &str)> {
    // Partition, service, region and account come first; names have colons and slashes of their own.
    let thing = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
    let (kind, name) = thing.split_once([':', '/'])?;
    // A group of machines has an identifier before its name.
    Some((kind, name.split_once(":autoScalingGroupName/").map_or(name, |(_, name)| name)))
}

/// `/clusters/prod/node-groups/workers` is `nodegroup/prod/workers`.
fn in_eks(path: &str, made: Option<String>) -> (String, Option<String>) {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let part = |at: usize| parts.get(at).cloned();
    match (part(1), part(2).as_deref()) {
        (Some(cluster), Some("node-groups")) => {
            ("nodegroup".into(), part(3).or(made).map(|group| format!("{cluster}/{group}")))
        }
        (cluster, _) => ("cluster".into(), cluster.or(made)),
    }
}

fn decoded(text: &str) -> String {
    // A `+` in a path is itself.
    let text = text.replace('+', "%2B");
    form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_cbor(input: &Value) -> Vec<u8> {
        cbor::write(input)
    }

    fn access(sdk: &str, operation: &str, at: (&str, &str), body: impl AsRef<[u8]>) -> String {
        let service = service_of(sdk).expect(sdk);
        let asked = Asked::new(service, operation, Some("us-west-2"), at, body.as_ref());
        format!("{:?} {}", asked.effect(), Access::from(&asked))
    }

    #[test]
    fn a_request_is_called_what_iam_calls_it() {
        let rds = ("rds.us-west-2.amazonaws.com", "/");
        for (got, expected) in [
            (
                access(
                    "RDS",
                    "CreateDBSnapshot",
                    rds,
                    "Action=CreateDBSnapshot&DBInstanceIdentifier=prod&DBSnapshotIdentifier=before",
                ),
                "Write aws rds:CreateDBSnapshot snapshot/before in us-west-2",
            ),
            (
                access(
                    "RDS",
                    "RestoreDBInstanceFromDBSnapshot",
                    rds,
                    "DBInstanceIdentifier=anew&DBSnapshotIdentifier=before",
                ),
                "Write aws rds:RestoreDBInstanceFromDBSnapshot db/anew in us-west-2",
            ),
            (
                access("RDS", "DescribeDBInstances", rds, "Action=DescribeDBInstances"),
                "Read aws rds:DescribeDBInstances snapshot in us-west-2",
            ),
            (
                access("S3", "PutObject", ("up.s3.us-west-2.amazonaws.com", "/a%20b/c+d"), ""),
                "Write aws s3:PutObject up/a b/c+d in us-west-2",
            ),
            (
                access("S3", "HeadBucket", ("127.0.0.1:9000", "/up"), ""),
                "Read aws s3:HeadBucket up in us-west-2",
            ),
            (
                access("S3", "ListBuckets", ("s3.amazonaws.com", "/"), ""),
                "Read aws s3:ListBuckets * in us-west-2",
            ),
            (
                access(
                    "EKS",
                    "UpdateNodegroupConfig",
                    ("h", "/clusters/prod/node-groups/workers/update-config"),
                    "{}",
                ),
                "Write aws eks:UpdateNodegroupConfig nodegroup/prod/workers in us-west-2",
            ),
            (
                access(
                    "EKS",
                    "CreateNodegroup",
                    ("h", "/clusters/prod/node-groups"),
                    r#"{"nodegroupName":"more"}"#,
                ),
                "Write aws eks:CreateNodegroup nodegroup/prod/more in us-west-2",
            ),
            (
                access("Secrets Manager", "GetSecretValue", ("h", "/"), r#"{"SecretId":"app/db"}"#),
                "Read aws secretsmanager:GetSecretValue secret/app/db in us-west-2",
            ),
            (
                access("Route 53", "ChangeResourceRecordSets", ("h", "/2013-04-01/hostedzone/Z1/rrset/"), ""),
                "Write aws route53:ChangeResourceRecordSets hostedzone/Z1",
            ),
            (
                access(
                    "ECR",
                    "ListTagsForResource",
                    ("h", "/"),
                    r#"{"resourceArn":"arn:aws:ecr:us-west-2:1:repository/team/api"}"#,
                ),
                "Read aws ecr:ListTagsForResource repository/team/api in us-west-2",
            ),
            (
                access(
                    "Secrets Manager",
                    "GetSecretValue",
                    ("h", "/"),
                    r#"{"SecretId":"arn:aws:secretsmanager:us-west-2:1:secret:app/db-AbCdEf"}"#,
                ),
                "Read aws secretsmanager:GetSecretValue secret/app/db-AbCdEf in us-west-2",
            ),
            (
                access(
                    "Auto Scaling",
                    "SetDesiredCapacity",
                    ("h", "/"),
                    "AutoScalingGroupName=arn:aws:autoscaling:us-west-2:1:autoScalingGroup:0a1b:autoScalingGroupName/legacy",
                ),
                "Write aws autoscaling:SetDesiredCapacity autoScalingGroup/legacy in us-west-2",
            ),
            (
                access(
                    "CloudFront",
                    "CreateInvalidation",
                    ("h", "/2020-05-31/distribution/E1/invalidation"),
                    "",
                ),
                "Write aws cloudfront:CreateInvalidation distribution/E1",
            ),
            (
                access("STS", "AssumeRole", ("h", "/"), "RoleArn=arn:aws:iam::1:role/ops"),
                "Read aws sts:AssumeRole role/ops in us-west-2",
            ),
            (
                access("CloudWatch", "DeleteAlarms", ("h", "/"), of_cbor(&json!({ "AlarmNames": ["lag"] }))),
                "Write aws cloudwatch:DeleteAlarms alarm/lag in us-west-2",
            ),
            (
                access(
                    "CloudWatch",
                    "PutMetricData",
                    ("h", "/"),
                    of_cbor(&json!({ "Namespace": "Workflow" })),
                ),
                "Write aws cloudwatch:PutMetricData metric/Workflow in us-west-2",
            ),
            (
                access(
                    "CloudWatch",
                    "GetMetricData",
                    ("h", "/"),
                    of_cbor(&json!({ "MetricDataQueries": [] })),
                ),
                "Read aws cloudwatch:GetMetricData metric in us-west-2",
            ),
            (
                access(
                    "ElastiCache",
                    "TestFailover",
                    ("h", "/"),
                    "ReplicationGroupId=cache&NodeGroupId=0001",
                ),
                "Write aws elasticache:TestFailover replicationgroup/cache in us-west-2",
            ),
            (
                access(
                    "ElastiCache",
                    "CreateSnapshot",
                    ("h", "/"),
                    "ReplicationGroupId=cache&SnapshotName=s",
                ),
                "Write aws elasticache:CreateSnapshot snapshot/s in us-west-2",
            ),
            (
                access(
                    "ElastiCache",
                    "CreateReplicationGroup",
                    ("h", "/"),
                    "ReplicationGroupId=anew&SnapshotName=s",
                ),
                "Write aws elasticache:CreateReplicationGroup replicationgroup/anew in us-west-2",
            ),
            (
                access(
                    "ElastiCache",
                    "ListTagsForResource",
                    ("h", "/"),
                    "ResourceName=arn:aws:elasticache:us-west-2:111122223333:snapshot:s",
                ),
                "Read aws elasticache:ListTagsForResource snapshot/s in us-west-2",
            ),
        ] {
            assert_eq!(got, expected);
        }
    }
}
