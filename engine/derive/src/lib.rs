//! opsrun-derive
