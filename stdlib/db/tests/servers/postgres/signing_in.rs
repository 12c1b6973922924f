//! How a server is reached, and what is said if it is not.

use opsrun_core::ErrorKind;
use serde_json::{Value, json};

use crate::ground::real_postgres;

#[test]
fn whoever_cannot_sign_in_is_told_why_and_what_to_do() {
    let Some(stage) = real_postgres() else { return };
    let nobody_knows = stage.folder().join("other.pem");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=other", "-keyout", "/dev/null", "-out"])
        .arg(&nobody_knows)
        .output();
    assert!(made.unwrap().status.success());
    let url = |url: &str| stage.clone().with("url", json!(url));
    for (stage, kind, said) in [
        (stage.clone().password("wrong"), ErrorKind::Forbidden, "password authentication failed"),
        (stage.clone().with("password", Value::Null), ErrorKind::Forbidden, "wants a password of `postgres`"),
        (stage.clone().with("ca", Value::Null), ErrorKind::Forbidden, "certificate is not trusted"),
        (stage.clone().with("ca", json!(nobody_knows)), ErrorKind::Forbidden, "name the authority"),
        (
            stage.clone().with("url", json!("postgres://postgres@127.0.0.1:1/a")),
            ErrorKind::Unreachable,
            "refused",
        ),
        (url("postgres://postgres:pw@127.0.0.1/a"), ErrorKind::Invalid, "has a password in it"),
        (url("postgres://127.0.0.1/a"), ErrorKind::Invalid, "does not say who signs in"),
        (stage.clone().with("tsl", json!("off")), ErrorKind::Invalid, "unknown field `tsl`"),
        (stage.clone().with("tls", json!("off")), ErrorKind::Invalid, "`ca` is of no use without TLS"),
    ] {
        let done = stage.call("postgres::version", &json!({}));
        assert_eq!(done.error().kind(), kind, "{}", done.report());
        assert!(done.error().report().contains(said), "{}", done.report());
    }
    let done = stage.call("postgres::version", &json!({ "server": "reports" }));
    assert!(done.error().report().contains("[targets.test.postgres.servers.reports]"), "{}", done.report());
}

#[test]
fn a_server_is_reached_with_and_without_tls_and_by_name() {
    let Some(stage) = real_postgres() else { return };
    let seen = |stage: &crate::stage::Stage, server: Option<&str>| {
        let sql = "select ssl, (select setting from pg_settings where name = 'TimeZone') as zone from pg_stat_ssl where pid = pg_backend_pid()";
        stage.call("postgres::query", &json!({ "sql": sql, "server": server })).value()[0].clone()
    };
    assert_eq!(seen(&stage, None), json!({ "ssl": true, "zone": "UTC" }));
    assert_eq!(seen(&stage.clone().with("ca", Value::Null).with("tls", json!("require")), None)["ssl"], true);
    let plain = stage.clone().with("ca", Value::Null).with("tls", json!("off"));
    assert_eq!(seen(&plain, None)["ssl"], false);
    let reports = json!({ "reports": { "url": stage.url(), "password": "env:PASSWORD", "tls": "off" } });
    assert_eq!(seen(&stage.clone().with("servers", reports), Some("reports"))["ssl"], false);
}
