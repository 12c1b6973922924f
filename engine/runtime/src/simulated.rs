//! The simulated world: one tokio thread for everything that waits, one baton for the branches, one timeline.
//!
//! When no task can go on, the world's thread gives the baton to the branch whose wait ended first, and blocks until that
//! branch waits again; when no branch can go on either, time jumps to the next event. So the order of everything is decided.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use opsrun_core::{BoxFuture, Clock, Elsewhere, Error, ErrorKind, Result};
use tokio::runtime::Handle;

use crate::world::World;

/// A world whose time is its own.
pub struct SimulatedWorld {
    shared: Arc<Shared>,
    messages: Mutex<Sender<Message>>,
    seats: AtomicU64,
}

/// A branch's place at the table.
#[derive(Clone)]
pub(crate) struct Seat {
    id: u64,
    baton: Arc<(Sender<()>, Mutex<Receiver<()>>)>,
}

/// Says that a branch has ended, when it is dropped.
pub(crate) struct Leaving<'w> {
    world: &'w SimulatedWorld,
    seat: Seat,
}

/// What a branch tells the world as it gives the baton back.
enum Message {
    /// A first branch, from outside; it has no baton yet.
    Sit(Seat),
    /// It waits for this, which puts it among the ready.
    Wait(Seat, BoxFuture<'static, ()>),
    /// It waits for all of these to leave.
    Fork(Seat, Vec<Seat>),
    Leave(u64),
    End,
}

#[derive(Default)]
struct Shared {
    handle: OnceLock<Handle>,
    ready: Mutex<VecDeque<Seat>>,
    timeline: Mutex<Timeline>,
    /// What is waited for that is carried out in real time: until it is done, this world's time stands still.
    elsewhere: AtomicUsize,
    done: tokio::sync::Notify,
}

struct Timeline {
    now: Timestamp,
    next: u64,
    sleepers: BTreeMap<(Timestamp, u64), Option<Waker>>,
}

impl Default for Timeline {
    fn default() -> Self {
        Timeline { now: Timestamp::UNIX_EPOCH, next: 0, sleepers: BTreeMap::new() }
    }
}

/// The table as the world's thread sees it.
#[derive(Default)]
struct Table {
    /// Those who wait for a future.
    waiting: BTreeMap<u64, Seat>,
    /// Those who wait for others to leave.
    forks: Vec<(Seat, BTreeSet<u64>)>,
    ended: bool,
}

impl SimulatedWorld {
    pub(crate) fn start(start: Timestamp) -> Result<Arc<Self>> {
        let shared = Arc::new(Shared::default());
        locked(&shared.timeline).now = start;
        let (sender, messages) = channel();
        let world = Arc::new(SimulatedWorld {
            shared: shared.clone(),
            messages: Mutex::new(sender),
            seats: AtomicU64::new(0),
        });
        let failed = |error: std::io::Error| Error::failed(format!("the machine gives no thread: {error}"));
        let hook = {
            let shared = shared.clone();
            let table = Mutex::new((Table::default(), messages));
            move || {
                let mut table = locked(&table);
                let (table, messages) = &mut *table;
                shared.turn(table, messages);
            }
        };
        // Only the clock of this world may be used, so no timer of tokio's is enabled; nor is any real I/O.
        let runtime =
            tokio::runtime::Builder::new_current_thread().on_thread_park(hook).build().map_err(failed)?;
        // Set once, right here.
        let _ = shared.handle.set(runtime.handle().clone());
        std::thread::Builder::new()
            .name("world".into())
            .stack_size(crate::world::STACK)
            .spawn(move || runtime.block_on(shared.done.notified()))
            .map_err(failed)?;
        Ok(world)
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(VirtualClock(self.shared.clone()))
    }

    /// A seat for a thread from outside; returns when it has the baton.
    pub(crate) fn sit(&self) -> Seat {
        let seat = self.seat();
        self.tell(Message::Sit(seat.clone()));
        seat.wait_for_baton();
        seat
    }

    pub(crate) fn seats(&self, count: usize) -> Vec<Seat> {
        (0..count).map(|_| self.seat()).collect()
    }

    pub(crate) fn leaving(&self, seat: &Seat) -> Leaving<'_> {
        Leaving { world: self, seat: seat.clone() }
    }

    pub(crate) fn leave(&self, seat: &Seat) {
        self.tell(Message::Leave(seat.id));
    }

    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        seat: &Seat,
        future: BoxFuture<'static, T>,
    ) -> Result<T> {
        let slot = Arc::new(Mutex::new(None));
        let filled = slot.clone();
        self.tell(Message::Wait(
            seat.clone(),
            Box::pin(async move {
                let value = future.await;
                *locked(&filled) = Some(value);
            }),
        ));
        seat.wait_for_baton();
        let value = locked(&slot).take();
        value.ok_or_else(|| {
            Error::new(
                ErrorKind::Timeout,
                "this waits for something that will never happen: nothing else is going on in the estate",
            )
            .hint("give the wait a time limit, or let the estate file make it happen")
        })
    }

    pub(crate) fn await_fork(&self, seat: &Seat, children: &[Seat]) {
        if !children.is_empty() {
            self.tell(Message::Fork(seat.clone(), children.to_vec()));
            seat.wait_for_baton();
        }
    }

    /// Carries work out on the runtime of `live`, while time stands still here.
    pub(crate) fn elsewhere(&self, live: &World) -> Result<Arc<dyn Elsewhere>> {
        let handle = live.runtime()?.handle().clone();
        Ok(Arc::new(InLife { here: self.shared.clone(), handle, _live: live.clone() }))
    }

    fn seat(&self) -> Seat {
        let (sender, receiver) = channel();
        Seat {
            id: self.seats.fetch_add(1, Ordering::Relaxed),
            baton: Arc::new((sender, Mutex::new(receiver))),
        }
    }

    fn tell(&self, message: Message) {
        // The world's thread lives as long as `self`.
        let _ = locked(&self.messages).send(message);
    }
}

