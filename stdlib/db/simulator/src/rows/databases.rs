//! The databases of one server, and those that it had.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Database;

/// Databases by their names. They can be had as they were at any moment since they began, and so can those that have been dropped
/// since. A clone is cheap, and shares nothing with the first.
#[derive(Debug, Clone, Default)]
pub struct Databases {
    present: BTreeMap<String, Placed>,
    /// In the order in which they were dropped.
    dropped: Vec<(String, Timestamp, Placed)>,
}

#[derive(Debug, Clone)]
struct Placed {
    /// `None`: it was always there.
    since: Option<Timestamp>,
    content: Database,
}

impl Placed {
    fn was_there(&self, moment: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= moment)
    }
}

impl Databases {
    /// With one database, that was always there.
    pub fn of(name: &str, content: Database) -> Self {
        let mut databases = Self::default();
        databases.put(name, content);
        databases
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Database)> {
        self.present.iter().map(|(name, placed)| (name.as_str(), &placed.content))
    }

    pub fn get(&self, name: &str) -> Option<&Database> {
        self.present.get(name).map(|placed| &placed.content)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Database> {
        self.present.get_mut(name).map(|placed| &mut placed.content)
    }

    /// A database that was always there, in the place of any that is.
    pub fn put(&mut self, name: &str, content: Database) {
        self.present.insert(name.to_owned(), Placed { since: None, content });
    }

    /// Makes one; gives whether there was none of this name.
    pub fn create(&mut self, at: Timestamp, name: &str, content: Database) -> bool {
        let is_new = !self.present.contains_key(name);
        if is_new {
            self.present.insert(name.to_owned(), Placed { since: Some(at), content });
        }
        is_new
    }

    /// Drops one; gives whether there was one of this name.
    pub fn drop(&mut self, at: Timestamp, name: &str) -> bool {
        let Some(placed) = self.present.remove(name) else { return false };
        self.dropped.push((name.to_owned(), at, placed));
        true
    }

    /// All as they were at this moment. Their history begins there.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Self {
        let then = self.there(moment);
        let then = then
            .map(|(name, content)| (name.to_owned(), Placed { since: None, content: content.at(moment) }));
        Databases { present: then.collect(), dropped: Vec::new() }
    }

    /// One of them as it was at this moment, if it was there.
    pub fn one_at(&self, name: &str, moment: Timestamp) -> Option<Database> {
        self.there(moment).find(|(known, _)| *known == name).map(|(_, content)| content.at(moment))
    }

    /// The names of those that were there at this moment, in order.
    pub fn names_at(&self, moment: Timestamp) -> BTreeSet<&str> {
        self.there(moment).map(|(name, _)| name).collect()
    }

    /// At most one of each name was there at a moment.
    fn there(&self, moment: Timestamp) -> impl Iterator<Item = (&str, &Database)> {
        let dropped = self.dropped.iter().filter(move |(_, at, _)| *at > moment);
        let known = dropped.map(|(name, _, placed)| (name, placed)).chain(&self.present);
        let there = known.filter(move |(_, placed)| placed.was_there(moment));
        there.map(|(name, placed)| (name.as_str(), &placed.content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_database_is_there_at_a_moment_before() {
        let second = |number| Timestamp::from_second(number).expect("a time");
        let mut databases = Databases::of("postgres", Database::default());
        assert!(databases.create(second(2), "orders", Database::default()));
        assert!(!databases.create(second(3), "orders", Database::default()));
        assert!(databases.drop(second(5), "orders"));
        assert!(!databases.drop(second(6), "orders"));
        assert!(databases.create(second(8), "orders", Database::default()));
        let names = |moment| {
            let then = databases.at(second(moment));
            then.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(" ")
        };
        let all: Vec<_> = (1..=8).map(names).collect();
        let [without, with] = ["postgres", "orders postgres"];
        assert_eq!(all, [without, with, with, with, without, without, without, with]);
    }
}
