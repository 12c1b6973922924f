//! opsrun-k8s-simulator
