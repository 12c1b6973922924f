//! Backups of folders and of whatever another system offers: made, found, restored and forgotten, by playbooks' calls.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // a test

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use opsrun_backup::Backup;
use opsrun_core::{Error, Item, ItemKind, Items, Module, Result, SourceScheme, Span, System, Target, Value};
use opsrun_gate::{Files, Gate, Grants, Route};
use opsrun_runtime::{Branch, EstateFile, Outcome, Registry, Run, Setup, World};
use serde_json::json;
use tempfile::TempDir;

/// A system with sources of the tests' own: `stream:TEXT` gives the text thrice, without saying how long it is; `broken:TEXT` gives one
/// file, and half of another.
struct Tape;

const STREAM: SourceScheme = SourceScheme {
    scheme: "stream",
    form: "stream:TEXT",
    doc: "A text.",
    open: |cx, named| {
        Box::pin(async move {
            let pieces = vec![Ok(Bytes::from(named.name)); 3];
            let content = futures::stream::iter(pieces).boxed();
            let kind = ItemKind::File { size: None, content };
            let item = Item { path: "tape".to_owned(), kind, mode: 0o600, modified: cx.now() };
            Ok(futures::stream::iter([Ok(item)]).boxed())
        })
    },
    preflight: None,
    restore: |_, _, items| Box::pin(heard(items)),
    try_out: |_, named, items| {
        Box::pin(async move {
            let heard = heard(items).await?;
            let said = heard["tape"][0].as_str().unwrap().to_owned();
            match named.options["says"].as_str() {
                Some(wanted) if !said.contains(wanted) => {
                    Err(Error::failed(format!("nobody says `{wanted}`")))
                }
                _ => Ok(BTreeMap::from([("letters".to_owned(), said.len() as u64)])),
            }
        })
    },
};

const BROKEN: SourceScheme = SourceScheme {
    scheme: "broken",
    open: |cx, named| {
        Box::pin(async move {
            let whole: Items = (STREAM.open)(cx.clone(), named).await?;
            let pieces = [Ok(Bytes::from("half")), Err(Error::failed("the tape tore").hint("glue it"))];
            let content = futures::stream::iter(pieces).boxed();
            let kind = ItemKind::File { size: Some(8), content };
            let half = Item { path: "torn".to_owned(), kind, mode: 0o600, modified: cx.now() };
            Ok(whole.chain(futures::stream::iter([Ok(half)])).boxed())
        })
    },
    ..STREAM
};

/// What was on the tape.
async fn heard(mut items: Items) -> Result<Value> {
    let mut heard = BTreeMap::new();
    while let Some(item) = items.try_next().await? {
        if let ItemKind::File { content, size } = item.kind {
            let text = content.try_fold(Vec::new(), |mut all, piece| async move {
                all.extend_from_slice(&piece);
                Ok(all)
            });
            heard.insert(item.path, json!([String::from_utf8(text.await?).unwrap(), size]));
        }
    }
    Ok(json!(heard))
}

impl System for Tape {
    fn name(&self) -> &'static str {
        "tape"
    }

    fn modules(&self) -> &'static [Module] {
        &[]
    }

    fn sources(&self) -> &'static [SourceScheme] {
        &[STREAM, BROKEN]
    }
}

static REGISTRY: Registry = Registry::new(&[&Backup, &Tape]);

type Caller<'c> = &'c dyn Fn(&str, Value) -> Result<Value>;

