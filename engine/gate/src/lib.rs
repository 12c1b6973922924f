//! opsrun-gate
