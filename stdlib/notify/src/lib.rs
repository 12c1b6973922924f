//! opsrun-notify
