//! Who is connected to a server, what they do, and how they are ended by others; what became of their transactions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

/// The sessions of one server.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: i32,
    sessions: BTreeMap<i32, (Activity, Arc<Signal>)>,
    /// Advisory locks: who holds them, and how many times.
    locks: BTreeMap<i64, (i32, usize)>,
    transactions: Transactions,
    /// The numbers of databases, which they keep when they are renamed.
    databases: BTreeMap<String, i64>,
    last_database: i64,
}

/// Numbered transactions: those under way by who is in them, and whether the others were committed.
#[derive(Debug, Default)]
struct Transactions {
    last: i64,
    open: BTreeMap<i32, i64>,
    ended: BTreeMap<i64, bool>,
}

/// Numbers of transactions and of databases count from here, as those of a server that was just made do.
const FIRST_TRANSACTION: i64 = 730;
const FIRST_DATABASE: i64 = 16_000;

/// The process numbers of sessions count from here.
const FIRST: i32 = 1000;

/// A session as `pg_stat_activity` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub pid: i32,
    pub database: String,
    pub user: String,
    pub application: String,
    pub begun: Timestamp,
    pub transaction: Option<Timestamp>,
    pub asked: Option<Timestamp>,
    pub changed: Timestamp,
    /// `idle`, `active`, `idle in transaction`, `idle in transaction (aborted)`
    pub state: &'static str,
    /// The last one.
    pub query: String,
    secret: i32,
}

/// What others tell a session.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    cancelled: AtomicBool,
    terminated: AtomicBool,
    notify: Notify,
}

impl Signal {
    /// The statement is to end; told once.
    pub(crate) fn take_cancelled(&self) -> bool {
        self.cancelled.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    /// Until something is told, or was and has not been heard.
    pub(crate) async fn told(&self) {
        self.notify.notified().await;
    }
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, by their numbers.
    pub fn list(&self) -> Vec<Activity> {
        self.state().sessions.values().map(|(activity, _)| activity.clone()).collect()
    }

    pub(crate) fn join(
        &self,
        now: Timestamp,
        database: &str,
        user: &str,
        application: &str,
        secret: i32,
    ) -> (i32, Arc<Signal>) {
        let mut state = self.state();
        state.last = state.last.max(FIRST) + 1;
        let pid = state.last;
        let activity = Activity {
            pid,
            database: database.to_owned(),
            user: user.to_owned(),
            application: application.to_owned(),
            begun: now,
            transaction: None,
            asked: None,
            changed: now,
            state: "idle",
            query: String::new(),
            secret,
        };
        let signal = Arc::new(Signal::default());
        state.sessions.insert(pid, (activity, signal.clone()));
        (pid, signal)
    }

    /// The number of the transaction that this session is in; it gets one if it has none.
    pub(crate) fn transaction(&self, pid: i32) -> i64 {
        let transactions = &mut self.state().transactions;
        let last = &mut transactions.last;
        *transactions.open.entry(pid).or_insert_with(|| {
            *last = (*last).max(FIRST_TRANSACTION) + 1;
            *last
        })
    }

    /// This session's transaction is over.
    pub(crate) fn end_transaction(&self, pid: i32, committed: bool) {
        let transactions = &mut self.state().transactions;
        if let Some(number) = transactions.open.remove(&pid) {
            transactions.ended.insert(number, committed);
        }
    }

    /// What became of a transaction, as `txid_status` says it; `None` if there was none of this number yet.
    pub(crate) fn fate(&self, number: i64) -> Option<&'static str> {
        let transactions = &self.state().transactions;
        match transactions.ended.get(&number) {
            Some(true) => Some("committed"),
            Some(false) => Some("aborted"),
            None if transactions.open.values().any(|open| *open == number) => Some("in progress"),
            None => None,
        }
    }

    /// The number of a database.
    pub(crate) fn database_number(&self, name: &str) -> i64 {
        let state = &mut *self.state();
        if let Some(number) = state.databases.get(name) {
            return *number;
        }
        state.last_database = state.last_database.max(FIRST_DATABASE) + 1;
        state.databases.insert(name.to_owned(), state.last_database);
        state.last_database
    }

    /// The database is called otherwise, or is gone.
    pub(crate) fn renamed(&self, name: &str, new: Option<&str>) {
        let number = self.database_number(name);
        let state = &mut *self.state();
        state.databases.remove(name);
        if let Some(new) = new {
            state.databases.insert(new.to_owned(), number);
        }
    }

    pub(crate) fn leave(&self, pid: i32) {
        self.end_transaction(pid, false);
        let mut state = self.state();
        state.sessions.remove(&pid);
        state.locks.retain(|_, (holder, _)| *holder != pid);
    }

    pub(crate) fn change(&self, pid: i32, change: impl FnOnce(&mut Activity)) {
        if let Some((activity, _)) = self.state().sessions.get_mut(&pid) {
            change(activity);
        }
    }

    /// Ends what a session does; gives whether there is one.
    pub fn cancel(&self, pid: i32) -> bool {
        self.tell(pid, |signal| &signal.cancelled)
    }

    /// Ends a session; gives whether there is one.
    pub fn terminate(&self, pid: i32) -> bool {
        self.tell(pid, |signal| &signal.terminated)
    }

    /// Ends all sessions: the server goes down.
    pub fn terminate_all(&self) {
        let pids: Vec<i32> = self.state().sessions.keys().copied().collect();
        for pid in pids {
            self.terminate(pid);
        }
    }

    fn tell(&self, pid: i32, what: impl Fn(&Signal) -> &AtomicBool) -> bool {
        let state = self.state();
        let Some((_, signal)) = state.sessions.get(&pid) else { return false };
        what(signal).store(true, Ordering::SeqCst);
        signal.notify.notify_one();
        true
    }

    /// A client cancels by the secret that it was given.
    pub(crate) fn cancel_by(&self, pid: i32, secret: i32) {
        let known = self.state().sessions.get(&pid).is_some_and(|(activity, _)| activity.secret == secret);
        if known {
            self.cancel(pid);
        }
    }

    /// Takes an advisory lock, if nobody else holds it.
    pub(crate) fn lock(&self, pid: i32, key: i64) -> bool {
        let mut state = self.state();
        let (holder, times) = state.locks.entry(key).or_insert((pid, 0));
        let free = *holder == pid;
        *times += usize::from(free);
        free
    }

    pub(crate) fn unlock(&self, pid: i32, key: i64) -> bool {
        let mut state = self.state();
        match state.locks.get_mut(&key) {
            Some((holder, times)) if *holder == pid => {
                *times -= 1;
                if *times == 0 {
                    state.locks.remove(&key);
                }
                true
            }
            _ => false,
        }
    }
}
