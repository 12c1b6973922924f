//! The program `opsrun`: reads its arguments and environment, and hands over to a command. All that it knows of systems is
//! this list of them.

mod arguments;
mod commands;
mod output;
mod program;

use std::process::ExitCode;

use opsrun_core::System;
use opsrun_runtime::Registry;

use crate::program::Program;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What playbooks can operate on. A further system is a further line here.
const SYSTEMS: &[&dyn System] = &[
    &opsrun_http::Http,
    &opsrun_k8s::Kubernetes,
    &opsrun_aws::Aws,
    &opsrun_db::Postgres,
    &opsrun_db::Redis,
    &opsrun_backup::Backup,
    &opsrun_helm::Helm,
    &opsrun_notify::Notify,
    &opsrun_template::Template,
    &opsrun_vault::Vault,
];

fn main() -> ExitCode {
    #[allow(clippy::disallowed_methods)] // here, and only here, the environment is read
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let program = Program::new(Registry::new(SYSTEMS), variables.collect());
    let redactor = program.redactor();
    std::panic::set_hook(Box::new(move |panic| output::complain_with(&redactor.show(&format!("{panic}\n")))));
    ExitCode::from(commands::carry_out(&program, std::env::args_os().collect()))
}