/// A folder with some files, and a repository beside them that is named in the target.
struct Stage {
    folder: TempDir,
    password: &'static str,
    section: Value,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, text) in [("data/a.txt", "first"), ("data/deep/er/b.bin", "second"), ("data/empty", "")] {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), text).unwrap();
        }
        let large: Vec<u8> =
            (0..3 << 20_u32).flat_map(|at: u32| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        std::fs::write(root.join("data/large"), large).unwrap();
        let section = json!({ "repositories": {
            "default": { "store": "folder:repository", "password": "env:BACKUP_PASSWORD" },
            "other": { "store": "folder:other", "password": "env:BACKUP_PASSWORD" },
        } });
        Stage { folder, password: "correct horse", section }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn play(
        &self,
        world: World,
        route: Route,
        script: impl FnOnce(&Arc<Branch>, Caller<'_>) -> Result<Value> + Send,
    ) -> Outcome {
        let simulated = matches!(world, World::Simulated(_));
        let grants = ["file", "secret"].iter().map(|grant| grant.parse().unwrap()).collect();
        let gate = Gate::new(REGISTRY.systems(), Grants::new(grants), world.clock(), route);
        let sections = BTreeMap::from([("backup".to_owned(), self.section.clone())]);
        let target = Target { name: "prod".to_owned(), sections, ..Target::default() };
        let files = Files::new(self.folder.path());
        let secrets = BTreeMap::from([("env:BACKUP_PASSWORD".to_owned(), self.password.to_owned())]);
        let run = Run::new(Setup {
            files: if simulated { files.imagined_writes() } else { files },
            targets: BTreeMap::from([("prod".to_owned(), Arc::new(target.clone()))]),
            target: Arc::new(target),
            variables: BTreeMap::from([("BACKUP_PASSWORD".to_owned(), self.password.to_owned())]),
            estate_secrets: simulated.then_some(secrets),
            ..Setup::new(REGISTRY, world, gate)
        });
        run.execute("test".into(), |branch| {
            let call = |path: &str, arguments: Value| {
                let declared = REGISTRY.primitive(path).unwrap_or_else(|| panic!("no primitive {path}"));
                branch.call(declared, arguments)
            };
            script(branch, &call)
        })
        .unwrap()
    }

    fn live(&self, script: impl FnOnce(Caller<'_>) -> Result<Value> + Send) -> Value {
        match self.play(World::live(), Route::live(), |_, call| script(call)) {
            Outcome::Done(value) => value,
            other => panic!("{}", other.error().unwrap().report()),
        }
    }

    fn error(&self, script: impl FnOnce(Caller<'_>) -> Result<Value> + Send) -> Error {
        self.play(World::live(), Route::live(), |_, call| script(call)).error().unwrap().clone()
    }

    /// restic, with the repository locked until it is killed; `None` if this machine has none.
    fn restic_that_waits(&self) -> Option<std::process::Child> {
        let started = Command::new("restic")
            .args(["--no-cache", "-r", self.path("repository").to_str().unwrap(), "backup", "--stdin"])
            .env("RESTIC_PASSWORD", self.password)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn();
        if started.is_err() {
            println!("skipped: needs restic (tests/servers/install)");
        }
        started.ok()
    }

    /// restic's own, on this repository; `None` if this machine has none.
    fn restic(&self, args: &[&str]) -> Option<String> {
        let done = Command::new("restic")
            .args(["--no-cache", "-r", self.path("repository").to_str().unwrap()])
            .args(args)
            .env("RESTIC_PASSWORD", self.password)
            .output();
        let done = match done {
            Err(_) => {
                println!("skipped: needs restic (tests/servers/install)");
                return None;
            }
            Ok(done) => done,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(done.status.success(), "restic {args:?}: {}{}", text(&done.stdout), text(&done.stderr));
        Some(text(&done.stdout))
    }
}

/// The files below a folder, with what is in them, their modes and times.
fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32, std::time::SystemTime)> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let facts = path.metadata().unwrap();
            let named = path.strip_prefix(folder).unwrap().display().to_string();
            let mode = facts.permissions().mode() & 0o7777;
            found.insert(named, (std::fs::read(&path).unwrap(), mode, facts.modified().unwrap()));
        }
    }
    found
}

fn create(call: Caller<'_>, source: &str) -> Result<Value> {
    call("backup::create", json!({ "source": source }))
}

