//! opsrun-language
