//! The rows of databases through everything that becomes of databases, at the wire.

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{Aws, DatabaseServer, NoDatabase, Options};
use opsrun_db_simulator::rows::{Database, Fields, Key};

/// The estate, and the time there.
struct Stage {
    aws: Aws,
    now: Timestamp,
}

const START: i64 = 1_772_420_400;

impl Stage {
    fn new(regions: &Value, outages: &Value) -> Self {
        let estate = json!({ "accounts": { "111122223333": { "regions": regions } }, "outages": outages });
        let estate = serde_json::from_value(estate).expect("a section");
        let now = Timestamp::from_second(START).expect("a time");
        let options = Options { estate, seed: 1, now, folders: Default::default() };
        Stage { aws: Aws::start(options).expect("an estate"), now }
    }

    fn pass(&mut self, seconds: i64) {
        self.now = Timestamp::from_second(self.now.as_second() + seconds).expect("a time");
    }

    /// The answer to an operation, which may be an error.
    fn ask(&mut self, region: &str, form: &str) -> String {
        let request = Request::post("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential=AKIAEST111122223333X/20260302/{region}/rds/aws4_request, SignedHeaders=host, Signature=0"),
            )
            .body(Bytes::from(form.to_owned()))
            .expect("a request");
        let answer = self.aws.answer(&request, self.now);
        String::from_utf8(answer.body().to_vec()).expect("text")
    }

    /// The same where it must go well.
    fn done(&mut self, region: &str, form: &str) -> String {
        let answer = self.ask(region, form);
        assert!(!answer.contains("<ErrorResponse>"), "{form}: {answer}");
        answer
    }

    fn address(&mut self, region: &str, name: &str) -> String {
        let answer = self.done(region, &format!("Action=DescribeDBInstances&DBInstanceIdentifier={name}"));
        let (_, rest) = answer.split_once("<Address>").unwrap_or_else(|| panic!("no address: {answer}"));
        rest.split('<').next().unwrap_or_default().to_owned()
    }

    fn server(&mut self, address: &str) -> Result<DatabaseServer, NoDatabase> {
        self.aws.database_server(address, 5432, self.now)
    }

    fn database(&mut self, address: &str) -> Database {
        let server = self.server(address).expect("a server");
        let databases = self.aws.databases(&server, self.now).expect("databases");
        databases.get("postgres").expect("a database").clone()
    }

    fn write(
        &mut self,
        address: &str,
        write: impl FnOnce(Timestamp, &mut Database),
    ) -> Result<(), NoDatabase> {
        let server = self.server(address)?;
        let databases = self.aws.databases_mut(&server, self.now)?;
        write(self.now, databases.get_mut("postgres").expect("a database"));
        Ok(())
    }

    fn rows(&mut self, region: &str, name: &str) -> usize {
        let address = self.address(region, name);
        self.database(&address).table("orders").expect("a table").len()
    }
}

fn regions() -> Value {
    json!({
        "us-west-2": { "rds": { "instances": { "prod": {
            "storage": 100, "multi-az": true, "tables": { "orders": { "rows": 1000, "writes": "1s" } },
        } } } },
        "us-east-1": { "rds": { "instances": { "replica": { "replica-of": "us-west-2/prod", "lag": "5s" } } } },
    })
}

fn row(id: i64) -> Fields {
    json!({ "id": id, "written_by": "hand" }).as_object().cloned().expect("an object")
}

#[test]
fn a_restore_to_a_moment_has_the_rows_of_that_moment_and_a_snapshot_those_of_its_begin() {
    let west = "us-west-2";
    let mut stage = Stage::new(&regions(), &json!([]));
    stage.pass(600);
    assert_eq!(stage.rows(west, "prod"), 1600);
    stage.done(west, "Action=CreateDBSnapshot&DBInstanceIdentifier=prod&DBSnapshotIdentifier=before");
    stage.pass(1200);
    // Somebody deletes what must not be deleted.
    let address = stage.address(west, "prod");
    let dropped = stage.write(&address, |now, database| assert!(database.drop_table(now, "orders")));
    dropped.expect("a database");
    stage.pass(600);
    let moment = Timestamp::from_second(START + 1799).expect("a time");
    stage.done(
        west,
        &format!("Action=RestoreDBInstanceToPointInTime&SourceDBInstanceIdentifier=prod&TargetDBInstanceIdentifier=at&RestoreTime={moment}"),
    );
    stage.done(
        west,
        "Action=RestoreDBInstanceFromDBSnapshot&DBInstanceIdentifier=of&DBSnapshotIdentifier=before",
    );
    stage.pass(1200);
    assert_eq!(stage.rows(west, "at"), 1000 + 1799);
    assert_eq!(stage.rows(west, "of"), 1000 + 600);
    assert!(stage.database(&address).table("orders").is_none());
    // It is put in the place of the broken one, and is written to under that name.
    for (from, to) in [("prod", "broken"), ("at", "prod")] {
        stage.done(west, &format!("Action=ModifyDBInstance&DBInstanceIdentifier={from}&NewDBInstanceIdentifier={to}&ApplyImmediately=true"));
        stage.pass(120);
    }
    assert_eq!(stage.address(west, "prod"), address);
    let begin = stage.rows(west, "prod");
    stage.pass(60);
    assert_eq!(stage.rows(west, "prod"), begin + 60);
    stage.pass(10);
    let too_new = format!(
        "Action=RestoreDBInstanceToPointInTime&SourceDBInstanceIdentifier=prod&TargetDBInstanceIdentifier=no&RestoreTime={}",
        stage.now
    );
    assert!(stage.ask(west, &too_new).contains("<Code>InvalidRestoreFault</Code>"));
}

