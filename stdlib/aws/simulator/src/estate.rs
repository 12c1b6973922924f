//! The `aws` section of an estate file: which accounts there are, and what is in them.

use std::collections::BTreeMap;
use std::path::Path;

use opsrun_core::Span;
use serde::Deserialize;

use crate::services::cloudfront::DistributionSection;
use crate::services::cloudwatch::CloudWatchSection;
use crate::services::cost::CostSection;
use crate::services::ecr::RepositorySection;
use crate::services::elasticache::ElastiCacheSection;
use crate::services::rds::RdsSection;
use crate::services::s3::S3Section;
use crate::services::secretsmanager::{RotationSection, SecretSection};
use crate::services::ssm::ParameterSection;
use crate::trouble::{ClockSection, ThrottleSection};

/// ```yaml
/// aws:
///   region: us-west-2
///   accounts:
///     "111122223333":
///       roles: [opsrun]
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EstateSection {
    /// The region of targets that name none; `us-west-2` by itself.
    pub region: Option<String>,
    /// By their numbers. The first is the one that a run is signed in to. Without any, there is `111122223333`, with nothing in it.
    pub accounts: BTreeMap<String, AccountSection>,
    /// What is down, and when.
    pub outages: Vec<Outage>,
    /// How far AWS's clock is off.
    pub clock: ClockSection,
    /// So late are what services, by their names in IAM, say of what was written to them.
    pub consistency: BTreeMap<String, Span>,
    /// Of which services there may not be too many requests.
    pub throttle: Vec<ThrottleSection>,
}

/// A region, or one of its zones, that does not answer for a while.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outage {
    pub region: String,
    /// `us-west-2a`; the whole region if it is left out.
    pub zone: Option<String>,
    /// So long after the estate's start.
    #[serde(default)]
    pub from: Span,
    /// For so long; for good if it is left out.
    pub r#for: Option<Span>,
}

/// One account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AccountSection {
    /// Roles that every account of the estate may take on, by name.
    pub roles: Vec<String>,
    /// What services cost a day, by their names in bills.
    pub costs: BTreeMap<String, CostSection>,
    /// Distributions of CloudFront, by their identifiers.
    pub distributions: BTreeMap<String, DistributionSection>,
    /// Hosted zones of DNS, by their domains.
    pub zones: BTreeMap<String, ZoneSection>,
    pub regions: BTreeMap<String, RegionSection>,
}

/// What is in one region of an account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RegionSection {
    /// How many virtual processors may run at once; 256 by itself.
    pub vcpus: Option<u32>,
    /// Clusters of EKS, by name.
    pub clusters: BTreeMap<String, ClusterSection>,
    /// Auto Scaling groups that belong to no cluster, by name.
    pub scaling_groups: BTreeMap<String, NodeGroupSection>,
    /// Metrics and alarms of CloudWatch.
    pub cloudwatch: CloudWatchSection,
    /// Caches of ElastiCache.
    pub elasticache: ElastiCacheSection,
    pub s3: S3Section,
    /// Databases of RDS.
    pub rds: RdsSection,
    /// Repositories of images of ECR, by name.
    pub repositories: BTreeMap<String, RepositorySection>,
    /// Secrets of Secrets Manager, by name.
    pub secrets: BTreeMap<String, SecretSection>,
    /// Secrets that a function makes anew when it is asked to, by name.
    pub rotations: BTreeMap<String, RotationSection>,
    /// Parameters of Systems Manager, by name.
    pub parameters: BTreeMap<String, ParameterSection>,
}

/// A cluster of EKS.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ClusterSection {
    /// `1.34`
    pub version: Option<String>,
    pub node_groups: BTreeMap<String, NodeGroupSection>,
}

/// A managed group of nodes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeGroupSection {
    pub min: u32,
    pub max: u32,
    pub desired: u32,
    /// `m6i.xlarge`
    #[serde(rename = "type", default = "usual_type")]
    pub instance_type: String,
    /// How long a node takes from its launch until it is in service; 90 s by itself.
    #[serde(default = "usual_launch")]
    pub launch: Span,
    /// The Auto Scaling group that holds its nodes; one is made up by itself.
    pub scaling_group: Option<String>,
}

impl NodeGroupSection {
    /// An empty one of this type of machine.
    pub fn of_type(instance_type: Option<String>) -> Self {
        NodeGroupSection {
            min: 0,
            max: 0,
            desired: 0,
            instance_type: instance_type.unwrap_or_else(usual_type),
            launch: usual_launch(),
            scaling_group: None,
        }
    }
}

fn usual_type() -> String {
    "m6i.xlarge".to_owned()
}

fn usual_launch() -> Span {
    Span::from_secs(90)
}

/// A hosted zone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ZoneSection {
    /// One is made up by itself.
    pub id: Option<String>,
    pub records: Vec<RecordSection>,
}

/// A set of records.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordSection {
    /// `www.example.com`
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// In seconds; 60 by itself.
    pub ttl: Option<u32>,
    #[serde(default)]
    pub values: Vec<String>,
    /// Tells apart sets of the same name that have weights or a role in a failover.
    pub id: Option<String>,
    pub weight: Option<u8>,
    /// `PRIMARY` or `SECONDARY`
    pub failover: Option<String>,
    pub health_check: Option<String>,
    /// Another name at AWS, instead of values.
    pub alias: Option<AliasSection>,
}

/// Where an alias leads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AliasSection {
    pub name: String,
    /// The id of that name's own zone.
    pub zone: String,
    #[serde(default)]
    pub evaluate_health: bool,
}

impl EstateSection {
    /// The folders of files that it names.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let regions = self.accounts.values().flat_map(|account| account.regions.values());
        regions.flat_map(|region| region.s3.folders())
    }
}
