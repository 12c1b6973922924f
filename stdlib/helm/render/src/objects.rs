//! What templates find at the top of their data, next to `.Values`: `.Chart`, `.Files`, `.Capabilities`, `.Release`.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use gotemplate::{BYTES, FnError, Function, Kind, List, Map, NamedMap, Object, Type, Value};

use crate::capabilities::{Capabilities, KubeVersion};
use crate::chart::Chart;
use crate::files::Content;
use crate::glob::Glob;
use crate::metadata::Metadata;
use crate::yaml;

/// `.Chart`: the metadata by Go's field names.
pub(crate) fn chart(metadata: &Metadata, is_root: bool) -> Value {
    let text = |s: &str| Value::str(s);
    let texts = |items: &[String]| Value::list(items.iter().map(|s| Value::str(s.as_str())).collect());
    let maintainers = metadata.maintainers.iter().map(|m| {
        let fields = [("Name", text(&m.name)), ("Email", text(&m.email)), ("URL", text(&m.url))];
        Value::Map(fields.into_iter().collect())
    });
    let dependencies = metadata.dependencies.iter().map(|d| {
        let imports = d.import_values.iter().map(crate::values::from_json).collect();
        let fields = [
            ("Name", text(&d.name)),
            ("Version", text(&d.version)),
            ("Repository", text(&d.repository)),
            ("Condition", text(&d.condition)),
            ("Tags", texts(&d.tags)),
            ("Enabled", Value::Bool(d.enabled)),
            ("ImportValues", Value::list(imports)),
            ("Alias", text(&d.alias)),
        ];
        Value::Map(fields.into_iter().collect())
    });
    let annotations = match &metadata.annotations {
        None => Map::nil(Type::String),
        Some(entries) => {
            let map = Map::of(Type::String);
            for (key, value) in entries {
                map.insert(key, text(value));
            }
            map
        }
    };
    let fields = [
        ("Name", text(&metadata.name)),
        ("Home", text(&metadata.home)),
        ("Sources", texts(&metadata.sources)),
        ("Version", text(&metadata.version)),
        ("Description", text(&metadata.description)),
        ("Keywords", texts(&metadata.keywords)),
        ("Maintainers", Value::list(maintainers.collect())),
        ("Icon", text(&metadata.icon)),
        ("APIVersion", text(&metadata.api_version)),
        ("Condition", text(&metadata.condition)),
        ("Tags", text(&metadata.tags)),
        ("AppVersion", text(&metadata.app_version)),
        ("Deprecated", Value::Bool(metadata.deprecated)),
        ("Annotations", Value::Map(annotations)),
        ("KubeVersion", text(&metadata.kube_version)),
        ("Dependencies", Value::list(dependencies.collect())),
        ("Type", text(&metadata.kind)),
        ("IsRoot", Value::Bool(is_root)),
    ];
    Value::Map(fields.into_iter().collect())
}

/// The type of `.Values`, and of the data of a template.
pub(crate) static VALUES: NamedMap = NamedMap { name: "common.Values", method: values_method };

fn values_method(values: &Map, name: &str) -> Option<Function> {
    let values = values.clone();
    let text = |value: &Value| value.as_str().map(|s| s.to_text().into_owned()).unwrap_or_default();
    Some(match name {
        "AsMap" => Function::new(&[], move |_, _| Ok(Value::Map(values.converted(None)))),
        "YAML" => Function::new(&[], move |_, _| {
            let written = yaml::write(&Value::Map(values.converted(None)));
            written.map(Value::str).map_err(|e| FnError::new(e.to_string()))
        }),
        "Table" => Function::new(&[Type::String], move |_, args| {
            let mut table = values.clone();
            for key in text(&args[0]).split('.') {
                table = match table.get(key) {
                    Some(Value::Map(inner)) => inner.converted(Some(&VALUES)),
                    _ => return Err(FnError::new(format!("{key:?} is not a table"))),
                };
            }
            Ok(Value::Map(table))
        }),
        "PathValue" => Function::new(&[Type::String], move |_, args| {
            let path = text(&args[0]);
            if path.is_empty() {
                return Err("YAML path cannot be empty".into());
            }
            let key = path.rsplit('.').next().unwrap_or_default();
            crate::values::path_value(&values, &path)
                .ok_or_else(|| FnError::new(format!("{key:?} is not a value")))
        }),
        _ => return None,
    })
}

/// `.Files`: the files of a chart that are neither templates nor its own, or those of them that a pattern matches.
#[derive(Debug)]
pub(crate) struct FilesObject {
    files: BTreeMap<String, Content>,
    /// The same as a map; made when a template looks at it.
    map: OnceLock<Map>,
}

impl FilesObject {
    pub(crate) fn new(chart: &Chart) -> Self {
        FilesObject::of(chart.files.iter().map(|file| (file.name.clone(), file.data.clone())).collect())
    }

    fn of(files: BTreeMap<String, Content>) -> Self {
        FilesObject { files, map: OnceLock::new() }
    }

    fn bytes(&self, name: &Value) -> &[u8] {
        let name = name.as_str().map(|s| s.to_text()).unwrap_or_default();
        self.files.get(&*name).map_or(&[], |data| data)
    }

