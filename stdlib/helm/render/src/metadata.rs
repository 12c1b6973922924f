//! `Chart.yaml`: what a chart says of itself. Field names and checks are Helm's.

use serde_json::{Map as JsonMap, Value as Json};

use crate::chart::ChartError;
use crate::semver;

/// The contents of `Chart.yaml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    pub name: String,
    pub home: String,
    pub sources: Vec<String>,
    pub version: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub maintainers: Vec<Maintainer>,
    pub icon: String,
    /// `v1` or `v2`; `v1` where the file does not say.
    pub api_version: String,
    pub condition: String,
    pub tags: String,
    pub app_version: String,
    pub deprecated: bool,
    /// In the order of the keys.
    pub annotations: Option<std::collections::BTreeMap<String, String>>,
    /// The range of Kubernetes versions that the chart works with.
    pub kube_version: String,
    pub dependencies: Vec<Dependency>,
    /// `application`, `library` or empty.
    pub kind: String,
    /// What validation says of an empty list entry.
    empty_entry: Option<&'static str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintainer {
    pub name: String,
    pub email: String,
    pub url: String,
}

/// A chart that another needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dependency {
    pub name: String,
    /// A range of versions.
    pub version: String,
    pub repository: String,
    /// Paths into the values, separated by commas: the first that holds a boolean decides whether the chart is used.
    pub condition: String,
    pub tags: Vec<String>,
    pub enabled: bool,
    pub import_values: Vec<Json>,
    pub alias: String,
}

impl Metadata {
    /// Sets the fields that the document has; others stay (`requirements.yaml` adds to `Chart.yaml`).
    pub(crate) fn merge(&mut self, document: &Json) -> Result<(), String> {
        let fields = match document {
            Json::Object(fields) => Fields { fields, of: "Metadata" },
            Json::Null => return Ok(()),
            other => return Err(mismatch(other, "", "v2.Metadata").replace("struct field  of", "value of")),
        };
        fields.text("name", &mut self.name)?;
        fields.text("home", &mut self.home)?;
        fields.texts("sources", &mut self.sources)?;
        fields.text("version", &mut self.version)?;
        fields.text("description", &mut self.description)?;
        fields.texts("keywords", &mut self.keywords)?;
        fields.text("icon", &mut self.icon)?;
        fields.text("apiVersion", &mut self.api_version)?;
        fields.text("condition", &mut self.condition)?;
        fields.text("tags", &mut self.tags)?;
        fields.text("appVersion", &mut self.app_version)?;
        fields.flag("deprecated", &mut self.deprecated)?;
        fields.text("kubeVersion", &mut self.kube_version)?;
        fields.text("type", &mut self.kind)?;
        if let Some(maintainers) = fields.list("maintainers", "[]*v2.Maintainer")? {
            if maintainers.iter().any(Json::is_null) {
                self.empty_entry = Some("maintainers must not contain empty or null nodes");
            }
            self.maintainers = maintainers.iter().map(Maintainer::decode).collect::<Result<_, _>>()?;
        }
        if let Some(dependencies) = fields.list("dependencies", "[]*v2.Dependency")? {
            if dependencies.iter().any(Json::is_null) {
                self.empty_entry = Some("dependencies must not contain empty or null nodes");
            }
            self.dependencies = dependencies.iter().map(Dependency::decode).collect::<Result<_, _>>()?;
        }
        match fields.get("annotations") {
            None => {}
            Some(Json::Object(entries)) => {
                let mut annotations = std::collections::BTreeMap::new();
                for (key, value) in entries {
                    let mut text = String::new();
                    if !value.is_null() {
                        text = as_text(value)
                            .ok_or_else(|| mismatch(value, "Metadata.annotations", "string"))?;
                    }
                    annotations.insert(key.clone(), text);
                }
                self.annotations = Some(annotations);
            }
            Some(other) => return Err(mismatch(other, "Metadata.annotations", "map[string]string")),
        }
        Ok(())
    }

