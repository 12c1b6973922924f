//! The built-in types of Kubernetes, unpacked from the generated data on first use.
//! It assumes the data to be as `generate` writes it; a mistake there stops the first test.

use std::collections::HashMap;
use std::io::Read;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::schema::{Field, Gvk, ListKind, Message, Object, Patch, Scalar, Schema, Shape};

/// Every built-in type.
pub struct Catalogue {
    /// Sorted by name.
    pub types: Vec<Type>,
    names: HashMap<String, usize>,
    kinds: HashMap<Gvk, usize>,
}

/// A built-in type.
pub struct Type {
    /// The OpenAPI name: `io.k8s.api.apps.v1.Deployment`.
    pub name: String,
    pub schema: Schema,
    /// The kinds that have this type, where it is one's root.
    pub kinds: Vec<Gvk>,
}

/// The catalogue; made when first asked for, in a few milliseconds.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::read(&unpack(include_bytes!("../data/types.gz"))))
}

pub(crate) fn unpack(packed: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).expect("the generated data is gzip of UTF-8");
    text
}

impl Catalogue {
    pub fn kind(&self, gvk: &Gvk) -> Option<&Type> {
        self.kinds.get(gvk).map(|number| &self.types[*number])
    }

    pub fn named(&self, name: &str) -> Option<&Type> {
        self.names.get(name).map(|number| &self.types[*number])
    }

    fn read(text: &str) -> Self {
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        let go: Vec<&str> = lines.iter().filter(|line| line[0] == "T").map(|line| line[2]).collect();
        let blocks: Vec<&[Vec<&str>]> = lines.chunk_by(|_, next| next[0] != "T").collect();
        let reader = Reader { go, blocks };
        let types: Vec<Type> = (0..reader.blocks.len()).map(|number| reader.read_type(number)).collect();
        let names = types.iter().enumerate().map(|(at, one)| (one.name.clone(), at)).collect();
        let kinds = types
            .iter()
            .enumerate()
            .flat_map(|(at, one)| one.kinds.iter().map(move |gvk| (gvk.clone(), at)))
            .collect();
        Self { types, names, kinds }
    }
}

/// Columns: `T name go kinds mapType`, `F name expression go proto flags list patch default enum`, `I expression proto`.
struct Reader<'a> {
    go: Vec<&'a str>,
    blocks: Vec<&'a [Vec<&'a str>]>,
}