    fn glob(&self, pattern: &Value) -> FilesObject {
        let pattern = pattern.as_str().map(|s| s.to_text()).unwrap_or_default();
        // A malformed pattern matches everything.
        let glob = Glob::parse(&pattern);
        let matches = |name: &str| glob.as_ref().is_none_or(|glob| glob.matches(name));
        FilesObject::of(
            self.files
                .iter()
                .filter(|(name, _)| matches(name))
                .map(|(name, data)| (name.clone(), data.clone()))
                .collect(),
        )
    }

    /// The files as YAML entries, by the last part of their names.
    fn yaml(&self, text: impl Fn(&[u8]) -> Value) -> String {
        let map = Map::of(Type::String);
        for (name, data) in &self.files {
            let name = name.trim_end_matches('/');
            map.insert(name.rsplit('/').next().unwrap_or(name), text(data));
        }
        let text = yaml::write(&Value::Map(map)).unwrap_or_default();
        text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
    }

    fn lines(&self, name: &Value) -> Result<Value, FnError> {
        let name = name.as_str().map(|s| s.to_text()).unwrap_or_default();
        let Some(data) = self.files.get(&*name) else {
            return Ok(Value::strings::<&str>([]));
        };
        if data.is_empty() {
            // Helm looks at the last byte without asking whether there is one.
            return Err("runtime error: index out of range [-1]".into());
        }
        let data = data.strip_suffix(b"\n").unwrap_or(data);
        Ok(Value::strings(data.split(|b| *b == b'\n')))
    }
}

impl Object for FilesObject {
    fn type_name(&self) -> &'static str {
        "engine.files"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        use base64::Engine;
        let files = self;
        Some(match name {
            "Get" => Function::new(&[Type::String], move |_, args| Ok(Value::str(files.bytes(&args[0])))),
            "GetBytes" => {
                Function::new(&[Type::String], move |_, args| Ok(Value::bytes(files.bytes(&args[0]))))
            }
            "Glob" => Function::new(&[Type::String], move |_, args| Ok(Value::object(files.glob(&args[0])))),
            "AsConfig" => Function::new(&[], move |_, _| Ok(Value::str(files.yaml(|data| Value::str(data))))),
            "AsSecrets" => Function::new(&[], move |_, _| {
                let encode = |data: &[u8]| base64::engine::general_purpose::STANDARD.encode(data);
                Ok(Value::str(files.yaml(|data| Value::str(encode(data)))))
            }),
            "Lines" => Function::new(&[Type::String], move |_, args| files.lines(&args[0])),
            _ => return None,
        })
    }

    fn underlying(&self) -> Option<Value> {
        let map = self.map.get_or_init(|| {
            let map = Map::of(BYTES);
            for (name, data) in &self.files {
                map.insert(name, Value::List(List::of_bytes(data.as_slice())));
            }
            map
        });
        Some(Value::Map(map.clone()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for Capabilities {
    fn type_name(&self) -> &'static str {
        "*common.Capabilities"
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("KubeVersion", Value::object(self.kube_version.clone())),
            ("APIVersions", Value::object(ApiVersions(self.api_versions.clone()))),
            ("HelmVersion", Value::object(HelmVersion(self.helm_version.clone()))),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for KubeVersion {
    fn type_name(&self) -> &'static str {
        "common.KubeVersion"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::str(&*self.version)),
            "Major" => Some(Value::str(&*self.major)),
            "Minor" => Some(Value::str(&*self.minor)),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let fields = [
            ("Version", &self.version),
            ("normalizedVersion", &self.normalized),
            ("Major", &self.major),
            ("Minor", &self.minor),
        ];
        fields.into_iter().map(|(name, text)| (name, Value::str(&**text))).collect()
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        match name {
            "String" => Some(Function::new(&[], move |_, _| Ok(Value::str(&*self.normalized)))),
            "GitVersion" => Some(Function::new(&[], move |_, _| Ok(Value::str(&*self.version)))),
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        Some(self.normalized.clone())
    }

    fn encoded(&self) -> Option<Value> {
        let shown = self.fields().into_iter().filter(|(name, _)| *name != "normalizedVersion");
        Some(Value::Map(shown.collect()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `.Capabilities.APIVersions`, which answers `.Has "apps/v1"`.
#[derive(Debug)]
struct ApiVersions(Vec<String>);

impl Object for ApiVersions {
    fn type_name(&self) -> &'static str {
        "common.VersionSet"
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn method(self: Arc<Self>, name: &str) -> Option<Function> {
        (name == "Has").then(|| {
            Function::new(&[Type::String], move |_, args| {
                let wanted = args[0].as_str();
                Ok(Value::Bool(
                    wanted.is_some_and(|wanted| self.0.iter().any(|version| *wanted == *version.as_str())),
                ))
            })
        })
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::strings(&self.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `.Capabilities.HelmVersion`
#[derive(Debug)]
struct HelmVersion(String);

impl Object for HelmVersion {
    fn type_name(&self) -> &'static str {
        "version.BuildInfo"
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::str(&*self.0)),
            ("GitCommit", Value::str("")),
            ("GitTreeState", Value::str("")),
            ("GoVersion", Value::str("")),
            ("KubeClientVersion", Value::str("v1.35")),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
