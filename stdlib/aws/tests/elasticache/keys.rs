//! The keys of caches through snapshots and restores, at the wire.

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use opsrun_aws_simulator::rows::Key;
use opsrun_aws_simulator::{Aws, NoCache, Options};
use serde_json::json;

/// The table of a cache's keys.
const KEYS: &str = "keys";

struct Stage {
    aws: Aws,
    now: Timestamp,
}

impl Stage {
    fn new(estate: &serde_json::Value) -> Self {
        let estate = serde_json::from_value(estate.clone()).expect("a section");
        let now = Timestamp::from_second(1_772_420_400).unwrap();
        let options = Options { estate, seed: 1, now, folders: Default::default() };
        Stage { aws: Aws::start(options).expect("an estate"), now }
    }

    fn pass(&mut self, seconds: i64) {
        self.now = Timestamp::from_second(self.now.as_second() + seconds).unwrap();
    }

    fn done(&mut self, form: &str) -> String {
        let request = Request::post("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAEST111122223333X/20260302/us-west-2/elasticache/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(Bytes::from(form.to_owned()))
            .expect("a request");
        let answer = self.aws.answer(&request, self.now);
        let answer = String::from_utf8(answer.body().to_vec()).expect("text");
        assert!(!answer.contains("<ErrorResponse>"), "{form}: {answer}");
        answer
    }

    fn address(&mut self, name: &str) -> String {
        let answer = self.done(&format!("Action=DescribeReplicationGroups&ReplicationGroupId={name}"));
        let (_, rest) = answer.split_once("<PrimaryEndpoint><Address>").expect("an address");
        rest.split('<').next().unwrap_or_default().to_owned()
    }

    /// The keys of a cache, or why it cannot be reached.
    fn keys(&mut self, address: &str) -> Result<Vec<String>, NoCache> {
        let database = self.aws.cache_mut(address, self.now)?;
        let keys = database.table(KEYS).expect("the keys");
        Ok(keys
            .rows()
            .map(|(key, row)| format!("{key}={}", keys.fields(row)["value"]))
            .filter(|key| !key.starts_with("app"))
            .collect())
    }

    fn set(&mut self, address: &str, key: &str, value: i64) {
        let now = self.now;
        let database = self.aws.cache_mut(address, now).expect("a cache");
        let row = json!({ "key": key, "value": value }).as_object().cloned().expect("an object");
        database.put(now, KEYS, &row).expect("a row");
    }
}

#[test]
fn a_snapshot_has_the_keys_of_its_time_and_a_restored_cache_holds_them() {
    let estate = json!({ "accounts": { "111122223333": { "regions": { "us-west-2": { "elasticache": { "groups": {
        "prod": { "keys": { "a": 1 }, "writes": "10s" },
    } } } } } } });
    let mut stage = Stage::new(&estate);
    let prod = stage.address("prod");
    stage.set(&prod, "b", 2);
    stage.pass(60);
    let begun = stage.done("Action=CreateSnapshot&ReplicationGroupId=prod&SnapshotName=before");
    assert!(begun.contains("<SnapshotStatus>creating</SnapshotStatus>"), "{begun}");
    stage.pass(1);
    stage.set(&prod, "a", 3);
    stage.set(&prod, "c", 4);
    stage.pass(300);
    stage.done("Action=CreateReplicationGroup&ReplicationGroupId=anew&ReplicationGroupDescription=x&SnapshotName=before");
    let anew = prod.replacen("prod", "anew", 1);
    assert_eq!(stage.keys(&anew), Err(NoCache::Down("creating")));
    stage.pass(600);
    assert_eq!(stage.keys(&anew), Ok(vec!["a=1".to_owned(), "b=2".to_owned()]));
    assert_eq!(stage.keys(&prod), Ok(vec!["a=3".to_owned(), "b=2".to_owned(), "c=4".to_owned()]));
    assert_eq!(stage.keys("none.example.com"), Err(NoCache::Unknown));
    // Nobody writes while it fails over, and what was written before is there afterwards.
    stage.done("Action=TestFailover&ReplicationGroupId=prod&NodeGroupId=0001");
    assert_eq!(stage.keys(&prod), Err(NoCache::Down("failing-over")));
    stage.pass(60);
    assert_eq!(stage.keys(&prod).map(|keys| keys.len()), Ok(3));
    let count = |aws: &mut Aws, now| {
        let keys = aws.cache_mut(&prod, now).expect("a cache").table(KEYS).expect("the keys");
        assert!(keys.get(&Key::Text("app:1".to_owned())).is_some());
        keys.len() - 3
    };
    // 60 s, 301 s and 600 s at one in 10 s, and none in the minute of the failover.
    assert_eq!(count(&mut stage.aws, stage.now), 96);
}

#[test]
fn what_has_a_replica_elsewhere_goes_there_when_its_zone_goes_down() {
    let mut stage = Stage::new(&json!({
        "outages": [{ "region": "us-west-2", "zone": "us-west-2a", "from": "10m", "for": "1h" }],
        "accounts": { "111122223333": { "regions": { "us-west-2": { "elasticache": { "groups": {
            "prod": { "replicas": 2, "keys": { "a": 1 }, "writes": "10s" },
            "alone": { "replicas": 0, "keys": { "b": 2 } },
        } } } } } },
    }));
    let (prod, alone) = (stage.address("prod"), stage.address("alone"));
    stage.pass(630);
    assert_eq!(stage.keys(&prod), Err(NoCache::Down("failing-over")));
    assert_eq!(stage.keys(&alone), Err(NoCache::Down("in a zone that is down")));
    stage.pass(90);
    assert_eq!(stage.keys(&prod), Ok(vec!["a=1".to_owned()]));
    assert_eq!(stage.keys(&alone), Err(NoCache::Down("in a zone that is down")));
    let told = stage.done("Action=DescribeReplicationGroups&ReplicationGroupId=prod");
    let (_, second) = told.split_once("<CacheClusterId>prod-002</CacheClusterId>").expect("its second node");
    assert!(second.split("</NodeGroupMember>").next().is_some_and(|node| node.contains("primary")), "{told}");
    // One in 10 s until 9:50, and again after the minute that it took.
    let keys = stage.aws.cache_mut(&prod, stage.now).expect("a cache").table(KEYS).expect("the keys");
    assert_eq!(keys.len() - 1, 59 + 6);
    stage.pass(3600);
    assert_eq!(stage.keys(&alone), Ok(vec!["b=2".to_owned()]));
}
