//! The primitives of the module `template`, one file each.

mod render;
mod render_file;

pub(crate) use render::Render;
pub(crate) use render_file::RenderFile;

use handlebars::{Handlebars, RenderError, RenderErrorReason, TemplateError, TemplateErrorReason};
use opsrun_core::{Error, Result, Value};

use crate::mistake;

/// Renders strictly: a name without a value is an error. Nothing is escaped, as the texts are no HTML.
fn render(name: &str, text: &str, data: &Value) -> Result<String> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(handlebars::no_escape);
    handlebars.register_template_string(name, text).map_err(|error| unreadable(name, text, &error))?;
    handlebars.render(name, data).map_err(|error| unrendered(name, text, &error))
}

fn unreadable(name: &str, text: &str, error: &TemplateError) -> Error {
    let mistake = match error.reason() {
        TemplateErrorReason::InvalidParam(parameter) => {
            mistake::at(text, error.pos(), format!("`{parameter}` is no parameter"))
        }
        TemplateErrorReason::NestedSubexpression => {
            mistake::at(text, error.pos(), "a subexpression cannot stand there".to_owned())
        }
        _ => mistake::find(text, error.pos()),
    };
    mistake::told(name, text, "read", &mistake)
}

fn unrendered(name: &str, text: &str, error: &RenderError) -> Error {
    let what = match error.reason() {
        RenderErrorReason::MissingVariable(Some(path)) => format!("there is no value for `{path}`"),
        RenderErrorReason::MissingVariable(None) => "there is no value for what is looked up here".to_owned(),
        RenderErrorReason::HelperNotFound(helper) => format!("there is no helper `{helper}`"),
        RenderErrorReason::PartialNotFound(partial) => {
            format!("there is no template `{partial}` to include: a template stands alone")
        }
        other => other.to_string(),
    };
    let told =
        mistake::told(name, text, "rendered", &mistake::at(text, error.line_no.zip(error.column_no), what));
    match error.reason() {
        RenderErrorReason::MissingVariable(_) => {
            told.hint("give it in the values; `{{#if NAME}}` asks whether there is one")
        }
        _ => told,
    }
}

#[cfg(test)]
mod tests;
