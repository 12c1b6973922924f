//! One module for each service.

pub(crate) mod sts;