#[test]
fn a_replica_lags_and_has_on_its_own_what_had_arrived_when_its_source_went_down() {
    let mut stage = Stage::new(&regions(), &json!([{ "region": "us-west-2", "from": "10m" }]));
    stage.pass(300);
    assert_eq!(stage.rows("us-west-2", "prod"), 1300);
    assert_eq!(stage.rows("us-east-1", "replica"), 1295);
    let (ours, theirs) = (stage.address("us-west-2", "prod"), stage.address("us-east-1", "replica"));
    let refused = stage.write(&theirs, |_, _| {});
    assert_eq!(refused, Err(NoDatabase::ReadOnly));
    stage.pass(600);
    assert!(stage.ask("us-west-2", "Action=DescribeDBInstances").contains("ServiceUnavailable"));
    let down = stage.server(&ours);
    assert_eq!(down, Err(NoDatabase::Down("in a zone that is down")));
    stage.done("us-east-1", "Action=PromoteReadReplica&DBInstanceIdentifier=replica&BackupRetentionPeriod=7");
    stage.pass(300);
    // Ten minutes of writes, but for the last five seconds.
    assert_eq!(stage.rows("us-east-1", "replica"), 1000 + 595);
    let put = |now, database: &mut Database| drop(database.put(now, "orders", &row(9_000)).expect("a row"));
    stage.write(&theirs, put).expect("it is a database of its own");
    let written = stage.database(&theirs);
    assert!(written.table("orders").expect("a table").get(&Key::Number(9_000)).is_some());
}

#[test]
fn what_has_a_standby_goes_there_when_its_zone_goes_down() {
    let mut regions = regions();
    regions["us-west-2"]["rds"]["instances"]["single"] =
        json!({ "tables": { "orders": { "rows": 10, "writes": "1s" } } });
    let mut stage = Stage::new(
        &regions,
        &json!([{ "region": "us-west-2", "zone": "us-west-2a", "from": "10m", "for": "1h" }]),
    );
    stage.pass(630);
    let described = stage.done("us-west-2", "Action=DescribeDBInstances&DBInstanceIdentifier=prod");
    assert!(described.contains("<DBInstanceStatus>rebooting</DBInstanceStatus>"), "{described}");
    stage.pass(100);
    let described = stage.done("us-west-2", "Action=DescribeDBInstances&DBInstanceIdentifier=prod");
    assert!(described.contains("<AvailabilityZone>us-west-2b</AvailabilityZone>"), "{described}");
    // It could not be written to for a minute.
    assert_eq!(stage.rows("us-west-2", "prod"), 1000 + 730 - 61);
    let single = stage.address("us-west-2", "single");
    assert_eq!(stage.server(&single), Err(NoDatabase::Down("in a zone that is down")));
}

#[test]
fn what_fails_stays_down_and_is_restored_up_to_its_last_backup() {
    let west = "us-west-2";
    let writes = json!([{ "every": "1s", "sql": "insert into orders (written_by) values ('app')" }]);
    let instance = json!({
        "database": "shop",
        "sql": "create table orders (id bigserial primary key, written_by text not null, at timestamptz not null default now());
            insert into orders (written_by) select 'seed' from generate_series(1, 100)",
        "writes": writes,
        "fails": "17m",
    });
    let mut stage =
        Stage::new(&json!({ west: { "rds": { "instances": { "prod": instance } } } }), &json!([]));
    let orders = |stage: &mut Stage, name: &str| {
        let address = stage.address(west, name);
        let server = stage.server(&address)?;
        let databases = stage.aws.databases(&server, stage.now)?;
        Ok(databases.get("shop").expect("a database").table("orders").expect("a table").len())
    };
    stage.pass(16 * 60);
    assert_eq!(orders(&mut stage, "prod"), Ok(100 + 960));
    stage.pass(600);
    assert_eq!(orders(&mut stage, "prod"), Err(NoDatabase::Down("failed")));
    stage.done(
        west,
        "Action=RestoreDBInstanceToPointInTime&SourceDBInstanceIdentifier=prod&TargetDBInstanceIdentifier=new&UseLatestRestorableTime=true",
    );
    stage.pass(1200);
    // Logs are stored every five minutes: the last two of its seventeen are lost.
    assert_eq!(orders(&mut stage, "new"), Ok(100 + 900));
    let described = stage.done(west, "Action=DescribeDBInstances&DBInstanceIdentifier=prod");
    assert!(described.contains("<DBInstanceStatus>failed</DBInstanceStatus>"), "{described}");
}

