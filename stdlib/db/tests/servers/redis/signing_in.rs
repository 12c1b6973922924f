//! How a server is reached, and what is said if it is not.

use opsrun_core::ErrorKind;
use serde_json::{Value, json};

use crate::ground::real_redis;

#[test]
fn whoever_cannot_sign_in_is_told_why_and_what_to_do() {
    let Some((stage, server)) = real_redis() else { return };
    let url = |url: &str| stage.clone().with("url", json!(url));
    let (host, tls_host) = (server.host(), server.tls_host());
    for (stage, kind, said) in [
        (stage.clone().password("wrong"), ErrorKind::Forbidden, "WRONGPASS"),
        (stage.clone().with("password", Value::Null), ErrorKind::Forbidden, "NOAUTH"),
        (url(&format!("redis://reader@{host}")), ErrorKind::Forbidden, "NOPERM"),
        (url(&format!("rediss://{tls_host}")), ErrorKind::Forbidden, "certificate is not trusted"),
        (url("redis://127.0.0.1:1"), ErrorKind::Unreachable, "refused"),
        (url(&format!("redis://{host}/16")), ErrorKind::Failed, "DB index is out of range"),
        (url(&format!("redis://{host}/x")), ErrorKind::Invalid, "is no number of a database"),
        (url("http://127.0.0.1"), ErrorKind::Invalid, "begins with `rediss://`"),
        (stage.clone().with("ca", json!("ca.pem")), ErrorKind::Invalid, "`ca` is of no use without TLS"),
    ] {
        let done = stage.call("redis::set", &json!({ "key": "a", "value": "b" }));
        assert_eq!(done.error().kind(), kind, "{}", done.report());
        assert!(done.error().report().contains(said), "{}", done.report());
    }
}

#[test]
fn a_server_is_reached_with_tls_as_a_user_and_by_name() {
    let Some((stage, server)) = real_redis() else { return };
    let secured = stage.clone().with("url", json!(format!("rediss://{}", server.tls_host())));
    for trust in [("ca", json!(server.certificate())), ("tls", json!("require"))] {
        let info = secured
            .clone()
            .with(trust.0, trust.1)
            .call("redis::info", &json!({ "section": "server" }))
            .value();
        assert!(info["server"]["redis_version"].as_str().unwrap().starts_with("7."), "{info}");
    }
    let servers = json!({ "sessions": { "url": format!("redis://reader@{}", server.host()), "password": "env:PASSWORD" } });
    let named = stage.with("servers", servers);
    let got = named.call("redis::get", &json!({ "key": "public:nothing", "server": "sessions" })).value();
    assert_eq!(got, Value::Null);
}
