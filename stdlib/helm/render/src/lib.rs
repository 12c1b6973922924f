//! helm-render
