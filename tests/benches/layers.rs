//! What opsrun's own layers add to the work they stand around: the gate to a request, the journal to a write's fsync.
//! Run with `cargo bench -p opsrun-tests --bench layers`; a goal that is missed is said, and is no failure.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod timing;

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opsrun_core::{Access, Call, CallId, Cx, Effect, Endpoint, Tls};
use opsrun_runtime::{Entry, FileJournal, Journal, Launch, Project, Record, Registry, Run, Unwatched};
use timing::{Samples, load, shown, timed};
use tokio::net::TcpListener;

const REQUESTS: usize = 5000;
const WRITES: usize = 300;
/// So many writes are under way at a time when objects are applied.
const IN_FLIGHT: usize = 16;
const PATH: &str = "/api/v1/namespaces/prod/configmaps/settings";

static REGISTRY: Registry = Registry::new(&[&opsrun_k8s::Kubernetes]);

fn main() {
    let mut launch = Launch::new(REGISTRY, Project::default());
    launch.allow = vec!["k8s".parse().expect("a grant")];
    let run = launch.looking(Arc::new(Unwatched)).expect("a run");
    println!("load {}", load());
    the_gate_beside_a_bare_request(&run);
    the_journal_beside_a_bare_fsync(&run);
    println!("load {}", load());
}

fn the_gate_beside_a_bare_request(run: &Arc<Run>) {
    let uri: Uri = format!("http://{}", block_on(run, serve())).parse().expect("an address");
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let endpoint = Arc::new(Endpoint { uri: uri.clone(), tls: Tls::default(), socket: None });
    let cx = Cx::new(Arc::new(reading()), run.clone());
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..REQUESTS {
        let request = Request::get(format!("{uri}{}", &PATH[1..])).body(Empty::new()).expect("a request");
        bare.add(
            timed(|| block_on(run, async { whole(client.request(request).await.expect("an answer")).await }))
                .0,
        );
        let request = Request::get(PATH).body(opsrun_core::body(Empty::new())).expect("a request");
        let sent = async { whole(cx.send("k8s", &endpoint, request).await.expect("an answer")).await };
        ours.add(timed(|| block_on(run, sent)).0);
    }
    println!("a request, {REQUESTS} each in turn");
    println!("  bare client    {bare}");
    println!("  the gate       {ours}");
    println!("  difference     {} (goal: 30 us)", shown(ours.median() - bare.median()));
}

fn the_journal_beside_a_bare_fsync(run: &Arc<Run>) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let journal =
        FileJournal::create(folder.path(), "bench", Arc::default(), Arc::default()).expect("a journal");
    let mut file = File::create(folder.path().join("bare")).expect("it can be made");
    let record = Record { at: run.now(), entry: Entry::WriteIntent { call: 1, write: 1, access: patch() } };
    let line = serde_json::to_string(&record).expect("it is JSON") + "\n";
    let (mut ours, mut bare, mut together) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..WRITES {
        bare.add(
            timed(|| file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).expect("it is written"))
                .0,
        );
        ours.add(timed(|| block_on(run, journal.append(&record, true)).expect("it is written")).0);
        let many = (0..IN_FLIGHT).map(|_| journal.append(&record, true));
        together.add(timed(|| block_on(run, try_join_all(many)).expect("they are written")).0);
    }
    println!("a durable record, {WRITES} each in turn");
    println!("  bare fsync     {bare}");
    println!("  the journal    {ours}");
    println!("  {IN_FLIGHT} at a time   {together}");
    println!("  difference     {} (goal: 1 ms)", shown(ours.median() - bare.median()));
}

fn block_on<T>(run: &Arc<Run>, future: impl Future<Output = T>) -> T {
    run.block_on(future).expect("a live run waits")
}

async fn whole(answer: Response<Incoming>) -> Bytes {
    answer.into_body().collect().await.expect("the whole answer").to_bytes()
}

/// Serves a short answer to every request for as long as the run's runtime lives.
async fn serve() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            connection.set_nodelay(true).expect("a TCP option");
            let answer = service_fn(|_: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), answer));
        }
    });
    address
}

fn reading() -> Call {
    Call::reading(CallId(1), "k8s::get", Arc::default())
}

fn patch() -> Access {
    Access {
        system: "k8s".into(),
        verb: "patch".into(),
        resource: "configmaps".into(),
        name: Some("settings".into()),
        namespace: Some("prod".into()),
        effect: Effect::Write,
    }
}
