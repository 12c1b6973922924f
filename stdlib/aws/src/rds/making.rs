//! Databases that are made of something: of a snapshot, of another database, as a replica.
//!
//! What was made bears a tag that says of what, so that it is known again when the call is repeated, and so that what takes it back
//! deletes nothing else.

use std::collections::BTreeMap;

use opsrun_core::{Error, ErrorKind, Inverse, Result, Span};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::look::instance;
use super::shown::{is_there_already, shown_instance};
use super::types::Database;
use super::wait::{gone_instance, ready_instance};
use crate::client::Client;

/// The tag's key.
pub(crate) const MADE_FROM: &str = "opsrun:made-from";

/// What became of a database that was wanted.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Made {
    /// It was made now, and was not there already.
    pub(crate) changed: bool,
    pub(crate) database: Database,
}

/// What of a new database can be chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) class: Option<String>,
    pub(crate) multi_az: Option<bool>,
    pub(crate) zone: Option<String>,
    pub(crate) subnet_group: Option<String>,
    pub(crate) security_groups: Option<Vec<String>>,
    pub(crate) parameter_group: Option<String>,
    pub(crate) deletion_protection: Option<bool>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Shape {
    /// What is left out is as it is with `other`, but for what tells one from the other.
    #[must_use]
    pub(crate) fn like(self, other: Option<&Database>) -> Self {
        let Some(other) = other else { return self };
        let groups = Some(&other.security_groups).filter(|groups| !groups.is_empty());
        Shape {
            class: self.class.or_else(|| Some(other.class.clone())),
            subnet_group: self.subnet_group.or_else(|| other.subnet_group.clone()),
            security_groups: self.security_groups.or_else(|| groups.cloned()),
            parameter_group: self.parameter_group.or_else(|| other.parameter_group.clone()),
            ..self
        }
    }

    /// With the tag that says of what it is made; what is put back is as it was, and bears none.
    #[must_use]
    pub(crate) fn made_from(mut self, client: &Client, made_from: &str) -> Self {
        if !client.cx().call().undoes {
            self.tags.insert(MADE_FROM.to_owned(), made_from.to_owned());
        }
        self
    }
}

/// Sets a shape on the request of an operation that makes an instance.
macro_rules! shaped {
    ($request:expr, $shape:expr) => {{
        let shape: $crate::rds::Shape = $shape;
        $request
            .set_db_instance_class(shape.class)
            .set_multi_az(shape.multi_az)
            .set_availability_zone(shape.zone)
            .set_db_subnet_group_name(shape.subnet_group)
            .set_vpc_security_group_ids(shape.security_groups)
            .set_db_parameter_group_name(shape.parameter_group)
            .set_deletion_protection(shape.deletion_protection)
            .set_tags($crate::rds::tags(&shape.tags))
    }};
}
pub(crate) use shaped;

/// Whether the instance is there already, made of this. One of this name that is just being deleted is waited for.
///
/// # Errors
/// `Conflict` if there is another one; `Timeout`.
pub(crate) async fn is_made(client: &Client, name: &str, made_from: &str, within: Span) -> Result<bool> {
    let Some(found) = instance(client, name).await? else { return Ok(false) };
    if found.status == "deleting" {
        gone_instance(client, name, within).await?;
        return Ok(false);
    }
    let of = found.tags.get(MADE_FROM).map(String::as_str);
    if of == Some(made_from) || client.cx().call().undoes {
        return Ok(true);
    }
    let place = client.place();
    let message = format!("there is a database {name} already in {}, {}", place.region, place.account);
    let error = Error::new(ErrorKind::Conflict, message);
    Err(match of {
        Some(of) => error.detail(format!("it was made from {of}, not from {made_from}")),
        None => error.detail(format!("it was not made from {made_from}")),
    }
    .hint("choose another name; `rds::rename` puts one database in another's place"))
}

/// Makes an instance by this request. Gives whether it was there already, made of the same, and was only not seen yet: an earlier
/// call may have made it whose answer was lost.
///
/// # Errors
/// Those of the request; as [`is_made`].
pub(crate) async fn make(
    client: &Client,
    (name, made_from): (&str, &str),
    within: Span,
    sent: impl Future<Output = Result<()>>,
) -> Result<bool> {
    match sent.await {
        Ok(()) => {
            shown_instance(client, name).await?;
            Ok(false)
        }
        Err(error) if is_there_already(&error) => {
            shown_instance(client, name).await?;
            is_made(client, name, made_from, within).await
        }
        Err(error) => Err(error),
    }
}

/// Waits for what was made, or was there already, and tells of it.
///
/// # Errors
/// As [`ready_instance`].
pub(crate) async fn finished(client: &Client, name: &str, was_there: bool, within: Span) -> Result<Made> {
    let database = match within.duration().is_zero() {
        true => super::look::needed_instance(client, name).await?,
        false => ready_instance(client, name, within).await?,
    };
    // Or it was made by this very call, before the run broke off.
    let changed = !was_there || client.cx().broken_off().is_some_and(|before| before.wrote);
    if !changed {
        client.cx().info(format!("the database {name} is there already"));
    }
    Ok(Made { changed, database })
}

/// What takes back that a database was made.
pub(crate) fn unmake(client: &Client, name: &str, made_from: &str, protected: Option<bool>) -> Inverse {
    let mut arguments = json!({
        "instance": name,
        "skip_final_snapshot": true,
        "made_from": made_from,
        "region": client.region(),
    });
    if protected == Some(true) {
        arguments["unprotect"] = json!(true);
    }
    Inverse::call("rds::delete", arguments)
}
