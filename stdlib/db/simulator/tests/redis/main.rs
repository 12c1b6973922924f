//! The simulated Redis beside the real one: the same commands, the same answers; files and payloads go both ways.
#![allow(clippy::disallowed_methods)] // tests have a network and a clock

mod client;
mod files;

use client::{Client, simulated};
use opsrun_tests::{Redis, skip};

/// Commands, a line each; words in quotes may have spaces.
fn commands() -> Vec<Vec<String>> {
    let lines = include_str!("commands.txt").lines();
    let words = |line: &str| {
        let parts = line.split('"').enumerate();
        parts
            .flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
                _ => vec![part.to_owned()],
            })
            .collect::<Vec<_>>()
    };
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(words).collect()
}

#[tokio::test]
async fn every_command_is_answered_as_by_redis() {
    let real = match Redis::start() {
        Ok(real) => real,
        Err(missing) => return skip(missing),
    };
    let (_, port) = simulated(None).await;
    let (mut ours, mut theirs) = (Client::new(port).await, Client::new(real.port()).await);
    let mut different = Vec::new();
    for command in commands() {
        let words: Vec<&[u8]> = command.iter().map(String::as_bytes).collect();
        let (one, other) = (ours.ask(&words).await, theirs.ask(&words).await);
        if one != other {
            different.push(format!("{command:?}\n  simulated: {one}\n  real:      {other}\n"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[tokio::test]
async fn nobody_is_answered_without_the_password() {
    let (_, port) = simulated(Some("secret")).await;
    let mut client = Client::new(port).await;
    assert_eq!(client.ask(&[b"GET", b"a"]).await, "-NOAUTH Authentication required.");
    assert!(client.ask(&[b"AUTH", b"wrong"]).await.starts_with("-WRONGPASS"));
    assert_eq!(client.ask(&[b"AUTH", b"secret"]).await, "+OK");
    assert_eq!(client.ask(&[b"GET", b"a"]).await, "nil");
}

#[tokio::test]
async fn redis_cli_speaks_to_it() {
    let cli = match Redis::cli() {
        Ok(cli) => cli,
        Err(missing) => return skip(missing),
    };
    let (_, port) = simulated(None).await;
    let said = tokio::task::spawn_blocking(move || {
        let port = port.to_string();
        let ask = |words: &[&str]| cli.run([&["-p", &port], words].concat()).ok();
        [
            ask(&["SET", "greeting", "hello"]),
            ask(&["GET", "greeting"]),
            ask(&["-3", "HGETALL", "none"]),
            ask(&["DBSIZE"]),
        ]
    });
    assert_eq!(said.await.expect("it ran"), ["OK\n", "hello\n", "\n", "1\n"]);
}
