//! `opsrun doc`: what playbooks can call, from the declarations.

use opsrun_core::{Error, Result};
use opsrun_language::document;

use crate::output::print;
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Doc {
    /// A module, primitive or function: `k8s`, `k8s::scale`; an overview, if none is named.
    name: Option<String>,
    /// The JSON schema of a primitive's arguments and result.
    #[arg(long, requires = "name", conflicts_with_all = ["markdown", "definitions"])]
    schema: bool,
    /// The whole reference as Markdown.
    #[arg(long, conflicts_with_all = ["name", "definitions"])]
    markdown: bool,
    /// All declarations in Rhai's form, for editors.
    #[arg(long, conflicts_with = "name")]
    definitions: bool,
}

impl Doc {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let registry = program.registry();
        let text = match &self.name {
            Some(name) if self.schema => {
                let declaration = registry
                    .primitive(name)
                    .ok_or_else(|| Error::invalid(format!("there is no primitive `{name}`")))?;
                serde_json::to_string_pretty(&document::schema(declaration))
                    .map_err(|error| Error::failed(error.to_string()))?
            }
            Some(name) => document::help(registry, name).map_err(Error::invalid)?,
            None if self.markdown => pages(document::markdown(registry)),
            None if self.definitions => pages(document::definitions(registry)),
            None => document::overview(registry),
        };
        print(&text)?;
        Ok(0)
    }
}

fn pages(pages: Vec<(String, String)>) -> String {
    pages.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}
