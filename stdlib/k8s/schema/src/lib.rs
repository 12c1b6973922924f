//! opsrun-k8s-schema
