//! One module for each service.

pub(crate) mod s3;
pub(crate) mod sts;
