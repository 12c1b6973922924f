//! What AWS's own command line does with databases, secrets, parameters and buckets, each with a part of what it says.

use super::{REGION, Scene, says};

#[test]
fn a_kubeconfig_is_written_once_and_over_no_other_file() {
    let scene = Scene::new();
    let folder = scene.folder.path();
    let playbook = scene.playbook("eks::kubeconfig(\"prod\", #{ file: \"made.yaml\", context: \"night\" });");
    let run = |allow: &[&str]| {
        let words = allow.iter().map(|word| (*word).into());
        let words = std::iter::once(playbook.clone().into_os_string()).chain(words);
        scene.signed_in(REGION).run(words)
    };
    says(&run(&[]), &["file write"]);
    assert!(!folder.join("made.yaml").exists());
    let grant = format!("file write {}", folder.join("made.yaml").display());
    let allowed = ["--allow", grant.as_str()];
    run(&allowed).with_code(0);
    let text = std::fs::read_to_string(folder.join("made.yaml")).expect("it is written");
    for part in [
        "\"current-context\": \"night\"",
        "arn:aws:eks:us-west-2:111122223333:cluster/prod",
        "https://PROD.gr7.us-west-2.eks.amazonaws.com",
        "\"command\": \"opsrun\"",
        "\"--target\",\n",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    let written = || {
        std::fs::metadata(folder.join("made.yaml")).and_then(|facts| facts.modified()).expect("it is there")
    };
    let before = written();
    run(&allowed).with_code(0);
    assert_eq!(written(), before, "what is so already is not written again");
    std::fs::write(folder.join("made.yaml"), "apiVersion: v1\nkind: Config\n")
        .expect("a file can be written");
    says(
        &run(&allowed).with_code(1),
        &["`made.yaml` is there, and was not made by `eks::kubeconfig`", "name another file"],
    );
}

pub(super) const MORE: &[(&str, &str)] = &[
    ("rds describe-db-instances", "\"DBInstanceIdentifier\": \"workflow-prod\""),
    ("rds describe-db-instances --db-instance-identifier workflow-prod", "\"AllocatedStorage\": 20"),
    (
        "rds create-db-snapshot --db-instance-identifier workflow-prod --db-snapshot-identifier before",
        "\"DBSnapshotIdentifier\": \"before\"",
    ),
    ("rds describe-db-snapshots --snapshot-type manual", "\"DBSnapshotIdentifier\": \"nightly\""),
    (
        "rds copy-db-snapshot --source-db-snapshot-identifier nightly --target-db-snapshot-identifier copied",
        "\"DBSnapshotIdentifier\": \"copied\"",
    ),
    (
        "rds modify-db-snapshot-attribute --db-snapshot-identifier nightly --attribute-name restore --values-to-add 444455556666",
        "444455556666",
    ),
    ("rds describe-db-snapshot-attributes --db-snapshot-identifier nightly", "444455556666"),
    (
        "rds restore-db-instance-from-db-snapshot --db-snapshot-identifier nightly --db-instance-identifier restored",
        "\"DBInstanceStatus\": \"creating\"",
    ),
    ("rds delete-db-snapshot --db-snapshot-identifier nightly", "\"DBSnapshotIdentifier\": \"nightly\""),
    ("secretsmanager list-secrets", "app/db"),
    ("secretsmanager describe-secret --secret-id app/db", "AWSCURRENT"),
    ("secretsmanager get-secret-value --secret-id app/db", "first"),
    ("secretsmanager put-secret-value --secret-id app/db --secret-string second", "AWSCURRENT"),
    ("secretsmanager get-secret-value --secret-id app/db --version-stage AWSPREVIOUS", "first"),
    ("ssm put-parameter --name /app/new --value one --type String", "\"Version\": 1"),
    ("ssm get-parameter --name /app/new", "\"Value\": \"one\""),
    ("ssm get-parameters-by-path --path /app --recursive", "/app/image"),
    ("ssm get-parameter --name /app/key --with-decryption", "first-key"),
    ("s3 mb s3://made-by-aws", "make_bucket"),
    ("s3api get-bucket-location --bucket made-by-aws", "us-west-2"),
    ("s3 rb s3://made-by-aws", "remove_bucket"),
    ("eks list-updates --name prod --nodegroup-name workers", "updateIds"),
];
