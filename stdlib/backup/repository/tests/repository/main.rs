//! What a user of repositories relies on, with the real restic as the other side wherever it has one.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // tests reach the machine, and speak to who runs them

mod damage;
mod faults;
mod full;
mod interop;
mod killed;
mod locks;
mod retention;
mod support;
mod usage;
