use opsrun_core::{Cx, Effect, Error, ErrorKind, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::postgres::access::Asked;
use crate::postgres::client::{Client, Mode};
use crate::postgres::sessions::{self, Filter, Open};

/// Ends sessions of a server: what they have not committed is rolled back.
///
/// At least one filter is needed; a session that has all of what is said is ended. It waits until they are gone.
///
/// ```rhai
/// let ended = postgres::terminate(#{ state: "idle in transaction", transaction_longer_than: 15.m });
/// for session in ended { log(`ended ${session.user} of ${session.application}`); }
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Terminate {
    /// Only the session of this number.
    pid: Option<i64>,
    /// Only of this user.
    user: Option<String>,
    /// Only of this application.
    application: Option<String>,
    /// Only to this database.
    of_database: Option<String>,
    /// Only in this state: `active`, `idle`, `idle in transaction`.
    state: Option<String>,
    /// Only with a transaction that has been open for longer.
    transaction_longer_than: Option<Span>,
    /// One of the target's servers, by name; its own if left out.
    server: Option<String>,
    /// Another database of the server than the target's.
    database: Option<String>,
}

/// A session that was ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ended {
    pid: i64,
    user: Option<String>,
    database: Option<String>,
    application: String,
}

const GONE_WITHIN: Span = Span::from_secs(30);
const EVERY: Span = Span::from_millis(200);

impl Primitive for Terminate {
    const PATH: &'static str = "postgres::terminate";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo =
        Undo::Never("whoever had a session opens another one, and does again what was rolled back");
    type Out = Vec<Ended>;

    async fn run(self, cx: &Cx) -> Result<Vec<Ended>> {
        let client = Client::new(cx, self.server.as_deref(), self.database.as_deref()).await?;
        let filter = Filter {
            pid: self.pid,
            user: self.user,
            application: self.application,
            database: self.of_database,
            state: self.state,
            transaction_longer_than: self.transaction_longer_than,
        };
        filter.needed()?;
        let meant = sessions::open(&client, &filter).await?;
        if !meant.is_empty() {
            end(&client, &meant).await?;
        }
        Ok(meant.into_iter().map(Ended::from).collect())
    }
}

/// Ends these sessions, and waits until they are gone.
///
/// # Errors
/// Those of the first that may not be ended; `Timeout`.
async fn end(client: &Client, meant: &[Open]) -> Result<()> {
    let pids: Vec<i64> = meant.iter().map(|session| session.pid).collect();
    let ending = pids.clone();
    let asked = Asked::write("terminate", client.database());
    let ended = client.converse(Mode::Alone, asked, |session| {
        Box::pin(async move {
            for pid in ending {
                session.committed = true;
                session.extended("select pg_terminate_backend($1)", &[json!(pid)], None).await?;
            }
            Ok(())
        })
    });
    ended.await?;
    let gone = client.cx().wait(GONE_WITHIN, EVERY, || async {
        let open = sessions::open(client, &Filter::default()).await?;
        Ok((!open.iter().any(|session| pids.contains(&session.pid))).then_some(()))
    });
    match gone.await? {
        Some(()) => Ok(()),
        None => {
            let data: Vec<Value> = pids.iter().map(|pid| json!(pid)).collect();
            Err(Error::new(
                ErrorKind::Timeout,
                format!("sessions are still there {GONE_WITHIN} after they were ended"),
            )
            .data(json!({ "pids": data })))
        }
    }
}

impl From<Open> for Ended {
    fn from(session: Open) -> Self {
        Ended {
            pid: session.pid,
            user: session.user,
            database: session.database,
            application: session.application,
        }
    }
}
