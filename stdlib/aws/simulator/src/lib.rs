//! AWS in memory, for rehearsals: it speaks the services' own protocols, and is told the time.
//!
//! It does no input or output. [`Aws::answer`] gives the answer to a request at a time; what goes on by itself in between, such as
//! a snapshot that gets ready, is worked out when somebody asks next.

pub mod cbor;
mod estate;
mod fault;
mod protocol;
mod services;
mod signature;
mod trouble;
mod world;
pub mod xml;

pub use estate::{
    AccountSection, AliasSection, ClusterSection, EstateSection, NodeGroupSection, Outage, RecordSection,
    RegionSection, ZoneSection,
};
/// What is in databases and caches.
pub use opsrun_db_simulator::rows;
pub use protocol::reads;
pub use services::cloudfront::DistributionSection;
pub use services::cloudwatch::{AlarmSection, CloudWatchSection, MetricSection};
pub use services::cost::{CostSection, KnownCost};
pub use services::ecr::{ImageSection, RepositorySection, TakenImage, TakenRepository};
pub use services::elasticache::{
    CacheSection, CacheSnapshotSection, ElastiCacheSection, KeysSection, NoCache,
};
pub use services::rds::{
    DatabaseFacts, DatabaseServer, InstanceSection, NoDatabase, RdsSection, SnapshotSection,
};
pub use services::s3::{BucketSection, Folders, Origin, S3Section, TakenBucket, TakenObject, Whereabouts};
pub use services::secretsmanager::TakenSecret;
pub use services::ssm::{KnownParameter, ParameterSection};
pub use trouble::{ClockSection, ThrottleSection};
pub use world::{Asked, Aws, Options, Taken, asked};
