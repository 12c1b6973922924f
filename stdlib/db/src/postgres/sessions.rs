//! Sessions of a server, as `pg_stat_activity` shows them.

use opsrun_core::{Error, Result, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::postgres::client::Client;

/// A session.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Open {
    pub(crate) pid: i64,
    pub(crate) database: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) application: String,
    /// The address that it comes from; of a Unix socket, none.
    pub(crate) client: Option<String>,
    /// `active`, `idle`, `idle in transaction` …; of others it may not be shown.
    pub(crate) state: Option<String>,
    /// How long its transaction has been open.
    pub(crate) transaction_seconds: Option<f64>,
    /// What it waits for, such as `Lock`.
    pub(crate) waits_for: Option<String>,
    /// Its last statement, or the present one; the first 200 letters.
    pub(crate) query: Option<String>,
}

/// Which sessions are meant: those that have all of what is said.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) pid: Option<i64>,
    pub(crate) user: Option<String>,
    pub(crate) application: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) transaction_longer_than: Option<Span>,
}

impl Filter {
    /// # Errors
    /// `Invalid` if it says nothing.
    pub(crate) fn needed(&self) -> Result<()> {
        let texts = [&self.user, &self.application, &self.database, &self.state];
        let says = self.pid.is_some()
            || self.transaction_longer_than.is_some()
            || texts.iter().any(|text| text.is_some());
        match says {
            true => Ok(()),
            false => Err(Error::invalid("nothing says which sessions are meant").hint(
                "name them by `pid`, `user`, `application`, `of_database`, `state` or `transaction_longer_than`",
            )),
        }
    }

    fn takes(&self, session: &Open) -> bool {
        let same = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        let age = session.transaction_seconds;
        self.pid.is_none_or(|pid| pid == session.pid)
            && same(&self.user, session.user.as_deref())
            && same(&self.application, Some(&session.application))
            && same(&self.database, session.database.as_deref())
            && same(&self.state, session.state.as_deref())
            && self
                .transaction_longer_than
                .is_none_or(|span| age.is_some_and(|age| age > span.duration().as_secs_f64()))
    }
}

/// The sessions of clients, but for the one that asks, those first that have been there longest.
pub(crate) async fn open(client: &Client, filter: &Filter) -> Result<Vec<Open>> {
    let asked = "select pid, datname as database, usename as user, application_name as application, host(client_addr) as client, \
                 state, extract(epoch from now() - xact_start)::float8 as transaction_seconds, wait_event_type as waits_for, \
                 left(query, 200) as query from pg_stat_activity \
                 where backend_type = 'client backend' and pid <> pg_backend_pid() and ($1::int is null or pid = $1::int) \
                 order by backend_start, pid";
    let sessions: Vec<Open> = client.rows(asked, vec![json!(filter.pid)]).await?;
    Ok(sessions.into_iter().filter(|session| filter.takes(session)).collect())
}