#[test]
fn what_rds_refuses_has_its_code_and_lists_come_in_pages() {
    let mut regions = regions();
    for number in 0..25 {
        regions["us-west-2"]["rds"]["instances"][format!("small-{number:02}")] = json!({ "retention": 0 });
    }
    regions["us-west-2"]["rds"]["instances"]["safe"] = json!({ "protected": true });
    regions["us-west-2"]["rds"]["quotas"] = json!({ "instances": 27 });
    let mut stage = Stage::new(&regions, &json!([]));
    let west = "us-west-2";
    let first = stage.done(west, "Action=DescribeDBInstances&MaxRecords=20");
    let marker = first.split("<Marker>").nth(1).and_then(|rest| rest.split('<').next()).expect("a marker");
    let second = stage.done(west, &format!("Action=DescribeDBInstances&MaxRecords=20&Marker={marker}"));
    let count = |page: &str| page.matches("<DBInstanceArn>").count();
    assert_eq!((count(&first), count(&second)), (20, 7));
    assert!(!second.contains("<Marker>"));
    let filtered = "Action=DescribeDBInstances&Filters.Filter.1.Name=db-instance-id&Filters.Filter.1.Values.Value.1=prod&Filters.Filter.1.Values.Value.2=safe";
    assert_eq!(count(&stage.done(west, filtered)), 2);
    stage.done(west, "Action=CreateDBSnapshot&DBInstanceIdentifier=small-00&DBSnapshotIdentifier=s");
    for (form, code) in [
        ("Action=DescribeDBInstances&DBInstanceIdentifier=none", "DBInstanceNotFound"),
        ("Action=DescribeDBInstances&MaxRecords=5", "InvalidParameterValue"),
        ("Action=DescribeDBSnapshots&DBSnapshotIdentifier=none", "DBSnapshotNotFound"),
        (
            "Action=CreateDBSnapshot&DBInstanceIdentifier=prod&DBSnapshotIdentifier=s",
            "DBSnapshotAlreadyExists",
        ),
        (
            "Action=CreateDBSnapshot&DBInstanceIdentifier=small-00&DBSnapshotIdentifier=t",
            "InvalidDBInstanceState",
        ),
        (
            "Action=CreateDBSnapshot&DBInstanceIdentifier=prod&DBSnapshotIdentifier=1.4",
            "InvalidParameterValue",
        ),
        ("Action=DeleteDBSnapshot&DBSnapshotIdentifier=s", "InvalidDBSnapshotState"),
        (
            "Action=RestoreDBInstanceFromDBSnapshot&DBInstanceIdentifier=new&DBSnapshotIdentifier=s",
            "InvalidDBSnapshotState",
        ),
        (
            "Action=RestoreDBInstanceToPointInTime&SourceDBInstanceIdentifier=small-01&TargetDBInstanceIdentifier=new&UseLatestRestorableTime=true",
            "PointInTimeRestoreNotEnabled",
        ),
        (
            "Action=RestoreDBInstanceToPointInTime&SourceDBInstanceIdentifier=prod&TargetDBInstanceIdentifier=new&UseLatestRestorableTime=true",
            "InstanceQuotaExceeded",
        ),
        (
            "Action=RestoreDBInstanceToPointInTime&SourceDBInstanceIdentifier=prod&TargetDBInstanceIdentifier=safe&UseLatestRestorableTime=true",
            "DBInstanceAlreadyExists",
        ),
        ("Action=PromoteReadReplica&DBInstanceIdentifier=prod", "InvalidDBInstanceState"),
        (
            "Action=RebootDBInstance&DBInstanceIdentifier=small-01&ForceFailover=true",
            "InvalidParameterCombination",
        ),
        (
            "Action=DeleteDBInstance&DBInstanceIdentifier=safe&SkipFinalSnapshot=true",
            "InvalidParameterCombination",
        ),
        ("Action=DeleteDBInstance&DBInstanceIdentifier=prod", "InvalidParameterCombination"),
        (
            "Action=ModifyDBInstance&DBInstanceIdentifier=prod&AllocatedStorage=50",
            "InvalidParameterCombination",
        ),
        (
            "Action=ModifyDBInstance&DBInstanceIdentifier=prod&NewDBInstanceIdentifier=safe",
            "DBInstanceAlreadyExists",
        ),
        ("Action=StopDBInstance&DBInstanceIdentifier=prod", "NotImplemented"),
    ] {
        let answer = stage.ask(west, form);
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{form}: {answer}");
    }
}
