//! One connection.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::commands::{self, Session};
use super::resp::{Read, Reply, Requests};
use super::server::Server;

/// Serves one client until it leaves.
///
/// # Errors
/// Those of the stream.
pub async fn serve<S>(stream: S, server: Arc<dyn Server>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (reader, mut stream) = tokio::io::split(stream);
    let mut requests = Requests::new(reader);
    let mut session = Session::new(server.password().is_none());
    loop {
        let (reply, over) = match requests.next().await? {
            Read::End => return Ok(()),
            Read::Wrong(text) => (Reply::Error(text.to_owned()), true),
            Read::Request(request) => {
                let reply = commands::run(&*server, &mut session, &request);
                (reply, session.over)
            }
        };
        let mut out = Vec::new();
        reply.write(session.version, &mut out);
        stream.write_all(&out).await?;
        stream.flush().await?;
        if over {
            return stream.shutdown().await;
        }
    }
}
