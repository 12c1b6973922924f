//! Which names a sync is about.

/// Patterns in which `*` stands for any characters, also `/`, and `?` for one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
}

impl Filter {
    /// Whether a name is included, which all are if nothing is said, and not excluded.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        (self.include.is_empty() || fits(&self.include)) && !fits(&self.exclude)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last `*` does not fit here.
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                again = Some((p + 1, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match again {
                Some((after, at)) => {
                    again = Some((after, at + 1));
                    p = after;
                    n = at + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, fits) in [
            ("*", "a/b.txt", true),
            ("*.txt", "a/b.txt", true),
            ("*.txt", "a/b.txt.gz", false),
            ("a/*/c?", "a/b/b/cd", true),
            ("a", "ab", false),
            ("", "", true),
            ("*a*a*", "banana", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
        let filter = Filter { include: vec!["*.txt".into()], exclude: vec!["tmp/*".into()] };
        assert_eq!(["a.txt", "tmp/a.txt", "a"].map(|name| filter.takes(name)), [true, false, false]);
    }
}
