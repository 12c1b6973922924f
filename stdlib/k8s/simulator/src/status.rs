//! What the server answers when it refuses: the `Status` object, its reasons, codes and words.
//! It assumes nothing of the cluster; texts that several places share are built here.

use serde_json::{Map, Value, json};

/// A refusal, as the wire shows it. `Result<T>` throughout the crate is `Result<T, Status>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub code: u16,
    /// `NotFound`, `Invalid`, …; empty where the server gives none.
    pub reason: &'static str,
    pub message: String,
    /// The `details` object; `None` leaves the field out.
    pub details: Option<Value>,
}

pub type Result<T, E = Status> = std::result::Result<T, E>;

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

impl Status {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// 404 that names the object: `deployments.apps "web" not found`.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", qualified(resource, group)))
            .with_details(details(name, group, resource))
    }

    /// 404 for a path that no resource serves, under a group that is served.
    pub fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with_details(json!({}))
    }

    /// 409 for a name that is taken.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", qualified(resource, group)))
            .with_details(details(name, group, resource))
    }

    /// 409 `Operation cannot be fulfilled on …`.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(resource, group);
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {what} \"{name}\": {why}"))
            .with_details(details(name, group, resource))
    }

    /// 409 for a write that is based on an old resourceVersion.
    pub fn modified(group: &str, resource: &str, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    /// 403 `pods "p" is forbidden: …`; `name` may be empty.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(resource, group);
        let subject = if name.is_empty() { what } else { format!("{what} \"{name}\"") };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}"))
            .with_details(details(name, group, resource))
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with_details(json!({}))
    }

    /// 500 with the message as it is; the server wraps an error of its own so.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let details = json!({"causes": [{"message": message}]});
        Self::new(500, "InternalError", format!("Internal error occurred: {message}")).with_details(details)
    }

    /// 422 with one cause for each field; `kind` and `name` are those of the object.
    pub fn invalid(group: &str, kind: &str, name: &str, fields: &[Invalid]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for field in fields {
            let text = field.to_string();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let list = match texts.as_slice() {
            [] => "<nil>".to_owned(),
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {list}", qualified(kind, group));
        let mut details = details(name, group, kind);
        if !fields.is_empty() {
            details["causes"] = fields.iter().map(Invalid::cause).collect();
        }
        Self::new(422, "Invalid", message).with_details(details)
    }

    /// The object that is sent.
    pub fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

/// One field that is refused, in the words of `field.Error`.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    pub reason: Reason,
    /// The path, as `spec.containers[0].name`; `<nil>` where the whole object is meant.
    pub field: String,
    /// What was given; shown for the reasons that show it.
    pub value: Option<Value>,
    pub detail: String,
}

/// Why a field is refused: `metav1.CauseType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Required,
    Invalid,
    NotSupported,
    Duplicate,
    Forbidden,
    NotFound,
    TooLong,
    TooMany,
    TypeInvalid,
    Internal,
}

impl Reason {
    fn cause(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

impl Invalid {
    fn new(
        reason: Reason,
        field: impl Into<String>,
        value: Option<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self { reason, field: field.into(), value, detail: detail.into() }
    }

    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Reason::Required, field, None, detail)
    }

    pub fn value(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, field, Some(value.into()), detail)
    }

    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Reason::Forbidden, field, None, detail)
    }

    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(Reason::Duplicate, field, Some(value.into()), "")
    }

    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(Reason::NotFound, field, Some(value.into()), "")
    }

    pub fn type_invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(Reason::TypeInvalid, field, Some(value.into()), detail)
    }

    /// `Unsupported value: "x": supported values: "A", "B"`; `supported` in the order it is to be listed.
    pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let detail = if supported.is_empty() {
            String::new()
        } else {
            let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
            format!("supported values: {}", quoted.join(", "))
        };
        Self::new(Reason::NotSupported, field, Some(value.into()), detail)
    }

    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        Self::new(Reason::TooLong, field, None, format!("may not be more than {limit} bytes"))
    }

    /// The message without the field: `Invalid value: "x": must be …`.
    pub fn body(&self) -> String {
        let words = self.reason.words();
        let shown = match (self.reason, &self.value) {
            (Reason::Required | Reason::Forbidden | Reason::TooLong | Reason::Internal, _) | (_, None) => {
                words.to_owned()
            }
            // serde_json writes a Value without failing: its keys are strings.
            (_, Some(value)) => format!("{words}: {value}"),
        };
        if self.detail.is_empty() { shown } else { format!("{shown}: {}", self.detail) }
    }

    pub fn cause(&self) -> Value {
        json!({"reason": self.reason.cause(), "message": self.body(), "field": self.field})
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// `deployments.apps`, and for the core group `pods`.
pub fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// `details` of a Status; empty parts are left out, as Go's omitempty does.
pub fn details(name: &str, group: &str, kind: &str) -> Value {
    let mut map = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            map.insert(key.to_owned(), value.into());
        }
    }
    Value::Object(map)
}
