//! Secrets and parameters that AWS keeps, on a simulated AWS.
#![allow(clippy::unwrap_used)] // a test

#[path = "../stage/mod.rs"]
mod stage;

use std::sync::Arc;

use opsrun_core::{Error, Value};
use opsrun_runtime::Branch;
use serde_json::json;

use crate::stage::{Caller, Stage, fails_everywhere};

fn section() -> Value {
    let mut parameters = serde_json::Map::new();
    for number in 0..25 {
        parameters.insert(format!("/many/{number:02}"), json!(number.to_string()));
    }
    parameters.insert("/app/image".to_owned(), json!("web:1.3.0"));
    parameters.insert("/app/key".to_owned(), json!({ "value": "the old key", "secure": true }));
    parameters.insert("/app/deep/er".to_owned(), json!("x"));
    json!({ "accounts": { "111122223333": { "regions": {
        "us-west-2": {
            "secrets": { "app/db": { "user": "app", "password": "the old password" }, "app/token": "a whole token" },
            "rotations": { "app/db": { "key": "password", "takes": "1m" } },
            "parameters": parameters,
        },
        "us-east-1": { "secrets": { "app/db": { "password": "in the east" } } },
    } } } })
}

fn password(value: &str) -> Value {
    json!({ "secret": "app/db", "value": value, "key": "password" })
}

