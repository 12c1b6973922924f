//! Images tagged, scanned, deleted and put back.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, fails_everywhere, on_moto};

fn section() -> Value {
    json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "repositories": {
        "team/api": {
            "tags": {
                "1.3.0": { "age": "20d", "size": 70_000_000, "scanned": true, "findings": {} },
                "1.4.0": { "age": "2h" },
                "stable": { "of": "1.3.0" },
            },
            "findings": { "critical": 1, "high": 120 },
            "scan-takes": "30s",
        },
        "web": { "immutable": true, "tags": { "1.4.0": {} } },
        "empty": {},
    } } } } } })
}

fn of(tag: &str) -> Value {
    json!({ "repository": "team/api", "image": tag })
}

fn tag(image: &str, tag: &str) -> Value {
    json!({ "repository": "team/api", "image": image, "tag": tag })
}

fn untag(tag: &str) -> Value {
    json!({ "repository": "team/api", "tag": tag })
}

#[test]
fn images_are_listed_and_told_by_their_tags() {
    let stage = Stage::new(&section());
    let done = stage.run(&|call| {
        let images = call("ecr::images", json!({ "repository": "team/api" }))?;
        let image = call("ecr::image", of("stable"))?;
        let none = call("ecr::images", json!({ "repository": "team/api", "tagged": false }))?;
        let names = call("ecr::repositories", json!({}))?;
        Ok(json!([images, image, none, names]))
    });
    let told = done.value();
    assert_eq!(told[0][0]["tags"], json!(["1.4.0"]));
    assert_eq!(told[0][1], told[1]);
    assert_eq!((&told[1]["tags"], &told[1]["size"]), (&json!(["1.3.0", "stable"]), &json!(70_000_000)));
    assert_eq!((&told[1]["scan"], &told[2]), (&json!("COMPLETE"), &json!([])));
    let uri = "111122223333.dkr.ecr.us-west-2.amazonaws.com/web";
    assert_eq!((&told[3][2]["uri"], &told[3][2]["immutable"]), (&json!(uri), &json!(true)));
    for (path, arguments, expected) in [
        ("ecr::image", of("2.0.0"), "there is no image team/api:2.0.0 in us-west-2"),
        ("ecr::image", of("2.0.0"), "the newest tags are `1.4.0`, `1.3.0`, `stable`"),
        (
            "ecr::images",
            json!({ "repository": "api" }),
            "RepositoryNotFoundException: The repository with name 'api'",
        ),
        ("ecr::scan_findings", of("1.4.0"), "scan it first: `ecr::scan(\"team/api\", \"1.4.0\")`"),
    ] {
        let error = stage.call(path, &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
}

/// What a release does: a tag that moves, one that is new, and one that goes.
fn release(call: Caller<'_>) -> Result<Value> {
    call("ecr::tag", tag("1.4.0", "stable"))?;
    call("ecr::tag", tag("1.4.0", "production"))?;
    call("ecr::untag", untag("stable"))
}

#[test]
fn tags_are_moved_once_and_moved_back() {
    let stage = Stage::new(&section());
    let done = stage.undoes(&|call| {
        let moved = call("ecr::tag", tag("1.4.0", "stable"))?;
        assert_eq!(moved["changed"], true);
        assert_eq!(call("ecr::tag", tag("1.4.0", "stable"))?["changed"], false);
        assert_eq!(call("ecr::image", of("1.3.0"))?["digest"], moved["before"]);
        assert_eq!(call("ecr::untag", untag("stable"))?["changed"], true);
        assert_eq!(call("ecr::untag", untag("stable"))?["changed"], false);
        let last = call("ecr::untag", untag("1.3.0")).unwrap_err().report();
        assert!(last.contains("1.3.0 is the last tag of its image, which would go with it"), "{last}");
        let mut bare = untag("1.3.0");
        bare["untagged"] = json!(true);
        let left = call("ecr::untag", bare.clone())?;
        assert_eq!(call("ecr::untag", bare)?["changed"], false);
        let digest = left["before"].as_str().unwrap();
        assert_eq!(call("ecr::image", of(digest))?["tags"], json!([]));
        call("ecr::tag", tag(digest, "rescued"))
    });
    assert!(done.report().contains("ecr:PutImage repository/team/api in us-west-2"), "{}", done.report());
    fails_everywhere(&section(), &release);
    // An image that had no tag is left without one.
    fails_everywhere(&section(), &|call| {
        let left = call("ecr::untag", json!({ "repository": "team/api", "tag": "1.4.0", "untagged": true }))?;
        call("ecr::tag", tag(left["before"].as_str().unwrap(), "again"))
    });
    let immutable = json!({ "repository": "web", "image": "1.4.0", "tag": "1.4.0" });
    assert_eq!(stage.call("ecr::tag", &immutable).value()["changed"], false);
    stage.call("ecr::tag", &json!({ "repository": "web", "image": "1.4.0", "tag": "live" })).value();
}

#[test]
fn an_immutable_tag_stays_where_it_is() {
    let mut section = section();
    let web = &mut section["accounts"]["111122223333"]["regions"]["us-west-2"]["repositories"]["web"]["tags"];
    web["1.5.0"] = json!({});
    let stage = Stage::new(&section);
    let moved = json!({ "repository": "web", "image": "1.5.0", "tag": "1.4.0" });
    let error = stage.call("ecr::tag", &moved).error();
    for part in [
        "ImageTagAlreadyExistsException",
        "cannot be overwritten because the tag is immutable",
        "ecr:PutImage in us-west-2, the estate's account",
        "hint: the repository's tags are immutable: take another tag",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_deleted_image_is_put_back_as_long_as_its_layers_are_there() {
    let stage = Stage::new(&section());
    let script = |call: Caller<'_>| call("ecr::delete_image", of("stable"));
    stage.undoes(&|call| {
        assert_eq!(script(call)?["tags"], json!(["1.3.0", "stable"]));
        assert_eq!(script(call)?["changed"], false);
        Ok(Value::Null)
    });
    fails_everywhere(&section(), &script);
    // After a while ECR has thrown them away.
    let mut section = section();
    section["accounts"]["111122223333"]["regions"]["us-west-2"]["repositories"]["team/api"]["layers-kept"] =
        json!("0s");
    let stage = Stage::new(&section);
    let done = stage.run(&|call| {
        script(call)?;
        Err(opsrun_core::Error::failed("and now back"))
    });
    for part in ["LayersNotFoundException", "ECR has thrown its layers away meanwhile: push the image again"]
    {
        assert!(done.report().contains(part), "{}", done.report());
    }
}

#[test]
fn a_scan_takes_its_time_and_tells_what_it_found() {
    let stage = Stage::new(&section());
    let begun = stage.world().clock().now();
    let done = stage.run(&|call| {
        let first = call("ecr::scan", of("1.4.0"))?;
        let again = call("ecr::scan", of("1.4.0"))?;
        assert_eq!((&first["changed"], &again["changed"]), (&json!(true), &json!(false)));
        assert_eq!(first["found"], again["found"]);
        call("ecr::scan_findings", of("1.4.0"))
    });
    let found = done.value();
    assert_eq!(found["counts"], json!({ "CRITICAL": 1, "HIGH": 120 }));
    // Two pages.
    assert_eq!(found["findings"].as_array().unwrap().len(), 121);
    assert_eq!(found["findings"][0]["severity"], "CRITICAL");
    assert_eq!(found["findings"][0]["package"], "openssl");
    let took = stage.world().clock().now().duration_since(begun).as_secs();
    assert!((30..40).contains(&took), "{took}");
    let hasty = json!({ "repository": "web", "image": "1.4.0", "wait": "10s" });
    let error = stage.call("ecr::scan", &hasty).error();
    assert!(error.contains("the scan of web:1.4.0 is not through after 10s"), "{error}");
    fails_everywhere(&section(), &|call| call("ecr::scan", of("1.4.0")));
}

#[test]
fn repositories_are_made_and_deleted_and_all_of_it_taken_back() {
    let stage = Stage::new(&section());
    let named = |name: &str| json!({ "name": name });
    let made = json!({ "name": "team/new", "immutable": true, "tags": { "team": "platform" } });
    let script = |call: Caller<'_>| {
        call("ecr::create_repository", made.clone())?;
        call("ecr::delete_repository", named("empty"))
    };
    stage.undoes(&|call| {
        script(call)?;
        assert_eq!(call("ecr::create_repository", made.clone())?["changed"], false);
        assert_eq!(call("ecr::delete_repository", named("empty"))?["changed"], false);
        call("ecr::delete_repository", named("team/new"))
    });
    fails_everywhere(&section(), &script);
    for (path, arguments, expected) in [
        ("ecr::create_repository", named("web"), "and it is immutable and not scanned on push"),
        ("ecr::create_repository", named("Web"), "InvalidParameterException"),
        ("ecr::delete_repository", named("team/api"), "the repository team/api has 2 images in us-west-2"),
    ] {
        let error = stage.call(path, &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
    let forced = json!({ "name": "team/api", "force": true });
    assert_eq!(stage.call("ecr::delete_repository", &forced).value()["images"], 2);
}

#[test]
fn a_registry_s_password_is_shown_to_nobody() {
    let stage = Stage::new(&section());
    let seen = std::sync::Mutex::new(String::new());
    let done = stage.run(&|call| {
        let login = call("ecr::login", json!({}))?;
        let password = login["password"].as_str().unwrap();
        password.clone_into(&mut seen.lock().unwrap());
        call("ssm::put", json!({ "name": format!("/{password}"), "value": "x" }))?;
        Ok(json!([login["registry"], login["user"]]))
    });
    assert_eq!(done.value(), json!(["111122223333.dkr.ecr.us-west-2.amazonaws.com", "AWS"]));
    let told = done.told().join("\n");
    let password = seen.lock().unwrap();
    assert!(
        told.contains("ssm:PutParameter") && password.len() == 64 && !told.contains(&*password),
        "{told}"
    );
}

/// What primitives give on moto and on the simulated ECR is the same, but for identifiers, sizes and times. moto has no layers, no scan
/// that takes time, and deletes the image that loses its last tag to another one.
#[test]
fn moto_and_the_simulated_ecr_answer_alike() {
    let body = |call: Caller<'_>| -> Result<Value> {
        let mut told = Vec::new();
        let repository =
            json!({ "name": "api", "immutable": false, "scan_on_push": true, "tags": { "team": "a" } });
        for _ in 0..2 {
            let made = call("ecr::create_repository", repository.clone())?;
            let of = &made["repository"];
            told.push(json!([made["changed"], of["name"], of["immutable"], of["scan_on_push"]]));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [],
        });
        let put = json!({ "repository": "api", "manifest": manifest.to_string(), "tags": ["1.4.0"] });
        told.push(call("ecr::put_image", put.clone())?);
        told.push(call("ecr::put_image", put)?);
        let tag = json!({ "repository": "api", "image": "1.4.0", "tag": "stable" });
        told.push(call("ecr::tag", tag.clone())?);
        told.push(call("ecr::tag", tag)?);
        told.push(call("ecr::image", json!({ "repository": "api", "image": "stable" }))?["tags"].clone());
        told.push(call("ecr::images", json!({ "repository": "api" }))?.as_array().unwrap().len().into());
        let untag = json!({ "repository": "api", "tag": "stable" });
        told.push(call("ecr::untag", untag.clone())?);
        told.push(call("ecr::untag", untag)?);
        let none = json!({ "repository": "api", "image": "none" });
        told.push(json!(call("ecr::image", none.clone()).unwrap_err().kind()));
        told.push(json!(call("ecr::images", json!({ "repository": "none" })).unwrap_err().kind()));
        told.push(json!(call("ecr::delete_repository", json!({ "name": "api" })).unwrap_err().kind()));
        told.push(call("ecr::delete_image", json!({ "repository": "api", "image": "1.4.0" }))?);
        told.push(call("ecr::delete_image", none)?);
        told.push(call("ecr::delete_repository", json!({ "name": "api" }))?);
        told.push(call("ecr::delete_repository", json!({ "name": "api" }))?);
        told.push(call("ecr::login", json!({}))?["user"].clone());
        Ok(told.into())
    };
    let simulated = Stage::new(&json!({})).run(&body).value();
    let Some(moto) = on_moto(&[], &body) else { return };
    assert_eq!(simulated, moto.value());
    let taken_back = on_moto(
        &[Thing::Json(
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.CreateRepository",
            json!({ "repositoryName": "api" }),
        )],
        &|call| {
            let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [] });
            call(
                "ecr::put_image",
                json!({ "repository": "api", "manifest": manifest.to_string(), "tags": ["1"] }),
            )?;
            call("ecr::tag", json!({ "repository": "api", "image": "1", "tag": "2" }))?;
            call("ecr::untag", json!({ "repository": "api", "tag": "1" }))?;
            Err(opsrun_core::Error::failed("and now back"))
        },
    );
    let Some(done) = taken_back else { return };
    assert_eq!(done.exit_code(), 3, "{}", done.report());
}
