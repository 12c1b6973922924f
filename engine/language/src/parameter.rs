//! A playbook's parameters: read off its `param(…)` calls, so that they are known before anything runs.

use std::collections::BTreeMap;

use opsrun_core::{Bytes, Error, Result, Span, Value};
use opsrun_runtime::Registry;
use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, Position, Stmt};
use serde::Serialize;

use crate::check::literal;
use crate::diagnostic::{Diagnostic, Place};
use crate::value::from_json;
use crate::words::{quoted, suggestion};

/// One parameter: `--name VALUE` on the command line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: ParameterType,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// `None`: it is required, or its default is computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The run is refused without it.
    pub required: bool,
    /// It is given as a reference to a secret, or, if it must be, as the secret itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// Only these are allowed; any if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    #[serde(skip)]
    pub at: Place,
}

/// What a parameter's text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    String,
    Int,
    Float,
    Bool,
    /// `90s`
    Span,
    /// `512Mi`
    Bytes,
    /// Texts between commas.
    List,
}

impl Parameter {
    /// Whether a value that was given for a secret parameter only names the secret, or is none.
    pub fn is_named(&self, given: &Value, registry: Registry) -> bool {
        given.as_str().is_none_or(|text| text.is_empty() || opsrun_runtime::is_reference(registry, text))
    }
}

impl ParameterType {
    const ALL: [(&str, Self); 7] = [
        ("string", Self::String),
        ("int", Self::Int),
        ("float", Self::Float),
        ("bool", Self::Bool),
        ("span", Self::Span),
        ("bytes", Self::Bytes),
        ("list", Self::List),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("string", |(name, _)| name)
    }

    /// The type that a default value speaks for.
    fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_i64() => Self::Int,
            Value::Number(_) => Self::Float,
            Value::Array(_) => Self::List,
            _ => Self::String,
        }
    }

    fn decode(self, text: &str) -> Result<Value, String> {
        let wanted = |what: &str| format!("`{text}` is not {what}");
        match self {
            Self::String => Ok(text.into()),
            Self::Int => text.parse::<i64>().map(Value::from).map_err(|_| wanted("an integer")),
            Self::Float => text.parse::<f64>().map(Value::from).map_err(|_| wanted("a number")),
            Self::Bool => match text {
                "true" | "yes" | "on" => Ok(true.into()),
                "false" | "no" | "off" => Ok(false.into()),
                _ => Err(wanted("`true` or `false`")),
            },
            Self::Span => text.parse::<Span>().map(|span| span.to_string().into()),
            Self::Bytes => text.parse::<Bytes>().map(|bytes| bytes.to_string().into()),
            Self::List => {
                Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect())
            }
        }
    }

    /// The decoded value as the script gets it.
    pub(crate) fn to_dynamic(self, value: &Value) -> Dynamic {
        match (self, value) {
            (Self::Span, Value::String(text)) => {
                text.parse::<Span>().map_or_else(|_| from_json(value), Dynamic::from)
            }
            (Self::Bytes, Value::String(text)) => {
                text.parse::<Bytes>().map_or_else(|_| from_json(value), Dynamic::from)
            }
            _ => from_json(value),
        }
    }
}

/// Decodes what was given, by name, for `parameters`.
///
/// # Errors
/// `Invalid`: an unknown parameter, a missing one, a value of another type or outside of the choices.
pub(crate) fn decode(
    parameters: &[Parameter],
    given: &[(String, String)],
) -> Result<BTreeMap<String, Value>> {
    let mut decoded = BTreeMap::new();
    for (name, text) in given {
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == *name) else {
            let names: Vec<_> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            let error = Error::invalid(format!("the playbook has no parameter `{name}`"));
            return Err(match suggestion(name, &names, "its parameters are") {
                Some(hint) => error.hint(hint),
                None => error,
            });
        };
        let value = parameter
            .kind
            .decode(text)
            .map_err(|why| Error::invalid(format!("parameter `{name}`: {why}")))?;
        if !parameter.choices.is_empty() && !parameter.choices.contains(&value) {
            let choices: Vec<_> = parameter.choices.iter().map(plain).collect();
            return Err(Error::invalid(format!("parameter `{name}`: `{text}` is not one of its choices"))
                .hint(format!("it is one of {}", quoted(choices.iter().map(String::as_str)))));
        }
        if decoded.insert(name.clone(), value).is_some() {
            return Err(Error::invalid(format!("parameter `{name}` is given twice")));
        }
    }
    match parameters.iter().find(|parameter| parameter.required && !decoded.contains_key(&parameter.name)) {
        None => Ok(decoded),
        Some(missing) => {
            let error = Error::invalid(format!("the playbook needs its parameter `{}`", missing.name));
            Err(error.hint(match missing.help.as_str() {
                "" => format!("add `--{} VALUE`", missing.name),
                help => format!("add `--{} VALUE`: {help}", missing.name),
            }))
        }
    }
}

