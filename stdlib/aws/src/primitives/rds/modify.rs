use opsrun_core::{Cx, Effect, Error, Inverse, Primitive, Result, Span, Undo, Value};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::client::{Client, unless_outdated};
use crate::rds::{self, Database, InstanceName};

/// Changes what a database is: its class, storage, standby, backups, protection.
///
/// AWS changes class, storage and standby in the next maintenance window, or with `apply_immediately` now, which can interrupt
/// connections; then it is waited for. What is so already is left alone. Undo sets what it was, but for storage, which only
/// grows.
///
/// ```rhai
/// let bigger = rds::modify("workflow-prod", #{ class: "db.r6g.xlarge", apply_immediately: true });
/// assert(bigger.database.class == "db.r6g.xlarge");
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct Modify {
    /// The instance's name.
    #[arg(positional)]
    instance: InstanceName,
    /// Its class, such as `db.r6g.large`.
    class: Option<String>,
    /// In GiB; not less than it has.
    storage: Option<i32>,
    /// With a standby in another zone.
    multi_az: Option<bool>,
    /// For how many days it can be restored to any moment; 0 ends backups and deletes those that there are.
    backup_retention: Option<i32>,
    /// It cannot be deleted before this is taken away.
    deletion_protection: Option<bool>,
    /// Now, and not in the next maintenance window.
    #[serde(default)]
    apply_immediately: bool,
    /// How long to wait until what applies now has come about (1 hour); `0.s` does not wait.
    wait: Option<Span>,
    /// Its region; the target's if left out.
    region: Option<String>,
}

/// What became of a database that was to be changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Modified {
    /// Anything was not so already.
    changed: bool,
    /// What waits for the maintenance window is in `pending`.
    database: Database,
}

const PATH: &str = "rds::modify";

impl Primitive for Modify {
    const PATH: &'static str = PATH;
    const EFFECT: Effect = Effect::Write;
    const UNDO: Undo = Undo::By(PATH);
    type Out = Modified;

    async fn run(self, cx: &Cx) -> Result<Modified> {
        match unless_outdated(cx, rds::OUTDATED, self.once(cx).await).await? {
            Some(done) => Ok(done),
            None => self.once(cx).await,
        }
    }
}

impl Modify {
    async fn once(&self, cx: &Cx) -> Result<Modified> {
        let client = Client::new(cx, self.region.as_deref())?;
        let within = self.wait.unwrap_or(rds::WITHIN);
        let name = self.instance.as_str();
        let mut found = rds::needed_instance(&client, name).await?;
        if !found.is_settled() && !within.duration().is_zero() {
            found = rds::ready_instance(&client, name, within).await?;
        }
        if let Some(gib) = self.storage.filter(|gib| *gib < found.storage) {
            // Taken back is what can be taken back.
            return Err(Error::invalid(format!(
                "{name} has {} GiB, and storage only grows: it cannot have {gib}",
                found.storage
            ))
            .hint("a smaller one is made anew: dump the database and restore it there"));
        }
        let former = self.former(&found);
        let differs = !former.is_empty() || self.storage.is_some_and(|gib| gib != found.storage);
        if differs {
            self.change(&client, &found, former).await?;
            let is_so = |found: Option<&Database>| {
                found.is_none_or(|found| {
                    found.is_settled()
                        && if self.apply_immediately { self.is_so(found) } else { self.is_noted(found) }
                })
            };
            if !within.duration().is_zero() {
                rds::while_waiting(&client, name, within, is_so).await?;
            }
            found = rds::needed_instance(&client, name).await?;
        }
        let changed = differs || cx.broken_off().is_some_and(|before| before.wrote);
        Ok(Modified { changed, database: found })
    }

    /// Of what is to be different, how it is; without storage.
    fn former(&self, found: &Database) -> Map<String, Value> {
        let mut former = Map::new();
        let mut note = |name: &str, wanted: Option<Value>, is: Value| {
            let Some(wanted) = wanted else { return };
            // What waits for the window and is not wanted any more is taken off; what is wanted now does not wait for it.
            let differs = match found.pending.get(name) {
                Some(pending) => self.apply_immediately || *pending != text(&wanted),
                None => wanted != is,
            };
            if differs {
                former.insert(name.to_owned(), is);
            }
        };
        note("class", self.class.clone().map(Value::from), found.class.clone().into());
        note("multi_az", self.multi_az.map(Value::from), found.multi_az.into());
        note("backup_retention", self.backup_retention.map(Value::from), found.backup_retention.into());
        note(
            "deletion_protection",
            self.deletion_protection.map(Value::from),
            found.deletion_protection.into(),
        );
        former
    }

    fn names(&self, name: &str) -> bool {
        match name {
            "class" => self.class.is_some(),
            "multi_az" => self.multi_az.is_some(),
            "backup_retention" => self.backup_retention.is_some(),
            _ => false,
        }
    }

    fn is_so(&self, found: &Database) -> bool {
        let class = self.class.as_ref().is_none_or(|class| *class == found.class);
        let storage = self.storage.is_none_or(|gib| gib == found.storage);
        let multi_az = self.multi_az.is_none_or(|is| is == found.multi_az);
        let retention = self.backup_retention.is_none_or(|days| days == found.backup_retention);
        class && storage && multi_az && retention
    }

    /// It is so, or waits for the window.
    fn is_noted(&self, found: &Database) -> bool {
        let names = ["class", "multi_az", "backup_retention"].into_iter().filter(|name| self.names(name));
        let protected = self.deletion_protection.is_none_or(|is| is == found.deletion_protection);
        protected && (self.is_so(found) || names.clone().all(|name| found.pending.contains_key(name)))
    }

    async fn change(&self, client: &Client, found: &Database, former: Map<String, Value>) -> Result<()> {
        let (cx, name) = (client.cx(), self.instance.as_str());
        let grows = self.storage.is_some_and(|gib| gib != found.storage);
        if grows {
            cx.keep(&format!("aws rds storage {}/{name}", client.region()), "storage of RDS only grows");
        }
        let inverse = if former.is_empty() {
            Inverse::none("storage of RDS only grows")
        } else {
            let mut arguments = former;
            arguments.insert("instance".to_owned(), name.into());
            arguments.insert("region".to_owned(), client.region().into());
            arguments.insert("apply_immediately".to_owned(), self.apply_immediately.into());
            Inverse::call(PATH, json!(arguments))
        };
        let _ = cx.undo(inverse).await?;
        let asked = client.rds().modify_db_instance().db_instance_identifier(name);
        let asked = asked.set_db_instance_class(self.class.clone()).set_multi_az(self.multi_az);
        let asked = asked.set_allocated_storage(self.storage.filter(|_| grows));
        let asked = asked.set_backup_retention_period(self.backup_retention);
        let asked = asked.set_deletion_protection(self.deletion_protection);
        let asked = asked.apply_immediately(self.apply_immediately).send();
        client.call("rds:ModifyDBInstance", &format!("modifying {name}"), asked).await.map(drop)
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
