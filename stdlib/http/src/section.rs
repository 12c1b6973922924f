//! The `http` section of a target: whom to trust there.

use std::path::PathBuf;

use opsrun_core::{Cx, Error, Result, Tls};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Section {
    /// PEM of the authorities to trust instead of the system's; a relative path counts from the project's folder.
    certificate_authority: Option<PathBuf>,
}

/// How requests of the call's target trust.
///
/// # Errors
/// `Invalid` for a section that cannot be read, and those of reading the file that it names.
pub(crate) fn tls(cx: &Cx) -> Result<Tls> {
    let target = cx.target();
    let section = target.section("http");
    if section.is_null() {
        return Ok(Tls::default());
    }
    let named = format!("the section `http` of the target `{}`", target.name);
    let section =
        Section::deserialize(section).map_err(|error| Error::invalid(format!("{named}: {error}")))?;
    let Some(file) = section.certificate_authority else { return Ok(Tls::default()) };
    let roots = cx
        .read_configuration(file)
        .map_err(|error| error.context(format!("{named}: `certificate-authority`")))?;
    Ok(Tls { roots: Some(roots), ..Tls::default() })
}
