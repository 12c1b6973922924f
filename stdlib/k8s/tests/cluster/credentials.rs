//! Who a cluster is told that asks, and what is told of credentials that it does not accept.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use opsrun_core::{ErrorKind, Result, Value};
use opsrun_tests::{Mode, Namespace, Program, RealCluster, skip};
use serde_json::json;
use tempfile::TempDir;

use crate::server::Server;
use crate::stage::{Done, Stage};

/// A folder with a kubeconfig, and what it refers to.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn program(&self, name: &str, script: &str) {
        // Another process writes it: the kernel refuses to run a file that a fork of this one may still have open.
        let writing = ["-c".into(), "cat >\"$0\" && chmod 755 \"$0\"".into(), self.path(name)];
        Program::new("/bin/sh").run_with_input(writing, &format!("#!/bin/sh\n{script}\n")).ok();
    }

    /// A kubeconfig with this cluster and user.
    fn stage(&self, cluster: &Value, user: &Value, namespace: &str) -> Stage {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "shop",
            "contexts": [{ "name": "shop", "context": { "cluster": "shop", "user": "robot", "namespace": namespace } }],
            "clusters": [{ "name": "shop", "cluster": cluster }],
            "users": [{ "name": "robot", "user": user }],
        });
        self.write("kubeconfig", &kubeconfig.to_string());
        Stage::live(json!({ "kubeconfig": self.path("kubeconfig") }))
    }

    fn user(&self) -> String {
        format!("user `robot` of `{}`", self.path("kubeconfig").display())
    }
}

fn settings(stage: &Stage) -> Done {
    stage.run(|call| call("k8s::get", json!({ "object": "configmap/settings", "optional": true })))
}

/// The error of a run that fails.
fn refusal(stage: &Stage) -> opsrun_core::Error {
    let mut found = None;
    let seen = std::sync::Mutex::new(&mut found);
    stage.run(|call| {
        let error =
            call("k8s::get", json!({ "object": "configmap/settings", "optional": true })).unwrap_err();
        **seen.lock().unwrap() = Some(error);
        Ok(Value::Null)
    });
    found.expect("it was refused")
}

#[test]
fn a_token_that_is_not_accepted_is_told_with_its_user_and_the_way_to_another() {
    let (folder, server) = (Folder::new(), Server::that_accepts("other"));
    let stage =
        folder.stage(&json!({ "server": server.url() }), &json!({ "token": "s3cr3t-of-the-robot" }), "shop");
    let error = refusal(&stage);
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(
        error.report(),
        format!(
            "asking for the kinds it serves: the credentials of {} are not accepted: they have expired, or were revoked\n  \
             hint: put a new token there: log in again with the tool that wrote it, or ask for one with `kubectl create token`",
            folder.user()
        )
    );
    assert_eq!(error.data_value()["code"], 401);
}

#[test]
fn a_rotated_token_file_is_read_again_once_when_its_token_is_refused() {
    let (folder, server) = (Folder::new(), Server::that_accepts("first"));
    folder.write("token", "first");
    let stage = folder.stage(&json!({ "server": server.url() }), &json!({ "tokenFile": "token" }), "shop");
    let done = stage.run(|call| {
        let get = || call("k8s::get", json!({ "object": "configmap/settings" }));
        get()?;
        server.seen();
        server.accept("second");
        folder.write("token", "second\n");
        get()?;
        let tokens: Vec<_> = server.seen().into_iter().map(|(_, token)| token).collect();
        assert_eq!(tokens, ["first", "second"]);
        server.accept("third");
        let error = get().unwrap_err();
        assert_eq!(server.seen().len(), 2, "it is tried once more, and not for ever");
        assert!(
            error.hint_text().unwrap().contains("which was read again: write a new one there"),
            "{}",
            error.report()
        );
        Ok(Value::Null)
    });
    done.value();
}

#[test]
fn a_server_may_be_below_a_path_which_grants_do_not_see() {
    let (folder, server) = (Folder::new(), Server::that_accepts("t"));
    let cluster = json!({ "server": format!("{}/k8s/clusters/c-1", server.url()) });
    settings(&folder.stage(&cluster, &json!({ "token": "t" }), "shop")).value();
    let paths: Vec<_> = server.seen().into_iter().map(|(path, _)| path).collect();
    assert!(paths.contains(&"/k8s/clusters/c-1/api".to_owned()), "{paths:?}");
    assert_eq!(paths.last().unwrap(), "/k8s/clusters/c-1/api/v1/namespaces/shop/configmaps/settings");
}

