//! What kubeconfigs mean, and what is told of those that mean nothing.

use std::sync::Arc;

use opsrun_core::Result;
use serde_json::json;

use crate::config::Config;
use crate::surroundings::Surroundings;

const SECRET: &str = "s3cr3t-of-the-robot";

/// With the files `/a/config`, `/b/config` … as `KUBECONFIG` lists them.
fn load(files: &[&str], context: Option<&str>) -> Result<Config> {
    let names: Vec<String> =
        (b'a'..).take(files.len()).map(|letter| format!("/{}/config", char::from(letter))).collect();
    let mut here =
        Surroundings::default().with_variable("KUBECONFIG", &format!("/none/config:{}", names.join(":")));
    if let Some(context) = context {
        here = here.with_section(json!({ "context": context }));
    }
    let here = names.iter().zip(files).fold(here, |here, (name, content)| here.with_file(name, content));
    Config::load(&Arc::new(here).cx())
}

#[track_caller]
fn refused(files: &[&str], expected: &str) {
    let report = load(files, None).expect_err("it cannot be used").report();
    assert!(!report.contains(SECRET), "{report}");
    assert_eq!(report, expected);
}

fn one(cluster: &str, user: &str) -> String {
    format!(
        "current-context: shop\ncontexts: [{{ name: shop, context: {{ cluster: shop, user: robot }} }}]\n\
         clusters: [{{ name: shop, cluster: {cluster} }}]\nusers: [{{ name: robot, user: {user} }}]\n"
    )
}

const PLAIN: &str = "{ server: 'http://shop.test' }";

#[test]
fn of_several_files_the_first_that_says_something_wins() {
    let first =
        "current-context: shop\ncontexts: [{ name: shop, context: { cluster: shop, namespace: first } }]\n";
    let second = "current-context: other\nclusters: [{ name: shop, cluster: { server: 'http://second' } }]\n\
                  contexts: [{ name: shop, context: { cluster: none, user: none } }, { name: other, context: { cluster: shop } }]\n";
    let config = load(&["", first, second], None).expect("a configuration");
    assert_eq!((config.context.as_deref(), config.namespace.as_str()), (Some("shop"), "first"));
    assert_eq!(config.endpoint.uri, "http://second/");
    let other = load(&[first, second], Some("other")).expect("a configuration");
    assert_eq!((other.context.as_deref(), other.namespace.as_str()), (Some("other"), "default"));
}

#[test]
fn files_are_found_from_where_the_kubeconfig_is_that_names_them() {
    let here = Surroundings::default()
        .with_variable("KUBECONFIG", "/a/config")
        .with_file("/a/config", &one(
            "{ server: 'https://shop.test', certificate-authority: pki/ca.crt, tls-server-name: api.internal }",
            "{ client-certificate: /abs/me.crt, client-key-data: S0VZ }",
        ))
        .with_file("/a/pki/ca.crt", "CA")
        .with_file("/abs/me.crt", "ME");
    let tls = Config::load(&Arc::new(here).cx()).expect("a configuration").endpoint.tls;
    assert_eq!(tls.roots.as_deref(), Some(&b"CA"[..]));
    assert_eq!(tls.identity, Some((b"ME".to_vec(), b"KEY".to_vec())));
    assert_eq!(tls.server_name.as_deref(), Some("api.internal"));
    let insecure = load(&[&one("{ server: 'https://x', insecure-skip-tls-verify: true }", "{}")], None);
    assert!(insecure.expect("a configuration").endpoint.tls.insecure);
}

