//! Plans with writes to databases, and over Kubernetes and AWS at once.

use super::{REGION, Scene, says};

const BOTH: &str = r#"
aws:
  accounts:
    "111122223333":
      zones:
        example.com: { records: [{ name: www.example.com, type: CNAME, values: [us.example.com], id: us, weight: 100 }] }
      regions:
        us-west-2:
          clusters: { prod: { node-groups: { workers: { min: 3, max: 20, desired: 6 } } } }
          rds:
            instances: { workflow-prod: { class: db.r6g.large, storage: 20 } }
            snapshots: { nightly: { of: workflow-prod, age: 20h } }
          s3: { buckets: { uploads: { versioning: true, objects: { "a.txt": "one" } } } }
          secrets: { app/db: '{"password":"first"}' }
          parameters: { /app/image: "web:1.3.0" }
k8s:
  objects:
    - apiVersion: apps/v1
      kind: Deployment
      metadata: { name: api, namespace: default }
      spec:
        replicas: 2
        selector: { matchLabels: { app: api } }
        template:
          metadata: { labels: { app: api } }
          spec: { containers: [ { name: api, image: "shop/api:1" } ] }
"#;

#[test]
fn one_plan_is_over_kubernetes_and_aws_and_binds_the_run() {
    let scene = Scene::of(BOTH, 200);
    let opsrun = scene.signed_in(REGION).env("KUBECONFIG", scene.estate.variable("KUBECONFIG"));
    let state = "log(`${k8s::get(\"deployment/api\").spec.replicas} pods, ${rds::snapshots().len()} snapshots, ${rds::list().len()} databases, \
                 ${eks::node_group(\"prod\", \"workers\").desired} nodes`);";
    let state = || opsrun.run([scene.playbook(state)]).with_code(0).to_string();
    let before = state();
    assert!(before.contains("2 pods, 1 snapshots, 1 databases, 6 nodes"), "{before}");
    let playbook = "step(\"snapshot\", || rds::snapshot(\"workflow-prod\", \"before\"));\n\
                    step(\"restore\", || rds::restore(\"before\", \"workflow-restored\", #{ class: \"db.r6g.xlarge\" }));\n\
                    step(\"nodes\", || eks::scale(\"prod\", \"workers\", #{ desired: 9, wait: 10.m }));\n\
                    step(\"pods\", || k8s::scale(\"deployment/api\", 3));\n";
    let path = scene.folder.path().join("change.rhai");
    std::fs::write(&path, playbook).expect("a file can be written");
    let file = scene.folder.path().join("made.plan");
    let plan = opsrun.run(["plan".as_ref(), path.as_os_str(), "-o".as_ref(), file.as_os_str()]).with_code(0);
    says(
        &plan,
        &[
            "rds snapshot us-west-2/before",
            "rds db us-west-2/workflow-restored",
            "eks nodegroup us-west-2/prod/workers",
            "desired: 6 → 9",
            "replicas: 2 → 3",
        ],
    );
    assert!(state().contains("2 pods, 1 snapshots, 1 databases, 6 nodes"), "a plan changes nothing");
    let run = || opsrun.run(["run".as_ref(), path.as_os_str(), "--plan".as_ref(), file.as_os_str()]);
    run().with_code(0);
    let after = state();
    assert!(after.contains("3 pods, 2 snapshots, 2 databases, 9 nodes"), "{after}");
    says(&run(), &["no longer holds"]);
}

#[test]
fn a_plan_over_secrets_and_parameters_takes_over_what_is_written_and_no_more() {
    let scene = Scene::of(BOTH, 60);
    let opsrun = scene.signed_in(REGION);
    let path = scene.folder.path().join("rotate.rhai");
    let playbook = "step(\"image\", || {\n\
                        ssm::put(\"/app/image\", \"web:1.4.0\");\n\
                        ssm::put(\"/app/new\", \"one\");\n\
                        log(`now ${ssm::get(\"/app/image\").value}`);\n\
                    });\n\
                    step(\"password\", || {\n\
                        let put = secretsmanager::put(\"app/db\", \"second\", #{ key: \"password\" });\n\
                        assert(secretsmanager::describe(\"app/db\").current == put.version);\n\
                    });\n";
    std::fs::write(&path, playbook).expect("a file can be written");
    let file = scene.folder.path().join("made.plan");
    let plan =
        || opsrun.run(["plan".as_ref(), path.as_os_str(), "-o".as_ref(), file.as_os_str()]).with_code(0);
    let said = plan();
    says(
        &said,
        &[
            "ssm parameter us-west-2//app/image",
            "value: \"web:1.3.0\" → \"web:1.4.0\"",
            "ssm parameter us-west-2//app/new",
            "secretsmanager secret us-west-2/app/db",
        ],
    );
    assert!(!said.to_string().contains("first"), "{said}");
    let text = std::fs::read_to_string(&file).expect("the plan is there");
    assert!(!text.contains("first"), "{text}");
    let run = || opsrun.run(["run".as_ref(), path.as_os_str(), "--plan".as_ref(), file.as_os_str()]);
    says(&run().with_code(0), &["now web:1.4.0"]);
    says(&run(), &["no longer holds", "ssm parameter us-west-2//app/image is not as it was"]);
    says(&plan(), &["nothing"]);

    let listing = scene.playbook("ssm::put(\"/app/image\", \"web:1.5.0\"); ssm::list(\"/app\");");
    says(
        &opsrun.run(["plan".as_ref(), listing.as_os_str()]),
        &[
            "what ssm:GetParametersByPath would tell after `us-west-2//app/image` was written cannot be planned",
        ],
    );
}

#[test]
fn a_plan_reads_the_real_objects_and_writes_none() {
    let scene = Scene::of(BOTH, 60);
    let opsrun = scene.signed_in(REGION);
    let reads = "assert(s3::list(\"s3://uploads/\").count == 1);\n\
                 assert(s3::get(\"s3://uploads/a.txt\").text == \"one\");\n\
                 assert(s3::head(\"s3://uploads/a b/\u{fc}+.txt\") == ());\n\
                 ssm::put(\"/app/image\", s3::get(\"s3://uploads/a.txt\").text);";
    let path = scene.folder.path().join("reads.rhai");
    std::fs::write(&path, reads).expect("a file can be written");
    let plan = opsrun.run(["plan".as_ref(), path.as_os_str()]).with_code(0);
    says(&plan, &["ssm parameter us-west-2//app/image", "value: \"web:1.3.0\" → \"one\""]);

    let bucket = scene.playbook("s3::put(\"s3://uploads/b.txt\", #{ content: \"two\" });");
    says(
        &opsrun.run(["plan".as_ref(), bucket.as_os_str()]),
        &["what a write to `s3` would do cannot be planned yet", "opsrun rehearse"],
    );
    says(
        &opsrun.run([scene.playbook("log(`${s3::list(\"s3://uploads/\").count} are there`);")]),
        &["1 are there"],
    );
}
