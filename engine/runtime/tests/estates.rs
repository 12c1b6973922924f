//! Estate files that extend each other.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

use std::path::Path;

use opsrun_runtime::EstateFile;
use serde_json::json;

fn load(folder: &Path, name: &str) -> Result<EstateFile, String> {
    EstateFile::load(&folder.join(name)).map_err(|error| error.report())
}

#[test]
fn a_file_that_extends_another_says_what_is_different() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir(at.join("nights")).unwrap();
    let usual = "start: 2026-03-02T03:00:00Z\nsetup: setup.rhai\nparams: { been: 5m, nodes: 3 }\nbar: { tables: { window: 1, door: 2 }, open: [1, 2] }\n";
    std::fs::write(at.join("usual.yaml"), usual).unwrap();
    let night = "extends: ../usual.yaml\nparams: { been: 25m }\nbar: { tables: { window: 9 }, open: [3] }\n";
    std::fs::write(at.join("nights/night.yaml"), night).unwrap();
    let read = load(at, "nights/night.yaml").unwrap();
    assert_eq!(read.sections["bar"], json!({ "tables": { "window": 9, "door": 2 }, "open": [3] }));
    assert_eq!(json!(read.params), json!({ "been": "25m", "nodes": 3 }));
    assert_eq!(read.start.to_string(), "2026-03-02T03:00:00Z");
    // A setup is found where the file that names it says, the estate's other files beside the file that is given.
    assert_eq!(read.setup.as_deref(), Some(Path::new("../setup.rhai")));
    assert_eq!(read.path, at.join("nights/night.yaml"));
    assert!(!read.sections.contains_key("extends"));
}

#[test]
fn a_file_that_cannot_be_extended_is_named_with_who_extends_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (name, text) in [
        ("gone.yaml", "extends: nowhere.yaml\n"),
        ("first.yaml", "extends: second.yaml\n"),
        ("second.yaml", "extends: first.yaml\n"),
        ("broken.yaml", "bar: { tables: \n"),
        ("on-broken.yaml", "extends: broken.yaml\n"),
    ] {
        std::fs::write(at.join(name), text).unwrap();
    }
    for (name, told) in [
        ("gone.yaml", ["gone.yaml`: `extends`", "nowhere.yaml"]),
        ("first.yaml", ["first.yaml`: `extends`", "extend each other more than 8 deep"]),
        ("on-broken.yaml", ["on-broken.yaml`: `extends`", "broken.yaml` cannot be read"]),
    ] {
        let error = load(at, name).unwrap_err();
        assert!(told.iter().all(|told| error.contains(told)), "{name}: {error}");
    }
}
