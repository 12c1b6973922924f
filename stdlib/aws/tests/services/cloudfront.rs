//! What caches hold is dropped, and known to be.

use opsrun_core::Value;
use serde_json::json;

use crate::stage::Stage;

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
