//! How a connection to a database is kept from others' eyes: a key of the target's section, for both systems alike.

use std::path::Path;

use opsrun_core::{Cx, Error, Result, Tls};
use serde::Deserialize;

/// `tls` of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    /// With TLS, and a certificate of the host's name by a trusted authority.
    VerifyFull,
    /// With TLS, whoever answers.
    Require,
    Off,
}

impl TlsMode {
    pub(crate) fn is_encrypted(self) -> bool {
        self != TlsMode::Off
    }

    /// How `what` is trusted, with the authorities of the file `ca` instead of the system's.
    ///
    /// # Errors
    /// `Invalid` for a file that would not be looked at; those of reading it.
    pub(crate) fn rules(self, cx: &Cx, ca: Option<&Path>, what: &str) -> Result<Tls> {
        let roots = match (self, ca) {
            (_, None) => None,
            (TlsMode::Off, Some(_)) => return Err(Error::invalid("`ca` is of no use without TLS")),
            (TlsMode::Require, Some(_)) => {
                return Err(Error::invalid("with `tls = \"require\"` nobody's certificate is checked")
                    .hint("say `tls = \"verify-full\"`, so that the certificate is checked against `ca`"));
            }
            (TlsMode::VerifyFull, Some(file)) => {
                let read = cx.read_configuration(file);
                Some(
                    read.map_err(|error| {
                        error.context(format!("the authorities that {what} is trusted by"))
                    })?,
                )
            }
        };
        Ok(Tls { roots, insecure: self == TlsMode::Require, ..Tls::default() })
    }
}