#[test]
fn a_folder_comes_back_as_it_was_and_restic_agrees() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new();
    std::fs::set_permissions(stage.path("data/a.txt"), std::fs::Permissions::from_mode(0o4750)).unwrap();
    let told = stage.live(|call| {
        assert_eq!(call("backup::init", json!({}))?, json!({ "store": "folder:repository", "created": true }));
        assert_eq!(call("backup::init", json!({}))?["created"], false);
        let first = create(call, "folder:data")?;
        let second = create(call, "folder:data")?;
        let restored =
            call("backup::restore", json!({ "snapshot": first["snapshot"], "to": "folder:restored" }))?;
        let latest = call("backup::latest", json!({ "source": "folder:data", "within": "1h" }))?;
        let contents = call("backup::contents", json!({ "snapshot": latest["snapshot"] }))?;
        let list = call("backup::list", json!({ "source": "folder:data" }))?;
        Ok(json!({ "first": first, "second": second, "restored": restored, "latest": latest, "contents": contents,
            "list": list }))
    });
    assert_eq!((&told["first"]["files"], &told["first"]["unchanged"]), (&json!(4), &json!(0)));
    assert_eq!((&told["second"]["unchanged"], &told["second"]["added"]), (&json!(4), &json!(0)));
    assert_eq!(told["restored"]["done"], json!({ "files": 4, "bytes": told["first"]["bytes"] }));
    assert_eq!(told["latest"]["snapshot"], told["second"]["snapshot"]);
    assert_eq!(told["list"].as_array().unwrap().len(), 2);
    assert_eq!((&told["contents"]["count"], &told["contents"]["size"]), (&json!(4), &told["first"]["bytes"]));
    assert_eq!(told["contents"]["files"][0]["path"], "/folder/data/a.txt");
    let original = files(&stage.path("data"));
    assert!(files(&stage.path("restored")) == original, "what was restored differs");
    if stage.restic(&["check", "--read-data"]).is_some() {
        let to = stage.path("by-restic");
        stage.restic(&["restore", "latest", "--target", to.to_str().unwrap()]).unwrap();
        assert!(files(&to.join("folder/data")) == original, "what restic restored differs");
    }
}

#[test]
fn one_path_comes_back_alone_and_files_that_are_there_are_replaced() {
    let stage = Stage::new();
    let told = stage.live(|call| {
        call("backup::init", json!({}))?;
        let made = create(call, "folder:data")?;
        std::fs::write(stage.path("data/a.txt"), "changed").unwrap();
        std::fs::write(stage.path("data/deep/er/b.bin"), "changed too").unwrap();
        call("backup::restore", json!({ "snapshot": made["snapshot"], "paths": ["deep"] }))?;
        let gone = call("backup::restore", json!({ "snapshot": made["snapshot"], "paths": ["nowhere"] }));
        Ok(json!(gone.unwrap_err().report()))
    });
    assert!(told.as_str().unwrap().contains("the snapshot has no `nowhere`"), "{told}");
    assert_eq!(std::fs::read_to_string(stage.path("data/a.txt")).unwrap(), "changed");
    assert_eq!(std::fs::read_to_string(stage.path("data/deep/er/b.bin")).unwrap(), "second");
}

