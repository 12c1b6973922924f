//! `opsrun eks`: what a kubeconfig runs to sign in to a cluster of EKS.

use opsrun_core::{Result, Value};
use serde_json::json;

use super::call::Call;
use crate::output::print;
use crate::program::Program;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Eks {
    /// Prints a token that signs in to a cluster, as kubectl and opsrun take it from a program.
    Token {
        /// The cluster's name.
        cluster: String,
        /// Its region; the target's if left out.
        #[arg(long)]
        region: Option<String>,
        /// The target of `opsrun.toml`.
        #[arg(long)]
        target: Option<String>,
    },
}

impl Eks {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let Eks::Token { cluster, region, target } = self;
        let mut call = Call::of("eks::token", json!({ "cluster": cluster, "region": region }));
        call.target.clone_from(target);
        let signed = call.made(program)?;
        let credential: Value = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "spec": {},
            "status": { "token": signed["token"], "expirationTimestamp": signed["expires"] },
        });
        print(&format!("{credential}\n"))?;
        Ok(0)
    }
}
