//! Who runs when: script branches are threads of their own, what they wait for runs on tokio.
//! Live, branches run at once. In a simulated world one baton goes round, and time jumps when everybody waits.

use std::sync::{Arc, OnceLock};

use opsrun_core::{BoxFuture, Clock, Elsewhere, Error, Result};
use opsrun_gate::WallClock;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::simulated::{Seat, SimulatedWorld};

/// The stack of a branch: scripts nest deeply, and so do template engines. Only what is used is ever touched.
pub(crate) const STACK: usize = 256 << 20;

/// The world that a run takes place in.
#[derive(Clone)]
pub enum World {
    Live(Arc<LiveWorld>),
    Simulated(Arc<SimulatedWorld>),
}

/// A branch's place in the world. In the live one there is nothing to know.
#[derive(Clone, Default)]
pub(crate) struct Place(Option<Seat>);

/// A body of a fork: gets its place.
pub(crate) type Body<'env> = Box<dyn FnOnce(Place) + Send + 'env>;

impl World {
    /// Real time and real threads.
    pub fn live() -> Self {
        World::Live(Arc::new(LiveWorld::new(WallClock::real())))
    }

    /// Like the live one, with time `speed` times as fast.
    pub fn faster(speed: f64) -> Self {
        World::Live(Arc::new(LiveWorld::new(WallClock::faster(speed))))
    }

    /// A world of its own time, which starts at `start`.
    ///
    /// # Errors
    /// `Failed` if the machine gives no thread.
    pub fn simulated(start: jiff::Timestamp) -> Result<Self> {
        SimulatedWorld::start(start).map(World::Simulated)
    }

    /// Has a job done that keeps a processor busy: here at once, so that the order is decided; live by a thread, of which there are no
    /// more than processors.
    pub(crate) fn compute(&self, job: Box<dyn FnOnce() + Send>) {
        let World::Live(world) = self else { return job() };
        let Ok(runtime) = world.runtime() else { return job() };
        let idle = world.idle.clone();
        runtime.spawn(async move {
            let processor = idle.acquire_owned().await;
            // It is given back when the job is done, or has panicked; then who waits for it learns so.
            let _ = tokio::task::spawn_blocking(move || (processor, job()).1).await;
        });
    }

    /// The runtime of a live world.
    pub(crate) fn runtime(&self) -> Result<&Runtime> {
        match self {
            World::Live(world) => world.runtime(),
            World::Simulated(_) => {
                Err(Error::failed("a thread from outside cannot wait in a simulated world"))
            }
        }
    }

    /// What is carried out in the live world while time stands still in this simulated one.
    ///
    /// # Errors
    /// `Failed` if the worlds are not such, or the machine gives no threads.
    pub(crate) fn elsewhere(&self, live: &World) -> Result<Arc<dyn Elsewhere>> {
        match self {
            World::Simulated(world) => world.elsewhere(live),
            World::Live(_) => Err(Error::failed("time stands still in a simulated world only")),
        }
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        match self {
            World::Live(world) => Arc::new(world.clock.clone()),
            World::Simulated(world) => world.clock(),
        }
    }

    /// Takes part in this world with a new thread, and waits for what `body` gives.
    ///
    /// # Errors
    /// `Failed` if the machine gives no thread, or `body` panicked.
    pub(crate) fn enter<T: Send>(&self, body: impl FnOnce(Place) -> T + Send) -> Result<T> {
        let mut out = None;
        std::thread::scope(|scope| {
            let out = &mut out;
            let thread = std::thread::Builder::new().name("script".into()).stack_size(STACK).spawn_scoped(
                scope,
                move || match self {
                    World::Live(_) => *out = Some(body(Place(None))),
                    World::Simulated(world) => {
                        let seat = world.sit();
                        // The seat leaves when the thread ends, also by a panic: else the world would wait for it.
                        let _leave = world.leaving(&seat);
                        *out = Some(body(Place(Some(seat.clone()))));
                    }
                },
            );
            thread.map(|thread| thread.join())
        })
        .map_err(|error| Error::failed(format!("the machine gives no thread: {error}")))?
        .map_err(|_| Error::failed("the run broke off with a panic: this is a defect of opsrun"))?;
        out.ok_or_else(|| Error::failed("the run ended without a result"))
    }

    /// Lets the branch at `place` wait for `future`.
    ///
    /// # Errors
    /// `Timeout` if nothing will ever happen any more in a simulated world.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        place: &Place,
        future: BoxFuture<'static, T>,
    ) -> Result<T> {
        match (self, &place.0) {
            (World::Simulated(world), Some(seat)) => world.block_on(seat, future),
            (World::Live(world), _) => Ok(world.runtime()?.block_on(future)),
            (World::Simulated(_), None) => {
                Err(Error::failed("a thread from outside cannot wait in a simulated world"))
            }
        }
    }

    /// Runs all bodies as branches, and waits for them.
    ///
    /// # Errors
    /// `Failed` if the machine gives no thread, or a body panicked.
    pub(crate) fn fork<'env>(&self, place: &Place, bodies: Vec<Body<'env>>) -> Result<()> {
        let seats: Vec<Option<Seat>> = match self {
            World::Live(_) => bodies.iter().map(|_| None).collect(),
            World::Simulated(world) => world.seats(bodies.len()).into_iter().map(Some).collect(),
        };
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            let mut failed = None;
            for (body, seat) in bodies.into_iter().zip(&seats) {
                let spawned = std::thread::Builder::new()
                    .name("branch".into())
                    .stack_size(STACK)
                    .spawn_scoped(scope, move || {
                        if let (World::Simulated(world), Some(seat)) = (self, seat) {
                            seat.wait_for_baton();
                            let _leave = world.leaving(seat);
                            body(Place(Some(seat.clone())));
                        } else {
                            body(Place(None));
                        }
                    });
                match spawned {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        failed = Some(Error::failed(format!("the machine gives no thread: {error}")));
                        if let (World::Simulated(world), Some(seat)) = (self, seat) {
                            world.leave(seat);
                        }
                    }
                }
            }
            if let (World::Simulated(world), Some(seat)) = (self, &place.0) {
                world.await_fork(seat, &seats.iter().flatten().cloned().collect::<Vec<_>>());
            }
            for thread in threads {
                if thread.join().is_err() {
                    failed =
                        Some(Error::failed("a branch broke off with a panic: this is a defect of opsrun"));
                }
            }
            failed.map_or(Ok(()), Err)
        })
    }
}

/// Real time; the tokio runtime is started when it is first needed, as a run that only logs needs none.
pub struct LiveWorld {
    clock: WallClock,
    runtime: OnceLock<Runtime>,
    /// Of the processors, for jobs that keep one busy.
    idle: Arc<Semaphore>,
}

/// The last to hold the world may be a task on its own runtime, which must not wait for itself.
impl Drop for LiveWorld {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl LiveWorld {
    fn new(clock: WallClock) -> Self {
        let idle = Arc::new(Semaphore::new(opsrun_gate::processors()));
        LiveWorld { clock, runtime: OnceLock::new(), idle }
    }

    fn runtime(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::failed(format!("the machine gives no threads: {error}")))?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}
