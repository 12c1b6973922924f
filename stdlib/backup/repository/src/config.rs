//! The file `config`: what a repository is.

use serde::{Deserialize, Serialize};

use crate::polynomial::Polynomial;
use crate::surroundings::{Surroundings, random};
use crate::{Error, File, Id, Result};

/// The versions of the format that are known here.
pub(crate) const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    pub(crate) version: u32,
    pub(crate) id: Id,
    pub(crate) chunker_polynomial: Polynomial,
}

impl Config {
    pub(crate) fn generate(
        surroundings: &dyn Surroundings,
        version: u32,
        polynomial: Option<Polynomial>,
    ) -> Self {
        let id = Id::from_bytes(random(surroundings));
        let chunker_polynomial = polynomial.unwrap_or_else(|| Polynomial::generate(surroundings));
        Config { version, id, chunker_polynomial }
    }

    pub(crate) fn read(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let damaged = |error: serde_json::Error| {
            Error::damaged(File::Config, format!("it is no configuration: {error}"))
        };
        // A later version may have other fields as well.
        let Version { version } = serde_json::from_slice(json).map_err(damaged)?;
        if !VERSIONS.contains(&version) {
            return Err(Error::UnknownVersion(version));
        }
        serde_json::from_slice(json).map_err(damaged)
    }

    /// 1, or 2, which compresses.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Random, and the same however the repository is reached.
    pub fn id(&self) -> Id {
        self.id
    }

    pub fn polynomial(&self) -> Polynomial {
        self.chunker_polynomial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_not_known_is_told_by_its_number_whatever_else_it_has() {
        let later = br#"{"version":3,"id":{"kind":"uuid"}}"#;
        assert!(matches!(Config::read(later), Err(Error::UnknownVersion(3))));
        let known = br#"{"version":2,"id":"00","chunker_polynomial":"25b468838dcb75"}"#;
        assert!(matches!(Config::read(known), Err(Error::Damaged { file: File::Config, .. })));
    }
}
