//! `CREATE DATABASE` and what else is about databases.

use super::{Outcome, Result, Session};
use crate::postgres::PgError;
use crate::postgres::sql::parse::Statement;
use crate::rows::Database;

/// Databases that nobody connects to, and that new ones are made from: empty.
pub(crate) const TEMPLATES: &[&str] = &["template0", "template1"];

impl Session {
    pub(super) fn of_databases(&mut self, statement: &Statement) -> Result<Outcome> {
        let tag = match statement {
            Statement::CreateDatabase { .. } => "CREATE DATABASE",
            Statement::DropDatabase { .. } => "DROP DATABASE",
            _ => "ALTER DATABASE",
        };
        if self.status() != b'I' && tag != "ALTER DATABASE" {
            return Err(PgError::new("25001", format!("{tag} cannot run inside a transaction block")));
        }
        if self.settings.borrow().is_on("transaction_read_only") {
            return Err(PgError::new("25006", format!("cannot execute {tag} in a read-only transaction")));
        }
        // What was sent before it in one message is done before it.
        self.settle()?;
        let mut outcome = Outcome { tag: tag.to_owned(), ..Outcome::default() };
        match statement {
            Statement::CreateDatabase { name, template } => {
                let content = match template.as_deref() {
                    None => Database::default(),
                    Some(template) if TEMPLATES.contains(&template) => Database::default(),
                    Some(template) => {
                        self.nobody_else(template, "source database")?;
                        self.server.read(template)?.without_history()
                    }
                };
                self.server.create_database(name, content)?;
            }
            Statement::DropDatabase { name, if_exists, force } => {
                if !self.server.databases().contains(name) {
                    let missing = format!("database \"{name}\" does not exist");
                    if !if_exists {
                        return Err(PgError::new("3D000", missing));
                    }
                    outcome.notices.push(("NOTICE", format!("{missing}, skipping")));
                    return Ok(outcome);
                }
                if *name == self.database {
                    return Err(PgError::new("55006", "cannot drop the currently open database"));
                }
                if *force {
                    let sessions = self.server.sessions().list();
                    let there = sessions.iter().filter(|session| session.database == *name);
                    for session in there {
                        self.server.sessions().terminate(session.pid);
                    }
                } else {
                    self.nobody_else(name, "database")?;
                }
                self.server.drop_database(name)?;
                self.server.sessions().renamed(name, None);
            }
            Statement::RenameDatabase { name, new } => {
                if *name == self.database {
                    return Err(PgError::new("0A000", "current database cannot be renamed"));
                }
                let content = self.server.read(name)?;
                self.nobody_else(name, "database")?;
                self.server.create_database(new, content)?;
                self.server.drop_database(name)?;
                self.server.sessions().renamed(name, Some(new));
            }
            Statement::Sql(_) => {}
        }
        Ok(outcome)
    }

    fn nobody_else(&self, database: &str, what: &str) -> Result<()> {
        let sessions = self.server.sessions().list();
        let others =
            sessions.iter().filter(|session| session.database == database && session.pid != self.pid).count();
        if others == 0 {
            return Ok(());
        }
        let detail = match others {
            1 => "There is 1 other session using the database.".to_owned(),
            more => format!("There are {more} other sessions using the database."),
        };
        Err(PgError::new("55006", format!("{what} \"{database}\" is being accessed by other users"))
            .detail(detail))
    }
}
