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

/// The statements that are answered otherwise stand in `differences.txt`: nothing is added to them unseen.
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
                different.push((sql.clone(), format!("{sql}\n  simulated: {one}\n  real:      {other}")));
            }
        }
    }
    let known: BTreeSet<String> = statements(include_str!("differences.txt")).into_iter().collect();
    let new: Vec<&String> =
        different.iter().filter(|(sql, _)| !known.contains(sql)).map(|(_, told)| told).collect();
    assert!(new.is_empty(), "{} of {count} differ and are not known to: {new:#?}", new.len());
}