#[test]
fn a_stream_has_its_true_size_and_a_source_that_breaks_leaves_no_snapshot() {
    let stage = Stage::new();
    let told = stage.live(|call| {
        call("backup::init", json!({}))?;
        let broken = create(call, "broken:hello").unwrap_err();
        let made = create(call, "stream:hello")?;
        let restored = call("backup::restore", json!({ "snapshot": "latest", "source": "stream:hello" }))?;
        Ok(json!({ "broken": broken.report(), "all": call("backup::list", json!({}))?, "made": made, "restored": restored }))
    });
    let broken = told["broken"].as_str().unwrap();
    assert!(broken.contains("no snapshot was written") && broken.contains("the tape tore"), "{broken}");
    assert!(broken.contains("glue it"), "{broken}");
    assert_eq!(told["all"].as_array().unwrap().len(), 1);
    assert_eq!((&told["made"]["bytes"], &told["made"]["source"]), (&json!(15), &json!("stream:hello")));
    assert_eq!(told["restored"]["done"], json!({ "tape": ["hellohellohello", 15] }));
    if stage.restic(&["check", "--read-data"]).is_some() {
        let listed = stage.restic(&["ls", "-l", "latest"]).unwrap();
        assert!(listed.contains(" 15 ") && listed.contains("/stream/hello/tape"), "{listed}");
        assert!(!stage.restic(&["list", "locks"]).unwrap().contains(|it: char| it.is_ascii_hexdigit()));
    }
}

#[test]
fn what_cannot_be_used_is_told_with_the_way_out() {
    let stage = Stage::new();
    let missing = stage.error(|call| create(call, "folder:data"));
    let missing = missing.report();
    assert!(missing.contains("there is no repository at folder:repository"), "{missing}");
    assert!(missing.contains("`backup::init()`"), "{missing}");
    stage.live(|call| call("backup::init", json!({})));
    let wrong = Stage { password: "wrong", section: stage.section.clone(), folder: stage.folder };
    let error = wrong.error(|call| call("backup::list", json!({})));
    assert_eq!(error.kind(), opsrun_core::ErrorKind::Forbidden, "{}", error.report());
    let stage = Stage { password: "correct horse", ..wrong };
    for (source, said, hint) in [
        ("nothing", "`nothing` names no source", "a source is named in one of the forms `folder:PATH`"),
        ("folder:", "`folder:` names no source", "it is written `folder:PATH`"),
        ("folder:nowhere", "`nowhere` does not exist", ""),
    ] {
        let error = stage.error(|call| create(call, source)).report();
        assert!(error.contains(said) && error.contains(hint), "{source}: {error}");
    }
    let none = stage.error(|call| call("backup::latest", json!({ "source": "stream:x", "tags": ["good"] })));
    assert!(none.report().contains("has no snapshot of stream:x with the tags `good`"), "{}", none.report());
    let unknown = stage.error(|call| call("backup::list", json!({ "repository": "third" }))).report();
    assert!(unknown.contains("its repositories are `default`, `other`"), "{unknown}");
    if stage.restic(&["snapshots"]).is_some() {
        // A lock of somebody else, who is at it.
        let mut holder = Command::new("restic")
            .args(["--no-cache", "-r", stage.path("repository").to_str().unwrap(), "backup", "--stdin"])
            .env("RESTIC_PASSWORD", stage.password)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let locks = stage.path("repository/locks");
        while std::fs::read_dir(&locks).unwrap().next().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let locked = stage.error(|call| call("backup::forget", json!({}))).report();
        drop(holder.stdin.take());
        holder.wait().unwrap();
        assert!(locked.contains("locked") && locked.contains(&holder.id().to_string()), "{locked}");
    }
}

#[test]
fn on_an_estate_a_month_of_backups_is_kept_and_the_same_seed_gives_the_same_snapshots() {
    let stage = Stage::new();
    let play = || {
        let world = World::simulated(EstateFile::default().start).unwrap();
        let outcome = stage.play(world, Route::simulated(Vec::new()), |branch, call| {
            call("backup::init", json!({}))?;
            for _ in 0..40 {
                create(call, "stream:hello")?;
                create(call, "stream:other")?;
                branch.sleep("24h".parse::<Span>().unwrap())?;
            }
            let would = call("backup::forget", json!({ "dry_run": true }))?;
            let done = call("backup::forget", json!({}))?;
            assert_eq!(would, done);
            let left = call("backup::list", json!({ "source": "stream:hello" }))?;
            let old =
                call("backup::latest", json!({ "source": "stream:hello", "within": "20h" })).unwrap_err();
            Ok(json!({ "done": done, "left": left, "old": old.report() }))
        });
        match outcome {
            Outcome::Done(value) => value,
            other => panic!("{}", other.error().unwrap().report()),
        }
    };
    let told = play();
    assert_eq!(told["done"]["forgotten"].as_array().unwrap().len(), 20);
    assert_eq!(told["left"].as_array().unwrap().len(), 30);
    assert!(told["old"].as_str().unwrap().contains("1d ago, which is more than 20h"), "{}", told["old"]);
    assert!(!stage.path("repository").exists(), "an estate writes nothing");
    assert_eq!(play(), told);
}

