//! `opsrun check`: mistakes that can be found without running anything.

use std::path::PathBuf;

use opsrun_core::{Error, Result};

use super::REFUSED;
use crate::output::{Form, print};
use crate::program::{Disk, Program};

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Playbooks; what they import is checked with them.
    #[arg(required = true)]
    playbooks: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
}

impl Check {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let mut text = String::new();
        let mut refused = false;
        for path in &self.playbooks {
            let report = opsrun_language::check(&path.display().to_string(), &Disk, program.registry());
            refused |= report.has_errors();
            match self.output {
                Form::Text if report.diagnostics.is_empty() => {
                    text.push_str(&format!("{}: nothing found\n", path.display()));
                }
                Form::Text => text.push_str(&report.render()),
                Form::Json => {
                    for found in &report.diagnostics {
                        let line =
                            serde_json::to_string(found).map_err(|error| Error::failed(error.to_string()))?;
                        text.push_str(&format!("{line}\n"));
                    }
                }
            }
        }
        print(&text)?;
        Ok(if refused { REFUSED } else { 0 })
    }
}