#[test]
fn a_context_that_is_not_there_is_told_with_those_that_are() {
    let known = "contexts: [{ name: a, context: {} }, { name: b }]";
    refused(
        &[known],
        "`/none/config`, `/a/config` has no current context\n  hint: name one as `context` in the target's `k8s` section: `a`, `b`",
    );
    let report = load(&[known], Some("c")).expect_err("no such context").report();
    assert_eq!(
        report,
        "there is no context `c` in `/none/config`, `/a/config`\n  hint: its contexts are `a`, `b`"
    );
    refused(
        &["current-context: a\ncontexts: [{ name: a }]"],
        "context `a` of `/none/config`, `/a/config` names no cluster",
    );
    refused(
        &["current-context: a\ncontexts: [{ name: a, context: { cluster: x } }]"],
        "context `a` refers to the cluster `x`, which `/none/config`, `/a/config` does not have",
    );
    refused(
        &[
            "current-context: a\ncontexts: [{ name: a, context: { cluster: x, user: y } }]\nclusters: [{ name: x, cluster: { server: 'http://x' } }]",
        ],
        "context `a` refers to the user `y`, which `/none/config`, `/a/config` does not have",
    );
}

#[test]
fn what_is_no_kubeconfig_is_told_with_its_place_and_without_its_content() {
    refused(
        &[&format!("users:\n- {{ name: robot, user: {{ token: {SECRET} }}\n  x: [\n")],
        "`/a/config` is no kubeconfig\n  caused by: `/a/config` cannot be read: it is wrong at line 3, column 6",
    );
    refused(
        &[&one(PLAIN, SECRET)],
        "`/a/config` is no kubeconfig\n  caused by: `/a/config` cannot be read: it is wrong at line 4, column 30",
    );
    refused(
        &["just words"],
        "`/a/config` is no kubeconfig\n  caused by: `/a/config` cannot be read: it is wrong at line 1, column 1",
    );
}

#[test]
fn a_cluster_that_cannot_be_spoken_to_is_named() {
    let named = "cluster `shop` of `/a/config`";
    let proxy = "{ server: 'https://shop.test', proxy-url: 'http://proxy:3128' }";
    refused(
        &[&one(proxy, "{}")],
        &format!(
            "{named}: it asks for a proxy (`proxy-url`), which is not supported\n  hint: run where the API server is reachable, \
         or let a tunnel listen here and name that as `server`"
        ),
    );
    refused(&[&one("{}", "{}")], &format!("{named}: it has no `server`"));
    refused(
        &[&one("{ server: 'shop:6443' }", "{}")],
        &format!(
            "{named}\n  caused by: `shop:6443` is not the address of an API server: write it like `https://host:6443`"
        ),
    );
    refused(
        &[&one("{ server: 'https://x', certificate-authority-data: '***' }", "{}")],
        &format!("{named}: `certificate-authority-data` is not base64: its byte 0 cannot be"),
    );
    refused(
        &[&one("{ server: 'https://x', certificate-authority: none.crt }", "{}")],
        &format!(
            "{named}: `certificate-authority` cannot be read\n  caused by: `/a/none.crt` does not exist"
        ),
    );
    refused(
        &[&one(
            "{ server: 'https://x', certificate-authority-data: UEVN, insecure-skip-tls-verify: true }",
            "{}",
        )],
        &format!(
            "{named}: it has a certificate authority, and `insecure-skip-tls-verify`: one of them is not meant"
        ),
    );
}

#[test]
fn a_user_that_cannot_sign_in_is_named() {
    let named = "user `robot` of `/a/config`";
    for (user, expected) in [
        (
            "{ client-certificate-data: Q0VSVA== }".to_owned(),
            "it has a client certificate, but no `client-key`",
        ),
        ("{ client-key-data: S0VZ }".to_owned(), "it has a client key, but no `client-certificate`"),
        (
            format!("{{ token: {SECRET}, username: me, password: {SECRET} }}"),
            "it has a token and a password: only one of them can be meant",
        ),
        (
            format!("{{ token: {SECRET}, as-groups: [ops] }}"),
            "it has `as-groups`, `as-uid` or `as-user-extra`, but no `as`",
        ),
        (
            "{ auth-provider: { name: oidc } }".to_owned(),
            "it uses an `auth-provider`, which Kubernetes has removed\n  hint: use the provider's exec plugin instead",
        ),
    ] {
        refused(&[&one(PLAIN, &user)], &format!("{named}: {expected}"));
    }
}
