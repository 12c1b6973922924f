//! Conversations in a protocol that is not HTTP: each passes the gate as one request, live and on an estate.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Request, StatusCode, Uri};
use opsrun_core::{
    BrokenLine, Connection, Cx, Declaration, Effect, Endpoint, Error, ErrorKind, Inverse, Line, Module,
    Primitive, Refusal, Result, Said, Simulator, Surroundings, System, Undo, Value,
};
use opsrun_derive::Args;
use opsrun_gate::{FaultRule, Gate, Grants, Route};
use opsrun_runtime::{Entry, Estate, EstateFile, MemoryJournal, Outcome, Registry, Run, Setup, World};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream};

/// Puts so much into the till, in place of what is in it, and gives what was in it.
#[derive(Deserialize, JsonSchema, Args)]
struct Fill {
    /// The till.
    #[arg(positional)]
    till: String,
    /// How much.
    #[arg(positional)]
    amount: i64,
}

impl Primitive for Fill {
    const PATH: &'static str = "till::fill";
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By("till::fill");
    type Out = i64;

    async fn run(self, cx: &Cx) -> Result<i64> {
        let before = say(cx, &self.till, "GET", "sum".to_owned()).await?;
        let back = json!({ "till": self.till, "amount": before });
        let _ = cx.undo(Inverse::call("till::fill", back)).await?;
        say(cx, &self.till, "POST", format!("fill {}", self.amount)).await?;
        Ok(before)
    }
}

/// Says a line, and gives the number that is answered.
async fn say(cx: &Cx, till: &str, method: &str, line: String) -> Result<i64> {
    let to = Arc::new(Endpoint::from(till.parse::<Uri>().unwrap()));
    let request = Request::builder().method(method).uri("/main").body(()).unwrap();
    let answer: Result<i64, String> = cx.talk("till", &to, request, |way| exchange(way, line)).await?;
    answer.map_err(|said| Error::failed(format!("the till says `{said}`")))
}

async fn exchange(line: Line, said: String) -> Result<Said<Result<i64, String>>, BrokenLine> {
    let broken =
        |sent| move |error: std::io::Error| BrokenLine { sent, error: Error::failed(error.to_string()) };
    let mut connection = line.connect().await.map_err(broken(false))?;
    connection.write_all(format!("{said}\n").as_bytes()).await.map_err(broken(true))?;
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer).await.map_err(broken(true))?;
    Ok(match answer.trim().parse() {
        Ok(number) => Said { status: StatusCode::OK, value: Ok(number) },
        Err(_) => Said { status: StatusCode::BAD_REQUEST, value: Err(answer.trim().to_owned()) },
    })
}

/// The till's side.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, sum: Arc<Mutex<i64>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let said = match line.trim().split_once(' ') {
            Some(("fill", amount)) => match amount.parse::<i64>().unwrap() {
                debt if debt < 0 => "no debts".to_owned(),
                amount => std::mem::replace(&mut *sum.lock().unwrap(), amount).to_string(),
            },
            _ => sum.lock().unwrap().to_string(),
        };
        stream.write_all(format!("{said}\n").as_bytes()).await.unwrap();
        line.clear();
    }
}

struct Till;

static PRIMITIVES: &[Declaration] = &[Declaration::of::<Fill>()];
static MODULES: &[Module] = &[Module { path: "till", doc: "A till.", primitives: PRIMITIVES }];
static REGISTRY: Registry = Registry::new(&[&Till]);

impl System for Till {
    fn name(&self) -> &'static str {
        "till"
    }

    fn modules(&self) -> &'static [Module] {
        MODULES
    }

    fn refusal(&self, _: StatusCode, _: &opsrun_core::Access) -> Refusal {
        Refusal { content_type: "text/plain", body: "closed".into() }
    }

    fn simulator(&self, _: Option<&Value>, _: &Surroundings) -> Result<Option<Arc<dyn Simulator>>> {
        Ok(Some(Arc::new(SimulatedTill(Arc::default()))))
    }
}

struct SimulatedTill(Arc<Mutex<i64>>);

impl Simulator for SimulatedTill {
    fn connect(&self, system: &str, _: &Uri) -> Option<DuplexStream> {
        let (near, far) = tokio::io::duplex(1024);
        tokio::spawn(answer(far, self.0.clone()));
        (system == "till").then_some(near)
    }

    fn snapshot(&self) -> BTreeMap<String, Value> {
        BTreeMap::from([("sum".to_owned(), json!(*self.0.lock().unwrap()))])
    }
}