#[test]
fn a_plugin_runs_by_grant_alone_and_what_it_says_when_it_fails_is_told() {
    let (folder, server) = (Folder::new(), Server::that_accepts("t"));
    folder.program("login", "echo 'session of robot has ended' >&2\necho 'run: login again' >&2\nexit 7");
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Never",
                       "installHint": "get it from https://login.test" });
    let stage = || folder.stage(&json!({ "server": server.url() }), &json!({ "exec": exec }), "shop");
    let command = folder.path("./login").display().to_string();
    let named = format!("the exec plugin `{command}` of {}", folder.user());

    let denied = refusal(&stage());
    assert_eq!(denied.kind(), ErrorKind::Denied);
    let report = denied.report();
    assert!(
        report.starts_with(&format!(
            "{named} cannot be run\n  caused by: `program run {command}` is not granted"
        )),
        "{report}"
    );
    assert!(!report.contains("get it from"), "{report}");

    let failed = refusal(&stage().granted(format!("program run {command}")));
    assert_eq!(
        failed.report(),
        format!(
            "{named} ended with code 7\n    session of robot has ended\n    run: login again\n  \
             hint: log in again with the tool that it belongs to"
        )
    );

    std::fs::remove_file(folder.path("login")).unwrap();
    let missing = refusal(&stage().granted("program"));
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(missing.hint_text(), Some("get it from https://login.test"));
    assert!(server.seen().is_empty());
}

/// A real API server, and a service account that may read its namespace.
struct Account {
    cluster: &'static RealCluster,
    namespace: Namespace<'static>,
    server: Value,
}

impl Account {
    fn on_a_real_server() -> Option<Account> {
        let cluster = match RealCluster::shared(Mode::Api) {
            Ok(cluster) => cluster,
            Err(missing) => {
                skip(missing);
                return None;
            }
        };
        let namespace = cluster.namespace("accounts");
        let admin: Value =
            serde_json::from_str(&cluster.kubectl().run(["config", "view", "--raw", "-o", "json"]).ok())
                .unwrap();
        let account = Account { cluster, namespace, server: admin["clusters"][0]["cluster"].clone() };
        account.create();
        let robot = format!("--serviceaccount={}:robot", account.namespace.name());
        let may = ["create", "role", "robot", "--verb=get,list", "--resource=configmaps"];
        account.namespace.kubectl(&may).ok();
        account.namespace.kubectl(&["create", "rolebinding", "robot", "--role=robot", &robot]).ok();
        account.await_permission();
        Some(account)
    }

    fn create(&self) {
        self.namespace.kubectl(&["create", "serviceaccount", "robot"]).ok();
    }

