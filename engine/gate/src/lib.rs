//! The gate: the only way out of the process. Requests, programs and files pass the same checks here, and a request goes
//! to the real world or to an estate: who asks cannot tell. It knows no system's protocol beyond HTTP;
//! what is said in others passes it as a whole.

mod audit;
mod canned;
mod connector;
mod disk;
mod draft;
mod fault;
mod fence;
mod file;
mod gate;
mod grant;
mod listen;
mod machine;
mod program;
mod route;
mod walk;
mod wall;
mod way;
mod written;

pub use audit::{Asked, Auditor, Decision, Reply};
pub use disk::{
    AppendFile, LogFile, TemporaryFolder, append_file, create_folder, list_folder, owners_file, read_bytes,
    read_text, reopen_file, replace_text, update_text, user_id, write_file,
};
pub use draft::Draft;
pub use fault::{FaultError, FaultRule};
pub use fence::Fence;
pub use file::{EstateFolder, Files};
pub use gate::{Bound, Gate, Outcome, Recorder, Ticket};
pub use grant::Grants;
pub use listen::Listener;
pub use machine::{process, process_lives, processors};
pub use program::Programs;
pub use route::Route;
pub use wall::{WallClock, interrupts};
