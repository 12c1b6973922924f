//! The primitives of the module `template`, one file each.

mod render;
mod render_file;

pub(crate) use render::Render;
pub(crate) use render_file::RenderFile;

use handlebars::Handlebars;
use opsrun_core::{Error, Result, Value};

/// Renders strictly: a name without a value is an error. Nothing is escaped, as the texts are no HTML.
fn render(name: &str, text: &str, data: &Value) -> Result<String> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(handlebars::no_escape);
    let invalid = |what: &str, line: Option<usize>, why: &dyn std::fmt::Display| {
        let place = line.map(|line| format!(" line {line}")).unwrap_or_default();
        Error::invalid(format!("template `{name}`{place} {what}: {why}"))
    };
    handlebars
        .register_template_string(name, text)
        .map_err(|error| invalid("cannot be read", error.pos().map(|(line, _)| line), &error.reason()))?;
    handlebars
        .render(name, data)
        .map_err(|error| invalid("cannot be rendered", error.line_no, &error.reason()))
}
