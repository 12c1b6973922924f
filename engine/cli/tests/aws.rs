//! AWS as a user meets it: signing in, what is refused, plans, and AWS's own command line on a served estate.
#![allow(clippy::disallowed_methods)] // runs programs, and writes what they read

#[path = "aws/command_line.rs"]
mod command_line;
#[path = "aws/errors.rs"]
mod errors;
#[path = "aws/given.rs"]
mod given;
#[path = "aws/plans.rs"]
mod plans;

use std::path::PathBuf;

use opsrun_tests::{Outcome, Program, ServedEstate, skip};

const ESTATE: &str = r#"
aws:
  accounts:
    "111122223333":
      roles: [ops, reader]
      costs: { Amazon Relational Database Service: 9.6, AWS Lambda: { daily: 0.4, tags: { environment: prod } } }
      distributions: { E1WORKFLOW: { aliases: [www.example.com], drops-after: 0s } }
      zones:
        example.com:
          records:
            - { name: www.example.com, type: CNAME, values: [us.example.com], id: us-west-2, weight: 100 }
            - { name: www.example.com, type: CNAME, values: [eu.example.com], id: eu-west-1, weight: 0 }
            - { name: api.example.com, type: A, alias: { name: lb.example.net, zone: Z2 } }
      regions:
        us-west-2:
          vcpus: 128
          clusters:
            prod: { node-groups: { workers: { min: 3, max: 20, desired: 6, type: m6i.xlarge } } }
          rds:
            instances: { workflow-prod: { storage: 20 } }
            snapshots: { nightly: { of: workflow-prod, age: 20h } }
          repositories:
            api: { tags: { "1.4.0": {}, latest: { of: "1.4.0" } }, findings: { critical: 1 }, scan-takes: 0s }
          rotations: { app/rotated: { key: password, takes: 0s } }
          scaling-groups: { legacy: { min: 1, max: 5, desired: 2, type: m6i.large } }
          cloudwatch:
            metrics: [{ namespace: Workflow, name: QueueLength, dimensions: { queue: mail }, constant: 7 }]
            alarms: { queue-long: { namespace: Workflow, metric: QueueLength, dimensions: { queue: mail }, threshold: 100 } }
          elasticache: { groups: { prod-cache: { replicas: 1, keys: 10 } } }
          s3: { buckets: { uploads: { versioning: true, objects: { "a.txt": "one" } } } }
          secrets: { app/db: first, app/rotated: { password: rehearsed } }
          parameters: { /app/image: "web:1.3.0", /app/key: { value: first-key, secure: true } }
    "444455556666": { roles: [ops] }
"#;

const WHO: &str = "log(`${sts::identity().arn} in ${sts::identity().region}`);";

/// A served estate, and a project beside it that signs in there as somebody says.
struct Scene {
    folder: tempfile::TempDir,
    estate: ServedEstate,
}

impl Scene {
    fn new() -> Self {
        Scene::of(ESTATE, 60)
    }

    /// Of an estate in which time passes so much faster.
    fn of(estate: &str, speed: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("estate.yaml");
        std::fs::write(&file, estate).expect("a file can be written");
        let program = Program::new(env!("CARGO_BIN_EXE_opsrun"));
        let estate = ServedEstate::served_by(program, &file, speed);
        Scene { folder, estate }
    }

    /// `opsrun` in a project whose target has this `aws` section. It finds AWS at the estate, and no keys.
    fn opsrun(&self, section: &str) -> Program {
        let folder = self.folder.path();
        let project = format!("[targets.prod]\ngrants = [\"aws\", \"k8s\", \"program\"]\naws = {section}\n");
        std::fs::write(folder.join("opsrun.toml"), project).expect("a file can be written");
        Program::new(env!("CARGO_BIN_EXE_opsrun"))
            .within(folder)
            .env("AWS_ENDPOINT_URL", self.estate.variable("AWS_ENDPOINT_URL"))
            // The machine that this runs on may be one of EC2.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .trusting(folder.join("opsrun.toml"))
    }