impl Reader<'_> {
    fn read_type(&self, number: usize) -> Type {
        let head = &self.blocks[number][0];
        let kinds = head[3].split(';').filter(|gvk| !gvk.is_empty()).map(|gvk| {
            let parts: Vec<&str> = gvk.split('/').collect();
            Gvk::new(parts[0], parts[1], parts[2])
        });
        let mut object = Object::new(self.fields(number));
        object.atomic = head[4] == "atomic";
        object.messages = self.messages(number, &object);
        Type {
            name: head[1].to_owned(),
            kinds: kinds.collect(),
            schema: Schema { shape: Shape::Object(object), go: head[2].to_owned() },
        }
    }

    /// All fields as JSON has them: embedded structs laid flat.
    fn fields(&self, number: usize) -> Vec<Field> {
        let mut fields = Vec::new();
        for line in &self.blocks[number][1..] {
            match line[0] {
                "I" => {
                    let inner = embedded_number(line[1]);
                    let name = self.go[inner].rsplit('.').next().unwrap_or_default();
                    fields.extend(self.fields(inner).into_iter().map(|mut field| {
                        field.embedded.insert(0, name.to_owned());
                        field
                    }));
                }
                _ => fields.push(self.field(line)),
            }
        }
        fields
    }

    fn messages(&self, number: usize, object: &Object) -> Vec<Message> {
        let mut messages = Vec::new();
        for line in &self.blocks[number][1..] {
            if line[0] == "I" {
                let schema = self.schema(line[1], "", "");
                messages.extend(line[2].parse().ok().map(|number| Message::Embedded { number, schema }));
            } else if let (Ok(number), Some(index)) = (line[4].parse(), object.position(line[1])) {
                messages.push(Message::Field { number, index });
            }
        }
        messages
    }

    fn field(&self, line: &[&str]) -> Field {
        let flags = line[5];
        let (strategies, key) = line[7].split_once(':').unwrap_or((line[7], ""));
        let has = |wanted| strategies.split(',').any(|strategy| strategy == wanted);
        let schema = self.schema(line[2], line[3], line[6]);
        let default = if line[8].is_empty() {
            // What Go always writes has its zero for a default, also as a key of a list.
            (!flags.contains(['o', 'z', 'p'])).then(|| zero_of(&schema)).flatten()
        } else {
            Some(serde_json::from_str(line[8]).expect("a default in the generated data is JSON"))
        };
        Field {
            required: flags.contains('r'),
            omit_empty: flags.contains('o'),
            omit_zero: flags.contains('z'),
            pointer: flags.contains('p'),
            default,
            enumeration: line[9].split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
            patch: Patch {
                merge: has("merge"),
                retain_keys: has("retainKeys"),
                replace: has("replace"),
                merge_key: (!key.is_empty()).then(|| key.to_owned()),
            },
            ..Field::new(line[1], schema)
        }
    }

    fn schema(&self, expression: &str, go: &str, merging: &str) -> Schema {
        if let Some(item) = expression.strip_prefix("[]").or_else(|| expression.strip_prefix("[w]")) {
            let item = self.schema(item, go.strip_prefix("[]").unwrap_or_default(), "");
            let go = if go.is_empty() { format!("[]{}", item.go) } else { go.to_owned() };
            let list = match merging.split_once(':') {
                Some((_, keys)) => ListKind::Map(keys.split(',').map(str::to_owned).collect()),
                None if merging == "set" => ListKind::Set,
                None => ListKind::Atomic,
            };
            return Schema { shape: Shape::List { item: Box::new(item), list }, go };
        }
        if let Some(value) = expression.strip_prefix("{}") {
            let element = go.strip_prefix("map[").and_then(|rest| rest.split_once(']')).map(|(_, go)| go);
            let value = Box::new(self.schema(value, element.unwrap_or_default(), ""));
            let go = if go.is_empty() { format!("map[string]{}", value.go) } else { go.to_owned() };
            return Schema { shape: Shape::Map { value, atomic: merging == "atomic" }, go };
        }
        if expression.starts_with('@') {
            let number = embedded_number(expression);
            // A field may make a whole type atomic at its place.
            if merging == "atomic" {
                let mut object = Object::new(self.fields(number));
                object.atomic = true;
                object.messages = self.messages(number, &object);
                return Schema { shape: Shape::Object(object), go: self.go[number].to_owned() };
            }
            return Schema { shape: Shape::Ref(number), go: self.go[number].to_owned() };
        }
        let (shape, plain) = match expression {
            "s" => (Shape::Scalar(Scalar::String), "string"),
            "b" => (Shape::Scalar(Scalar::Bool), "bool"),
            "i" => (Shape::Scalar(Scalar::Int32), "int32"),
            "l" => (Shape::Scalar(Scalar::Int64), "int64"),
            "f" => (Shape::Scalar(Scalar::Float), "float64"),
            "y" => (Shape::Scalar(Scalar::Bytes), "[]uint8"),
            "c" => (Shape::Scalar(Scalar::Byte), "uint8"),
            "t" => (Shape::Scalar(Scalar::Time), "v1.Time"),
            "u" => (Shape::Scalar(Scalar::MicroTime), "v1.MicroTime"),
            "d" => (Shape::Scalar(Scalar::Duration), "v1.Duration"),
            "q" => (Shape::Scalar(Scalar::Quantity), "resource.Quantity"),
            "x" => (Shape::Scalar(Scalar::IntOrString), "intstr.IntOrString"),
            // RawExtension, JSON, FieldsV1: whatever is there.
            _ => (Shape::Any, "runtime.RawExtension"),
        };
        Schema { shape, go: if go.is_empty() { plain.to_owned() } else { go.to_owned() } }
    }
}

fn zero_of(schema: &Schema) -> Option<Value> {
    match schema.shape {
        Shape::Scalar(Scalar::String) => Some("".into()),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => Some(0.into()),
        Shape::Scalar(Scalar::Bool) => Some(false.into()),
        _ => None,
    }
}

fn embedded_number(expression: &str) -> usize {
    expression.trim_start_matches('@').parse().expect("a type reference in the generated data is a number")
}
