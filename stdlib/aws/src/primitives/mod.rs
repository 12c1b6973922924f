//! What playbooks can do with AWS: a module for each service.

mod autoscaling;
mod cloudfront;
mod cloudwatch;
mod cost;
pub(crate) mod ecr;
pub(crate) mod eks;
mod elasticache;
mod quotas;
mod rds;
mod route53;
pub(crate) mod s3;
mod secretsmanager;
mod ssm;
pub(crate) mod sts;

use opsrun_core::Module;

pub(crate) const MODULES: &[Module] = &[
    Module {
        path: "autoscaling",
        doc: "Groups of machines, and what they do by themselves.",
        primitives: autoscaling::PRIMITIVES,
    },
    Module {
        path: "cloudfront",
        doc: "What CloudFront serves from its caches.",
        primitives: cloudfront::PRIMITIVES,
    },
    Module {
        path: "cloudwatch",
        doc: "What AWS measures, and alarms on it.",
        primitives: cloudwatch::PRIMITIVES,
    },
    Module { path: "cost", doc: "What AWS costs, and will cost.", primitives: cost::PRIMITIVES },
    Module { path: "ecr", doc: "Images of containers in AWS's registry.", primitives: ecr::PRIMITIVES },
    Module { path: "eks", doc: "Clusters of EKS and their nodes.", primitives: eks::PRIMITIVES },
    Module {
        path: "elasticache",
        doc: "Caches of AWS: snapshots, restores, failovers.",
        primitives: elasticache::PRIMITIVES,
    },
    Module {
        path: "quotas",
        doc: "How much of something an account may use.",
        primitives: quotas::PRIMITIVES,
    },
    Module {
        path: "rds",
        doc: "Databases of AWS: snapshots, restores, replicas.",
        primitives: rds::PRIMITIVES,
    },
    Module {
        path: "route53",
        doc: "DNS: records, and switching between them.",
        primitives: route53::PRIMITIVES,
    },
    Module {
        path: "s3",
        doc: "Objects in S3, or in a store that speaks its protocol.",
        primitives: s3::PRIMITIVES,
    },
    Module {
        path: "secretsmanager",
        doc: "Secrets that AWS keeps, and their versions.",
        primitives: secretsmanager::PRIMITIVES,
    },
    Module { path: "ssm", doc: "Parameters of Systems Manager.", primitives: ssm::PRIMITIVES },
    Module { path: "sts", doc: "Who a run is to AWS.", primitives: sts::PRIMITIVES },
];
