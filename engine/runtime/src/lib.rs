//! opsrun-runtime
