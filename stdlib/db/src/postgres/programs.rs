//! PostgreSQL's own programs on this machine, told where the server is and how to sign in as a session of ours is.

use opsrun_core::{Cx, Error, ErrorKind, Program, ProgramEnd, Result};

use crate::postgres::client::Client;
use crate::tls::TlsMode;

/// What an archive of `pg_dump` begins with.
pub(crate) const MAGIC: &[u8] = b"PGDMP";

/// Where Debian, and those after it, keep the system's authorities: programs of before PostgreSQL 16 do not find them by themselves.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How much is read or written at once.
pub(crate) const PIECE: usize = 1 << 20;

/// A program with these words, for the client's database. The password goes by the environment, which no list of processes shows to others.
pub(crate) fn program(client: &Client, name: &str, args: Vec<String>, writes: bool) -> Program {
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
pub(crate) fn ended(cx: &Cx, name: &str, place: &str, end: &ProgramEnd) -> Result<()> {
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
