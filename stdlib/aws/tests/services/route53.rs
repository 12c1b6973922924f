//! Records of DNS, the same on moto.

use opsrun_core::{Error, Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, on_moto};

fn zone() -> [Thing; 1] {
    let zone = r#"<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Name>example.com.</Name>
        <CallerReference>test</CallerReference></CreateHostedZoneRequest>"#;
    [Thing::Rest("route53", "/2013-04-01/hostedzone", zone.to_owned())]
}

fn weighted(id: &str, weight: u8) -> Value {
    json!({ "name": "www.example.com", "type": "CNAME", "ttl": 30, "values": [format!("{id}.example.net")], "id": id, "weight": weight })
}

/// What moto makes is in sync at once.
#[test]
fn moto_and_the_simulated_route_53_answer_alike() {
    let body = |call: Caller<'_>| -> Result<Value> {
        let mut told = Vec::new();
        let set = |record: Value| {
            call("route53::set", json!({ "zone": "example.com", "record": record, "wait": "5m" }))
        };
        let address = |values: Value| json!({ "name": "api.example.com.", "type": "A", "values": values });
        let alias = json!({ "name": "apex.example.com", "type": "A", "alias": { "name": "lb.example.net", "zone": "Z2", "evaluate_health": true } });
        for record in [
            address(json!(["192.0.2.1", "192.0.2.2"])),
            address(json!(["192.0.2.2", "192.0.2.1"])),
            address(json!(["192.0.2.3"])),
            alias,
            weighted("us", 100),
            weighted("eu", 0),
        ] {
            told.push(set(record)?);
        }
        for weights in [json!({ "us": 0, "eu": 100 }), json!({ "eu": 100 })] {
            let weights =
                json!({ "zone": "example.com", "name": "www.example.com", "weights": weights, "wait": "5m" });
            told.push(call("route53::weights", weights)?);
        }
        for name in ["api.example.com", "apex.example.com", "www.example.com", "none.example.com"] {
            let mut records = call("route53::records", json!({ "zone": "example.com", "name": name }))?;
            // moto has them in the order in which they were made.
            records.as_array_mut().unwrap().sort_by_key(|record| record["id"].to_string());
            told.push(records);
        }
        let gone = json!({ "zone": "example.com", "name": "www.example.com", "type": "CNAME", "id": "us", "wait": "5m" });
        told.push(call("route53::delete", gone.clone())?);
        told.push(call("route53::delete", gone)?);
        for (path, arguments) in [
            ("route53::records", json!({ "zone": "example.org" })),
            (
                "route53::weights",
                json!({ "zone": "example.com", "name": "www.example.com", "weights": { "ap": 1 } }),
            ),
        ] {
            told.push(json!(call(path, arguments).unwrap_err().kind()));
        }
        Ok(told.into())
    };
    let section = json!({ "accounts": { "123456789012": { "zones": { "example.com": {} } } } });
    let simulated = Stage::new(&section).run(&body).value();
    let Some(moto) = on_moto(&zone(), &body) else { return };
    assert_eq!(simulated, moto.value());
    let back = on_moto(&zone(), &|call| {
        for record in [weighted("us", 100), weighted("eu", 0)] {
            call("route53::set", json!({ "zone": "example.com", "record": record }))?;
        }
        let weights = json!({ "us": 0, "eu": 100 });
        call(
            "route53::weights",
            json!({ "zone": "example.com", "name": "www.example.com", "weights": weights }),
        )?;
        Err(Error::failed("and now back"))
    });
    let Some(done) = back else { return };
    assert_eq!(done.exit_code(), 3, "{}", done.report());
}
