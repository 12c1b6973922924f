//! What a sync costs beside `aws`, `s5cmd` and `rclone`, in turn, on a server of this machine that keeps objects in files: many small
//! files up, the same again, one large file up and down; and a listing of a million keys. Goals that are missed are said, and are no
//! failure. What is not installed is left out. Run with `cargo bench -p opsrun-tests --bench sync`.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod memory;
mod timing;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use memory::memory;
use opsrun_tests::{Opsrun, Program, aws, rclone, s5cmd};
use timing::{Samples, Took, load, shown, timed};

const FILES: usize = 2_000;
const SIZE: usize = 20 << 10;
const LARGE: usize = 1 << 30;
const ROUNDS: usize = 3;

const ACCESS_KEY: &str = "AKIABENCHBENCHBENCH1";
const SECRET_KEY: &str = "a-secret-of-the-benchmark";
/// Where the server that this program starts keeps its objects.
const SERVES: &str = "OPSRUN_BENCH_SERVES";

const PLAYBOOK: &str = r#"
let from = param("from", #{ help: "from where" });
let to = param("to", #{ help: "to where" });
let done = s3::sync(from, to);
log(`${done.copied} copied, ${done.unchanged} unchanged`);
"#;

fn main() {
    if let Some(folder) = std::env::var_os(SERVES) {
        return serve(Path::new(&folder));
    }
    let opsrun = Opsrun::program();
    println!("load {}", load());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let server = Server::start(folder.path());
    let bench = Bench::new(&server, folder.path(), opsrun);
    bench.many();
    bench.one();
    bench.listed();
    println!("load {}", load());
}

/// Lists all that is below a prefix, and tells how much it is.
const LISTING: &str = r#"
let found = s3::list(param("at", #{ help: "what" }), #{ limit: 10 });
log(`${found.count} objects, ${found.size} bytes`);
"#;
/// A bucket of as many objects as the prefix says, which are nowhere: listing them is not to cost the server anything.
const LISTED: &str = "/listed";
const PAGE: usize = 1_000;

/// A tool and how it is told to sync.
struct Tool {
    name: &'static str,
    program: Program,
    words: fn(&str, &str) -> Vec<String>,
}

struct Bench {
    /// Where all tools start.
    base: PathBuf,
    tools: Vec<Tool>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Bench {
    fn new(server: &Server, folder: &Path, opsrun: Program) -> Self {
        std::fs::write(folder.join("sync.rhai"), PLAYBOOK).expect("it can be written to");
        let target = format!(
            "default-target = \"bench\"\ngrants = [\"aws\", \"file\"]\n\n[targets.bench.aws]\nregion = \"us-east-1\"\nendpoint = \"{}\"\n",
            server.endpoint()
        );
        std::fs::write(folder.join("opsrun.toml"), target).expect("it can be written to");
        let keys = |program: Program| {
            let program =
                program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
            program.env("AWS_DEFAULT_REGION", "us-east-1").within(folder)
        };
        let opsrun = keys(opsrun).trusting(folder.join("sync.rhai"));
        let mut tools = vec![Tool {
            name: "opsrun",
            program: opsrun,
            words: |from, to| words(&["sync.rhai", "--from", from, "--to", to]),
        }];
        let mut add = |found: Result<Tool, opsrun_tests::Missing>| match found {
            Ok(tool) => tools.push(tool),
            Err(missing) => println!("skipped: needs {missing}"),
        };
        let endpoint = server.endpoint();
        add(aws().map(|program| Tool {
            name: "aws",
            program: keys(program).env("AWS_ENDPOINT_URL", &endpoint),
            words: |from, to| words(&["s3", "sync", from, to, "--only-show-errors"]),
        }));
        add(s5cmd().map(|program| Tool {
            name: "s5cmd",
            program: keys(program).env("S3_ENDPOINT_URL", &endpoint),
            words: |from, to| words(&["sync", &format!("{from}/*"), &format!("{to}/")]),
        }));
        add(rclone().map(|program| {
            let program = keys(program)
                .env("RCLONE_CONFIG_S_TYPE", "s3")
                .env("RCLONE_CONFIG_S_PROVIDER", "Other")
                .env("RCLONE_CONFIG_S_ENV_AUTH", "true")
                .env("RCLONE_CONFIG_S_FORCE_PATH_STYLE", "true")
                .env("RCLONE_CONFIG_S_ENDPOINT", &endpoint);
            Tool {
                name: "rclone",
                program,
                // Without the `/` it asks for an object of that name, and this server answers 500.
                words: |from, to| {
                    let remote = |place: &str| place.replacen("s3://", "s:", 1) + "/";
                    words(&["sync", &remote(from), &remote(to), "--transfers", "32", "--checkers", "32"])
                },
            }
        }));
        Bench { base: folder.to_owned(), tools }
    }

    /// Each in turn: first, and once more with nothing to do.
    fn many(&self) {
        let files = self.base.join("files");
        for number in 0..FILES {
            let path = files.join(format!("{:02}", number % 40)).join(format!("{number:05}.bin"));
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder can be made");
            let content: Vec<u8> = (0..SIZE).map(|at| (at * 31 + number * 7) as u8).collect();
            std::fs::write(path, content).expect("it can be written to");
        }
        println!("{FILES} files of {} KiB up, {ROUNDS} rounds, each tool in turn", SIZE >> 10);
        let (mut first, mut again) = (self.samples(), self.samples());
        for round in 0..ROUNDS {
            for turn in 0..self.tools.len() {
                let at = (round + turn) % self.tools.len();
                let to = self.bucket(round, at);
                first[at].add(self.sync(at, "files", &to));
                again[at].add(self.sync(at, "files", &to));
            }
        }
        self.show(
            "first",
            &first,
            "cpu at most a third of aws and below rclone; wall at most 1.1x the fastest",
        );
        self.show("unchanged", &again, "3x faster than aws");
    }

    fn one(&self) {
        let base = &self.base;
        std::fs::create_dir_all(base.join("large")).expect("a folder can be made");
        let content: Vec<u8> = (0..LARGE).map(|at| (at ^ (at >> 9)) as u8).collect();
        std::fs::write(base.join("large/one.bin"), content).expect("it can be written to");
        println!("one file of {} MiB, {ROUNDS} rounds, each tool in turn", LARGE >> 20);
        let (mut up, mut down) = (self.samples(), self.samples());
        for round in 0..ROUNDS {
            for turn in 0..self.tools.len() {
                let at = (round + turn) % self.tools.len();
                let to = self.bucket(100 + round, at);
                up[at].add(self.sync(at, "large", &to));
                let back = format!("back-{round}-{at}");
                down[at].add(self.sync(at, &to, &back));
                let size = std::fs::metadata(base.join(&back).join("one.bin")).map(|file| file.len());
                assert_eq!(size.ok(), Some(LARGE as u64), "{} did not bring it back", self.tools[at].name);
                std::fs::remove_dir_all(base.join(back)).expect("it can be removed");
                std::fs::remove_dir_all(objects(base).join(to.trim_start_matches("s3://")))
                    .expect("it can be removed");
            }
        }
        self.show("up", &up, "within 1.1x of s5cmd");
        self.show("down", &down, "within 1.1x of s5cmd");
    }

    /// Memory, and time, of going through few keys and through a million.
    fn listed(&self) {
        std::fs::write(self.base.join("list.rhai"), LISTING).expect("it can be written to");
        println!("a listing (goal: under 150 MB, and no more for a million keys)");
        for count in [PAGE, 1_000_000] {
            let at = format!("s3://listed/{count}/");
            let listing = words(&["list.rhai", "--at", &at]);
            let program = &self.tools[0].program;
            let (took, outcome) = timed(|| program.run(&listing));
            assert!(outcome.stdout.contains(&format!("{count} objects")), "{outcome}");
            let (wall, cpu) = (shown(took.wall), shown(took.cpu));
            println!("    {count:>9} keys: {wall}, cpu {cpu}, memory {}", memory(program, &listing));
        }
        let all = words(&["s3", "ls", "--recursive", "--summarize", "s3://listed/1000000/"]);
        if let Some(aws) = self.tools.iter().find(|tool| tool.name == "aws") {
            println!("    aws s3 ls of a million: memory {}", memory(&aws.program, &all));
        }
    }

    fn samples(&self) -> Vec<Samples> {
        self.tools.iter().map(|_| Samples::default()).collect()
    }

    /// A bucket of one tool's own; the server takes folders for buckets.
    fn bucket(&self, round: usize, at: usize) -> String {
        let name = format!("bench-{round}-{}", self.tools[at].name);
        std::fs::create_dir_all(objects(&self.base).join(&name)).expect("a folder can be made");
        format!("s3://{name}")
    }

    fn sync(&self, at: usize, from: &str, to: &str) -> Took {
        let tool = &self.tools[at];
        timed(|| tool.program.run((tool.words)(from, to)).ok()).0
    }

    fn show(&self, what: &str, samples: &[Samples], goal: &str) {
        let ours = &samples[0];
        println!("  {what} (goal: {goal})");
        for (tool, theirs) in self.tools.iter().zip(samples) {
            let (wall, cpu) = (ours.median() / theirs.median(), ours.cpu() / theirs.cpu());
            println!(
                "    {:<8}{theirs}; opsrun takes {wall:.2}x its wall time, {cpu:.2}x its cpu",
                tool.name
            );
        }
    }
}

fn objects(base: &Path) -> PathBuf {
    base.join("objects")
}

/// This program once more, as the server: what it uses is not counted.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let objects = objects(folder);
        std::fs::create_dir_all(&objects).expect("a folder can be made");
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .env(SERVES, objects)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts once more");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it was piped"))
            .read_line(&mut line)
            .expect("it says its port");
        Server { child, port: line.trim().parse().expect("it is a port") }
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("it ends with its input");
    }
}

fn serve(folder: &Path) {
    let objects = s3s_fs::FileSystem::new(folder).expect("the folder is there");
    let mut service = s3s::service::S3ServiceBuilder::new(objects);
    service.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    std::thread::spawn(|| {
        // Until whoever started it is gone.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        println!("{}", listener.local_addr().expect("it is bound").port());
        loop {
            let (stream, _) = listener.accept().await.expect("it listens");
            // Else small answers wait 40 ms.
            stream.set_nodelay(true).expect("it is a connection");
            let service = service.clone();
            tokio::spawn(async move {
                let server =
                    hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                let answer = service_fn(move |request: Request<Incoming>| {
                    let service = service.clone();
                    async move {
                        match page(request.uri()) {
                            Some(page) => Ok(Response::new(s3s::Body::from(page))),
                            None => hyper::service::Service::call(&service, request).await,
                        }
                    }
                });
                // Who hangs up ends the connection, and that is all.
                let _ = server.serve_connection(hyper_util::rt::TokioIo::new(stream), answer).await;
            });
        }
    });
}

/// A page of the bucket of objects that are nowhere.
fn page(uri: &Uri) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    if uri.path().trim_end_matches('/') != LISTED || !query.contains("list-type=2") {
        return None;
    }
    let part = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)).unwrap_or_default();
    let prefix = part("prefix=").trim_end_matches("%2F");
    let count: usize = prefix.parse().expect("the prefix is a number");
    let from: usize = part("continuation-token=").parse().unwrap_or(0);
    let to = count.min(from + PAGE);
    let mut page = String::from(r#"<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    let _ = write!(page, "<Name>listed</Name><Prefix>{prefix}/</Prefix><MaxKeys>{PAGE}</MaxKeys>");
    let _ = write!(page, "<KeyCount>{}</KeyCount><IsTruncated>{}</IsTruncated>", to - from, to < count);
    if to < count {
        let _ = write!(page, "<NextContinuationToken>{to}</NextContinuationToken>");
    }
    for number in from..to {
        let _ = write!(
            page,
            "<Contents><Key>{prefix}/{number:09}.bin</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>&quot;00000000000000000000000000000000&quot;</ETag><Size>{SIZE}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        );
    }
    page.push_str("</ListBucketResult>");
    Some(page)
}
