//! Specifications of the controllers, scheduler and kubelet, on a cluster in virtual time.

mod world;

mod lifecycles;
mod rollouts;

use self::world::World;
