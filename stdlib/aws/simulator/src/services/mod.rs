//! One module for each service.

pub(crate) mod autoscaling;
pub(crate) mod cloudfront;
pub(crate) mod cloudwatch;
pub(crate) mod cost;
pub(crate) mod ecr;
pub(crate) mod eks;
pub(crate) mod elasticache;
pub(crate) mod place;
pub(crate) mod quotas;
pub(crate) mod rds;
pub(crate) mod route53;
pub(crate) mod s3;
pub(crate) mod secretsmanager;
pub(crate) mod ssm;
pub(crate) mod sso;
pub(crate) mod sts;
