//! opsrun-k8s