    /// The same, signed in by the estate's keys.
    fn signed_in(&self, section: &str) -> Program {
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
            .into_iter()
            .fold(self.opsrun(section), |program, name| program.env(name, self.estate.variable(name)))
    }

    fn playbook(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("playbook.rhai");
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    fn who(&self, program: &Program) -> Outcome {
        program.run([self.playbook(WHO)])
    }

    fn keys(&self) -> String {
        let key = self.estate.variable("AWS_ACCESS_KEY_ID");
        let secret = self.estate.variable("AWS_SECRET_ACCESS_KEY");
        format!("aws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    }
}

/// Writes a file below a program's home.
fn at_home(program: &Program, path: &str, text: &str) {
    let path = program.home().join(path);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
    std::fs::write(path, text).expect("a file can be written");
}

#[track_caller]
fn says(outcome: &Outcome, parts: &[&str]) {
    let said = outcome.to_string();
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

const REGION: &str = r#"{ region = "us-west-2" }"#;

#[test]
fn credentials_are_found_where_aws_programs_find_them() {
    let scene = Scene::new();
    let estates_user = "arn:aws:iam::111122223333:user/estate in us-west-2";
    says(&scene.who(&scene.signed_in(REGION)), &[estates_user]);

    let keys = r#"{ region = "us-west-2", keys = { access-key = "KEY", secret-key = "env:THE_SECRET" } }"#;
    let keys = keys.replace("KEY", scene.estate.variable("AWS_ACCESS_KEY_ID"));
    let program = scene.opsrun(&keys).env("THE_SECRET", scene.estate.variable("AWS_SECRET_ACCESS_KEY"));
    says(
        &program.run([scene.playbook(WHO).as_os_str(), "--allow".as_ref(), "secret".as_ref()]),
        &[estates_user],
    );

    let profiles = r#"{ profile = "PROFILE" }"#;
    let program = |profile: &str, config: &str| {
        let program = scene.opsrun(&profiles.replace("PROFILE", profile));
        at_home(&program, ".aws/credentials", &format!("[base]\n{}", scene.keys()));
        at_home(&program, ".aws/config", config);
        program
    };
    let config = "[profile base]\nregion = us-west-2\n\
                  [profile ops]\nregion = us-west-2\nrole_arn = arn:aws:iam::111122223333:role/ops\nsource_profile = base\nrole_session_name = night\n\
                  [profile chained]\nregion = us-west-2\nrole_arn = arn:aws:iam::111122223333:role/reader\nsource_profile = ops\nrole_session_name = shift\n\
                  [profile program]\nregion = us-west-2\ncredential_process = sh -c 'printf \"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"KEY\\\",\\\"SecretAccessKey\\\":\\\"secret-of-the-program\\\"}\"'\n\
                  [sso-session corp]\nsso_region = us-west-2\nsso_start_url = https://corp.awsapps.com/start\n\
                  [profile sso]\nregion = us-west-2\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = ops\n\
                  [profile own]\nregion = us-west-2\nrole_arn = arn:aws:iam::111122223333:role/ops\nsource_profile = own\n";
    let config = config.replace("KEY", scene.estate.variable("AWS_ACCESS_KEY_ID"));
    says(&scene.who(&program("base", &config)), &[estates_user]);
    says(&scene.who(&program("ops", &config)), &["arn:aws:sts::111122223333:assumed-role/ops/night"]);
    says(&scene.who(&program("chained", &config)), &["arn:aws:sts::111122223333:assumed-role/reader/shift"]);
    says(&scene.who(&program("program", &config)), &[estates_user]);
    says(&scene.who(&program("own", &config)), &["the profile `own` has no keys of its own"]);

    // `aws sso login` names the file of its token by the session's SHA-1.
    let signed_in = program("sso", &config);
    let cache = format!(".aws/sso/cache/{}.json", sha1_of("corp"));
    says(&scene.who(&signed_in), &["nobody has signed in by SSO", "aws sso login --profile sso"]);
    at_home(&signed_in, &cache, r#"{ "accessToken": "token-of-corp", "expiresAt": "2020-01-01T00:00:00Z" }"#);
    says(
        &scene.who(&signed_in),
        &["the session of SSO ended at 2020-01-01T00:00:00Z", "aws sso login --profile sso"],
    );
    at_home(&signed_in, &cache, r#"{ "accessToken": "token-of-corp", "expiresAt": "2099-01-01T00:00:00Z" }"#);
    says(&scene.who(&signed_in), &["arn:aws:sts::111122223333:assumed-role/ops/sso"]);

    let pod = scene.opsrun(REGION);
    at_home(&pod, "token", "eyJ0.token-of-the-pod");
    let token = pod.home().join("token");
    let pod = pod
        .env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/reader")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
        .env("AWS_ROLE_SESSION_NAME", "pod");
    says(&scene.who(&pod), &["arn:aws:sts::111122223333:assumed-role/reader/pod"]);
}

fn sha1_of(text: &str) -> String {
    let output = Program::new("sha1sum").run_with_input([""; 0], text).ok();
    output.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn what_keeps_a_run_from_signing_in_is_told_with_the_way_out() {
    let scene = Scene::new();
    let refused = |section: &str, parts: &[&str]| {
        let outcome = scene.who(&scene.signed_in(section));
        assert_ne!(outcome.code, Some(0), "{outcome}");
        says(&outcome, parts);
    };
    refused("{}", &["nothing says which region of AWS the target `prod` is", "AWS_REGION"]);
    refused(r#"{ regon = "us-west-2" }"#, &["the section `aws` of the target `prod`: unknown field `regon`"]);
    refused(
        r#"{ region = "us-west-2", profile = "nobody" }"#,
        &["names the profile `nobody`, and there is none"],
    );
    let other = r#"{ region = "us-west-2", account = "999988887777" }"#;
    refused(other, &["the target `prod` is account 999988887777, and this is account 111122223333"]);
    let role = r#"{ region = "us-west-2", role = "arn:aws:iam::111122223333:role/admin" }"#;
    refused(
        role,
        &[
            "taking on the role arn:aws:iam::111122223333:role/admin was refused by AWS: AccessDenied",
            "sts:AssumeRole in us-west-2",
            "AWS_ACCESS_KEY_ID (AKIAEST111122223333X)",
        ],
    );

    let unknown = scene.signed_in(REGION).env("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN");
    says(&scene.who(&unknown), &["InvalidClientTokenId", "AWS does not know these keys in us-west-2"]);
    let nobody = scene.opsrun(REGION);
    says(&scene.who(&nobody), &["nothing gives credentials for AWS", "aws sso login"]);
    let elsewhere = scene.signed_in(r#"{ region = "us-west-2", endpoint = "http://127.0.0.1:9" }"#);
    says(
        &scene.who(&elsewhere),
        &["asking who we are did not get through", "http://127.0.0.1:9 cannot be reached"],
    );
}

#[test]
fn a_plan_over_aws_changes_nothing_and_binds_the_run() {
    let scene = Scene::new();
    let opsrun = scene.signed_in(REGION);
    let playbook = scene.playbook(
        "step(\"nodes\", || eks::scale(\"prod\", \"workers\", #{ desired: 9, wait: 10.m }));\n\
         step(\"dns\", || {\n\
             route53::weights(\"example.com\", \"www.example.com\", #{ \"us-west-2\": 0, \"eu-west-1\": 100 });\n\
             route53::set(\"example.com\", #{ name: \"new.example.com\", type: \"A\", values: [\"192.0.2.1\"] });\n\
             log(`${route53::records(\"example.com\").len()} records`);\n\
         });\n",
    );
    let file = scene.folder.path().join("made.plan");
    let plan = || opsrun.run(["plan".as_ref(), playbook.as_os_str(), "-o".as_ref(), file.as_os_str()]);
    let said = plan();
    says(
        &said,
        &["desired: 6 → 9", "Weight: \"100\" → \"0\"", "Weight: \"0\" → \"100\"", "new.example.com. A"],
    );
    let before = opsrun.run(["plan".as_ref(), playbook.as_os_str()]).ok();
    assert!(before.contains("desired: 6 → 9"), "a plan changes nothing: {before}");

    let run = || opsrun.run(["run".as_ref(), playbook.as_os_str(), "--plan".as_ref(), file.as_os_str()]);
    says(&run().with_code(0), &["4 records"]);
    says(&run(), &["no longer holds", "eks nodegroup us-west-2/prod/workers is not as it was"]);
}

#[test]
fn what_is_done_to_nodes_and_records_is_done_once_and_taken_back() {
    let scene = Scene::new();
    let once = "eks::scale(\"prod\", \"workers\", #{ desired: 9, wait: 10.m });\n\
                route53::weights(\"example.com\", \"www.example.com\", #{ \"us-west-2\": 0, \"eu-west-1\": 100 });\n\
                route53::set(\"example.com\", #{ name: \"new.example.com\", type: \"A\", values: [\"192.0.2.1\"] });\n\
                route53::set(\"example.com\", #{ name: \"api.example.com\", type: \"A\", values: [\"192.0.2.2\"] });\n\
                route53::delete(\"example.com\", \"www.example.com\", \"CNAME\", #{ id: \"us-west-2\" });\n";
    let again = "assert(!eks::scale(\"prod\", \"workers\", #{ desired: 9 }).changed);\n\
                 assert(!route53::delete(\"example.com\", \"www.example.com\", \"CNAME\", #{ id: \"us-west-2\" }));\n";
    let playbook = scene.playbook(&format!("{once}{again}fail(\"enough\");"));
    let estate = scene.folder.path().join("estate.yaml");
    let words = ["rehearse".as_ref(), playbook.as_os_str(), "--estate".as_ref(), estate.as_os_str()];
    let outcome = scene.opsrun(REGION).run(words).with_code(3);
    says(&outcome, &["taking back 5 things: enough", "the estate is as it was"]);
}

/// Commands of AWS's own, each with a part of what it says.
const COMMANDS: &[(&str, &str)] = &[
    ("sts get-caller-identity", "arn:aws:iam::111122223333:user/estate"),
    (
        "sts assume-role --role-arn arn:aws:iam::111122223333:role/ops --role-session-name night",
        "assumed-role/ops/night",
    ),
    ("eks list-clusters", "prod"),
    ("eks describe-cluster --name prod", "\"status\": \"ACTIVE\""),
    ("eks list-nodegroups --cluster-name prod", "workers"),
    ("eks describe-nodegroup --cluster-name prod --nodegroup-name workers", "\"desiredSize\": 6"),
    (
        "eks update-nodegroup-config --cluster-name prod --nodegroup-name workers --scaling-config desiredSize=7",
        "ConfigUpdate",
    ),
    ("eks describe-nodegroup --cluster-name prod --nodegroup-name workers", "\"desiredSize\": 7"),
    ("autoscaling describe-auto-scaling-groups", "\"DesiredCapacity\": 7"),
    ("autoscaling set-desired-capacity --auto-scaling-group-name legacy --desired-capacity 4", ""),
    ("autoscaling describe-auto-scaling-groups --auto-scaling-group-names legacy", "\"DesiredCapacity\": 4"),
    (
        "autoscaling describe-scaling-activities --auto-scaling-group-name legacy --max-items 1",
        "Launching a new EC2 instance",
    ),
    ("autoscaling suspend-processes --auto-scaling-group-name legacy --scaling-processes Launch", ""),
    (
        "autoscaling describe-auto-scaling-groups --auto-scaling-group-names legacy",
        "\"ProcessName\": \"Launch\"",
    ),
    ("autoscaling resume-processes --auto-scaling-group-name legacy", ""),
    ("autoscaling start-instance-refresh --auto-scaling-group-name legacy", "InstanceRefreshId"),
    (
        "autoscaling describe-instance-refreshes --auto-scaling-group-name legacy",
        "\"Status\": \"InProgress\"",
    ),
    ("ecr get-login-password", ""),
    ("ecr describe-repositories", "111122223333.dkr.ecr.us-west-2.amazonaws.com/api"),
    (
        "ecr create-repository --repository-name made --image-tag-mutability IMMUTABLE",
        "\"imageTagMutability\": \"IMMUTABLE\"",
    ),
    ("ecr list-images --repository-name api", "\"imageTag\": \"latest\""),
    (
        "ecr describe-images --repository-name api --image-ids imageTag=1.4.0",
        "\"imageSizeInBytes\": 80000000",
    ),
    ("ecr start-image-scan --repository-name api --image-id imageTag=1.4.0", "IN_PROGRESS"),
    ("ecr describe-image-scan-findings --repository-name api --image-id imageTag=1.4.0", "\"CRITICAL\": 1"),
    ("ecr batch-delete-image --repository-name api --image-ids imageTag=latest", "\"failures\": []"),
    ("ecr delete-repository --repository-name made", "repository/made"),
    ("cloudfront list-distributions", "www.example.com"),
    ("cloudfront get-distribution --id E1WORKFLOW", "\"Status\": \"Deployed\""),
    ("cloudfront create-invalidation --distribution-id E1WORKFLOW --paths /a /b/*", "\"Quantity\": 2"),
    ("cloudfront list-invalidations --distribution-id E1WORKFLOW", "\"Status\": \"Completed\""),
    (
        "ce get-cost-and-usage --time-period Start=2026-02-01,End=2026-03-01 --granularity MONTHLY --metrics UnblendedCost --group-by Type=DIMENSION,Key=SERVICE",
        "Amazon Relational Database Service",
    ),
    ("secretsmanager create-secret --name app/new --secret-string fresh", "secret:app/new-"),
    ("secretsmanager delete-secret --secret-id app/new --recovery-window-in-days 7", "DeletionDate"),
    ("secretsmanager restore-secret --secret-id app/new", "app/new"),
    ("secretsmanager rotate-secret --secret-id app/rotated", "VersionId"),
    ("secretsmanager describe-secret --secret-id app/rotated", "LastRotatedDate"),
    ("service-quotas get-service-quota --service-code ec2 --quota-code L-1216C47A", "128"),
    ("service-quotas list-service-quotas --service-code ec2", "L-1216C47A"),
    ("cloudwatch describe-alarms --alarm-name-prefix queue", "\"StateValue\": \"OK\""),
    (
        "cloudwatch put-metric-alarm --alarm-name few --namespace Workflow --metric-name QueueLength --dimensions Name=queue,Value=mail --statistic Minimum --period 60 --evaluation-periods 1 --threshold 10 --comparison-operator LessThanThreshold",
        "",
    ),
    ("cloudwatch disable-alarm-actions --alarm-names few", ""),
    ("cloudwatch describe-alarms --alarm-names few", "\"ActionsEnabled\": false"),
    ("cloudwatch set-alarm-state --alarm-name few --state-value ALARM --state-reason trying", ""),
    ("cloudwatch describe-alarms --state-value ALARM", "few"),
    ("cloudwatch delete-alarms --alarm-names few", ""),
    (
        "cloudwatch put-metric-data --namespace Workflow --metric-name Deployments --value 3 --dimensions env=prod",
        "",
    ),
    ("cloudwatch list-metrics --namespace Workflow", "Deployments"),
    (
        "cloudwatch get-metric-statistics --namespace Workflow --metric-name QueueLength --dimensions Name=queue,Value=mail --start-time 2026-01-01T00:00:00Z --end-time 2027-12-01T00:00:00Z --period 86400000 --statistics Maximum",
        "\"Maximum\": 7.0",
    ),
    (
        "cloudwatch get-metric-data --start-time 2026-01-01T00:00:00Z --end-time 2027-12-01T00:00:00Z --metric-data-queries [{\"Id\":\"m\",\"MetricStat\":{\"Metric\":{\"Namespace\":\"Workflow\",\"MetricName\":\"Deployments\",\"Dimensions\":[{\"Name\":\"env\",\"Value\":\"prod\"}]},\"Period\":86400000,\"Stat\":\"Sum\"}}]",
        "3.0",
    ),
    ("elasticache describe-replication-groups", "\"CurrentRole\": \"primary\""),
    ("elasticache describe-cache-clusters", "\"EngineVersion\": \"7.1\""),
    ("elasticache create-snapshot --replication-group-id prod-cache --snapshot-name before", "\"creating\""),
    ("elasticache describe-snapshots --snapshot-name before", "\"SnapshotSource\": \"manual\""),
    ("route53 list-hosted-zones", "example.com."),
    ("route53 list-hosted-zones-by-name --dns-name example.com", "example.com."),
    ("s3 ls", "uploads"),
    ("s3 ls s3://uploads", "a.txt"),
    ("s3 cp s3://uploads/a.txt -", "one"),
    ("s3 cp {folder}/estate.yaml s3://uploads/copied.yaml", "upload"),
    ("s3 cp s3://uploads/copied.yaml s3://uploads/twice.yaml", "copy"),
    ("s3 mv s3://uploads/twice.yaml s3://uploads/moved.yaml", "move"),
    ("s3 rm s3://uploads/moved.yaml", "delete"),
    ("s3 sync {folder} s3://uploads/folder --exclude * --include *.yaml", "upload"),
    ("s3api head-object --bucket uploads --key copied.yaml", "ContentLength"),
    ("s3api list-objects-v2 --bucket uploads --prefix folder/", "folder/estate.yaml"),
    ("s3api list-object-versions --bucket uploads --prefix moved", "DeleteMarkers"),
    ("s3api get-bucket-versioning --bucket uploads", "Enabled"),
];

#[test]
fn the_aws_command_line_works_on_a_served_estate() {
    let aws = match opsrun_tests::aws() {
        Ok(aws) => aws,
        Err(missing) => return skip(missing),
    };
    let scene = Scene::new();
    let aws = scene.estate.reached_by(aws).within(scene.folder.path());
    let folder = scene.folder.path().display().to_string();
    let commands = COMMANDS.iter().chain(command_line::MORE);
    assert!(commands.clone().count() >= 40, "{}", commands.count());
    for (command, expected) in commands {
        let words: Vec<String> = command.split(' ').map(|word| word.replace("{folder}", &folder)).collect();
        let said = aws.run(&words).ok();
        assert!(said.contains(expected), "aws {command}: `{expected}` is not in\n{said}");
    }
    for (command, expected) in [
        ("eks describe-cluster --name none", "ResourceNotFoundException"),
        (
            "sts assume-role --role-arn arn:aws:iam::111122223333:role/admin --role-session-name night",
            "AccessDenied",
        ),
        ("s3api head-bucket --bucket none", "404"),
        ("route53 get-hosted-zone --id ZNONE", "NoSuchHostedZone"),
        (
            "cloudwatch set-alarm-state --alarm-name none --state-value OK --state-reason x",
            "ResourceNotFound",
        ),
        ("elasticache delete-snapshot --snapshot-name none", "SnapshotNotFoundFault"),
        ("iam list-users", "NotImplemented"),
    ] {
        let outcome = aws.run(command.split(' '));
        assert!(outcome.code != Some(0) && outcome.stderr.contains(expected), "{outcome}");
    }
}
