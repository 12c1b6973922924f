//! What AWS's own command line does with databases, secrets, parameters and buckets, each with a part of what it says.

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