/// A live world as a simulated one sees it.
struct InLife {
    here: Arc<Shared>,
    handle: Handle,
    /// The runtime ends with its world.
    _live: World,
}

impl Elsewhere for InLife {
    fn carry_out(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let done = self.handle.spawn(work);
        let waiting = Waiting::new(self.here.clone());
        Box::pin(async move {
            // Who asked learns from what is missing that the work broke off.
            let _ = done.await;
            drop(waiting);
        })
    }
}

/// Something of this world waits for real time to pass.
struct Waiting(Arc<Shared>);

impl Waiting {
    fn new(shared: Arc<Shared>) -> Self {
        shared.elsewhere.fetch_add(1, Ordering::SeqCst);
        Waiting(shared)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.elsewhere.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for SimulatedWorld {
    fn drop(&mut self) {
        self.tell(Message::End);
    }
}

impl Seat {
    pub(crate) fn wait_for_baton(&self) {
        // The sender lives in `self`: this cannot fail.
        let _ = locked(&self.baton.1).recv();
    }

    fn pass_baton(&self) {
        let _ = self.baton.0.send(());
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.world.leave(&self.seat);
    }
}

impl Shared {
    /// Called when no task can go on: makes one branch go on, or time.
    fn turn(self: &Arc<Self>, table: &mut Table, messages: &Receiver<Message>) {
        if table.ended {
            return;
        }
        let ready = locked(&self.ready).pop_front();
        if let Some(seat) = ready {
            table.waiting.remove(&seat.id);
            seat.pass_baton();
            self.take_back_baton(table, messages);
        } else if table.waiting.is_empty() && table.forks.is_empty() {
            self.take_back_baton(table, messages);
        } else if self.elsewhere.load(Ordering::SeqCst) > 0 {
            // The thread sleeps until what is done elsewhere wakes its task.
        } else if !self.jump()
            && let Some((_, seat)) = table.waiting.pop_first()
        {
            // Nothing will ever happen: the first to wait is told so.
            locked(&self.ready).push_back(seat);
            self.stay_awake();
        }
    }

    /// A task that does nothing keeps the thread from parking, so that the next turn comes at once.
    fn stay_awake(&self) {
        if let Some(handle) = self.handle.get() {
            handle.spawn(async {});
        }
    }

    /// Blocks until whoever has the baton says what it waits for.
    fn take_back_baton(self: &Arc<Self>, table: &mut Table, messages: &Receiver<Message>) {
        match messages.recv() {
            Ok(Message::Sit(seat)) => locked(&self.ready).push_back(seat),
            Ok(Message::Wait(seat, future)) => {
                table.waiting.insert(seat.id, seat.clone());
                let shared = self.clone();
                if let Some(handle) = self.handle.get() {
                    handle.spawn(async move {
                        future.await;
                        locked(&shared.ready).push_back(seat);
                    });
                }
                return;
            }
            Ok(Message::Fork(seat, children)) => {
                table.forks.push((seat, children.iter().map(|child| child.id).collect()));
                locked(&self.ready).extend(children);
            }
            Ok(Message::Leave(id)) => {
                let ready = &self.ready;
                table.forks.retain_mut(|(seat, children)| {
                    children.remove(&id);
                    if children.is_empty() {
                        locked(ready).push_back(seat.clone());
                    }
                    !children.is_empty()
                });
            }
            Ok(Message::End) | Err(_) => {
                table.ended = true;
                self.done.notify_one();
                return;
            }
        }
        self.stay_awake();
    }

    /// Moves time to the next deadline and wakes its sleeper; `false` if there is none.
    fn jump(&self) -> bool {
        let mut timeline = locked(&self.timeline);
        let Some(((at, _), waker)) = timeline.sleepers.pop_first() else { return false };
        timeline.now = timeline.now.max(at);
        drop(timeline);
        if let Some(waker) = waker {
            waker.wake();
        }
        self.stay_awake();
        true
    }
}

struct VirtualClock(Arc<Shared>);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        locked(&self.0.timeline).now
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(Sleep { shared: self.0.clone(), deadline, key: None })
    }
}

/// Sleeps on the timeline, and leaves nothing there when it is dropped.
struct Sleep {
    shared: Arc<Shared>,
    deadline: Timestamp,
    key: Option<(Timestamp, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut timeline = locked(&shared.timeline);
        match self.key {
            Some(key) => match timeline.sleepers.get_mut(&key) {
                Some(waker) => {
                    *waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            },
            None if timeline.now >= self.deadline => Poll::Ready(()),
            None => {
                let key = (self.deadline, timeline.next);
                timeline.next += 1;
                timeline.sleepers.insert(key, Some(cx.waker().clone()));
                self.key = Some(key);
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            locked(&self.shared.timeline).sleepers.remove(&key);
        }
    }
}

/// A lock that a panic elsewhere does not break: the panic is reported where the thread is joined.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
