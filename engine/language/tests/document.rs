//! What is generated from the declarations, compared with the files in `documents/`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test

mod bar;

use std::collections::BTreeMap;
use std::path::Path;

use bar::{REGISTRY, expect, rehearsal};
use opsrun_language::{Playbook, document, functions, run};

#[test]
fn every_page_says_what_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents");
    let pour = REGISTRY.primitive("bar::pour").unwrap();
    let mut pages = vec![
        ("pour.help".to_owned(), document::help(REGISTRY, "bar::pour").unwrap()),
        ("retry.help".to_owned(), document::help(REGISTRY, "retry").unwrap()),
        ("overview.help".to_owned(), document::overview(REGISTRY)),
        ("pour.schema.json".to_owned(), format!("{:#}\n", document::schema(pour))),
    ];
    let playbooks = bar::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks"));
    let types =
        Playbook::load("types.rhai", &playbooks, REGISTRY).map_err(|refusal| refusal.report()).unwrap();
    pages.push(("playbook.help".to_owned(), document::playbook_page(&types)));
    pages.extend(document::markdown(REGISTRY));
    pages.extend(document::definitions(REGISTRY));
    let wrong: Vec<_> =
        pages.iter().filter_map(|(name, text)| expect(&folder.join(name), text).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_example_runs() {
    let of_library = functions().map(|function| (function.name, function.doc));
    let of_bar = REGISTRY.primitives().map(|declaration| (declaration.path, declaration.doc));
    for (name, doc) in of_library.chain(of_bar) {
        let example = doc.split("```rhai\n").nth(1).and_then(|rest| rest.split("\n```").next());
        let example = example.unwrap_or_else(|| panic!("`{name}` has no example")).to_owned();
        let sources = BTreeMap::from([("example.rhai".to_owned(), example)]);
        let playbook =
            Playbook::load("example.rhai", &sources, REGISTRY).map_err(|refusal| refusal.report()).unwrap();
        let (executed, ..) = rehearsal(&[]);
        let ended = run(&playbook, &BTreeMap::new(), &executed).unwrap();
        assert_eq!(ended.report(&playbook), "", "{name}");
    }
}
