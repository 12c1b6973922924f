//! opsrun-repl
