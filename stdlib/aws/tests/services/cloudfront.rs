//! What caches hold is dropped, and known to be.

use opsrun_core::{Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, on_moto};

fn section() -> Value {
    json!({ "accounts": { "111122223333": { "distributions": {
        "E1WORKFLOW": { "aliases": ["www.example.com", "example.com"], "comment": "the platform" },
        "E2OTHER": { "drops-after": "2h" },
    } } } })
}

fn drop_all(wait: &str) -> Value {
    json!({ "distribution": "www.example.com", "paths": ["/index.html", "/assets/*"], "wait": wait })
}

#[test]
fn an_invalidation_is_waited_for_until_all_caches_have_it() {
    let stage = Stage::new(&section());
    let begun = stage.world().clock().now();
    let done = stage.run(&|call| {
        let first = call("cloudfront::invalidate", drop_all("0s"))?;
        let state = json!({ "distribution": "E1WORKFLOW", "id": first["id"] });
        assert_eq!((&first["status"], &first["distribution"]), (&json!("InProgress"), &json!("E1WORKFLOW")));
        assert_eq!(call("cloudfront::invalidation", state.clone())?["paths"], first["paths"]);
        let through = call("cloudfront::wait", state)?;
        let all = call("cloudfront::distributions", json!({}))?;
        Ok(json!([through["status"], all[0]["aliases"], all[1]["id"]]))
    });
    assert_eq!(done.value(), json!(["Completed", ["www.example.com", "example.com"], "E2OTHER"]));
    let took = stage.world().clock().now().duration_since(begun).as_secs();
    assert!((300..330).contains(&took), "{took}");
    for (arguments, expected) in [
        (
            json!({ "distribution": "api.example.com", "paths": ["/*"] }),
            "no distribution of the estate's account serves api.example.com",
        ),
        (
            json!({ "distribution": "api.example.com", "paths": ["/*"] }),
            "what is served is `www.example.com`, `example.com`",
        ),
        (json!({ "distribution": "E3NONE", "paths": ["/*"] }), "was refused by AWS: NoSuchDistribution"),
        (
            json!({ "distribution": "E1WORKFLOW", "paths": ["index.html"] }),
            "`index.html` is no path of a distribution",
        ),
        (json!({ "distribution": "E1WORKFLOW", "paths": ["/a*/b"] }), "has a `*` only at its end"),
        (json!({ "distribution": "E1WORKFLOW", "paths": [] }), "no path is to be invalidated"),
        (json!({ "distribution": "E2OTHER", "paths": ["/*"] }), "of E2OTHER is not through after 30m"),
    ] {
        let error = stage.call("cloudfront::invalidate", &arguments).error();
        assert!(error.contains(expected), "{error}");
    }
}

/// moto's caches have dropped everything at once. It says so in capitals.
#[test]
fn moto_and_the_simulated_cloudfront_answer_alike() {
    let body = |call: Caller<'_>| -> Result<Value> {
        let mut told = Vec::new();
        let all = call("cloudfront::distributions", json!({}))?;
        told.push(json!([all[0]["aliases"], all[0]["enabled"], all[0]["comment"]]));
        let made = call("cloudfront::invalidate", drop_all("30m"))?;
        let state = json!({ "distribution": "example.com", "id": made["id"] });
        for seen in
            [&made, &call("cloudfront::invalidation", state.clone())?, &call("cloudfront::wait", state)?]
        {
            let status = seen["status"].as_str().unwrap().to_lowercase();
            told.push(json!([
                status,
                seen["paths"],
                seen["id"] == made["id"],
                seen["reference"] == made["reference"]
            ]));
        }
        for (path, arguments) in [
            ("cloudfront::invalidate", json!({ "distribution": "E3NONE", "paths": ["/*"] })),
            ("cloudfront::invalidate", json!({ "distribution": "api.example.com", "paths": ["/*"] })),
            ("cloudfront::invalidation", json!({ "distribution": "E3NONE", "id": "I1" })),
        ] {
            told.push(json!(call(path, arguments).unwrap_err().kind()));
        }
        Ok(told.into())
    };
    let section = json!({ "accounts": { "123456789012": { "distributions": {
        "E1WORKFLOW": { "aliases": ["www.example.com", "example.com"], "comment": "the platform" },
    } } } });
    let simulated = Stage::new(&section).run(&body).value();
    let made = r#"<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><CallerReference>test</CallerReference>
        <Aliases><Quantity>2</Quantity><Items><CNAME>www.example.com</CNAME><CNAME>example.com</CNAME></Items></Aliases>
        <Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>origin.example.com</DomainName></Origin></Items></Origins>
        <DefaultCacheBehavior><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy></DefaultCacheBehavior>
        <Comment>the platform</Comment><Enabled>true</Enabled></DistributionConfig>"#;
    let made = [Thing::Rest("cloudfront", "/2020-05-31/distribution", made.to_owned())];
    let Some(moto) = on_moto(&made, &body) else { return };
    assert_eq!(simulated, moto.value());
}
