//! A primitive is declared once; everything else about it is read off its [`Declaration`].

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Args, BoxFuture, Cx, Effect, Error, Field, Result, Settle, Undo, secret};

/// An operation that playbooks can call: its arguments are the fields of the type that implements this.
pub trait Primitive: Args + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Module and name: `k8s::scale`.
    const PATH: &'static str;
    /// The strongest thing it does.
    const EFFECT: Effect;
    /// What takes its writes back.
    const UNDO: Undo = Undo::Nothing;
    /// What a write without an answer needs.
    const SETTLE: Settle = Settle::Repeat;
    /// What the playbook gets.
    type Out: Serialize + JsonSchema + Send;

    fn run(self, cx: &Cx) -> impl Future<Output = Result<Self::Out>> + Send;
}

/// A primitive with its type erased. Made by [`Declaration::of`] for a module's `const` list.
#[derive(Clone, Copy)]
pub struct Declaration {
    pub path: &'static str,
    pub effect: Effect,
    pub undo: Undo,
    pub settle: Settle,
    pub doc: &'static str,
    pub fields: &'static [Field],
    arguments: fn(&mut SchemaGenerator) -> Schema,
    result: fn(&mut SchemaGenerator) -> Schema,
    run: fn(Value, Cx) -> BoxFuture<'static, Result<Value>>,
    decode: fn(Value) -> Result<(), Error>,
}

impl Declaration {
    pub const fn of<P: Primitive>() -> Self {
        Declaration {
            path: P::PATH,
            effect: P::EFFECT,
            undo: P::UNDO,
            settle: P::SETTLE,
            doc: P::DOC,
            fields: P::FIELDS,
            arguments: |generator| P::json_schema(generator),
            result: |generator| P::Out::json_schema(generator),
            run: |arguments, cx| Box::pin(run::<P>(arguments, cx)),
            decode: |arguments| decode::<P>(P::PATH, P::FIELDS, arguments).map(drop),
        }
    }

    /// `k8s` of `k8s::scale`.
    pub fn module(&self) -> &'static str {
        self.path.rsplit_once("::").map_or("", |(module, _)| module)
    }

    /// `scale` of `k8s::scale`.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once("::").map_or(self.path, |(_, name)| name)
    }

    /// The first line of the documentation.
    pub fn summary(&self) -> &'static str {
        self.doc.lines().next().unwrap_or_default().trim()
    }

    /// The ```` ```rhai ```` fences of the documentation.
    pub fn examples(&self) -> Vec<String> {
        let mut examples = Vec::new();
        let mut current: Option<Vec<&str>> = None;
        for line in self.doc.lines() {
            match (&mut current, line.trim()) {
                (None, "```rhai") => current = Some(Vec::new()),
                (Some(lines), "```") => {
                    examples.push(lines.join("\n"));
                    current = None;
                }
                (Some(lines), _) => lines.push(line),
                _ => {}
            }
        }
        examples
    }

    pub fn positional(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(|field| field.positional)
    }

    pub fn options(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(|field| !field.positional)
    }

    /// The JSON schema of the arguments, all subschemas in place.
    pub fn arguments_schema(&self) -> Schema {
        (self.arguments)(&mut inline_generator())
    }

    /// The JSON schema of the result.
    pub fn result_schema(&self) -> Schema {
        (self.result)(&mut inline_generator())
    }

    /// Checks named arguments without running anything.
    ///
    /// # Errors
    /// `Invalid`, naming the argument.
    pub fn check(&self, arguments: Value) -> Result<()> {
        (self.decode)(arguments)
    }

    /// Decodes named arguments and runs the primitive; the future is to be polled by the run.
    pub fn run(&self, arguments: Value, cx: Cx) -> BoxFuture<'static, Result<Value>> {
        (self.run)(arguments, cx)
    }
}

impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Declaration({})", self.path)
    }
}

async fn run<P: Primitive>(mut arguments: Value, cx: Cx) -> Result<Value> {
    secret::resolve(P::PATH, P::FIELDS, &mut arguments, &cx).await?;
    let primitive = decode::<P>(P::PATH, P::FIELDS, arguments)?;
    let out = primitive.run(&cx).await?;
    serde_json::to_value(out)
        .map_err(|error| Error::failed(format!("the result of `{}` is no JSON: {error}", P::PATH)))
}

fn decode<P: DeserializeOwned>(path: &str, fields: &[Field], arguments: Value) -> Result<P> {
    if let Value::Object(map) = &arguments {
        if let Some(unknown) = map.keys().find(|key| fields.iter().all(|field| field.name != key.as_str())) {
            return Err(unknown_option(path, fields, unknown));
        }
        if let Some(missing) = fields.iter().find(|field| field.required && !map.contains_key(field.name)) {
            let what = if missing.positional { "argument" } else { "option" };
            return Err(
                Error::invalid(format!("`{path}` needs its {what} `{}`", missing.name)).hint(missing.doc)
            );
        }
    }
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let at = error.path().to_string();
        let field = fields.iter().find(|field| at.split(['.', '[']).next() == Some(field.name));
        let what = if field.is_some_and(|field| field.positional) { "argument" } else { "option" };
        Error::invalid(format!("`{path}`: {what} `{at}`: {}", error.inner()))
    })
}

fn unknown_option(path: &str, fields: &[Field], unknown: &str) -> Error {
    let names = || fields.iter().filter(|field| !field.positional).map(|field| field.name);
    let error = Error::invalid(format!("`{path}` has no option `{unknown}`"));
    let nearest = names().map(|name| (strsim::damerau_levenshtein(name, unknown), name)).min();
    match nearest {
        None => error.hint(format!("`{path}` takes no options")),
        Some((distance, name)) if distance <= 2 => error.hint(format!("did you mean `{name}`?")),
        Some(_) => error.hint(format!("its options are `{}`", names().collect::<Vec<_>>().join("`, `"))),
    }
}

fn inline_generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator()
}