/// Fills the till of an estate with 5, and then with `then`; gives how that ended, the writes' outcomes, and what is in it.
fn on_an_estate(fault: Option<&str>, then: i64) -> (Outcome, Vec<String>, Value) {
    let file = EstateFile::default();
    let world = World::simulated(file.start).unwrap();
    let estate = Estate::start(&file, REGISTRY, &world, 1).unwrap();
    let gate = Gate::new(
        REGISTRY.systems(),
        Grants::new(vec!["till".parse().unwrap()]),
        world.clock(),
        estate.route(),
    );
    gate.set_faults(fault.iter().map(|rule| rule.parse::<FaultRule>().unwrap()).collect());
    let journal = Arc::new(MemoryJournal::default());
    let run = Run::new(Setup { journal: journal.clone(), ..Setup::new(REGISTRY, world, gate) });
    let outcome = run.execute("test".into(), |branch| {
        let fill = |amount| branch.call(&PRIMITIVES[0], json!({ "till": "till://main:7", "amount": amount }));
        fill(5)?;
        fill(then)
    });
    let writes = journal.records().into_iter().filter_map(|record| match record.entry {
        Entry::WriteIntent { access, .. } => Some(access.to_string()),
        Entry::WriteOutcome { outcome, .. } => Some(format!("{outcome:?}")),
        _ => None,
    });
    (outcome.unwrap(), writes.collect(), estate.snapshot()["till sum"].clone())
}

#[test]
fn a_conversation_is_one_request_to_the_journal() {
    let (outcome, writes, sum) = on_an_estate(None, 7);
    assert!(matches!(&outcome, Outcome::Done(value) if *value == json!(5)), "{outcome:?}");
    assert_eq!(writes, ["till POST main", "Status(200)", "till POST main", "Status(200)"]);
    assert_eq!(sum, json!(7));
}

#[test]
fn what_the_server_refuses_has_changed_nothing_and_is_not_taken_back() {
    let (outcome, writes, sum) = on_an_estate(None, -1);
    assert_eq!(outcome.error().unwrap().report().lines().next(), Some("the till says `no debts`"));
    assert_eq!(writes[2..4], ["till POST main", "Status(400)"]);
    assert_eq!((writes.len(), sum), (6, json!(0)), "{writes:?}");
}

#[test]
fn faults_strike_a_conversation_as_a_whole() {
    for (fault, said, outcome_of_write) in [
        ("till POST: refused after 1", "connection refused (injected fault)", "NotSent("),
        ("till POST: lost after 1", "connection lost before the request arrived", "Lost("),
        ("till POST: lost-answer after 1", "connection lost before the answer came", "Lost("),
        ("till POST: 503 after 1", "till://main:7 answered: closed", "Status(503)"),
        ("till POST: 403 after 1", "till://main:7 answered: closed", "Status(403)"),
    ] {
        let (outcome, writes, sum) = on_an_estate(Some(fault), 7);
        let error = outcome.error().unwrap();
        assert!(error.report().contains(said), "{fault}: {}", error.report());
        assert_eq!(error.kind() == ErrorKind::Forbidden, fault.contains("403"), "{fault}");
        assert!(writes[3].starts_with(outcome_of_write), "{fault}: {writes:?}");
        assert_eq!(sum, json!(0), "{fault}: taken back");
        let certain = ["NotSent(", "Status(403)"].contains(&outcome_of_write);
        assert_eq!(
            writes.len(),
            if certain { 6 } else { 8 },
            "what may have been done is taken back: {writes:?}"
        );
    }
    let (outcome, ..) = on_an_estate(Some("till POST: slow 1m"), 7);
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

#[test]
fn a_real_server_is_talked_to_over_the_network() {
    let sum = Arc::new(Mutex::new(3));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let till = format!("till://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let heard = sum.clone();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            for _ in 0..2 {
                let (stream, _) = listener.accept().await.unwrap();
                answer(Connection::new(stream), heard.clone()).await;
            }
        });
    });
    let fill = |till: &str| {
        let world = World::live();
        let grants = Grants::new(vec!["till".parse().unwrap()]);
        let gate = Gate::new(REGISTRY.systems(), grants, world.clock(), Route::live());
        let run = Run::new(Setup::new(REGISTRY, world.clone(), gate));
        let arguments = json!({ "till": till, "amount": 9 });
        run.execute("test".into(), |branch| branch.call(&PRIMITIVES[0], arguments)).unwrap()
    };
    let outcome = fill(&till);
    assert!(matches!(&outcome, Outcome::Done(value) if *value == json!(3)), "{outcome:?}");
    serving.join().unwrap();
    assert_eq!(*sum.lock().unwrap(), 9);
    let error = fill(&till).error().unwrap().report();
    assert!(error.contains("refused"), "{error}");
}
