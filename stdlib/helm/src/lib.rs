//! opsrun-helm
