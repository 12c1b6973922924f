//! A cluster behind HTTP: requests in, answers and streams out, time passing between them.
//! It knows hyper and the clock it is given; what is answered is the cluster's.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::{BoxFuture, Either, select};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::Notify;

use crate::channel;
use crate::cluster::Cluster;
use crate::reply::Reply;
use crate::time::Time;

/// The body of every answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// A shared cluster with a clock. Cheap to clone.
#[derive(Clone)]
pub struct Simulator {
    cluster: Arc<Mutex<Cluster>>,
    time: Arc<dyn Time>,
    /// Something was asked or sent: the next timer may be another.
    asked: Arc<Notify>,
}

impl Simulator {
    pub fn new(cluster: Cluster, time: Arc<dyn Time>) -> Self {
        Self { cluster: Arc::new(Mutex::new(cluster)), time, asked: Arc::new(Notify::new()) }
    }

    /// The same cluster once more, with another clock that shows the same time.
    #[must_use]
    pub fn fork(&self, time: Arc<dyn Time>) -> Self {
        Self::new(self.locked().fork(), time)
    }

    /// Lets the cluster live: wakes it whenever one of its timers is due. Runs until dropped.
    pub async fn drive(&self) {
        loop {
            let next = self.locked().next_timer();
            let asked = Box::pin(self.asked.notified());
            match next {
                None => asked.await,
                Some(next) => {
                    let due = self.time.sleep_until(next);
                    if let Either::Left(_) = select(due, asked).await {
                        // Taking the lock lets the time pass.
                        drop(self.locked());
                    }
                }
            }
        }
    }

    /// All objects: for comparing before and after.
    pub fn snapshot(&self) -> BTreeMap<String, Value> {
        self.locked().snapshot()
    }

    /// The cluster itself, at the present time.
    pub fn with<T>(&self, f: impl FnOnce(&mut Cluster) -> T) -> T {
        let result = f(&mut self.locked());
        self.asked.notify_one();
        result
    }

    /// Answers one request. An upgrade goes on in a task of the current runtime.
    pub async fn answer<B>(&self, mut request: Request<B>) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let upgrade =
            request.headers().contains_key(http::header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            // The client broke off; nobody reads the answer.
            Err(why) => return plain(400, format!("cannot read the request: {why}")),
        };
        let key = parts.headers.get("sec-websocket-key").cloned();
        let reply = self.with(|cluster| cluster.handle(Request::from_parts(parts, body)));
        match reply {
            Reply::Response(response) => response.map(|body| Full::new(body).boxed_unsync()),
            Reply::Later { until, response } => {
                self.time.sleep_until(until).await;
                response.map(|body| Full::new(body).boxed_unsync())
            }
            Reply::Stream { head, body } => {
                head.map(|()| StreamBody::new(body.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync())
            }
            Reply::Session { request, protocol, output } => match (upgrade, key) {
                (Some(upgrade), Some(key)) => {
                    let session = channel::Session { simulator: self.clone(), request, protocol, output };
                    tokio::spawn(session.run(upgrade));
                    channel::switching(key.as_bytes(), protocol).map(|()| Full::default().boxed_unsync())
                }
                _ => plain(400, "Upgrade request required".to_owned()),
            },
        }
    }

    fn locked(&self) -> MutexGuard<'_, Cluster> {
        // A panic while the lock was held is a failed test or rehearsal already; the state is still readable.
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.advance(self.time.now());
        cluster
    }
}

impl hyper::service::Service<Request<Incoming>> for Simulator {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let simulator = self.clone();
        Box::pin(async move { Ok(simulator.answer(request).await) })
    }
}

fn plain(code: u16, text: String) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    // The codes are the constants above.
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a valid status code");
    response
}

/// Another clock at `speed` times its pace, from `start` on.
pub struct Faster<T> {
    inner: Arc<T>,
    start: Timestamp,
    speed: f64,
}

impl<T: Time> Faster<T> {
    pub fn new(inner: T, speed: f64) -> Self {
        let start = inner.now();
        Self { inner: Arc::new(inner), start, speed }
    }
}

impl<T: Time + 'static> Time for Faster<T> {
    fn now(&self) -> Timestamp {
        self.start + scaled(self.inner.now() - self.start, self.speed)
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'static, ()> {
        self.inner.sleep_until(self.start + scaled(until - self.start, 1.0 / self.speed))
    }
}

fn scaled(span: jiff::Span, factor: f64) -> jiff::SignedDuration {
    let seconds = span.total(jiff::Unit::Second).unwrap_or(0.0) * factor;
    jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or(jiff::SignedDuration::MAX)
}
