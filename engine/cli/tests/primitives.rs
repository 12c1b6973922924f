//! What holds for every primitive of every system: it is documented, and its examples pass the checker.

use std::collections::BTreeMap;

use opsrun_core::{Effect, Undo};
use opsrun_language::check;
use opsrun_runtime::Registry;

static REGISTRY: Registry = Registry::new(&[
    &opsrun_aws::Aws,
    &opsrun_k8s::Kubernetes,
    &opsrun_helm::Helm,
    &opsrun_http::Http,
    &opsrun_notify::Notify,
    &opsrun_template::Template,
    &opsrun_vault::Vault,
]);

#[test]
fn every_example_passes_the_checker() {
    let mut wrong = Vec::new();
    for declaration in REGISTRY.primitives() {
        let examples = declaration.examples();
        if examples.is_empty() {
            wrong.push(format!("`{}` has no example", declaration.path));
        }
        for example in examples {
            let report =
                check("example.rhai", &BTreeMap::from([("example.rhai".to_owned(), example)]), REGISTRY);
            if !report.diagnostics.is_empty() {
                wrong.push(format!("`{}`:\n{}", declaration.path, report.render()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_primitive_says_what_it_does_and_what_takes_it_back() {
    for declaration in REGISTRY.primitives() {
        let path = declaration.path;
        assert!(declaration.summary().ends_with('.'), "{path}: the summary is a sentence");
        assert_eq!(
            declaration.effect == Effect::Write,
            declaration.undo != Undo::Nothing,
            "{path}: effect and undo"
        );
        if let Undo::By(inverse) = declaration.undo {
            assert!(REGISTRY.primitive(inverse).is_some(), "{path}: `{inverse}` is no primitive");
        }
    }
}
