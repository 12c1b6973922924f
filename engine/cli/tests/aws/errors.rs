//! One clear error for each thing that goes wrong: what was tried, what AWS said, the action, the region, the account, and the way out.

use std::io::{Read, Write};
use std::net::TcpStream;

use opsrun_tests::Outcome;

use super::{REGION, Scene, at_home, says};

/// What it ended with, from `error:` on.
fn error_of(outcome: &Outcome) -> String {
    let said = outcome.to_string();
    let lines: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("error:")).collect();
    lines.join("\n")
}

#[track_caller]
fn fails(outcome: &Outcome, parts: &[&str]) {
    assert_ne!(outcome.code, Some(0), "{outcome}");
    says(outcome, parts);
    // Once, and not in every layer again.
    for part in parts {
        assert_eq!(error_of(outcome).matches(part).count(), 1, "`{part}` in\n{outcome}");
    }
}

#[test]
fn sessions_that_have_ended_are_said_to_have() {
    let scene = Scene::new();
    let ended = scene.session(1);
    let lasting = scene.session(36_000);
    // A second of the estate is a sixtieth of one.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let keys = |session: &super::given::Session| {
        let program = scene.opsrun(REGION).env("AWS_ACCESS_KEY_ID", &session.key);
        program.env("AWS_SECRET_ACCESS_KEY", &session.secret).env("AWS_SESSION_TOKEN", &session.token)
    };
    says(&scene.who(&keys(&lasting)), &["assumed-role/ops/given"]);
    fails(
        &scene.who(&keys(&ended)),
        &[
            "asking who we are was refused by AWS: ExpiredToken: The security token included in the request is expired",
            &format!("sts:GetCallerIdentity in us-west-2, AWS_ACCESS_KEY_ID ({})", ended.key),
            "hint: the session has ended: sign in again (`aws sso login`), or renew the keys",
        ],
    );

    // The role would be taken on again, and who takes it on may not any more.
    let program = scene.opsrun(r#"{ profile = "reader" }"#);
    let config = format!(
        "[profile base]\nregion = us-west-2\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n\
         [profile reader]\nregion = us-west-2\nrole_arn = arn:aws:iam::111122223333:role/reader\nsource_profile = base\n",
        ended.key, ended.secret, ended.token
    );
    at_home(&program, ".aws/config", &config);
    fails(
        &scene.who(&program),
        &[
            "signing in to AWS by the profile `reader`",
            "taking on the role arn:aws:iam::111122223333:role/reader was refused by AWS: ExpiredToken",
            "sts:AssumeRole in us-west-2, the profile `reader`",
            "hint: the session has ended",
        ],
    );
}

const TWO_REGIONS: &str = r#"
aws:
  CLOCK
  accounts:
    "111122223333":
      regions:
        us-west-2:
          rds: { instances: { workflow-prod: { storage: 20 } } }
          s3: { buckets: { workflow-west: { objects: { a.txt: west } } } }
        eu-west-1:
          s3: { buckets: { workflow-eu: { objects: { a.txt: europe } } } }
"#;

#[test]
fn a_thing_of_another_region_is_said_to_be_there() {
    let scene = Scene::of(&TWO_REGIONS.replace("CLOCK", ""), 60);
    let who = format!("AWS_ACCESS_KEY_ID ({})", scene.estate.variable("AWS_ACCESS_KEY_ID"));
    let run = |text: &str| scene.signed_in(REGION).run([scene.playbook(text)]);
    fails(
        &run("s3::get(\"s3://workflow-eu/a.txt\", #{ region: \"us-west-2\" });"),
        &[
            "asking for s3://workflow-eu/a.txt was refused by AWS: HTTP 301",
            &format!("s3:GetObject in us-west-2, {who}"),
            "hint: the bucket is in another region: say which with the option `region`",
        ],
    );
    says(
        &run("log(s3::get(\"s3://workflow-eu/a.txt\", #{ region: \"eu-west-1\" }).text);").with_code(0),
        &["europe"],
    );
    fails(
        &run("rds::describe(\"workflow-prod\", #{ region: \"us-east-1\" });"),
        &[
            &format!("there is no database workflow-prod in us-east-1, {who}"),
            "hint: there is none at all: is the region right? Say another one with the option `region`",
        ],
    );
}

#[test]
fn a_clock_that_is_off_is_said_to_be_and_which_way() {
    for (clock, says_of_time, hint) in [
        (
            "ahead",
            "Signature expired: ",
            "hint: this machine's clock is minutes behind AWS's: set the clock (`timedatectl`)",
        ),
        (
            "behind",
            "Signature not yet current: ",
            "hint: this machine's clock is minutes ahead of AWS's: set the clock (`timedatectl`)",
        ),
    ] {
        let scene = Scene::of(&TWO_REGIONS.replace("CLOCK", &format!("clock: {{ {clock}: 20m }}")), 1);
        let who = format!("AWS_ACCESS_KEY_ID ({})", scene.estate.variable("AWS_ACCESS_KEY_ID"));
        let run = |text: &str| scene.signed_in(REGION).run([scene.playbook(text)]);
        fails(
            &run("rds::describe(\"workflow-prod\");"),
            &[
                "asking for the database workflow-prod was refused by AWS: SignatureDoesNotMatch",
                says_of_time,
                &format!("rds:DescribeDBInstances in us-west-2, {who}"),
                hint,
            ],
        );
        fails(
            &run("ssm::get(\"/app/image\");"),
            &[
                "was refused by AWS: InvalidSignatureException",
                &format!("ssm:GetParameter in us-west-2, {who}"),
                hint,
            ],
        );
        fails(
            &run("s3::get(\"s3://workflow-west/a.txt\", #{ region: \"us-west-2\" });"),
            &[
                "asking for s3://workflow-west/a.txt was refused by AWS: HTTP 403",
                &format!("s3:GetObject in us-west-2, {who}"),
                "or this machine's clock is minutes off AWS's",
            ],
        );
    }
}

