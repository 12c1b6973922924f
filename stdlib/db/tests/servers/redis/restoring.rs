//! Snapshots, brought back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opsrun_core::ErrorKind;
use opsrun_tests::Redis;
use serde_json::json;

use crate::redis::caches::{Caches, State, Wire, of_version, on_caches, on_real_caches, sealed};

fn only(state: &State, wanted: impl Fn(&str) -> bool) -> State {
    state.iter().filter(|(key, _)| wanted(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[track_caller]
fn refused(caches: &Caches, arguments: serde_json::Value, kind: ErrorKind, said: &str) {
    let before = caches.spare();
    let done = caches.on_spare("redis::restore", arguments);
    assert_eq!(done.error().kind(), kind, "{}", done.report());
    assert!(done.error().report().contains(said), "{}", done.report());
    assert_eq!(caches.spare(), before, "{}", done.report());
}

#[test]
fn every_value_comes_back_bit_for_bit_into_its_database_with_the_time_at_which_it_ends() {
    on_caches(|caches| {
        let full = caches.full();
        assert!(full.len() > 14, "{full:#?}");
        caches.snapshot();
        let done = caches.on_spare("redis::restore", json!({ "file": "cache.rdb" })).value();
        assert_eq!(caches.spare(), full);
        let functions = u64::from(caches.real().is_some());
        assert_eq!(done["databases"]["9"], 2);
        let keys = full.keys().filter(|key| key.starts_with("0 ")).count();
        assert_eq!((&done["databases"]["0"], &done["functions"]), (&json!(keys), &json!(functions)));
        // Where something is, nothing is written over, unless that is wanted.
        refused(caches, json!({ "file": "cache.rdb" }), ErrorKind::Conflict, "and is not written over");
        for (key, database) in [("text", 0), ("other", 3)] {
            caches
                .on_spare("redis::set", json!({ "key": key, "value": "changed", "database": database }))
                .value();
        }
        assert_ne!(caches.spare(), full);
        caches.on_spare("redis::restore", json!({ "file": "cache.rdb", "clean": true })).value();
        assert_eq!(caches.spare(), full);
    });
}

#[test]
fn one_key_or_all_that_begin_alike_or_one_database_come_back_and_the_others_stay() {
    on_caches(|caches| {
        let full = caches.full();
        let sessions = only(&full, |key| key.starts_with("0 session:"));
        caches.snapshot();
        let some = |keys: &[&str]| json!({ "file": "cache.rdb", "keys": keys });
        caches.on_spare("redis::set", json!({ "key": "mine", "value": "stays" })).value();
        let mine = caches.spare();
        let done = caches.on_spare("redis::restore", some(&["session:*"])).value();
        assert_eq!(done["databases"], json!({ "0": 2 }));
        let both: State = mine.iter().chain(&sessions).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(caches.spare(), both);
        let conflict = ErrorKind::Conflict;
        refused(caches, some(&["long", "session:?"]), conflict, "has the key `session:");
        refused(caches, some(&["nothing*"]), ErrorKind::NotFound, "the snapshot has no key like");
        // What is like them and not in the snapshot goes.
        for key in ["session:1", "session:3"] {
            caches.on_spare("redis::set", json!({ "key": key, "value": "later" })).value();
        }
        let clean = json!({ "file": "cache.rdb", "keys": ["session:*"], "clean": true });
        caches.on_spare("redis::restore", clean).value();
        assert_eq!(caches.spare(), both);
        let ninth = caches.on_spare("redis::restore", json!({ "file": "cache.rdb", "database": 9 })).value();
        assert_eq!(ninth["databases"], json!({ "9": 2 }));
        assert_eq!(
            only(&caches.spare(), |key| key.starts_with("9 ")),
            only(&full, |key| key.starts_with("9 "))
        );
        refused(caches, json!({ "file": "cache.rdb", "database": 9 }), conflict, "has 2 keys");
    });
}

#[test]
fn a_file_that_is_cut_or_flipped_is_refused_and_nothing_is_touched() {
    on_caches(|caches| {
        let whole = caches.snapshot();
        caches.on_spare("redis::set", json!({ "key": "mine", "value": "stays" })).value();
        let mine = caches.spare();
        let broken = json!({ "file": "broken.rdb", "clean": true });
        for at in (0..whole.len()).step_by(whole.len() / 60).chain(whole.len() - 9..whole.len()) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            for (what, content) in [("cut", &whole[..at]), ("flipped", &flipped)] {
                caches.write("broken.rdb", content);
                let done = caches.on_spare("redis::restore", broken.clone());
                let report = done.error().report();
                assert!(
                    report.contains("the snapshot cannot be brought back")
                        || report.contains("knows no snapshots")
                        || report.contains("has no database"),
                    "{what} at {at}: {report}"
                );
                assert_eq!(caches.spare(), mine, "{what} at {at}: {report}");
            }
        }
        caches.write("broken.rdb", &[&whole[..], b"more"].concat());
        refused(caches, broken, ErrorKind::Failed, "behind its end");
    });
}

#[test]
fn what_a_server_would_not_take_is_refused_before_anything_is_written() {
    on_caches(|caches| {
        let whole = caches.snapshot();
        caches.on_spare("redis::set", json!({ "key": "mine", "value": "stays" })).value();
        let clean = |file: &str| json!({ "file": file, "clean": true });
        for (file, content) in [
            ("newer.rdb", of_version(&whole, 12)),
            ("newest.rdb", of_version(&whole, 99)),
            ("module.rdb", sealed(b"REDIS0010\xfe\x00\x00\x01a\x01b\x07\x05graph\x00\xff".to_vec())),
            ("fields.rdb", sealed(b"REDIS0012\xfe\x00\x18\x05graph\x00\xff".to_vec())),
            ("far.rdb", sealed(b"REDIS0010\xfe\x00\x00\x01a\x01b\xfe\x11\x00\x01a\x01b\xff".to_vec())),
            ("other.rdb", b"PGDMP and more".to_vec()),
            ("empty.rdb", sealed(b"REDIS0010\xff".to_vec())),
        ] {
            caches.write(file, &content);
        }
        let newer = "is Redis 7.0.15, which knows no snapshots of version 12";
        refused(caches, clean("newer.rdb"), ErrorKind::Invalid, newer);
        refused(caches, clean("newest.rdb"), ErrorKind::Failed, "versions up to 12 are known");
        refused(
            caches,
            clean("module.rdb"),
            ErrorKind::Failed,
            "a value of a module (the key `graph`) is not supported",
        );
        refused(
            caches,
            clean("fields.rdb"),
            ErrorKind::Failed,
            "a hash whose fields expire (the key `graph`)",
        );
        refused(caches, clean("far.rdb"), ErrorKind::Invalid, "has no database 17");
        refused(caches, clean("other.rdb"), ErrorKind::Failed, "this is no RDB file");
        refused(
            caches,
            clean("empty.rdb"),
            ErrorKind::NotFound,
            "the snapshot has nothing of what is wanted",
        );
        // A grant to add is none to take away.
        let adds = caches.stage.clone().granted(&["secret", "file", "redis scan,restore"]);
        let done =
            adds.call("redis::restore", &json!({ "file": "cache.rdb", "server": "spare", "clean": true }));
        assert_eq!(done.error().kind(), ErrorKind::Denied);
        assert!(done.error().report().contains("redis replace * in 127.0.0.1:"), "{}", done.report());
    });
}

#[test]
fn how_long_a_key_was_not_asked_for_and_how_often_it_was_come_back() {
    for (policy, word, at_least) in
        [("allkeys-lru", b"IDLETIME".as_slice(), 3000), ("allkeys-lfu", b"FREQ", 200)]
    {
        on_real_caches(&format!("maxmemory-policy {policy}"), |caches| {
            let Some((full, spare)) = caches.real() else { return };
            let (mut full, mut spare) = (Wire::to(full), Wire::to(spare));
            full.ask(&[b"CONFIG", b"SET", b"maxmemory-policy", policy.as_bytes()]);
            let dump = full.ask(&[b"DUMP", b"text"]).remove(0);
            let value = if policy.ends_with("lru") { b"3600".as_slice() } else { b"250" };
            full.ask(&[b"RESTORE", b"text", b"0", &dump, b"REPLACE", word, value]);
            caches.snapshot();
            caches.on_spare("redis::restore", json!({ "file": "cache.rdb" })).value();
            let found = spare.ask(&[b"OBJECT", word, b"text"]).remove(0);
            let found: u64 = String::from_utf8(found).unwrap().parse().unwrap();
            assert!(found >= at_least, "{policy}: {found}");
        });
    }
}

/// What becomes of what is said over a line.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    /// After so much of what the client says, both are hung up on.
    CutForServer,
    /// After so much of what the server says.
    CutForClient,
    /// A bit of what the server says is another one, after so much.
    Noisy,
}

/// A line to a server, whose fault comes after so many bytes.
fn line(server: &Redis, after: Arc<AtomicUsize>, kind: Line) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, host) = (listener.local_addr().unwrap().port(), server.host());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&host).unwrap());
            let clone = |stream: &TcpStream| stream.try_clone().unwrap();
            let (there, back) = ((clone(&client), clone(&server)), (clone(&server), clone(&client)));
            let (faulty, well) = if kind == Line::CutForServer { (there, back) } else { (back, there) };
            let (mut from, mut to) = well;
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let after = after.clone();
            std::thread::spawn(move || {
                let (mut from, mut to) = faulty;
                let mut piece = [0; 1024];
                while let Ok(read @ 1..) = from.read(&mut piece) {
                    let left = after.load(Ordering::SeqCst);
                    let ends = read >= left;
                    if ends && kind == Line::Noisy {
                        piece[left.saturating_sub(1)] ^= 1;
                        after.store(usize::MAX, Ordering::SeqCst);
                    }
                    let passed = if ends && kind != Line::Noisy { left } else { read };
                    if to.write_all(&piece[..passed]).is_err()
                        || passed < read
                        || (ends && kind != Line::Noisy)
                    {
                        break;
                    }
                    if !ends {
                        after.fetch_sub(read, Ordering::SeqCst);
                    }
                }
                let _ = client.shutdown(std::net::Shutdown::Both);
                let _ = server.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    port
}

#[test]
fn a_server_that_is_lost_half_way_is_told_and_clean_begins_anew() {
    on_real_caches("", |caches| {
        let Some((_, spare)) = caches.real() else { return };
        let (full, whole) = (caches.full(), caches.snapshot().len());
        let after = Arc::new(AtomicUsize::new(usize::MAX));
        let port = line(spare, after.clone(), Line::CutForServer);
        let stage = caches.stage.clone().with("url", json!(format!("redis://127.0.0.1:{port}")));
        let restore = json!({ "file": "cache.rdb", "clean": true });
        let mut part = 0;
        for share in [0, 1, 10, 30, 50, 70, 90, 99] {
            after.store(1000 + whole * share / 100, Ordering::SeqCst);
            let done = stage.call("redis::restore", &restore);
            assert_eq!(done.error().kind(), ErrorKind::Unreachable, "{share} %: {}", done.report());
            assert!(
                done.error().report().contains("`clean: true` begins anew"),
                "{share} %: {}",
                done.report()
            );
            let left = caches.spare();
            part += usize::from(!left.is_empty() && left.len() < full.len());
        }
        assert!(part > 2, "it was lost half-way only {part} times");
        after.store(usize::MAX, Ordering::SeqCst);
        stage.call("redis::restore", &restore).value();
        assert_eq!(caches.spare(), full);
    });
}

#[test]
fn whatever_becomes_of_a_request_what_is_told_is_what_is_there() {
    on_caches(|caches| {
        let full = caches.full();
        caches.snapshot();
        for clean in [false, true] {
            let writes = if clean { "replace" } else { "restore" };
            for verb in ["scan", writes] {
                for fault in ["refused", "lost", "lost-answer", "503", "403"] {
                    caches.on_spare("redis::restore", json!({ "file": "cache.rdb", "clean": true })).value();
                    for database in [0, 9].into_iter().filter(|_| !clean) {
                        caches.on_spare("redis::flush", json!({ "database": database })).value();
                    }
                    caches.clear_functions(!clean);
                    if clean {
                        caches.on_spare("redis::set", json!({ "key": "mine", "value": "x" })).value();
                    }
                    let before = caches.spare();
                    let rule = format!("redis {verb}: {fault}");
                    let stage = caches.stage.clone().fault(&rule);
                    let arguments = json!({ "file": "cache.rdb", "clean": clean, "server": "spare" });
                    let done = stage.call("redis::restore", &arguments);
                    let all = verb == writes && fault == "lost-answer";
                    let report = done.error().report();
                    assert_eq!(caches.spare() == full, all, "{rule}: {report}");
                    assert_eq!(caches.spare() == before, !all, "{rule}: {report}");
                }
            }
        }
    });
}

#[test]
fn a_snapshot_that_breaks_off_on_its_way_is_none() {
    on_real_caches("", |caches| {
        let Some((full, _)) = caches.real() else { return };
        let whole = caches.snapshot().len();
        std::fs::remove_file(caches.stage.folder().join("cache.rdb")).unwrap();
        let after = Arc::new(AtomicUsize::new(usize::MAX));
        let port = line(full, after.clone(), Line::CutForClient);
        let stage = caches.stage.clone().with("url", json!(format!("redis://127.0.0.1:{port}"))).backed_up();
        stage.call("backup::init", &json!({})).value();
        for share in [0, 1, 20, 50, 80, 99] {
            after.store(20 + whole * share / 100, Ordering::SeqCst);
            let done = stage.call("redis::snapshot", &json!({ "file": "cache.rdb" }));
            assert_eq!(done.error().kind(), ErrorKind::Unreachable, "{share} %: {}", done.report());
            after.store(20 + whole * share / 100, Ordering::SeqCst);
            let done = stage.call("backup::create", &json!({ "source": "redis:default" }));
            assert!(
                done.error().report().contains("the server has closed the connection"),
                "{}",
                done.report()
            );
        }
        assert!(!stage.folder().join("cache.rdb").exists());
        assert_eq!(stage.call("backup::list", &json!({})).value(), json!([]));
        after.store(usize::MAX, Ordering::SeqCst);
        let made = stage.call("backup::create", &json!({ "source": "redis:default" })).value();
        assert!(made["bytes"].as_u64().unwrap() > 10_000, "{made}");
    });
}

#[test]
fn a_snapshot_that_is_changed_on_its_way_is_none() {
    on_real_caches("", |caches| {
        let Some((full, _)) = caches.real() else { return };
        let whole = caches.snapshot().len();
        std::fs::remove_file(caches.stage.folder().join("cache.rdb")).unwrap();
        let after = Arc::new(AtomicUsize::new(usize::MAX));
        let port = line(full, after.clone(), Line::Noisy);
        let stage = caches.stage.clone().with("url", json!(format!("redis://127.0.0.1:{port}"))).backed_up();
        stage.call("backup::init", &json!({})).value();
        for share in [30, 60, 90] {
            for (path, arguments) in [
                ("redis::snapshot", json!({ "file": "cache.rdb" })),
                ("backup::create", json!({ "source": "redis:default" })),
            ] {
                after.store(whole * share / 100, Ordering::SeqCst);
                let done = stage.call(path, &arguments);
                assert!(
                    done.error().report().contains("was damaged on its way"),
                    "{share} %: {}",
                    done.report()
                );
            }
        }
        assert!(!stage.folder().join("cache.rdb").exists());
        assert_eq!(stage.call("backup::list", &json!({})).value(), json!([]));
    });
}

#[test]
fn a_server_that_is_full_says_so_with_the_key_at_which_it_was() {
    on_real_caches("maxmemory 2mb\nmaxmemory-policy noeviction", |caches| {
        let Some((full, _)) = caches.real() else { return };
        let mut wire = Wire::to(full);
        for n in 0..3000_u32 {
            let noise: Vec<u8> = (0..1000_u32).map(|at| ((at * at * (n + 3)) >> 5) as u8).collect();
            wire.ask(&[b"SET", format!("blob:{n}").as_bytes(), &noise]);
        }
        caches.snapshot();
        let done = caches.on_spare("redis::restore", json!({ "file": "cache.rdb" }));
        let report = done.error().report();
        assert!(
            report.contains("the key `")
                && report.contains("OOM")
                && report.contains("`maxmemory` is used up"),
            "{report}"
        );
    });
}
