//! opsrun-http
