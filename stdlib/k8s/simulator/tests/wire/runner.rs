//! Plays one scenario against a fresh cluster, on virtual time, and compares its answers with the recorded ones.

use bytes::Bytes;
use futures::channel::mpsc::UnboundedReceiver;
use http::{HeaderMap, Request, Response};
use jiff::SignedDuration;
use opsrun_k8s_simulator::images::ImageBehaviour;
use opsrun_k8s_simulator::reply::Reply;
use opsrun_k8s_simulator::{Cluster, ClusterOptions, EstateSection};
use serde_json::{Map, Value, json};

use crate::normalise::Normaliser;
use crate::pointer::{difference, drop, holds, lookup, sort};

/// The first difference of a scenario's answers from the recorded ones.
pub(crate) fn differs(scenario: &Value, answers: &Value) -> Option<String> {
    let mut runner = Runner::new();
    if let Err(why) = runner.set_up(scenario) {
        return Some(format!("setup: {why}"));
    }
    for step in scenario["steps"].as_array().expect("a scenario has steps") {
        let id = step["id"].as_str().expect("a step has an id");
        let got = match runner.step(step) {
            Ok(got) => got,
            Err(why) => return Some(format!("differs at step {id}: {why}")),
        };
        let recorded =
            answers["steps"].as_array().expect("answers have steps").iter().find(|a| a["id"] == id);
        let mut want = recorded.cloned().unwrap_or_else(|| json!({}));
        if let Some(map) = want.as_object_mut() {
            map.remove("id");
        }
        if let Some((at, want, have)) = difference(&want, &got, "") {
            let message = match (at.as_str(), got["body"]["message"].as_str()) {
                ("/status", Some(message)) => format!("; message {message}"),
                _ => String::new(),
            };
            return Some(format!("differs at step {id}: {at}, expected {want}, got {have}{message}"));
        }
    }
    None
}

const NAMESPACE: &str = "wire-abcdefgh";
/// What a request takes: as over HTTP, longer than the loops need to notice a change.
const REQUEST: SignedDuration = SignedDuration::from_millis(4);

/// The images that the scenarios run, as the cluster had them that was recorded.
fn images() -> Vec<ImageBehaviour> {
    let image = |name: &str, more: Value| {
        let mut image = json!({"match": name, "present": true, "start": "0s", "ready": "0s", "stop": null});
        for (key, value) in more.as_object().expect("an object") {
            image[key] = value.clone();
        }
        serde_json::from_value(image).expect("a behaviour")
    };
    let refused = "failed to do request: Head \"https://127.0.0.1:1/v2/none/manifests/1\": dial tcp 127.0.0.1:1: \
        connect: connection refused";
    vec![
        image("opsrun.test/web:*", json!({"ports": [8080], "http": {"/health": 200, "/index.html": 200}})),
        image("opsrun.test/shell:1", json!({"entrypoint": ["sh", "-c"]})),
        image("opsrun.test/pause:1", json!({"programs": [], "ports": [], "stop": "0s"})),
        image("opsrun.test/absent:1", json!({"present": false, "pull_error": "not found"})),
        image("127.0.0.1:1/*", json!({"present": false, "pull_error": refused})),
    ]
}

struct Runner {
    cluster: Cluster,
    node: String,
    variables: Vec<(String, String)>,
    watches: Vec<(String, Watch)>,
}

struct Watch {
    status: u16,
    headers: HeaderMap,
    body: Option<UnboundedReceiver<Bytes>>,
    partial: String,
    events: Vec<Value>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    doc: Value,
}

impl Runner {
    fn new() -> Self {
        let now = "2026-03-01T12:00:00Z".parse().expect("a time");
        let estate = EstateSection {
            images: images(),
            storage_class: None,
            metrics: false,
            ..EstateSection::default()
        };
        let mut cluster = Cluster::new(ClusterOptions { seed: 7, now, estate });
        cluster.advance(now + SignedDuration::from_secs(60));
        let mut runner =
            Self { cluster, node: "<no node>".to_owned(), variables: Vec::new(), watches: Vec::new() };
        runner.variables.push(("ns".to_owned(), NAMESPACE.to_owned()));
        runner
    }