/// Reads a secret as a playbook does, and puts it where it can be looked at.
fn read(stage: &Stage, reference: &str) -> String {
    let copied = stage.run_branch(&|branch: &Arc<Branch>| {
        let marker = branch.secret(reference)?;
        stage::call(branch, "ssm::put", json!({ "name": "/copied", "value": marker, "secure": false }))
    });
    match copied.succeeded() {
        false => copied.error(),
        true => stage.state()["aws ssm parameter us-west-2//copied"]["value"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn a_playbook_s_secrets_are_read_from_both() {
    let stage = Stage::new(&section());
    for (reference, value) in [
        ("secretsmanager:app/db#password", "the old password"),
        ("secretsmanager:app/token", "a whole token"),
        ("secretsmanager:app/db?region=us-east-1#password", "in the east"),
        ("ssm:/app/key", "the old key"),
        ("ssm:/app/image", "web:1.3.0"),
    ] {
        assert_eq!(read(&stage, reference), value, "{reference}");
    }
    for (reference, expected) in [
        (
            "secretsmanager:app/db#pasword",
            "the secret `app/db` has no key `pasword`\n  hint: its keys are `password`, `user`",
        ),
        ("secretsmanager:app/token#key", "the secret `app/token` is no JSON object"),
        ("secretsmanager:none", "Secrets Manager can't find the specified secret"),
        ("ssm:/none", "reading the parameter `/none` was refused by AWS: ParameterNotFound"),
        ("ssm:/app/image?region=eu-west-1", "ssm:GetParameter in eu-west-1"),
    ] {
        let error = read(&stage, reference);
        assert!(error.contains(expected), "{reference}: {error}");
    }
}

#[test]
fn a_secret_gets_another_value_once_and_its_former_one_back() {
    let stage = Stage::new(&section());
    let script = |call: Caller<'_>| {
        let first = call("secretsmanager::put", password("the new password"))?;
        let again = call("secretsmanager::put", password("the new password"))?;
        let about = call("secretsmanager::describe", json!({ "secret": "app/db" }))?;
        assert_eq!((&first["changed"], &again["changed"]), (&json!(true), &json!(false)));
        assert_eq!((&about["current"], &about["previous"]), (&first["version"], &first["previous"]));
        Ok(about)
    };
    let done = stage.undoes(&script);
    assert!(done.report().contains("UpdateSecretVersionStage"), "{}", done.report());
    assert!(!done.report().contains("old password"), "{}", done.report());
    assert_eq!(read(&stage, "secretsmanager:app/db#password"), "the old password");
    stage.run(&script).value();
    assert_eq!(read(&stage, "secretsmanager:app/db#password"), "the new password");
    // Back and forth by versions.
    stage.undoes(&|call| {
        let about = call("secretsmanager::describe", json!({ "secret": "app/db" }))?;
        let back = json!({ "secret": "app/db", "version": about["previous"] });
        assert_eq!(call("secretsmanager::use_version", back.clone())?["changed"], true);
        assert_eq!(call("secretsmanager::use_version", back)?["changed"], false);
        Ok(about)
    });
    fails_everywhere(&section(), &|call| {
        call("secretsmanager::put", password("the new password"))?;
        call("secretsmanager::put", json!({ "secret": "app/token", "value": "another" }))
    });
}

#[test]
fn a_secret_is_rotated_once_and_used_as_before() {
    let stage = Stage::new(&section());
    let rotate = json!({ "secret": "app/db" });
    let script = |call: Caller<'_>| call("secretsmanager::rotate", rotate.clone());
    let done = stage.undoes(&|call| {
        let before = call("secretsmanager::describe", rotate.clone())?;
        let rotated = script(call)?;
        assert_eq!((&rotated["changed"], &rotated["previous"]), (&json!(true), &before["current"]));
        let about = call("secretsmanager::describe", rotate.clone())?;
        assert_eq!((&about["current"], &about["pending"]), (&rotated["version"], &Value::Null));
        Ok(about)
    });
    assert!(!done.report().contains("old password"), "{}", done.report());
    assert_eq!(read(&stage, "secretsmanager:app/db#password"), "the old password");
    // One that goes on is waited for. On the same stage the run would draw the token of the one above, and begin none.
    let stage = Stage::new(&section());
    let hasty = json!({ "secret": "app/db", "wait": "10s" });
    let done = stage.run(&|call| {
        let error = call("secretsmanager::rotate", hasty.clone()).unwrap_err().report();
        assert!(error.contains("the secret `app/db` still has its former value after 10s"), "{error}");
        script(call)
    });
    assert_eq!(done.value()["changed"], false);
    assert_ne!(read(&stage, "secretsmanager:app/db#password"), "the old password");
    let error = stage.call("secretsmanager::rotate", &json!({ "secret": "app/token" })).error();
    assert!(error.contains("a secret is rotated by a function of Lambda"), "{error}");
    fails_everywhere(&section(), &script);
}

#[test]
fn secrets_are_made_deleted_and_brought_back() {
    let stage = Stage::new(&section());
    let new = json!({ "secret": "app/new", "value": "a fresh value", "tags": { "team": "a" } });
    let old = json!({ "secret": "app/token", "recovery": "7d" });
    let script = |call: Caller<'_>| {
        call("secretsmanager::create", new.clone())?;
        call("secretsmanager::delete", old.clone())
    };
    let done = stage.undoes(&|call| {
        assert_eq!(call("secretsmanager::create", new.clone())?["changed"], true);
        assert_eq!(call("secretsmanager::create", new.clone())?["changed"], false);
        assert_eq!(call("secretsmanager::delete", old.clone())?["changed"], true);
        assert_eq!(call("secretsmanager::delete", old.clone())?["changed"], false);
        let back = json!({ "secret": "app/token" });
        assert_eq!(call("secretsmanager::restore", back.clone())?["changed"], true);
        assert_eq!(call("secretsmanager::restore", back)?["changed"], false);
        Ok(Value::Null)
    });
    assert!(done.report().contains("secretsmanager:RestoreSecret secret/app/token"), "{}", done.report());
    fails_everywhere(&section(), &script);
    stage.run(&script).value();
    for (path, arguments, expected) in [
        (
            "secretsmanager::create",
            json!({ "secret": "app/db", "value": "x" }),
            "there is a secret `app/db` already, with another value",
        ),
        (
            "secretsmanager::create",
            json!({ "secret": "app/token", "value": "x" }),
            "`secretsmanager::restore(\"app/token\")` brings it back",
        ),
        (
            "secretsmanager::delete",
            json!({ "secret": "app/db", "recovery": "3d" }),
            "is not 7 to 30 whole days",
        ),
    ] {
        let error = stage.call(path, &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
    // After its days it is gone, and its name is free.
    stage.pass("8d");
    let again = json!({ "secret": "app/token", "value": "another" });
    assert_eq!(stage.call("secretsmanager::create", &again).value()["changed"], true);
    let gone = json!({ "secret": "app/token", "for_good": true });
    assert_eq!(
        stage.call("secretsmanager::delete", &gone).value(),
        json!({ "changed": true, "gone_at": null })
    );
    assert_eq!(stage.call("secretsmanager::delete", &gone).value()["changed"], false);
}

#[test]
fn parameters_are_set_listed_and_deleted_and_all_of_it_taken_back() {
    let stage = Stage::new(&section());
    let script = |call: Caller<'_>| {
        let put = |name: &str, value: &str| json!({ "name": name, "value": value });
        call("ssm::put", put("/app/image", "web:1.4.0"))?;
        call("ssm::put", put("/app/key", "the new key"))?;
        call("ssm::put", put("/app/new", "new"))?;
        call("ssm::delete", json!({ "name": "/app/deep/er" }))
    };
    let done = stage.undoes(&|call| {
        script(call)?;
        let again = call("ssm::put", json!({ "name": "/app/image", "value": "web:1.4.0" }))?;
        assert_eq!(again["changed"], false);
        assert_eq!(call("ssm::delete", json!({ "name": "/app/deep/er" }))?["changed"], false);
        Ok(again)
    });
    assert!(
        !done.report().contains("the old key") && !done.report().contains("the new key"),
        "{}",
        done.report()
    );
    fails_everywhere(&section(), &script);
    let done = stage.run(&|call| {
        let many = call("ssm::list", json!({ "path": "/many" }))?;
        let app = call("ssm::list", json!({ "path": "/app", "shallow": true }))?;
        let image = call("ssm::get", json!({ "name": "/app/image" }))?;
        Ok(json!([many.as_array().unwrap().len(), app, image["value"]]))
    });
    let value = done.value();
    assert_eq!((&value[0], &value[2]), (&json!(25), &json!("web:1.3.0")));
    let told: Vec<_> = value[1].as_array().unwrap().iter().map(|of| (&of["name"], &of["value"])).collect();
    let expected = [(json!("/app/image"), json!("web:1.3.0")), (json!("/app/key"), Value::Null)];
    assert_eq!(told, expected.iter().map(|(name, value)| (name, value)).collect::<Vec<_>>());
    let secret = stage.call("ssm::get", &json!({ "name": "/app/key" })).error();
    assert!(secret.contains("it is a secret\n  hint: `secret(\"ssm:/app/key\")`"), "{secret}");
    let path = stage.call("ssm::list", &json!({ "path": "app" })).error();
    assert!(path.contains("it begins with a slash: `/app`"), "{path}");
}

#[test]
fn who_may_not_is_told_why_and_where() {
    let stage = Stage::new(&section());
    let denied = stage.run_with(&["aws secretsmanager:PutSecretValue: 403"], &|call| {
        call("secretsmanager::put", password("new")).map_err(|error: Error| error)
    });
    for part in ["AccessDenied", "secretsmanager:PutSecretValue in us-west-2", "hint: the policy needs"] {
        assert!(denied.error().contains(part), "{}", denied.error());
    }
    let passes = stage.run_with(&["aws ssm:PutParameter: 429 2 times"], &|call| {
        call("ssm::put", json!({ "name": "/app/image", "value": "web:1.4.0" }))
    });
    assert_eq!(passes.value()["changed"], true);
}

/// What primitives give on moto and on the simulated services is the same, but for identifiers and times.
#[test]
fn moto_and_the_simulated_services_answer_alike() {
    let body = |call: Caller<'_>| {
        let mut told = Vec::new();
        let before = call("secretsmanager::describe", json!({ "secret": "app/db" }))?;
        let put = call("secretsmanager::put", password("new"))?;
        told.push(json!([put["changed"], put["previous"] == before["current"]]));
        told.push(call("secretsmanager::put", password("new"))?["changed"].clone());
        let back = json!({ "secret": "app/db", "version": before["current"] });
        told.push(call("secretsmanager::use_version", back.clone())?["changed"].clone());
        told.push(call("secretsmanager::use_version", back)?["changed"].clone());
        told.push(json!(call("secretsmanager::describe", json!({ "secret": "none" })).unwrap_err().kind()));
        let new = json!({ "secret": "app/new", "value": "fresh" });
        for _ in 0..2 {
            told.push(call("secretsmanager::create", new.clone())?["changed"].clone());
        }
        let named = json!({ "secret": "app/new" });
        for path in ["delete", "delete", "restore", "restore"] {
            told.push(call(&format!("secretsmanager::{path}"), named.clone())?["changed"].clone());
        }
        let gone = json!({ "secret": "app/new", "for_good": true });
        for _ in 0..2 {
            told.push(call("secretsmanager::delete", gone.clone())?["changed"].clone());
        }
        for number in 0..12 {
            call("ssm::put", json!({ "name": format!("/many/{number:02}"), "value": "x" }))?;
        }
        call("ssm::put", json!({ "name": "/many/secret", "value": "hidden", "secure": true }))?;
        let image = json!({ "name": "/app/image", "value": "web:1.4.0" });
        told.push(call("ssm::put", image.clone())?);
        told.push(call("ssm::put", image)?);
        told.push(call("ssm::get", json!({ "name": "/app/image" }))?["value"].clone());
        let many = call("ssm::list", json!({ "path": "/many" }))?;
        told.push(many.as_array().unwrap().iter().map(|of| json!([of["name"], of["value"]])).collect());
        told.push(call("ssm::delete", json!({ "name": "/app/image" }))?);
        told.push(call("ssm::delete", json!({ "name": "/app/image" }))?);
        told.push(json!(call("ssm::get", json!({ "name": "/app/image" })).unwrap_err().kind()));
        Ok(Value::from(told))
    };
    let section = json!({ "accounts": { "111122223333": { "regions": { "us-west-2": {
        "secrets": { "app/db": { "user": "app", "password": "old" } },
    } } } } });
    let value = json!({ "user": "app", "password": "old" }).to_string();
    let input = json!({ "Name": "app/db", "SecretString": value, "ClientRequestToken": "11111111-2222-4333-8444-555555555555" });
    let made = stage::Thing::Json("secretsmanager", "secretsmanager.CreateSecret", input);
    let simulated = Stage::new(&section).run(&body).value();
    let Some(moto) = stage::on_moto(&[made], &body) else { return };
    assert_eq!(simulated, moto.value());
}
