//! Clusters and groups of nodes, the same on moto.

use opsrun_core::{Error, Result, Value};
use serde_json::json;

use crate::stage::{Caller, Stage, Thing, on_moto};

const NODES: &str = r#"{ "nodegroupName": "workers", "nodeRole": "arn:aws:iam::123456789012:role/nodes", "subnets": ["subnet-1"], "version": "1.34",
    "instanceTypes": ["m6i.large"], "scalingConfig": { "minSize": 1, "maxSize": 6, "desiredSize": 2 } }"#;

fn made() -> [Thing; 2] {
    let cluster = r#"{ "name": "prod", "version": "1.34", "roleArn": "arn:aws:iam::123456789012:role/eks", "resourcesVpcConfig": {} }"#;
    [
        Thing::Rest("eks", "/clusters", cluster.to_owned()),
        Thing::Rest("eks", "/clusters/prod/node-groups", NODES.to_owned()),
    ]
}

fn pick(of: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), of[*name].clone())).collect()
}

/// moto has no machines, so nothing is waited for; a change is through at once, and none of a version is known.
#[test]
fn moto_and_the_simulated_eks_answer_alike() {
    let body = |call: Caller<'_>| -> Result<Value> {
        let mut told = Vec::new();
        let cluster = call("eks::cluster", json!({ "cluster": "prod" }))?;
        told.push(pick(&cluster, &["name", "arn", "version", "status", "region"]));
        told.push(call("eks::node_groups", json!({ "cluster": "prod" }))?.as_array().unwrap().len().into());
        for size in [json!({ "desired": 4 }), json!({ "desired": 4 }), json!({ "max": 9, "min": 2 })] {
            let mut scale = json!({ "cluster": "prod", "group": "workers" });
            scale.as_object_mut().unwrap().extend(size.as_object().unwrap().clone());
            told.push(call("eks::scale", scale)?);
        }
        let group = call("eks::node_group", json!({ "cluster": "prod", "group": "workers" }))?;
        told.push(pick(&group, &["cluster", "name", "min", "max", "desired", "version", "instance_types"]));
        for (path, arguments) in [
            ("eks::cluster", json!({ "cluster": "none" })),
            ("eks::node_group", json!({ "cluster": "prod", "group": "none" })),
            ("eks::scale", json!({ "cluster": "prod", "group": "none", "desired": 1 })),
        ] {
            told.push(json!(call(path, arguments).unwrap_err().kind()));
        }
        Ok(told.into())
    };
    // moto's account has this number.
    let section = json!({ "accounts": { "123456789012": { "regions": { "us-west-2": { "clusters": {
        "prod": { "version": "1.34", "node-groups": { "workers": { "min": 1, "max": 6, "desired": 2, "type": "m6i.large" } } },
    } } } } } });
    let simulated = Stage::new(&section).run(&body).value();
    let Some(moto) = on_moto(&made(), &body) else { return };
    assert_eq!(simulated, moto.value());
    let back = on_moto(&made(), &|call| {
        call("eks::scale", json!({ "cluster": "prod", "group": "workers", "desired": 5, "max": 9 }))?;
        Err(Error::failed("and now back"))
    });
    let Some(done) = back else { return };
    // Undo waits for the machines, which moto has not.
    assert!(done.report().contains("undone"), "{}", done.report());
}
