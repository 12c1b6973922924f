//! Servers on a free port of this machine, for as long as a value lives: `s3s-fs`, which keeps objects in files, and an estate's AWS.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper_util::rt::{TokioExecutor, TokioIo};
use opsrun_core::Simulator;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

pub(crate) const ACCESS_KEY: &str = "AKIATESTTESTTESTTEST";
pub(crate) const SECRET_KEY: &str = "a-secret-of-the-tests";

/// What does not arrive as it was sent.
pub(crate) const FRAGILE: &str = "handle with care";

/// A server in a thread of its own.
pub(crate) struct Served {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// It has the objects, and goes last.
    folder: Option<TempDir>,
}

impl Served {
    pub(crate) fn in_files() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let objects = s3s_fs::FileSystem::new(folder.path()).unwrap();
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let mut served = Self::start(move |stream| {
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                // Who hangs up ends the connection, and that is all.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        });
        served.folder = Some(folder);
        served
    }

    pub(crate) fn estate(simulator: Arc<dyn Simulator>) -> Self {
        Self::start(move |mut stream| {
            let anywhere = "https://amazonaws.com".parse().unwrap();
            let mut inside = simulator.connect("aws", &anywhere).unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut inside).await;
            });
        })
    }

    /// The same, where answers arrive otherwise than they were sent.
    pub(crate) fn spoiling(simulator: Arc<dyn Simulator>) -> Self {
        Self::start(move |stream| {
            let anywhere = "https://amazonaws.com".parse().unwrap();
            let (mut from_inside, mut to_inside) =
                tokio::io::split(simulator.connect("aws", &anywhere).unwrap());
            let (mut from_outside, mut to_outside) = stream.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_outside, &mut to_inside).await });
            tokio::spawn(async move {
                let mut chunk = vec![0; 64 << 10];
                while let Ok(length @ 1..) = from_inside.read(&mut chunk).await {
                    if let Some(at) =
                        chunk[..length].windows(FRAGILE.len()).position(|seen| seen == FRAGILE.as_bytes())
                    {
                        chunk[at] ^= 1;
                    }
                    if to_outside.write_all(&chunk[..length]).await.is_err() {
                        break;
                    }
                }
            });
        })
    }

    fn start(serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let stream = tokio::select! {
                        accepted = listener.accept() => accepted.unwrap().0,
                        _ = &mut stopped => return,
                    };
                    stream.set_nodelay(true).unwrap();
                    serve(stream);
                }
            });
        });
        Served { port, stop: Some(stop), thread: Some(thread), folder: None }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.host())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        drop(self.folder.take());
    }
}
