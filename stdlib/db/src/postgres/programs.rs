//! PostgreSQL's own programs on this machine, told where the server is and how to sign in as a session of ours is.

use bytes::Bytes;
use futures::future::join3;
use futures::{StreamExt, TryStreamExt};
use opsrun_core::{Content, Cx, Error, ErrorKind, Program, ProgramEnd, Result, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::postgres::client::Client;
use crate::tls::TlsMode;

/// What an archive of `pg_dump` begins with.
pub(crate) const MAGIC: &[u8] = b"PGDMP";

/// Where Debian, and those after it, keep the system's authorities: programs of before PostgreSQL 16 do not find them by themselves.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How much is read or written at once.
const PIECE: usize = 1 << 20;

/// What a program prints about the client's database, as it comes. Whether it ended well is known at the end, and else the end is an error.
///
/// # Errors
/// `Denied` without the grant `program run NAME`; `NotFound` if there is no such program.
pub(crate) async fn output(
    cx: &Cx,
    client: &Client,
    name: &'static str,
    args: Vec<String>,
) -> Result<Content> {
    let Running { input, output, ended: end } = cx.start_program(program(client, name, args, false)).await?;
    drop(input);
    let (cx, place) = (cx.clone(), client.place());
    let pieces = futures::stream::try_unfold(Some((output, end)), move |state| {
        let (cx, place) = (cx.clone(), place.clone());
        async move {
            let Some((mut output, end)) = state else { return Ok(None) };
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut output).take(PIECE as u64).read_to_end(&mut piece).await;
            read.map_err(|error| Error::failed(format!("`{name}` of {place}: {error}")))?;
            if piece.len() == PIECE {
                return Ok(Some((Bytes::from(piece), Some((output, end)))));
            }
            ended(&cx, name, &place, &end.await?)?;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), None)))
        }
    });
    Ok(pieces.boxed())
}

/// Gives a program that writes to the client's database its input, and gives how many bytes that was.
///
/// # Errors
/// As [`output`]; those of the content; `Failed` if it did not end well.
pub(crate) async fn input(
    cx: &Cx,
    client: &Client,
    name: &'static str,
    args: Vec<String>,
    mut content: Content,
) -> Result<u64> {
    let Running { mut input, mut output, ended: end } =
        cx.start_program(program(client, name, args, true)).await?;
    let place = client.place();
    let feed = async {
        let mut bytes = 0;
        while let Some(piece) = content.try_next().await? {
            // Why it hangs up is told by how it ended.
            if input.write_all(&piece).await.is_err() {
                break;
            }
            bytes += piece.len() as u64;
            cx.progress(format!("{} MiB into {place}", bytes >> 20));
        }
        let _ = input.shutdown().await;
        drop(input);
        Ok::<_, Error>(bytes)
    };
    let mut printed = Vec::new();
    let (fed, _, end) = join3(feed, output.read_to_end(&mut printed), end).await;
    let bytes = fed?;
    ended(cx, name, &place, &end?)?;
    Ok(bytes)
}

/// A program with these words, for the client's database. The password goes by the environment, which no list of processes shows to others.
fn program(client: &Client, name: &str, args: Vec<String>, writes: bool) -> Program {
    let server = client.server();
    let mut env = vec![
        ("PGUSER".to_owned(), server.user.clone()),
        ("PGDATABASE".to_owned(), client.database().to_owned()),
        ("PGAPPNAME".to_owned(), "opsrun".to_owned()),
        ("PGCONNECT_TIMEOUT".to_owned(), "10".to_owned()),
        ("PGTZ".to_owned(), "UTC".to_owned()),
    ];
    let uri = &server.endpoint.uri;
    env.push(("PGPORT".to_owned(), uri.port_u16().unwrap_or_default().to_string()));
    let folder = server.endpoint.socket.as_ref().and_then(|socket| socket.parent());
    let host = match folder {
        Some(folder) => folder.display().to_string(),
        None => uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
    };
    env.push(("PGHOST".to_owned(), host));
    let mode = match (server.tls, &server.ca) {
        (TlsMode::Off, _) => "disable",
        (TlsMode::Require, _) => "require",
        (TlsMode::VerifyFull, ca) => {
            let ca = ca.as_ref().map_or_else(|| AUTHORITIES.to_owned(), |ca| ca.display().to_string());
            env.push(("PGSSLROOTCERT".to_owned(), ca));
            "verify-full"
        }
    };
    env.push(("PGSSLMODE".to_owned(), mode.to_owned()));
    if let Some(password) = &server.password {
        env.push(("PGPASSWORD".to_owned(), password.to_string()));
    }
    Program { name: name.to_owned(), args, env, writes }
}

/// # Errors
/// `Failed`, with the last lines of what the program said, if it did not end well.
fn ended(cx: &Cx, name: &str, place: &str, end: &ProgramEnd) -> Result<()> {
    if end.code == Some(0) {
        return Ok(());
    }
    let how =
        end.code.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("ended with {code}"));
    let said = cx.shown(&String::from_utf8_lossy(&end.stderr));
    let error = Error::new(ErrorKind::Failed, format!("`{name}` of {place} {how}"));
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let error =
        lines.iter().skip(lines.len().saturating_sub(10)).fold(error, |error, line| error.detail(*line));
    match said.contains("server version mismatch") {
        true => {
            Err(error
                .hint("the program is older than the server: install the client of the server's version"))
        }
        false => Err(error),
    }
}
