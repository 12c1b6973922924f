//! A command in a container, over the websocket protocol `v5.channel.k8s.io` (or v4, where a server has no other).

use futures::{SinkExt, StreamExt};
use opsrun_core::{Error, Result};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Parameters};
use crate::object::Object;
use crate::types::Executed;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// Closes a channel (v5).
const CLOSE: u8 = 255;
/// A frame's payload.
const CHUNK: usize = 32 * 1024;

/// Runs the command to its end.
///
/// # Errors
/// `Failed` if it could not be run or the connection broke.
pub(crate) async fn exec(
    client: &Client,
    pod: &Value,
    container: &str,
    command: &[String],
    stdin: Option<Vec<u8>>,
) -> Result<Executed> {
    let tried = format!("running a command in pod/{}", pod.name());
    let pods = client.kind_of("v1", "Pod").await?;
    let path = format!("{}/exec", pods.path(Some(pod.text("/metadata/namespace")), Some(pod.name())));
    let mut parameters = Parameters::default()
        .with("container", container)
        .with_if(stdin.is_some(), "stdin", "true")
        .with("stdout", "true")
        .with("stderr", "true");
    for word in command {
        parameters = parameters.with("command", word);
    }
    let connection = client.connect(&path, &parameters, &tried).await?;
    let can_close = connection.supports_stream_close();
    let broke = |error: &dyn std::fmt::Display| Error::failed(format!("{tried}: {error}"));
    let (mut to, mut from) = connection.into_stream().split();
    let writes = async {
        if let Some(stdin) = stdin {
            for chunk in stdin.chunks(CHUNK) {
                let frame: Vec<u8> = std::iter::once(STDIN).chain(chunk.iter().copied()).collect();
                to.send(Message::binary(frame)).await.map_err(|error| broke(&error))?;
            }
            if can_close {
                to.send(Message::binary(vec![CLOSE, STDIN])).await.map_err(|error| broke(&error))?;
            }
        }
        Ok::<_, Error>(to)
    };
    let reads = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(message) = from.next().await {
            let Message::Binary(frame) = message.map_err(|error| broke(&error))? else { continue };
            match frame.split_first() {
                Some((&STDOUT, bytes)) => stdout.extend_from_slice(bytes),
                Some((&STDERR, bytes)) => stderr.extend_from_slice(bytes),
                Some((&STATUS, bytes)) => {
                    let code = exit_code(bytes).map_err(|why| broke(&why))?;
                    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                    return Ok(Executed { code, stdout: text(stdout), stderr: text(stderr) });
                }
                _ => {}
            }
        }
        Err(broke(&"the connection ended before the command did"))
    };
    // A command may end without having read its input: then the write fails, or never finishes, and does not matter.
    let (writes, reads) = (std::pin::pin!(writes), std::pin::pin!(reads));
    match futures::future::select(reads, writes).await {
        futures::future::Either::Left((done, _)) => done,
        futures::future::Either::Right((_, reads)) => reads.await,
    }
}

fn exit_code(status: &[u8]) -> Result<i32, String> {
    let status: Value = serde_json::from_slice(status).map_err(|error| error.to_string())?;
    if status["status"] == "Success" {
        return Ok(0);
    }
    let causes = status.items("/details/causes");
    let code = causes.iter().find(|cause| cause["reason"] == "ExitCode").map(|cause| cause.text("/message"));
    match code.and_then(|code| code.parse().ok()) {
        Some(code) => Ok(code),
        None => Err(status.text("/message").to_owned()),
    }
}
