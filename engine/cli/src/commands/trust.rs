//! `opsrun trust`: lets the grants of a project's file count on this machine.

use std::path::{Path, PathBuf};

use opsrun_core::{Error, Result};
use opsrun_runtime::{Project, TrustStore, World, difference};

use crate::output::print;
use crate::program::Program;

#[derive(Debug, clap::Args)]
pub(crate) struct Trust {
    /// An `opsrun.toml`, or a file or folder of its project; the current folder's, if none is named.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// List what is trusted on this machine.
    #[arg(long, conflicts_with = "revoke")]
    list: bool,
    /// Trust the file no longer.
    #[arg(long)]
    revoke: bool,
}

impl Trust {
    pub(crate) fn carry_out(&self, program: &Program) -> Result<u8> {
        let store = TrustStore::of(program.variables());
        if self.list {
            let lines = store.list()?.into_iter().map(|trusted| {
                format!(
                    "{}  {}  {}\n",
                    &trusted.digest[..12.min(trusted.digest.len())],
                    trusted.at,
                    trusted.path.display()
                )
            });
            print(&lines.collect::<String>())?;
            return Ok(0);
        }
        match self.revoke {
            true => self.revoke(&store),
            false => trust(&store, &self.path),
        }
    }

    fn revoke(&self, store: &TrustStore) -> Result<u8> {
        // A project that is gone, or cannot be read any more, can still be forgotten, by the file's full path.
        let path = Project::find(&self.path).ok().and_then(|project| {
            let name = project.file.as_ref()?.file_name()?.to_owned();
            Some(project.root.join(name))
        });
        let path = path.unwrap_or_else(|| self.path.clone());
        let revoked = store.revoke(&path)?;
        let shown = path.display();
        print(&match revoked {
            true => format!("`{shown}` is trusted no longer: it grants nothing on this machine"),
            false => format!("`{shown}` was not trusted"),
        })?;
        Ok(0)
    }
}

fn trust(store: &TrustStore, path: &Path) -> Result<u8> {
    if !path.exists() {
        return Err(Error::not_found(format!("`{}` does not exist", path.display())));
    }
    let project = Project::find(path)?;
    let grants = project.shown_grants();
    let before = store.trust(&project, World::live().clock().now())?;
    let file = project.file.as_deref().unwrap_or(path).display();
    let mut text = match &before {
        None if grants.is_empty() => format!("`{file}` is trusted as it is now; it grants nothing\n"),
        _ => format!("`{file}` is trusted as it is now; on this machine it grants\n"),
    };
    for grant in &grants {
        text.push_str(&format!("  {grant}\n"));
    }
    if let Some(before) = before {
        text.push_str("compared with what was trusted before:\n");
        for line in difference(&before, &grants) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    print(&text)?;
    Ok(0)
}
