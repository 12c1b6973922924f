//! `opsrun estate up`: the simulated estate, served on loopback for kubectl, helm and anything else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use opsrun_core::{Error, Result, VariableValue};
use opsrun_gate::Listener;
use opsrun_runtime::{Rehearsal, Unwatched, World};

use super::rehearse::set_up;
use crate::output::print;
use crate::program::Program;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Estate {
    /// Serves an estate until it is told to end, and prints how to reach it first.
    Up {
        /// The estate file; the project's, if none is named.
        #[arg(long)]
        estate: Option<PathBuf>,
        /// Where the first simulator listens; the others take free ports.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// How many times faster than on the wall time passes.
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
        /// Decides names and identifiers.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

impl Estate {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let Estate::Up { estate, listen, speed, seed } = self;
        if !(speed.is_finite() && *speed > 0.0) {
            return Err(Error::invalid(format!("time cannot pass {speed} times faster"))
                .hint("`--speed` takes a positive number"));
        }
        let ended = Arc::new(End::default());
        let end = ended.clone();
        opsrun_gate::interrupts(move || end.set())
            .map_err(|error| Error::failed(format!("signals cannot be caught: {error}")))?;
        let launch = program.launch()?;
        let file = launch.estate_file(estate.as_deref())?;
        let rehearsal = Rehearsal::start_in(launch, &file, *seed, World::faster(*speed))?;
        set_up(program, &rehearsal, &file)?;
        let folder = program.temporary_folder()?;
        let mut lines = String::new();
        let run = rehearsal.run(Arc::new(Unwatched), Vec::new())?;
        let mut address = *listen;
        for (system, simulator) in rehearsal.estate().simulators() {
            if simulator.environment("").is_empty() {
                continue;
            }
            let simulator = simulator.clone();
            let bound = run.block_on(async move { Listener::bind(address).await })??;
            let at = bound.address()?;
            for variable in simulator.environment(&at.to_string()) {
                let value = match variable.value {
                    VariableValue::Text(text) => text,
                    VariableValue::File { name, content } => folder.write(name, &content)?,
                };
                lines.push_str(&format!("export {}={value}\n", variable.name));
            }
            run.spawn(async move {
                // It ends only with the program, or with the socket, and then clients notice.
                let _ = bound.serve(simulator, system).await;
            })?;
            address.set_port(0);
        }
        print(&lines)?;
        ended.wait();
        Ok(0)
    }
}

/// Set once, waited for.
#[derive(Default)]
struct End(Mutex<bool>, Condvar);

impl End {
    fn set(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.1.wait_while(ended, |ended| !*ended));
    }
}
