//! What containers have printed, and who follows it.
//! The kubelet appends; `pods/log` reads. It knows no pod, only keys.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use jiff::Timestamp;

/// The output of all containers, by pod uid, container and restart count.
#[derive(Default)]
pub struct Logs {
    files: BTreeMap<(String, String, u32), LogFile>,
}

#[derive(Default)]
struct LogFile {
    lines: Vec<(Timestamp, String)>,
    complete: bool,
    followers: Vec<(UnboundedSender<Bytes>, bool)>,
}

/// Which part of a log is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    pub tail: Option<usize>,
    pub since: Option<Timestamp>,
    pub limit_bytes: Option<usize>,
    pub timestamps: bool,
}

impl Logs {
    /// The same without followers: for a fork of the cluster.
    pub(crate) fn fork(&self) -> Self {
        let file = |file: &LogFile| LogFile {
            lines: file.lines.clone(),
            complete: file.complete,
            followers: Vec::new(),
        };
        Logs { files: self.files.iter().map(|(key, log)| (key.clone(), file(log))).collect() }
    }

    pub fn append(&mut self, pod_uid: &str, container: &str, restart: u32, time: Timestamp, line: &str) {
        let file = self.files.entry((pod_uid.to_owned(), container.to_owned(), restart)).or_default();
        file.followers.retain(|(follower, timestamps)| {
            follower.unbounded_send(format_line(time, line, *timestamps).into()).is_ok()
        });
        file.lines.push((time, line.to_owned()));
    }

    /// No more lines will come: followers end.
    pub fn end(&mut self, pod_uid: &str, container: &str, restart: u32) {
        let file = self.files.entry((pod_uid.to_owned(), container.to_owned(), restart)).or_default();
        file.complete = true;
        file.followers.clear();
    }

    /// Drops the logs of a pod that is gone.
    pub fn forget(&mut self, pod_uid: &str) {
        self.files.retain(|(uid, _, _), _| uid != pod_uid);
    }

    pub fn read(&self, pod_uid: &str, container: &str, restart: u32, options: &LogOptions) -> String {
        let Some(file) = self.files.get(&(pod_uid.to_owned(), container.to_owned(), restart)) else {
            return String::new();
        };
        let since = options.since.map_or(0, |since| file.lines.partition_point(|(time, _)| *time < since));
        let tail = options.tail.map_or(0, |tail| file.lines.len().saturating_sub(tail));
        let mut text: String = file.lines[since.max(tail)..]
            .iter()
            .map(|(time, line)| format_line(*time, line, options.timestamps))
            .collect();
        if let Some(limit) = options.limit_bytes
            && text.len() > limit
        {
            let cut = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(cut);
        }
        text
    }

    /// What is there and then, line by line, what comes; ends with the log.
    pub fn follow(
        &mut self,
        pod_uid: &str,
        container: &str,
        restart: u32,
        options: &LogOptions,
    ) -> UnboundedReceiver<Bytes> {
        let text = self.read(pod_uid, container, restart, options);
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        if !text.is_empty() {
            // The receiver is still in hand.
            let _open = sender.unbounded_send(text.into());
        }
        let file = self.files.entry((pod_uid.to_owned(), container.to_owned(), restart)).or_default();
        if !file.complete {
            file.followers.push((sender, options.timestamps));
        }
        receiver
    }
}

fn format_line(time: Timestamp, line: &str, timestamps: bool) -> String {
    if timestamps {
        format!("{} {line}\n", time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ"))
    } else {
        format!("{line}\n")
    }
}
