//! Specifications of the controllers, scheduler and kubelet, on a cluster in virtual time.

mod world;

mod claims;
mod cronjobs;
mod jobs;
mod lifecycles;
mod nodes;
mod rollouts;
mod security;

use self::world::World;