    /// Cleans the texts and checks them, as Helm does when it loads a chart.
    pub(crate) fn validate(&mut self) -> Result<(), ChartError> {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(sanitize);
        let invalid = |message: &str| Err(ChartError::Invalid(message.to_owned()));
        if self.api_version.is_empty() {
            return invalid("chart.metadata.apiVersion is required");
        }
        if self.name.is_empty() {
            return invalid("chart.metadata.name is required");
        }
        if self.name == "." || self.name == ".." {
            return invalid(&format!("chart.metadata.name {:?} is not allowed", self.name));
        }
        if self.name.contains('/') {
            return invalid(&format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return invalid("chart.metadata.version is required");
        }
        if !semver::is_version(&self.version) {
            return invalid(&format!("chart.metadata.version {:?} is invalid", self.version));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return invalid("chart.metadata.type must be application or library");
        }
        for maintainer in &mut self.maintainers {
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
        if let Some(message) = self.empty_entry {
            return invalid(message);
        }
        let mut seen = std::collections::BTreeSet::new();
        for dependency in &mut self.dependencies {
            dependency.sanitize();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !dependency.alias.chars().all(is_plain) {
                let name = &dependency.name;
                return invalid(&format!("dependency {name:?} has disallowed characters in the alias"));
            }
            let key =
                if dependency.alias.is_empty() { dependency.name.clone() } else { dependency.alias.clone() };
            if !seen.insert(key.clone()) {
                return invalid(&format!("more than one dependency with name or alias {key:?}"));
            }
        }
        Ok(())
    }
}

impl Maintainer {
    fn decode(document: &Json) -> Result<Self, String> {
        let fields = match document {
            Json::Object(fields) => Fields { fields, of: "Maintainer.maintainers" },
            Json::Null => return Ok(Maintainer::default()),
            other => return Err(mismatch(other, "Metadata.maintainers", "v2.Maintainer")),
        };
        let mut maintainer = Maintainer::default();
        fields.text("name", &mut maintainer.name)?;
        fields.text("email", &mut maintainer.email)?;
        fields.text("url", &mut maintainer.url)?;
        Ok(maintainer)
    }
}

impl Dependency {
    pub(crate) fn decode(document: &Json) -> Result<Self, String> {
        let fields = match document {
            Json::Object(fields) => Fields { fields, of: "Dependency.dependencies" },
            Json::Null => return Ok(Dependency::default()),
            other => return Err(mismatch(other, "Metadata.dependencies", "v2.Dependency")),
        };
        let mut dependency = Dependency::default();
        fields.text("name", &mut dependency.name)?;
        fields.text("version", &mut dependency.version)?;
        fields.text("repository", &mut dependency.repository)?;
        fields.text("condition", &mut dependency.condition)?;
        fields.texts("tags", &mut dependency.tags)?;
        fields.flag("enabled", &mut dependency.enabled)?;
        fields.text("alias", &mut dependency.alias)?;
        if let Some(imports) = fields.list("import-values", "[]interface {}")? {
            dependency.import_values = imports.to_vec();
        }
        Ok(dependency)
    }

    fn sanitize(&mut self) {
        [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition]
            .into_iter()
            .chain(&mut self.tags)
            .for_each(sanitize);
    }
}

/// The fields of a document that becomes a Go struct.
struct Fields<'a> {
    fields: &'a JsonMap<String, Json>,
    of: &'static str,
}

impl<'a> Fields<'a> {
    /// A field that is there and not null.
    fn get(&self, name: &str) -> Option<&'a Json> {
        field(self.fields, name)
    }

    fn text(&self, name: &str, into: &mut String) -> Result<(), String> {
        if let Some(value) = self.get(name) {
            *into =
                as_text(value).ok_or_else(|| mismatch(value, &format!("{}.{name}", self.of), "string"))?;
        }
        Ok(())
    }

    fn texts(&self, name: &str, into: &mut Vec<String>) -> Result<(), String> {
        if let Some(items) = self.list(name, "[]string")? {
            let text = |item: &Json| match item {
                Json::Null => Ok(String::new()),
                item => as_text(item).ok_or_else(|| mismatch(item, &format!("{}.{name}", self.of), "string")),
            };
            *into = items.iter().map(text).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    fn flag(&self, name: &str, into: &mut bool) -> Result<(), String> {
        match self.get(name) {
            None => {}
            Some(Json::Bool(b)) => *into = *b,
            Some(other) => return Err(mismatch(other, &format!("{}.{name}", self.of), "bool")),
        }
        Ok(())
    }

    fn list(&self, name: &str, kind: &str) -> Result<Option<&'a [Json]>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(other) => Err(mismatch(other, &format!("{}.{name}", self.of), kind)),
        }
    }
}

/// The entry that Go decodes into a field: capitals do not count, the last one that is not null wins.
pub(crate) fn field<'a>(entries: &'a JsonMap<String, Json>, name: &str) -> Option<&'a Json> {
    let others = entries.iter().filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null());
    others.map(|(_, value)| value).next_back()
}

/// A scalar where a text is wanted: `sigs.k8s.io/yaml` turns numbers and booleans into texts there.
pub(crate) fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(b) => Some(b.to_string()),
        Json::Number(n) => Some(match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(n), _, _) => n.to_string(),
            (_, Some(n), _) => n.to_string(),
            (_, _, float) => gotemplate::format::format_float(float.unwrap_or_default(), b'g', None, false),
        }),
        _ => None,
    }
}

/// Go's message for a JSON value of the wrong kind.
pub(crate) fn mismatch(value: &Json, field: &str, wanted: &str) -> String {
    let found = match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    )
}

/// White space becomes a plain space; what cannot be printed goes.
fn sanitize(text: &mut String) {
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let kept = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
        *text = kept.filter(|c| gotemplate::format::is_printable(*c)).collect();
    }
}
