//! Plans with writes to databases, and over Kubernetes and AWS at once.

use opsrun_tests::{Moto, Program, skip};

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
}

/// moto is a server of others' making, and its state tells whether anything was written.
#[test]
fn a_plan_over_objects_and_images_writes_nothing_and_binds_the_run() {
    let moto = match Moto::start() {
        Ok(moto) => moto,
        Err(missing) => return skip(missing),
    };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| {
        std::fs::write(at(name), text).expect("a file can be written");
        at(name)
    };
    let section = format!(
        "[targets.moto]\ngrants = [\"aws\"]\naws = {{ region = \"us-west-2\", endpoint = \"{}\" }}\n",
        moto.endpoint()
    );
    let opsrun = Program::new(env!("CARGO_BIN_EXE_opsrun"))
        .within(folder.path())
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .trusting(write("opsrun.toml", &section));
    std::fs::create_dir(at("site")).expect("a folder can be made");
    for (name, text) in [("site/index.html", "new"), ("site/same.txt", "same")] {
        write(name, text);
    }
    let manifest =
        r#"`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`"#;
    let given = format!(
        "s3::create_bucket(\"versioned\", #{{ versioning: true }}); s3::create_bucket(\"plain\");\n\
         s3::put(\"s3://versioned/a.txt\", #{{ content: \"one\" }}); s3::put(\"s3://versioned/b.txt\", #{{ content: \"bee\" }});\n\
         for key in [\"kept.txt\", \"old/1.txt\", \"old/2.txt\", \"site/same.txt\", \"site/gone.txt\"] {{\n\
             s3::put(`s3://plain/${{key}}`, #{{ content: \"same\" }});\n\
         }}\n\
         ecr::create_repository(\"team/api\"); ecr::create_repository(\"web\"); ecr::put_image(\"team/api\", {manifest}, #{{ tags: [\"1.4.0\"] }});"
    );
    opsrun.run([write("given.rhai", &given)]).with_code(0);
    let state = "let keys = |bucket| s3::list(`s3://${bucket}/`).objects.map(|of| of.key);\n\
                 log(`${keys.call(\"versioned\")} ${keys.call(\"plain\")} ${s3::get(\"s3://versioned/a.txt\").text} \
                 ${s3::versions(\"s3://versioned/a.txt\").len()} ${ecr::images(\"team/api\").map(|of| of.tags)}`);";
    // Without how long it took.
    let state = || {
        let told = opsrun.run([write("state.rhai", state)]).with_code(0).to_string();
        let line = told.lines().find_map(|line| Some(line.split_once("[\"a.txt\"")?.1.to_owned()));
        line.unwrap_or_else(|| panic!("{told}"))
    };
    let before = state();
    let playbook = write(
        "change.rhai",
        r#"
        step("objects", || {
            s3::put("s3://versioned/a.txt", #{ content: "two" });
            assert(s3::get("s3://versioned/a.txt").text == "two");
            assert(s3::get("s3://versioned/b.txt").text == "bee");
            s3::copy("s3://versioned/b.txt", "s3://plain/copied.txt");
            assert(s3::get("s3://plain/copied.txt").text == "bee");
            s3::delete("s3://plain/old/1.txt");
            assert(s3::head("s3://plain/old/1.txt") == ());
            assert(s3::list("s3://plain/old/").objects.map(|of| of.key) == ["old/2.txt"]);
        });
        step("site", || {
            let done = s3::sync("site", "s3://plain/site", #{ delete: true });
            assert(done.copied == 1 && done.deleted == 1 && done.unchanged == 1);
            let keys = s3::list("s3://plain/").objects.map(|of| of.key);
            assert(keys == ["copied.txt", "kept.txt", "old/2.txt", "site/index.html", "site/same.txt"]);
        });
        step("image", || {
            ecr::tag("team/api", "1.4.0", "stable");
            assert(ecr::image("team/api", "stable").tags == ["1.4.0", "stable"]);
        });
        "#,
    );
    let file = at("made.plan");
    let plan =
        opsrun.run(["plan".as_ref(), playbook.as_os_str(), "-o".as_ref(), file.as_os_str()]).with_code(0);
    says(
        &plan,
        &[
            "~ s3 versioned/a.txt",
            "+ s3 plain/copied.txt",
            "- s3 plain/old/1.txt",
            "+ s3 plain/site/index.html",
            "- s3 plain/site/gone.txt",
            "ecr image us-west-2/team/api@sha256:",
            "[\"1.4.0\"] → [\"1.4.0\",\"stable\"]",
        ],
    );
    assert!(!plan.to_string().contains("site/same.txt"), "{plan}");
    assert_eq!(state(), before, "a plan changes nothing");
    let run = || opsrun.run(["run".as_ref(), playbook.as_os_str(), "--plan".as_ref(), file.as_os_str()]);
    run().with_code(0);
    assert_ne!(state(), before);
    says(&run(), &["no longer holds", "s3 versioned/a.txt is not as it was"]);
    for (text, why) in [
        (
            "s3::put(\"s3://plain/x\", #{ content: \"x\" }); s3::versions(\"s3://plain/x\");",
            "what s3:ListObjectVersions would tell after",
        ),
        (
            "s3::put(\"s3://plain/x\", #{ content: \"x\" }); s3::list(\"s3://plain/\", #{ folders: true });",
            "which folders s3://plain would have",
        ),
        (
            "s3::delete_bucket(\"plain\");",
            "what s3:DeleteBucket would do to a bucket that is there cannot be planned",
        ),
        (
            "ecr::tag(\"team/api\", \"1.4.0\", \"x\"); ecr::repositories();",
            "what ecr:DescribeRepositories would tell after",
        ),
    ] {
        let refused = opsrun.run(["plan".as_ref(), write("refused.rhai", text).as_os_str()]);
        says(&refused, &[why]);
    }
}
