//! opsrun-core
