//! One list of statements, and both servers' answers to them as a whole.

use std::collections::BTreeSet;

use opsrun_db_simulator::postgres::Login;
use opsrun_tests::{PostgreSql, skip};

use crate::answers::{extended, simple};
use crate::real;
use crate::stage::{client, config, served, simulated};

/// Statements of a file, each up to a line that is empty; lines that begin with `--` are for people.
fn statements(text: &str) -> Vec<String> {
    let plain = text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    plain.split("\n\n").map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// What is answered otherwise stands in `differences.txt`: it becomes shorter, and nothing is added unseen.
#[tokio::test]
async fn every_statement_is_answered_as_by_postgresql_but_for_known_differences() {
    let real = real!();
    let (server, _) = simulated(Login::Scram(PostgreSql::PASSWORD.to_owned()));
    let ours = client(served(server).await, &config()).await.expect("it lets us in");
    let theirs = client(real.port(), &config()).await.expect("it lets us in");
    let mut different = Vec::new();
    let lists = [
        include_str!("statements/expressions.sql"),
        include_str!("statements/tables.sql"),
        include_str!("statements/queries.sql"),
        include_str!("statements/transactions.sql"),
        include_str!("statements/catalogs.sql"),
        include_str!("statements/errors.sql"),
    ];
    let mut count = 0;
    for sql in lists.iter().flat_map(|list| statements(list)) {
        count += 1;
        // What changes something is asked once.
        let reads = sql.starts_with("select") || sql.starts_with("values") || sql.starts_with("show");
        let mut answers = vec![(simple(&ours, &sql).await, simple(&theirs, &sql).await)];
        if reads && !sql.contains(';') {
            answers.push((extended(&ours, &sql).await, extended(&theirs, &sql).await));
        }
        for (one, other) in answers {
            if one != other {
                different.push(format!("{sql}\n  simulated: {one}\n  real:      {other}\n"));
            }
        }
    }
    let told = different.join("\n");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/differences.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &told).expect("the expected differences can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let blocks =
        |text: &str| -> BTreeSet<String> { text.split("\n\n").map(|one| one.trim().to_owned()).collect() };
    let (now, known) = (blocks(&told), blocks(&known));
    let new: Vec<&String> = now.difference(&known).collect();
    let gone: Vec<&String> = known.difference(&now).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{} of {count} differ; not known are {new:#?}; known and no more are {gone:#?} (UPDATE_EXPECTED=1 writes them)",
        different.len()
    );
}