#[test]
fn a_snapshot_is_good_only_once_it_was_brought_back_and_what_was_there_is_still_there() {
    let stage = Stage::new();
    let told = stage.live(|call| {
        call("backup::init", json!({}))?;
        let first = create(call, "stream:hello")?;
        let early = call("backup::latest_good", json!({ "source": "stream:hello" })).unwrap_err();
        let uncovered =
            call("backup::coverage", json!({ "sources": ["stream:hello", "folder:data"], "within": "26h" }));
        let verify = |snapshot: &Value, assertions: Value| {
            call("backup::verify", json!({ "snapshot": snapshot, "assertions": assertions }))
        };
        let untrue = verify(&first["snapshot"], json!({ "says": "goodbye" })).unwrap_err();
        let good = verify(&first["snapshot"], json!({ "says": "hello" }))?;
        // By the name that it had before it was marked.
        let again = verify(&first["snapshot"], json!({}))?;
        let folder = create(call, "folder:data")?;
        verify(&folder["snapshot"], json!({ "paths": ["a.txt"] }))?;
        let covered =
            call("backup::coverage", json!({ "sources": ["stream:hello", "folder:data"], "within": "26h" }))?;
        for entry in std::fs::read_dir(stage.path("data")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::write(path, "").unwrap();
            } else {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
        let emptied = create(call, "folder:data")?;
        let vanished = verify(&emptied["snapshot"], json!({})).unwrap_err();
        let meant =
            call("backup::verify", json!({ "snapshot": emptied["snapshot"], "may_be_empty": ["bytes"] }))?;
        let latest = call("backup::latest_good", json!({ "source": "folder:data" }))?;
        Ok(json!({
            "early": early.report(), "uncovered": uncovered.unwrap_err().report(), "untrue": untrue.report(),
            "good": good, "again": again, "covered": covered, "vanished": vanished.report(), "meant": meant,
            "latest": latest,
        }))
    });
    let text = |name: &str| told[name].as_str().unwrap();
    assert!(text("early").contains("`backup::verify` marks one as good"), "{}", text("early"));
    assert!(
        text("uncovered").contains("2 of 2 sources have no good snapshot of the last 1d2h"),
        "{}",
        text("uncovered")
    );
    assert!(
        text("uncovered").contains("stream:hello: none is good; 1 are not verified"),
        "{}",
        text("uncovered")
    );
    assert!(
        text("untrue").contains("of stream:hello is not good")
            && text("untrue").contains("nobody says `goodbye`")
    );
    assert_eq!((&told["good"]["good"], &told["good"]["counts"]), (&json!(true), &json!({ "letters": 15 })));
    assert_eq!(told["good"]["snapshot"], told["again"]["snapshot"], "marked once");
    assert!(
        told["covered"].as_array().unwrap().iter().all(|source| source["covered"] == true),
        "{}",
        told["covered"]
    );
    assert!(text("vanished").contains("it has no bytes, and the last good one has"), "{}", text("vanished"));
    assert_eq!(told["latest"]["snapshot"], told["meant"]["snapshot"]);
    assert_eq!(told["latest"]["tags"], json!([]), "marks are not told as tags");
}

#[test]
fn a_second_repository_gets_what_it_has_not_and_pruning_leaves_what_is_used() {
    let stage = Stage::new();
    let told = stage.live(|call| {
        call("backup::init", json!({}))?;
        call("backup::init", json!({ "repository": "other", "like": "default" }))?;
        let first = create(call, "folder:data")?;
        std::fs::remove_file(stage.path("data/large")).unwrap();
        std::fs::write(stage.path("data/a.txt"), "changed").unwrap();
        std::fs::write(stage.path("data/new"), "new").unwrap();
        let second = create(call, "folder:data")?;
        let diff = call("backup::diff", json!({ "before": first["snapshot"], "after": second["snapshot"] }))?;
        let copied = call("backup::copy", json!({ "to": "other" }))?;
        let again = call("backup::copy", json!({ "to": "other" }))?;
        let to = json!({ "snapshot": "latest", "source": "folder:data", "to": "folder:elsewhere", "repository": "other" });
        call("backup::restore", to)?;
        call("backup::forget", json!({ "last": 1 }))?;
        let would = call("backup::prune", json!({ "dry_run": true }))?;
        let pruned = call("backup::prune", json!({}))?;
        let nothing = call("backup::prune", json!({}))?;
        let checked = call("backup::check", json!({ "read_data": true }))?;
        Ok(json!({ "diff": diff, "copied": copied, "again": again, "would": would, "pruned": pruned, "nothing": nothing,
            "checked": checked }))
    });
    let counts = |name: &str| told["diff"][name].as_u64().unwrap();
    assert_eq!((counts("added"), counts("removed"), counts("changed")), (1, 1, 1), "{}", told["diff"]);
    assert_eq!(
        (told["copied"]["copied"].as_array().unwrap().len(), &told["again"]["were_there"]),
        (2, &json!(2))
    );
    assert!(
        files(&stage.path("elsewhere")) == files(&stage.path("data")),
        "what was restored from the copy differs"
    );
    assert_eq!(told["would"], told["pruned"]);
    assert!(told["pruned"]["removed"].as_u64().unwrap() > 10 << 20, "{}", told["pruned"]);
    assert_eq!((&told["nothing"]["removed"], &told["checked"]["snapshots"]), (&json!(0), &json!(1)));
    stage.restic(&["check", "--read-data"]);
}

#[test]
fn damage_is_told_with_the_file_and_the_paths_that_it_hits_and_the_rest_comes_back() {
    let stage = Stage::new();
    let told = stage.live(|call| {
        call("backup::init", json!({}))?;
        create(call, "folder:data")?;
        std::fs::create_dir(stage.path("more")).unwrap();
        std::fs::write(stage.path("more/whole"), "whole").unwrap();
        create(call, "folder:more")
    });
    let packs = files(&stage.path("repository/data"));
    let (pack, (mut content, ..)) = packs.into_iter().max_by_key(|(_, (content, ..))| content.len()).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    let pack = stage.path("repository/data").join(pack);
    std::fs::write(&pack, content).unwrap();
    let name = pack.file_name().unwrap().to_str().unwrap().to_owned();
    let error = stage.error(|call| call("backup::check", json!({ "read_data": true }))).report();
    assert!(error.contains("is damaged: 1 findings") && error.contains(&name), "{error}");
    assert!(error.contains("hits /folder/data/large of"), "{error}");
    let restore = |source: &str| json!({ "snapshot": "latest", "source": source, "to": "folder:back" });
    stage.live(|call| call("backup::restore", restore("folder:more")));
    assert_eq!(std::fs::read_to_string(stage.path("back/whole")).unwrap(), "whole");
    let broken = stage.error(|call| call("backup::restore", restore("folder:data")));
    assert_eq!(broken.data_value()["damaged"], json!(["/folder/data/large"]));
    let broken = broken.report();
    assert!(
        broken.contains("folder:back is not complete") && broken.contains("1 file or folder"),
        "{broken}"
    );
    assert!(broken.contains("`/folder/data/large` cannot be restored") && broken.contains(&name), "{broken}");
    assert!(!stage.path("back/large").exists(), "half a file is no file");
    let mut rest = files(&stage.path("data"));
    rest.remove("large");
    let mut back = files(&stage.path("back"));
    back.remove("whole");
    assert!(back == rest, "all else is there: {:?}", back.keys());
    let path = json!({ "snapshot": "latest", "source": "folder:data", "to": "folder:paths", "paths": ["large", "a.txt"] });
    let broken = stage.error(|call| call("backup::restore", path)).report();
    assert!(broken.contains("`/folder/data/large` cannot be restored"), "{broken}");
    assert_eq!(
        files(&stage.path("paths")).keys().collect::<Vec<_>>(),
        ["a.txt"],
        "also what was named after it"
    );
    let bad =
        stage.error(|call| call("backup::verify", json!({ "snapshot": "latest", "source": "folder:data" })));
    assert!(bad.report().contains("is not good"), "{}", bad.report());
    assert!(!told["good"].as_bool().unwrap());
}

/// Each pack is flipped, cut and removed in turn; what is restored of each snapshot is what `backup::check` does not name.
#[test]
fn whatever_is_damaged_the_rest_of_a_folder_comes_back_and_what_is_missing_is_told() {
    let stage = Stage::new();
    let large: Vec<u8> =
        (0..40_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(stage.path("data/large"), large).unwrap();
    stage.live(|call| {
        call("backup::init", json!({}))?;
        for number in 0..4 {
            std::fs::write(
                stage.path(&format!("data/deep/{number}")),
                format!("number {number}").repeat(900),
            )
            .unwrap();
            create(call, "folder:data")?;
        }
        Ok(json!(null))
    });
    let whole = files(&stage.path("data"));
    let packs = files(&stage.path("repository/data"));
    assert!(packs.len() >= 8, "{}", packs.len());
    let mut hit = 0;
    for (name, (content, ..)) in packs {
        let pack = stage.path("repository/data").join(&name);
        let mut flipped = content.clone();
        flipped[content.len() / 2] ^= 1;
        for (damage, damaged) in [
            ("flipped", Some(flipped)),
            ("cut", Some(content[..content.len() / 3].to_vec())),
            ("removed", None),
        ] {
            let place = format!("{name} {damage}");
            std::fs::remove_file(&pack).unwrap();
            if let Some(damaged) = damaged {
                std::fs::write(&pack, damaged).unwrap();
            }
            let back = tempfile::tempdir().unwrap();
            let to = json!({ "snapshot": "latest", "source": "folder:data", "to": format!("folder:{}", back.path().display()) });
            let outcome = stage.play(World::live(), Route::live(), |_, call| call("backup::restore", to));
            let found = files(back.path());
            let error = outcome.error().map(Error::report).unwrap_or_default();
            for (path, facts) in &whole {
                match found.get(path) {
                    Some(found) => assert!(found == facts, "{place}: {path}"),
                    None => {
                        // It, or a folder that it is in.
                        let told = Path::new(path).ancestors().map(|at| Path::new("/folder/data").join(at));
                        let mut told = told.map(|at| {
                            format!("`{}` cannot be restored", at.display().to_string().trim_end_matches('/'))
                        });
                        let above = error.contains("`/folder` cannot be") || error.contains("`/` cannot be");
                        assert!(
                            above || told.any(|told| error.contains(&told)),
                            "{place}: {path} is missing: {error}"
                        );
                    }
                }
            }
            assert_eq!(
                found.keys().filter(|path| !whole.contains_key(*path)).count(),
                0,
                "{place}: nothing else"
            );
            assert_eq!(error.is_empty(), found.len() == whole.len(), "{place}: {error}");
            hit += usize::from(!error.is_empty());
        }
        std::fs::write(&pack, content).unwrap();
    }
    assert!(hit > 8, "{hit} is few");
}

#[test]
fn a_lock_of_a_host_that_is_gone_is_told_and_removed_when_it_is_named() {
    let stage = Stage::new();
    stage.live(|call| {
        call("backup::init", json!({}))?;
        create(call, "folder:data")
    });
    let Some(mut theirs) = stage.restic_that_waits() else { return };
    let lock = loop {
        let locks = files(&stage.path("repository/locks"));
        if let Some(name) = locks.keys().find(|name| name.len() == 64) {
            break name.clone();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    let refused = stage.error(|call| call("backup::prune", json!({}))).report();
    assert!(
        refused.contains(&format!("(process {})", theirs.id())) && refused.contains(" since 2"),
        "{refused}"
    );
    assert!(refused.contains(&format!("backup::unlock(#{{ locks: [\"{}\"] }})", &lock[..8])), "{refused}");
    let told = stage.live(|call| {
        let held = call("backup::unlock", json!({}))?;
        let wrong = call("backup::unlock", json!({ "locks": ["the lock"] })).unwrap_err().report();
        let removed = call("backup::unlock", json!({ "locks": [&lock[..8]] }))?;
        call("backup::prune", json!({}))?;
        Ok(json!({ "held": held, "wrong": wrong, "removed": removed }))
    });
    let held = &told["held"]["held"][0];
    assert_eq!(told["held"]["removed"], json!([]));
    assert_eq!((held["lock"].as_str().unwrap(), held["stale"].as_bool().unwrap()), (&*lock, false));
    assert_eq!(held["process"], theirs.id());
    assert!(told["wrong"].as_str().unwrap().contains("`the lock` is no beginning of a lock's identifier"));
    assert_eq!((&told["removed"]["held"], &told["removed"]["removed"][0]), (&json!([]), held));

    // One whose process is gone is in nobody's way; one that cannot be read is named.
    theirs.kill().unwrap();
    theirs.wait().unwrap();
    let mut gone = stage.restic_that_waits().unwrap();
    while files(&stage.path("repository/locks")).keys().all(|name| name.len() != 64) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    gone.kill().unwrap();
    gone.wait().unwrap();
    let broken = "ab".repeat(32);
    std::fs::write(stage.path("repository/locks").join(&broken), "half a lock").unwrap();
    let refused = stage.error(|call| call("backup::forget", json!({ "last": 1 }))).report();
    assert!(refused.contains("backup::unlock(#{ locks: [\"abababab\"] })"), "{refused}");
    let told = stage.live(|call| {
        let first = call("backup::unlock", json!({}))?;
        call("backup::unlock", json!({ "locks": ["abab"] }))?;
        call("backup::forget", json!({ "last": 1 }))?;
        Ok(first)
    });
    assert_eq!(
        (told["removed"][0]["stale"].clone(), told["removed"][0]["process"].clone()),
        (json!(true), json!(gone.id()))
    );
    assert!(told["held"][0]["problem"].as_str().unwrap().contains("cannot be read"), "{told}");
}

#[test]
fn a_prune_removes_what_a_write_into_a_folder_has_left_that_was_killed() {
    let stage = Stage::new();
    stage.live(|call| {
        call("backup::init", json!({}))?;
        create(call, "folder:data")
    });
    let part = stage.path("repository/data").join("ab").join(format!(".{}.4711.part", "ab".repeat(32)));
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::fs::write(&part, "half a pack").unwrap();
    let other = stage.path("repository/data/notes");
    std::fs::write(&other, "somebody's own").unwrap();
    stage.live(|call| call("backup::prune", json!({ "dry_run": true })));
    assert!(part.exists());
    stage.live(|call| call("backup::prune", json!({})));
    assert!(!part.exists() && other.exists());
    stage.live(|call| call("backup::check", json!({ "read_data": true })));
}