    /// The server's authorizer hears of a new role by a watch.
    fn await_permission(&self) {
        let robot = format!("--as=system:serviceaccount:{}:robot", self.namespace.name());
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.namespace.kubectl(&["auth", "can-i", "list", "configmaps", &robot]).code != Some(0) {
            assert!(Instant::now() < deadline, "the role allows nothing after a minute");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// With it, all of its tokens are revoked.
    fn delete(&self) {
        self.namespace.kubectl(&["delete", "serviceaccount", "robot"]).ok();
    }

    fn token(&self) -> String {
        self.namespace.kubectl(&["create", "token", "robot"]).ok().trim().to_owned()
    }

    fn stage(&self, folder: &Folder, user: &Value) -> Stage {
        folder.stage(&self.server, user, self.namespace.name())
    }
}

/// A revoked token is good for some seconds still: the API server remembers whom it knew.
fn until_refused(mut ask: impl FnMut() -> Result<Value>) -> opsrun_core::Error {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        match ask() {
            Err(error) => return error,
            Ok(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(250)),
            Ok(_) => panic!("the token is accepted still"),
        }
    }
}

#[test]
fn a_revoked_token_is_told_by_a_real_server_and_a_forbidden_verb_otherwise() {
    let Some(account) = Account::on_a_real_server() else { return };
    let folder = Folder::new();
    let stage = account.stage(&folder, &json!({ "token": account.token() }));
    let done = stage.run(|call| {
        call("k8s::list", json!({ "kind": "configmaps" }))?;
        let forbidden = call("k8s::list", json!({ "kind": "secrets" })).unwrap_err();
        assert_eq!(forbidden.kind(), ErrorKind::Forbidden);
        assert_eq!(forbidden.data_value()["code"], 403);
        account.delete();
        let error = until_refused(|| call("k8s::list", json!({ "kind": "configmaps" })));
        assert_eq!(
            error.message(),
            format!(
                "listing configmaps: the credentials of {} are not accepted: they have expired, or were revoked",
                folder.user()
            )
        );
        Ok(Value::Null)
    });
    done.value();
}

#[test]
fn a_plugin_is_asked_again_by_a_real_servers_refusal_and_once() {
    let Some(account) = Account::on_a_real_server() else { return };
    let folder = Folder::new();
    folder.program(
        "login",
        "cd \"$(dirname \"$0\")\"\necho asked >>asked\nprintf '{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\
         \"ExecCredential\",\"status\":{\"token\":\"%s\"}}' \"$(cat token)\"",
    );
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "./login" });
    folder.write("token", &account.token());
    let stage = account
        .stage(&folder, &json!({ "exec": exec }))
        .granted(format!("program run {}", folder.path("./login").display()));
    let asked = || folder.read("asked").lines().count();
    let done = stage.run(|call| {
        let list = || call("k8s::list", json!({ "kind": "configmaps" }));
        list()?;
        list()?;
        assert_eq!(asked(), 1, "what it gave is kept");
        account.delete();
        let error = until_refused(list);
        assert_eq!(asked(), 2, "it is asked again once");
        let report = error.report();
        assert!(
            report.contains("which was asked again: log in again with the tool that it belongs to"),
            "{report}"
        );
        assert!(!report.contains(&folder.read("token")), "{report}");
        account.create();
        folder.write("token", &account.token());
        list()
    });
    done.value();
}

#[test]
fn a_plugin_may_give_a_client_certificate() {
    let Some(account) = Account::on_a_real_server() else { return };
    let admin: Value =
        serde_json::from_str(&account.cluster.kubectl().run(["config", "view", "--raw", "-o", "json"]).ok())
            .unwrap();
    let user = &admin["users"][0]["user"];
    let folder = Folder::new();
    folder.write("certificate", user["client-certificate-data"].as_str().unwrap());
    folder.write("key", user["client-key-data"].as_str().unwrap());
    folder.program(
        "login",
        "cd \"$(dirname \"$0\")\"\nlines() { base64 -d \"$1\" | sed 's/$/\\\\n/' | tr -d '\\n'; }\n\
         printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":\
         {\"clientCertificateData\":\"%s\",\"clientKeyData\":\"%s\"}}' \"$(lines certificate)\" \"$(lines key)\"",
    );
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Never" });
    let stage = account.stage(&folder, &json!({ "exec": exec })).granted("program");
    let done = stage.run(|call| call("k8s::list", json!({ "kind": "secrets" })));
    done.value();
}

#[test]
fn a_real_servers_name_and_authority_are_checked() {
    let Some(account) = Account::on_a_real_server() else { return };
    let token = json!({ "token": account.token() });
    let with = |changes: Value| {
        let mut server = account.server.clone();
        server.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        server
    };
    let other_authority = base64(&other_authority());
    for (server, expected) in [
        (with(json!({ "tls-server-name": "kubernetes.default" })), None),
        (with(json!({ "tls-server-name": "elsewhere.test" })), Some("not valid for name \"elsewhere.test\"")),
        (with(json!({ "certificate-authority-data": other_authority })), Some("invalid peer certificate")),
        (with(json!({ "certificate-authority-data": null, "insecure-skip-tls-verify": true })), None),
    ] {
        let folder = Folder::new();
        let stage = folder.stage(&server, &token, account.namespace.name());
        match expected {
            None => drop(settings(&stage).value()),
            Some(expected) => {
                let error = refusal(&stage);
                assert_eq!(error.kind(), ErrorKind::Unreachable);
                assert!(error.report().contains(expected), "{}", error.report());
            }
        }
    }
}

/// The certificate of an authority that has signed nothing.
fn other_authority() -> Vec<u8> {
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=other",
        ])
        .args(["-keyout", "/dev/null", "-out", "-"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