#[test]
fn a_presigned_address_ends_when_it_says() {
    // It is made at a time that is 20 minutes ago for AWS.
    let scene = Scene::of(&TWO_REGIONS.replace("CLOCK", "clock: { ahead: 20m }"), 1);
    let fetched = |within: &str| {
        let text = format!(
            "log(s3::presign(\"s3://workflow-west/a.txt\", #{{ within: {within}, region: \"us-west-2\" }}).address);"
        );
        let said = scene.signed_in(REGION).run([scene.playbook(&text)]).with_code(0).to_string();
        let address =
            said.split_whitespace().find(|word| word.contains("X-Amz-Signature")).expect("an address");
        let (host, path) = address.trim_start_matches("http://").split_once('/').expect("it has a path");
        let mut server = TcpStream::connect(host).expect("the estate answers");
        write!(server, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .expect("it is asked");
        let mut answer = String::new();
        server.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(fetched("1.h").ends_with("west"));
    let past = fetched("10.m");
    assert!(past.starts_with("HTTP/1.1 403"), "{past}");
    assert!(past.contains("<Code>AccessDenied</Code><Message>Request has expired</Message>"), "{past}");
}

const TROUBLED: &str = r#"
aws:
  throttle: [{ service: eks, operation: DescribeNodegroup, rate: 0 }]
  accounts:
    "111122223333":
      regions:
        us-west-2:
          vcpus: 16
          clusters: { prod: { node-groups: { workers: { min: 1, max: 9, desired: 3 } } } }
          rds:
            instances: { workflow-prod: { storage: 20 } }
            failing-snapshots: { bad: 40 }
            quotas: { snapshots: 1 }
"#;

#[test]
fn what_aws_does_not_do_is_one_error_with_the_way_out() {
    let scene = Scene::new();
    let file = scene.folder.path().join("troubled.yaml");
    let rehearse = |estate: &str, text: &str| {
        std::fs::write(&file, estate).expect("a file can be written");
        let playbook = scene.playbook(text);
        let words = ["rehearse".as_ref(), playbook.as_os_str(), "--estate".as_ref(), file.as_os_str()];
        scene.opsrun(REGION).run(words)
    };
    fails(
        &rehearse(TROUBLED, "eks::node_group(\"prod\", \"workers\");"),
        &[
            "looking at the group of nodes `workers` of `prod` was refused by AWS: TooManyRequestsException: Too Many Requests",
            "eks:DescribeNodegroup in us-west-2, the estate's account",
            "hint: AWS said so again and again: the estate's account makes too many requests of this kind in us-west-2",
        ],
    );
    fails(
        &rehearse(TROUBLED, "rds::snapshot(\"workflow-prod\", \"bad\");"),
        &[
            "the snapshot bad of workflow-prod is failed at 40 %, in us-west-2, the estate's account",
            "hint: it holds nothing and can be deleted: `rds::delete_snapshot(\"bad\")`",
        ],
    );
    fails(
        &rehearse(
            TROUBLED,
            "rds::snapshot(\"workflow-prod\", \"one\");\nrds::snapshot(\"workflow-prod\", \"two\");",
        ),
        &[
            "making the snapshot two of workflow-prod was refused by AWS: SnapshotQuotaExceeded: Cannot create more than 1 manual snapshots",
            "rds:CreateDBSnapshot in us-west-2, the estate's account",
            "hint: a quota of the estate's account in us-west-2 is used up: raise it in Service Quotas, or delete what is not needed",
        ],
    );
    let untroubled = TROUBLED.replace("rate: 0", "rate: 50");
    fails(
        &rehearse(&untroubled, "eks::scale(\"prod\", \"workers\", #{ desired: 8, wait: 30.m });"),
        &[
            "workers: 3 of 8 nodes are in service, and no more can be launched, in us-west-2, the estate's account",
            "your current vCPU limit of 16",
            "hint: the account's quota of virtual processors is used up",
        ],
    );
    for (wrong, parts) in [
        ("throttle: [{ service: rsd, rate: 1 }]", "`throttle`: there is no service `rsd`"),
        (
            "throttle: [{ service: s3, operation: PutObject, rate: 1 }]",
            "S3 counts all requests: leave `operation` out",
        ),
        ("consistency: { s3: 5s }", "what is read of `s3` is never late"),
        ("clock: { ahead: 5m, behind: 5m }", "it is either `ahead` or `behind`"),
    ] {
        fails(&rehearse(&format!("aws:\n  {wrong}\n"), "log(1);"), &[parts]);
    }
}
