//! Sets of field paths: what a manager owns, as `fieldsV1` (`f:`, `k:`, `v:`, `i:`, `.`) and in memory.
//! It knows paths, no schemas and no managers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    Field(String),
    /// An item of a list by its keys.
    Key(BTreeMap<String, Literal>),
    /// An item of a set by its value.
    Value(Literal),
    Index(usize),
}

/// A scalar as its JSON text: comparable, unlike floats.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Literal(String);

impl Literal {
    pub(crate) fn new(value: &Value) -> Self {
        Self(value.to_string())
    }

    /// A text without its quotes.
    fn plain(&self) -> &str {
        self.0.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&self.0)
    }
}

/// A set of paths. A path in it may be the beginning of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    pub(crate) members: BTreeSet<PathElement>,
    pub(crate) children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    /// A set of one path of field names.
    pub fn of_fields<'a>(paths: impl IntoIterator<Item = &'a [&'a str]>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<PathElement> =
                path.iter().map(|name| PathElement::Field((*name).to_owned())).collect();
            set.insert(&path);
        }
        set
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => drop(self.members.insert(last.clone())),
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub fn has(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|set| set.has(rest)),
        }
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.members.extend(other.members.iter().cloned());
        for (element, set) in &other.children {
            let merged = out.children.get(element).map_or_else(|| set.clone(), |mine| mine.union(set));
            out.children.insert(element.clone(), merged);
        }
        out
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(
            |element| other.members.contains(element),
            |element, set| other.children.get(element).map(|theirs| set.intersection(theirs)),
        )
    }

    /// What is here and not there; a path there does not take away the longer ones here.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(
            |element| !other.members.contains(element),
            |element, set| match other.children.get(element) {
                Some(theirs) => Some(set.difference(theirs)),
                None => Some(set.clone()),
            },
        )
    }

    /// What is here and not there; a path there takes away everything below it.
    #[must_use]
    pub fn difference_below(&self, other: &Self) -> Self {
        self.combine(
            |element| !other.members.contains(element),
            |element, set| match other.children.get(element) {
                _ if other.members.contains(element) => None,
                Some(theirs) => Some(set.difference_below(theirs)),
                None => Some(set.clone()),
            },
        )
    }

    fn combine(
        &self,
        keep: impl Fn(&PathElement) -> bool,
        child: impl Fn(&PathElement, &Self) -> Option<Self>,
    ) -> Self {
        let members = self.members.iter().filter(|element| keep(element)).cloned().collect();
        let children = self
            .children
            .iter()
            .filter_map(|(element, set)| Some((element.clone(), child(element, set)?)))
            .filter(|(_, set)| !set.is_empty())
            .collect();
        Self { members, children }
    }

    /// Every path, the members of a level before what lies deeper.
    pub fn paths(&self) -> Vec<Path> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, out: &mut Vec<Path>) {
        for element in &self.members {
            prefix.push(element.clone());
            out.push(Path(prefix.clone()));
            prefix.pop();
        }
        for (element, set) in &self.children {
            prefix.push(element.clone());
            set.collect(prefix, out);
            prefix.pop();
        }
    }

    /// As `fieldsV1`.
    pub fn to_fields(&self) -> Value {
        let mut map = Map::new();
        for element in &self.members {
            map.insert(element.serialize(), json!({}));
        }
        for (element, set) in &self.children {
            let mut inner = set.to_fields();
            if self.members.contains(element) {
                inner["."] = json!({});
            }
            map.insert(element.serialize(), inner);
        }
        Value::Object(map)
    }

    /// From `fieldsV1`; the error says what is wrong with it.
    pub fn from_fields(fields: &Value) -> Result<Self, String> {
        let mut set = Self::default();
        let map = fields.as_object().ok_or("fieldsV1 must be an object")?;
        for (key, inner) in map {
            if key == "." {
                continue;
            }
            let element = PathElement::deserialize(key)?;
            let inner_map = inner.as_object().ok_or("fieldsV1 must hold objects")?;
            if inner_map.is_empty() || inner_map.contains_key(".") {
                set.members.insert(element.clone());
            }
            let child = Self::from_fields(inner)?;
            if !child.is_empty() {
                set.children.insert(element, child);
            }
        }
        Ok(set)
    }
}

/// A path as conflicts print it: `.spec.template.spec.containers[name="a"].image`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<PathElement>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| write!(f, "{element}"))
    }
}

impl Path {
    /// As people write it: `spec.template.spec.containers[name=a].image`.
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for element in &self.0 {
            match element {
                PathElement::Field(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(name);
                }
                PathElement::Key(keys) => {
                    let keys: Vec<String> =
                        keys.iter().map(|(name, value)| format!("{name}={}", value.plain())).collect();
                    text.push_str(&format!("[{}]", keys.join(",")));
                }
                PathElement::Value(value) => text.push_str(&format!("[={}]", value.plain())),
                PathElement::Index(at) => text.push_str(&format!("[{at}]")),
            }
        }
        text
    }
}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={}", value.0)).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

impl PathElement {
    fn serialize(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{}:{}", json!(name), value.0)).collect();
                format!("k:{{{}}}", keys.join(","))
            }
            Self::Value(value) => format!("v:{}", value.0),
            Self::Index(at) => format!("i:{at}"),
        }
    }

    fn deserialize(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').ok_or_else(|| format!("missing colon: {text}"))?;
        let parse = || serde_json::from_str::<Value>(rest).map_err(|why| why.to_string());
        match kind {
            "f" => Ok(Self::Field(rest.to_owned())),
            "v" => Ok(Self::Value(Literal::new(&parse()?))),
            "k" => match parse()? {
                Value::Object(map) => Ok(Self::Key(
                    map.iter().map(|(name, value)| (name.clone(), Literal::new(value))).collect(),
                )),
                _ => Err(format!("keys must be an object: {text}")),
            },
            "i" => rest.parse().map(Self::Index).map_err(|_| format!("no index: {text}")),
            _ => Err("unknown path element type".to_owned()),
        }
    }
}