    fn set_up(&mut self, scenario: &Value) -> Result<(), String> {
        let nodes = self.send(&json!({"method": "GET", "path": "/api/v1/nodes"}))?;
        if let Some(name) = nodes.doc["items"][0]["metadata"]["name"].as_str() {
            name.clone_into(&mut self.node);
        }
        if scenario["namespace"] == json!(false) {
            return Ok(());
        }
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let made = self.send(&json!({"method": "POST", "path": "/api/v1/namespaces", "body": body}))?;
        if made.status != 201 {
            return Err(format!("cannot create the namespace: {} {}", made.status, made.doc));
        }
        for what in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            let get = json!({"method": "GET", "path": format!("/api/v1/namespaces/{NAMESPACE}/{what}")});
            for _ in 0..200 {
                if self.send(&get)?.status == 200 {
                    break;
                }
                self.pass(SignedDuration::from_millis(100));
            }
        }
        Ok(())
    }

    fn pass(&mut self, time: SignedDuration) {
        let now = self.cluster.now() + time;
        self.cluster.advance(now);
        for (_, watch) in &mut self.watches {
            watch.read();
        }
    }

    fn step(&mut self, step: &Value) -> Result<Value, String> {
        if let Some(seconds) = step["sleep"].as_f64() {
            self.pass(SignedDuration::from_secs_f64(seconds));
        }
        let answer = match step.get("watch") {
            Some(watch) => self.watch(step, watch)?,
            None => self.ask(step)?,
        };
        let saved = step["save"].as_object().cloned().unwrap_or_else(Map::new);
        // An index of OpenAPI is JSON in a text.
        let source = match (&answer.doc, saved.is_empty()) {
            (Value::String(text), false) => serde_json::from_str(text).unwrap_or_else(|_| answer.doc.clone()),
            _ => answer.doc.clone(),
        };
        for (name, pointer) in saved {
            let pointer = pointer.as_str().expect("a pointer");
            let Some(value) = lookup(&source, pointer) else {
                return Err(format!(
                    "save: nothing at {pointer} in a {} answer: {:.300}",
                    answer.status, answer.doc
                ));
            };
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match self.variables.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => self.variables.push((name, value)),
            }
        }
        Ok(self.comparable(step, answer))
    }

    /// Sends a step's request, once or until its conditions hold.
    fn ask(&mut self, step: &Value) -> Result<Answer, String> {
        let Some(wait) = step.get("wait") else { return self.send(step) };
        let until = self.filled(&wait["until"])?;
        let until = until.as_array().expect("conditions").clone();
        let all =
            |answer: &Answer| until.iter().all(|condition| holds(condition, answer.status, &answer.doc));
        let end =
            self.cluster.now() + SignedDuration::from_secs_f64(wait["timeout"].as_f64().unwrap_or(60.0));
        loop {
            let mut answer = self.send(step)?;
            if all(&answer) {
                let Some(settle) = wait["settle"].as_f64() else { return Ok(answer) };
                self.pass(SignedDuration::from_secs_f64(settle));
                answer = self.send(step)?;
                if all(&answer) {
                    return Ok(answer);
                }
            }
            if self.cluster.now() > end {
                let bad = until.iter().find(|condition| !holds(condition, answer.status, &answer.doc));
                let bad = bad.cloned().unwrap_or_default();
                let seen = match bad["pointer"].as_str() {
                    Some(pointer) => {
                        lookup(&answer.doc, pointer).map_or("nothing".to_owned(), |v| v.to_string())
                    }
                    None => answer.status.to_string(),
                };
                return Err(format!("wait timed out: {bad}; last seen {seen:.300}"));
            }
            self.pass(SignedDuration::from_secs_f64(wait["interval"].as_f64().unwrap_or(0.25)));
        }
    }

    fn watch(&mut self, step: &Value, watch: &Value) -> Result<Answer, String> {
        let Some(name) = watch["collect"].as_str() else {
            let (status, headers, body) = match self.call(step)? {
                Reply::Stream { head, body } => (head.status().as_u16(), head.headers().clone(), Some(body)),
                Reply::Response(response) => (response.status().as_u16(), response.headers().clone(), None),
                _ => return Err("neither a stream nor an answer".to_owned()),
            };
            let mut opened =
                Watch { status, headers: headers.clone(), body, partial: String::new(), events: Vec::new() };
            opened.read();
            let name = watch["open"].as_str().expect("a watch is opened under a name").to_owned();
            self.watches.push((name, opened));
            return Ok(Answer { status, headers, doc: json!({}) });
        };
        let skip: Vec<Value> = watch["skip"].as_array().cloned().unwrap_or_default();
        let until = match watch.get("until") {
            Some(until) => self.filled(until)?.as_array().cloned(),
            None => None,
        };
        let wanted = watch["events"].as_u64().map(|n| usize::try_from(n).expect("a small number"));
        let end =
            self.cluster.now() + SignedDuration::from_secs_f64(watch["timeout"].as_f64().unwrap_or(30.0));
        let index = self.watches.iter().rposition(|(known, _)| known == name).expect("an open watch");
        let chosen = |watch: &Watch| -> Vec<Value> {
            watch.events.iter().filter(|event| !skip.contains(&event["type"])).cloned().collect()
        };
        let enough = |events: &[Value]| match &until {
            Some(until) => {
                events.iter().any(|event| until.iter().all(|condition| holds(condition, 200, event)))
            }
            None => wanted.is_some_and(|wanted| events.len() >= wanted),
        };
        while self.watches[index].1.body.is_some()
            && !enough(&chosen(&self.watches[index].1))
            && self.cluster.now() <= end
        {
            self.pass(SignedDuration::from_millis(100));
        }
        let mut events = chosen(&self.watches[index].1);
        let partial = watch["partial"].as_bool().unwrap_or(false);
        if (wanted.is_some() || until.is_some()) && !enough(&events) && !partial {
            let last = events.last().map(Value::to_string).unwrap_or_default();
            return Err(format!("watch: {} events, wanted {watch}; last {last:.300}", events.len()));
        }
        if let Some(wanted) = wanted {
            events.truncate(wanted);
        }
        let mut doc = json!({"events": events});
        if let Some(closed) = watch["closed"].as_bool() {
            let end =
                self.cluster.now() + SignedDuration::from_secs_f64(watch["timeout"].as_f64().unwrap_or(30.0));
            while closed && self.watches[index].1.body.is_some() && self.cluster.now() < end {
                self.pass(SignedDuration::from_millis(50));
            }
            doc["closed"] = self.watches[index].1.body.is_none().into();
            if closed {
                doc["events"] = chosen(&self.watches[index].1).into();
            }
        }
        for pointer in watch["drop"].as_array().into_iter().flatten() {
            drop(&mut doc, pointer.as_str().expect("a pointer"));
        }
        if watch["summary"] == json!(true) {
            let events = doc["events"].as_array().cloned().unwrap_or_default();
            let text = |event: &Value, pointer: &str| {
                lookup(event, pointer)
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_else(|| "-".to_owned())
            };
            doc["events"] = events
                .iter()
                .map(|e| {
                    format!(
                        "{} {}/{}",
                        text(e, "/type"),
                        text(e, "/object/kind"),
                        text(e, "/object/metadata/name")
                    )
                })
                .collect();
        }
        let watch = &self.watches[index].1;
        Ok(Answer { status: watch.status, headers: watch.headers.clone(), doc })
    }

    fn send(&mut self, step: &Value) -> Result<Answer, String> {
        let response = match self.call(step)? {
            Reply::Response(response) => response,
            Reply::Later { until, response } => {
                self.cluster.advance(until);
                response
            }
            // A watch that is asked like a list: its events until it ends.
            Reply::Stream { head, body } => {
                let mut watch = Watch {
                    status: 0,
                    headers: HeaderMap::new(),
                    body: Some(body),
                    partial: String::new(),
                    events: Vec::new(),
                };
                for _ in 0..40 {
                    self.pass(SignedDuration::from_millis(100));
                    watch.read();
                }
                let events = watch.events.iter().map(|event| format!("{event}\n")).collect::<String>();
                head.map(|()| Bytes::from(events))
            }
            Reply::Session { .. } => return Err("a session".to_owned()),
        };
        Ok(answer(&response))
    }

    fn call(&mut self, step: &Value) -> Result<Reply, String> {
        self.pass(REQUEST);
        let path = self.filled(&step["path"])?;
        let method = step["method"].as_str().expect("a method");
        let mut request = Request::builder()
            .method(method)
            .uri(path.as_str().expect("a path"))
            .header("user-agent", "wire/1.0");
        let headers = self.filled(&step["headers"])?;
        let given = |name: &str| {
            headers.as_object().and_then(|map| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)))
        };
        if given("accept").is_none() {
            request = request.header("accept", "application/json");
        }
        let body = match (step.get("body"), step.get("raw")) {
            (Some(body), _) => Some(self.filled(body)?.to_string()),
            (_, Some(raw)) => Some(self.filled(raw)?.as_str().expect("a text").to_owned()),
            _ => None,
        };
        let body = body.map(|body| match step["pad"].as_u64() {
            Some(pad) => body.replace("%PAD%", &"x".repeat(usize::try_from(pad).expect("a size"))),
            None => body,
        });
        if body.is_some() && given("content-type").is_none() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers.as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                request = request.header(name, value);
            }
        }
        let request = request.body(Bytes::from(body.unwrap_or_default())).map_err(|why| why.to_string())?;
        let reply = self.cluster.handle(request);
        for (_, watch) in &mut self.watches {
            watch.read();
        }
        Ok(reply)
    }

    /// Puts variables in.
    fn filled(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => {
                let mut text = text.clone();
                for (name, value) in &self.variables {
                    text = text.replace(&format!("${{{name}}}"), value);
                }
                if let Some((_, rest)) = text.split_once("${") {
                    return Err(format!("unknown variable {rest:.20}"));
                }
                text.into()
            }
            Value::Array(items) => {
                items.iter().map(|item| self.filled(item)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::Object(map) => {
                let mut out = Map::new();
                for (key, value) in map {
                    let key = self.filled(&Value::from(key.as_str()))?;
                    out.insert(key.as_str().unwrap_or_default().to_owned(), self.filled(value)?);
                }
                out.into()
            }
            other => other.clone(),
        })
    }

    /// What of an answer is compared, normalised.
    fn comparable(&self, step: &Value, answer: Answer) -> Value {
        let normaliser = Normaliser::new(&self.variables, &self.node);
        let sorts = || step["sort"].as_array().into_iter().flatten().filter_map(Value::as_str);
        match &step["compare"] {
            Value::String(how) if how == "none" => json!({}),
            Value::String(how) if how == "status" => json!({"status": answer.status}),
            Value::Object(how) => {
                let mut doc = normaliser.body(&answer.doc);
                sorts().for_each(|pointer| sort(&mut doc, pointer));
                let mut pointers = Map::new();
                for pointer in how["pointers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let found = match &doc {
                        Value::String(_) => pointer.is_empty().then(|| doc.clone()),
                        _ => lookup(&doc, &normaliser.text(pointer, "")),
                    };
                    pointers.insert(pointer.to_owned(), found.unwrap_or_else(|| "<missing>".into()));
                }
                json!({"status": answer.status, "pointers": pointers})
            }
            _ => {
                let mut headers = Map::new();
                for name in ["Content-Type", "Warning", "Retry-After"] {
                    let values = answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
                    let values: Vec<String> = values.map(|value| normaliser.text(value, "")).collect();
                    if let Some(first) = values.first() {
                        let shown = if name == "Warning" { json!(values) } else { json!(first) };
                        headers.insert(name.to_owned(), shown);
                    }
                }
                let mut doc = answer.doc;
                for pointer in step["ignore"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    drop(&mut doc, pointer);
                }
                let mut doc = normaliser.body(&doc);
                sorts().for_each(|pointer| sort(&mut doc, pointer));
                json!({"status": answer.status, "headers": headers, "body": doc})
            }
        }
    }
}

impl Watch {
    /// Takes in what has arrived.
    fn read(&mut self) {
        while let Some(body) = &mut self.body {
            match body.try_recv() {
                Ok(bytes) => self.partial.push_str(&String::from_utf8_lossy(&bytes)),
                Err(futures::channel::mpsc::TryRecvError::Closed) => self.body = None,
                Err(futures::channel::mpsc::TryRecvError::Empty) => break,
            }
        }
        while let Some((line, rest)) = self.partial.split_once('\n') {
            let event = serde_json::from_str(line).unwrap_or_else(|_| json!({"unparsed": line}));
            self.events.push(event);
            self.partial = rest.to_owned();
        }
    }
}

fn answer(response: &Response<Bytes>) -> Answer {
    let headers = response.headers().clone();
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = || Value::from(String::from_utf8_lossy(response.body()).into_owned());
    let doc = match kind.contains("json") {
        true => serde_json::from_slice(response.body()).unwrap_or_else(|_| text()),
        false => text(),
    };
    Answer { status: response.status().as_u16(), headers, doc }
}
