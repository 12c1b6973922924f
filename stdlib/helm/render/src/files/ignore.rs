//! `.helmignore`: which files of a folder are no part of the chart. The rules are Helm's, which differ from git's.

use thiserror::Error;

/// The rules of one file, and Helm's own: dotfiles under `templates/` do not count.
#[derive(Clone, Debug, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IgnoreError {
    #[error("double-star (**) syntax is not supported")]
    DoubleStar,
    #[error("syntax error in pattern")]
    Syntax(String),
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: String,
    negated: bool,
    folders_only: bool,
    /// The pattern is matched against the last part of the path alone.
    name_only: bool,
}

impl IgnoreRules {
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let mut rules = IgnoreRules::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for line in text.lines().chain(["templates/.?*"]) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.contains("**") {
                return Err(IgnoreError::DoubleStar);
            }
            if path_match(line, "abc").is_none() {
                return Err(IgnoreError::Syntax(line.to_owned()));
            }
            let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
            let (folders_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
            let name_only = !line.contains('/');
            let pattern = line.strip_prefix('/').unwrap_or(line).to_owned();
            rules.rules.push(Rule { pattern, negated, folders_only, name_only });
        }
        Ok(rules)
    }

    /// Whether the file or folder is left out. The first rule that decides wins; a negated rule leaves out all that it
    /// does not match.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        for rule in &self.rules {
            if rule.negated {
                if (rule.folders_only && !is_folder) || !rule.matches(path) {
                    return true;
                }
            } else if (is_folder || !rule.folders_only) && rule.matches(path) {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        let path = if self.name_only {
            let trimmed = path.trim_end_matches('/');
            trimmed.rsplit('/').next().unwrap_or(trimmed)
        } else {
            path
        };
        path_match(&self.pattern, path) == Some(true)
    }
}

/// Go's `filepath.Match`: `*` and `?` do not cross a `/`; `None` if the pattern is malformed where it was looked at.
pub(crate) fn path_match(pattern: &str, name: &str) -> Option<bool> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    well_formed(&pattern).then(|| matches(&pattern, &name))
}

fn well_formed(pattern: &[char]) -> bool {
    let mut rest = pattern;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            '\\' => match rest {
                [_, tail @ ..] => rest = tail,
                [] => return false,
            },
            '[' => match class(rest, '\0') {
                Some((_, tail)) => rest = tail,
                None => return false,
            },
            _ => {}
        }
    }
    true
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => {
            let end = name.iter().position(|c| *c == '/').unwrap_or(name.len());
            (0..=end).any(|skip| matches(rest, &name[skip..]))
        }
        _ => {
            let [c, name @ ..] = name else {
                return false;
            };
            match pattern {
                ['?', rest @ ..] => *c != '/' && matches(rest, name),
                ['[', rest @ ..] => match class(rest, *c) {
                    Some((true, rest)) => matches(rest, name),
                    _ => false,
                },
                ['\\', literal, rest @ ..] | [literal, rest @ ..] => literal == c && matches(rest, name),
                [] => false,
            }
        }
    }
}

/// A character class, after its `[`: whether it holds `c`, and what follows it.
fn class(pattern: &[char], c: char) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match pattern {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    let mut ranges = 0;
    loop {
        if let ([']', tail @ ..], true) = (rest, ranges > 0) {
            return Some((found != negated, tail));
        }
        let (low, tail) = class_char(rest)?;
        let (high, tail) = match tail {
            ['-', tail @ ..] => class_char(tail)?,
            _ => (low, tail),
        };
        found |= (low..=high).contains(&c);
        ranges += 1;
        rest = tail;
    }
}

fn class_char(pattern: &[char]) -> Option<(char, &[char])> {
    match pattern {
        [] | ['-' | ']', ..] => None,
        ['\\', c, rest @ ..] => (!rest.is_empty()).then_some((*c, rest)),
        ['\\'] => None,
        [c, rest @ ..] => (!rest.is_empty()).then_some((*c, rest)),
    }
}
