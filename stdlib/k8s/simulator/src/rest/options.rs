//! The query parameters of lists, watches and writes, read and checked as the server does.
//! It knows `ListOptions` and its like; what they ask for is done elsewhere.

use serde_json::Value;

use crate::request::Query;
use crate::status::{Invalid, Result, Status};

/// `ListOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListOptions {
    pub(crate) labels: Option<String>,
    pub(crate) fields: Option<String>,
    pub(crate) limit: usize,
    pub(crate) next: Option<String>,
    pub(crate) resource_version: String,
    pub(crate) exact: bool,
    pub(crate) send_initial: Option<bool>,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Option<i64>,
}

impl ListOptions {
    pub(crate) fn of(query: &Query, watch: bool) -> Result<Self> {
        let limit = integer(query, "limit")?.unwrap_or(0);
        let timeout = integer(query, "timeoutSeconds")?;
        let given = query.text("resourceVersion").unwrap_or_default().to_owned();
        let matching = query.text("resourceVersionMatch").unwrap_or_default();
        let next = query.text("continue").map(str::to_owned);
        let send_initial = query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
        let check = Check { given: &given, matching, continues: next.is_some(), send_initial };
        let wrong = if watch { check.watch() } else { check.list() };
        if !wrong.is_empty() {
            return Err(Status::invalid("meta.k8s.io", "ListOptions", "", &wrong));
        }
        Ok(Self {
            labels: query.text("labelSelector").map(str::to_owned),
            fields: query.text("fieldSelector").map(str::to_owned),
            limit: usize::try_from(limit).unwrap_or(0),
            next,
            exact: matching == "Exact",
            resource_version: given,
            send_initial,
            bookmarks: query.flag("allowWatchBookmarks"),
            timeout,
        })
    }
}

struct Check<'a> {
    given: &'a str,
    matching: &'a str,
    continues: bool,
    send_initial: Option<bool>,
}

impl Check<'_> {
    fn list(&self) -> Vec<Invalid> {
        let field = "resourceVersionMatch";
        let mut wrong = Vec::new();
        if !self.matching.is_empty() {
            if self.given.is_empty() {
                wrong.push(Invalid::forbidden(
                    field,
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            if self.continues {
                wrong.push(Invalid::forbidden(
                    field,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if !matches!(self.matching, "Exact" | "NotOlderThan") {
                wrong.push(Invalid::not_supported(field, self.matching, &["Exact", "NotOlderThan", ""]));
            }
            if self.matching == "Exact" && self.given == "0" {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                wrong.push(Invalid::forbidden(field, why));
            }
        }
        if self.send_initial.is_some() {
            wrong.push(Invalid::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        wrong
    }

    fn watch(&self) -> Vec<Invalid> {
        let field = "resourceVersionMatch";
        let mut wrong = Vec::new();
        if self.send_initial.is_some() && self.matching != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            wrong.push(Invalid::forbidden(field, why));
        }
        if !self.matching.is_empty() {
            if self.send_initial.is_none() {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                wrong.push(Invalid::forbidden(field, why));
            }
            if self.matching != "NotOlderThan" {
                wrong.push(Invalid::not_supported(field, self.matching, &["NotOlderThan"]));
            }
            if self.continues {
                wrong.push(Invalid::forbidden(
                    field,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
        }
        wrong
    }
}

/// What `fieldValidation` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// `CreateOptions`, `UpdateOptions` and `PatchOptions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) field_manager: Option<String>,
    pub(crate) validation: FieldValidation,
    pub(crate) force: Option<bool>,
}

impl WriteOptions {
    /// `kind` is the options' kind, which refusals name; `apply` says whether a PATCH is one.
    pub(crate) fn of(query: &Query, kind: &str, apply: bool) -> Result<Self> {
        let mut wrong = Vec::new();
        let dry_run: Vec<&str> = query.all("dryRun").filter(|value| !value.is_empty()).collect();
        wrong.extend(check_dry_run(&dry_run));
        let manager = query.text("fieldManager");
        let force = query.get("force").map(|_| query.flag("force"));
        if kind == "PatchOptions" {
            if !apply && force.is_some() {
                wrong.push(Invalid::forbidden("force", "may not be specified for non-apply patch"));
            }
            if apply && manager.is_none() {
                wrong.push(Invalid::required("fieldManager", "is required for apply patch"));
            }
        }
        wrong.extend(check_manager(manager.unwrap_or_default()));
        let validation = match query.get("fieldValidation").unwrap_or_default() {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                wrong.push(Invalid::not_supported(
                    "fieldValidation",
                    other,
                    &["", "Ignore", "Strict", "Warn"],
                ));
                FieldValidation::Warn
            }
        };
        if !wrong.is_empty() {
            return Err(Status::invalid("meta.k8s.io", kind, "", &wrong));
        }
        Ok(Self {
            dry_run: !dry_run.is_empty(),
            field_manager: manager.map(str::to_owned),
            validation,
            force,
        })
    }
}

pub(crate) fn check_dry_run(given: &[&str]) -> Option<Invalid> {
    if given.iter().all(|value| *value == "All") {
        return None;
    }
    let value = Value::from(given.iter().map(|value| Value::from(*value)).collect::<Vec<_>>());
    Some(Invalid::not_supported("dryRun", value, &["All"]))
}

fn check_manager(manager: &str) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    if manager.len() > 128 {
        wrong.push(Invalid::too_long("fieldManager", 128));
    }
    for (position, c) in manager.chars().enumerate() {
        if c.is_control() {
            let why = format!("invalid character U+{:04X} (at position {position})", u32::from(c));
            wrong.push(Invalid::value("fieldManager", manager, why));
        }
    }
    wrong
}

/// A number as `strconv.ParseInt` reads it; an empty one counts as absent.
pub(crate) fn integer(query: &Query, name: &str) -> Result<Option<i64>> {
    let Some(text) = query.text(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
    }
}

/// A resourceVersion in a query; empty is absent.
pub(crate) fn version(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        )
    })
}
