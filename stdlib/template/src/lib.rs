//! opsrun-template
