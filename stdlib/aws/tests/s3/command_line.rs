//! The real `aws` works on a served estate.

use std::io::{Read, Write};
use std::net::TcpStream;

use opsrun_tests::{Outcome, aws, skip};
use serde_json::{Value, json};

use crate::server::Served;
use crate::stage::Stage;

fn answer(host: &str, address: &str) -> String {
    let path = address.split_once(host).unwrap().1;
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_aws_command_line_works_on_an_estate() {
    let program = match aws() {
        Ok(program) => program,
        Err(missing) => return skip(missing),
    };
    let stage = Stage::of_today(json!({ "accounts": { "111122223333": { "regions": {
        "eu-west-1": { "s3": { "buckets": { "estate-eu": { "objects": { "a.txt": "europe" } } } } },
    } } } }));
    // By itself it signs addresses of a server that is not AWS's in an old way, which AWS does not take.
    std::fs::create_dir(program.home().join(".aws")).unwrap();
    std::fs::write(program.home().join(".aws/config"), "[default]\ns3 =\n  signature_version = s3v4\n")
        .unwrap();
    let served = Served::estate(stage.simulator());
    let section = stage.simulator().section();
    let program = program
        .env("AWS_ENDPOINT_URL", served.endpoint())
        .env("AWS_ACCESS_KEY_ID", section["keys"]["access-key"].as_str().unwrap())
        .env("AWS_SECRET_ACCESS_KEY", "estate")
        .env("AWS_DEFAULT_REGION", "us-west-2")
        .within(stage.folder());
    for number in 0..4 {
        stage.write(&format!("site/{number}.txt"), format!("page {number}"));
    }
    stage.write("large.bin", vec![5_u8; 17 << 20]);
    let run = |line: &str| -> Outcome { program.run(line.split(' ')) };
    let ok = |line: &str| run(line).ok();
    let value = |line: &str| -> Value { serde_json::from_str(&ok(line)).unwrap() };
    ok("s3 mb s3://estate-west");
    ok("s3api put-bucket-versioning --bucket estate-west --versioning-configuration Status=Enabled");
    assert_eq!(value("s3api get-bucket-versioning --bucket estate-west"), json!({ "Status": "Enabled" }));
    assert_eq!(value("s3api get-bucket-location --bucket estate-west")["LocationConstraint"], "us-west-2");
    ok("s3 sync site s3://estate-west/site");
    assert_eq!(ok("s3 sync site s3://estate-west/site --size-only"), "", "nothing is left to do");
    assert_eq!(ok("s3 ls s3://estate-west/site/").lines().count(), 4);
    ok("s3 cp large.bin s3://estate-west/large.bin");
    let head = value("s3api head-object --bucket estate-west --key large.bin");
    assert_eq!(head["ContentLength"], 17 << 20);
    assert!(head["ETag"].as_str().unwrap().ends_with("-3\""), "{head}");
    ok("s3 cp s3://estate-west/large.bin back.bin");
    assert!(std::fs::read(stage.folder().join("back.bin")).unwrap() == vec![5_u8; 17 << 20]);
    ok("s3 mv s3://estate-west/site/0.txt s3://estate-west/moved.txt");
    ok("s3 rm s3://estate-west/site/1.txt");
    let versions = value("s3api list-object-versions --bucket estate-west --prefix site/");
    let count = |name: &str| versions[name].as_array().unwrap().len();
    assert_eq!((count("Versions"), count("DeleteMarkers")), (4, 2), "{versions}");
    let range = value("s3api get-object --bucket estate-west --key moved.txt --range bytes=0-3 part.txt");
    assert_eq!(
        (&range["ContentLength"], std::fs::read_to_string(stage.folder().join("part.txt")).unwrap()),
        (&json!(4), "page".into())
    );
    let rules =
        r#"{"Rules":[{"ID":"all","Status":"Enabled","Filter":{"Prefix":"tmp/"},"Expiration":{"Days":3}}]}"#;
    let put = [
        "s3api",
        "put-bucket-lifecycle-configuration",
        "--bucket",
        "estate-west",
        "--lifecycle-configuration",
        rules,
    ];
    program.run(put).ok();
    let lifecycle = value("s3api get-bucket-lifecycle-configuration --bucket estate-west");
    assert_eq!(lifecycle["Rules"][0]["Expiration"]["Days"], 3, "{lifecycle}");
    assert_eq!(stage.value("s3::lifecycle", json!({ "bucket": "estate-west" }))[0]["days"], 3);
    // Another region is found by the answer that says so.
    assert_eq!(ok("s3 cp s3://estate-eu/a.txt -"), "europe");
    let address = ok("s3 presign s3://estate-west/moved.txt --expires-in 60");
    assert!(answer(&served.host(), address.trim()).ends_with("page 0"), "{address}");
    assert!(
        answer(&served.host(), &format!("http://{}/estate-west/moved.txt", served.host()))
            .contains("AccessDenied")
    );
    let pages = value("s3api list-objects-v2 --bucket estate-west --page-size 1");
    assert_eq!(pages["Contents"].as_array().unwrap().len(), 4, "{pages}");
    let refused = run("s3api head-object --bucket estate-west --key none").with_code(255);
    assert!(refused.stderr.contains("404"), "{}", refused.stderr);
    assert!(run("s3 rb s3://estate-west").with_code(1).stderr.contains("BucketNotEmpty"));
    let delete = [
        "s3api",
        "delete-objects",
        "--bucket",
        "estate-west",
        "--delete",
        r#"{"Objects":[{"Key":"moved.txt"},{"Key":"large.bin"}]}"#,
    ];
    assert_eq!(program.run(delete).ok().matches("DeleteMarkerVersionId").count(), 2);
    assert_eq!(ok("s3 ls").lines().count(), 2);
}
