//! A database of a real server that loses its rows gets them back from its backup, whatever was written meanwhile.
#![allow(clippy::disallowed_methods)] // a test

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use opsrun_tests::{Opsrun, PostgreSql, Program, skip};

const TABLES: &str =
    "create table accounts (id bigint primary key, owner text not null, balance bigint not null);
    create table sessions (id bigint primary key, seen timestamptz not null default now());
    insert into accounts select n, 'owner ' || n, 1000 from generate_series(1, 20000) n;
    insert into sessions select n from generate_series(1, 500) n;";

/// What is moved from one account to another is always in one of them.
const TRANSFER: &str = "begin; update accounts set balance = balance - 1 where id = 1 + :n % 20000;
    update accounts set balance = balance + 1 where id = 1 + (:n + 7) % 20000; commit;";

const PLAYBOOKS: [(&str, &str); 4] = [
    (
        "keep.rhai",
        r#"backup::init();
           let made = backup::create("postgres:bank");
           let good = backup::verify(made.snapshot, #{ assertions: #{ queries: ["select sum(balance) = 20000000 from accounts"] } });
           log(`${good.counts}`);"#,
    ),
    (
        "back.rhai",
        r#"let to = param("to");
           let clean = param("clean", #{ default: false });
           let good = backup::latest_good("postgres:bank");
           let done = backup::restore(good.snapshot, #{ to: to, options: #{ clean: clean } }).done;
           let database = to.sub_string(9);
           log(`${done.tables} tables; ${postgres::query("select count(*) as n, sum(balance) as sum from accounts", #{ database: database })}`);"#,
    ),
    ("verify.rhai", r#"backup::verify(backup::create("postgres:bank").snapshot);"#),
    (
        "untrue.rhai",
        r#"backup::verify("latest", #{ source: "postgres:bank", assertions: #{ queries: ["select false"] } });"#,
    ),
];

#[test]
fn a_database_comes_back_from_its_backup_and_beside_itself() {
    let server = match PostgreSql::start() {
        Ok(server) => server,
        Err(missing) => return skip(missing),
    };
    let psql = match PostgreSql::program("psql", server.port()) {
        Ok(psql) => psql,
        Err(missing) => return skip(missing),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let opsrun = project(folder.path(), &server);
    let sql = |database: &str, sql: &str| {
        psql.run(["--dbname", database, "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql]).ok()
    };
    sql("postgres", "create database bank");
    sql("bank", TABLES);

    let stop = AtomicBool::new(false);
    let kept = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                sql("bank", &TRANSFER.replace(":n", &n.to_string()));
            }
        });
        let kept = opsrun.run(["keep.rhai"]);
        stop.store(true, Ordering::Relaxed);
        kept
    });
    let kept = kept.with_code(0).to_string();
    assert!(kept.contains("\"rows of public.accounts\": 20000"), "{kept}");
    assert!(
        !sql("postgres", "select datname from pg_database").contains("opsrun_verify"),
        "it is dropped again"
    );
    let untrue = opsrun.run(["untrue.rhai"]).with_code(3).to_string();
    assert!(untrue.contains("`select false` gives false, and not true"), "{untrue}");

    let over = opsrun.run(["back.rhai", "--to", "postgres:bank"]).with_code(3).to_string();
    assert!(over.contains("has 2 tables, and is not written over") && over.contains("clean: true"), "{over}");
    let beside = opsrun.run(["back.rhai", "--to", "postgres:bank_beside"]).with_code(0).to_string();
    assert!(beside.contains("2 tables") && beside.contains("20000000"), "{beside}");

    sql("bank", "truncate accounts");
    let emptied = opsrun.run(["verify.rhai"]).with_code(3).to_string();
    assert!(
        emptied.contains("it has no rows of public.accounts, and the last good one has 20000"),
        "{emptied}"
    );
    sql("bank", "drop table accounts");
    opsrun.run(["back.rhai", "--to", "postgres:bank", "--clean", "true"]).with_code(0);
    let sums = "select count(*), sum(('x' || substr(md5(a::text), 1, 15))::bit(60)::bigint) from accounts a";
    assert_eq!(sql("bank", sums), sql("bank_beside", sums));
    assert!(sql("bank", "select count(*) from accounts").starts_with("20000"));
}

#[test]
fn a_dump_that_breaks_off_in_the_middle_leaves_no_snapshot() {
    let server = match PostgreSql::start() {
        Ok(server) => server,
        Err(missing) => return skip(missing),
    };
    let psql = match PostgreSql::program("psql", server.port()) {
        Ok(psql) => psql,
        Err(missing) => return skip(missing),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let opsrun = project(folder.path(), &server);
    psql.run(["-qc", "create database bank"]).ok();
    let table =
        "create table accounts as select n as id, repeat('x', 80) as text from generate_series(1, 2000000) n";
    psql.run(["--dbname", "bank", "-qc", table]).ok();
    std::fs::write(folder.path().join("init.rhai"), "backup::init();").expect("a file");
    opsrun.run(["init.rhai"]).with_code(0);
    let torn = std::thread::scope(|scope| {
        let dumping = scope.spawn(|| opsrun.run(["verify.rhai"]));
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'COPY public.accounts%' and state = 'active'";
        while !dumping.is_finished() && psql.run(["-qAtc", end]).ok().trim() != "t" {}
        dumping.join().expect("it ran")
    });
    let torn = torn.with_code(3).to_string();
    assert!(torn.contains("no snapshot was written") && torn.contains("`pg_dump` of bank at"), "{torn}");
    let snapshots = folder.path().join("repository/snapshots");
    assert!(!snapshots.exists() || std::fs::read_dir(snapshots).expect("a folder").next().is_none());
}

#[test]
fn a_server_that_goes_away_leaves_no_snapshot() {
    let mut server = match PostgreSql::start() {
        Ok(server) => server,
        Err(missing) => return skip(missing),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let opsrun = project(folder.path(), &server);
    std::fs::write(folder.path().join("init.rhai"), "backup::init();").expect("a file");
    opsrun.run(["init.rhai"]).with_code(0);
    let missing = opsrun.run(["verify.rhai"]).with_code(1).to_string();
    assert!(missing.contains("database \"bank\" does not exist"), "{missing}");
    server.end();
    let gone = opsrun.run(["verify.rhai"]).with_code(1).to_string();
    assert!(gone.contains("cannot be reached") || gone.contains("refused"), "{gone}");
    let snapshots = folder.path().join("repository/snapshots");
    assert!(!snapshots.exists() || std::fs::read_dir(snapshots).expect("a folder").next().is_none());
}

fn project(folder: &Path, server: &PostgreSql) -> Program {
    let target = format!(
        "[targets.here]\ngrants = [\"postgres\", \"file\", \"secret\", \"program run pg_dump\", \"program run pg_restore\"]\n\
         [targets.here.postgres]\nurl = \"postgres://postgres@{}/bank\"\npassword = \"env:PGPASSWORD\"\nca = \"{}\"\n\
         [targets.here.backup.repositories.default]\nstore = \"folder:repository\"\npassword = \"env:BACKUP_PASSWORD\"\n",
        server.host(),
        server.certificate().display(),
    );
    std::fs::write(folder.join("opsrun.toml"), target).expect("a file");
    for (name, text) in PLAYBOOKS {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    let opsrun =
        Opsrun::program().env("PGPASSWORD", PostgreSql::PASSWORD).env("BACKUP_PASSWORD", "correct horse");
    opsrun.within(folder.to_owned()).trusting(".")
}