/// A value as one would type it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The parameters that the `param` calls of a file declare, in the order of the text.
pub(crate) fn collect(file: &str, ast: &AST, found: &mut Vec<Parameter>, diagnostics: &mut Vec<Diagnostic>) {
    let mut calls: Vec<(Position, FnCallExpr)> = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) =
            path.last()
            && call.name == "param"
            && call.namespace.is_empty()
        {
            calls.push((*at, (**call).clone()));
        }
        true
    });
    calls.sort_by_key(|(at, _)| (at.line(), at.position()));
    for (at, call) in calls {
        let at = Place::new(file, at);
        match read(at.clone(), &call) {
            Err(diagnostic) => diagnostics.push(diagnostic),
            Ok(parameter) => match found.iter().find(|known| known.name == parameter.name) {
                None => found.push(parameter),
                Some(known)
                    if (known.kind, known.secret, &known.default)
                        == (parameter.kind, parameter.secret, &parameter.default) => {}
                Some(known) => diagnostics.push(
                    Diagnostic::error(
                        at,
                        format!("the parameter `{}` is declared twice, and differently", parameter.name),
                    )
                    .hint(format!("the other declaration is at {}", known.at)),
                ),
            },
        }
    }
}

fn read(at: Place, call: &FnCallExpr) -> Result<Parameter, Diagnostic> {
    let name = match call.args.first() {
        Some(Expr::StringConstant(name, _)) => name.to_string(),
        _ => {
            return Err(Diagnostic::error(at, "the name of a parameter is a literal text")
                .hint("parameters are known before the playbook runs: `param(\"environment\", #{ default: \"staging\" })`"));
        }
    };
    let proper = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    if name.is_empty() || name.starts_with('-') || !name.chars().all(proper) {
        return Err(Diagnostic::error(at, format!("`{name}` cannot be a parameter's name"))
            .hint("letters, digits, `-` and `_` make a name"));
    }
    let entries = match call.args.get(1) {
        None => &[][..],
        Some(Expr::Map(map, _)) => map.0.as_slice(),
        Some(_) => {
            return Err(Diagnostic::error(
                at,
                format!("the options of the parameter `{name}` are a literal map"),
            ));
        }
    };
    let option = |key: &str| entries.iter().find(|(entry, _)| entry.name == key).map(|(_, value)| value);
    let fixed = |key: &str| match option(key).map(|value| (value, literal(value))) {
        None => Ok(None),
        Some((_, Some(value))) => Ok(Some(value)),
        Some((value, None)) => Err(Diagnostic::error(
            Place::new(&at.file, value.start_position()),
            format!("`{key}` of the parameter `{name}` is a literal"),
        )),
    };
    let help = fixed("help")?.as_ref().map(plain).unwrap_or_default();
    let choices = match fixed("choices")? {
        None => Vec::new(),
        Some(Value::Array(choices)) => choices,
        Some(_) => {
            return Err(Diagnostic::error(at, format!("`choices` of the parameter `{name}` is an array")));
        }
    };
    let default = option("default").map(literal);
    let kind = match fixed("type")? {
        Some(word) => {
            let word = plain(&word);
            let known = ParameterType::ALL.iter().find(|(name, _)| *name == word);
            let names: Vec<_> = ParameterType::ALL.iter().map(|(name, _)| *name).collect();
            known.map(|(_, kind)| *kind).ok_or_else(|| {
                Diagnostic::error(at.clone(), format!("the parameter `{name}` has the unknown type `{word}`"))
                    .hint(suggestion(&word, &names, "the types are").unwrap_or_default())
            })?
        }
        None => match (option("default"), &default) {
            (Some(Expr::Dot(dot, ..)), Some(Some(Value::String(text))))
                if matches!(dot.rhs, Expr::Property(..)) =>
            {
                if text.parse::<Span>().is_ok() {
                    ParameterType::Span
                } else {
                    ParameterType::Bytes
                }
            }
            (_, Some(Some(value))) => ParameterType::of(value),
            _ => choices.first().map_or(ParameterType::String, ParameterType::of),
        },
    };
    let required = default.is_none();
    let secret = match fixed("secret")? {
        None | Some(Value::Bool(false)) => false,
        Some(Value::Bool(true)) if kind != ParameterType::String || !choices.is_empty() => {
            return Err(Diagnostic::error(
                at,
                format!("the secret parameter `{name}` is a text without choices"),
            ));
        }
        Some(Value::Bool(true)) => true,
        Some(_) => {
            return Err(Diagnostic::error(
                at,
                format!("`secret` of the parameter `{name}` is `true` or `false`"),
            ));
        }
    };
    Ok(Parameter { name, kind, help, default: default.flatten(), required, secret, choices, at })
}
