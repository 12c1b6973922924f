//! Versions and ranges of versions as Masterminds' `semver` reads them: a `v` in front and missing parts are allowed, and a
//! pre-release satisfies only ranges that name one.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// `1.2.3-rc.1+build`
#[derive(Clone, Debug)]
pub struct Version {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    pub(crate) prerelease: String,
    pub(crate) metadata: String,
    /// As it was written.
    pub(crate) original: String,
}

/// Alternatives, separated by `||`, each of which is a list of conditions.
#[derive(Clone, Debug)]
pub struct Constraint {
    alternatives: Vec<Vec<Condition>>,
}

#[derive(Clone, Debug)]
struct Condition {
    operator: String,
    version: Version,
    /// Which parts were left out or written as `x`: the patch, the minor and all.
    any: Wildcard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wildcard {
    None,
    Patch,
    Minor,
    All,
}

/// Whether the text is a version.
pub fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// Whether a version lies within a range; false if either cannot be read.
pub fn satisfies(constraint: &str, version: &str) -> bool {
    match (Constraint::parse(constraint), Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.allows(&version),
        _ => false,
    }
}

const SUFFIXES: &str = r"(-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
/// A version of which parts may be `x` or left out.
const PARTIAL: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?";

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is fixed and well formed")
}

impl Version {
    /// The error is the text of Masterminds' library.
    pub fn parse(text: &str) -> Result<Self, String> {
        static VERSION: LazyLock<Regex> =
            LazyLock::new(|| regex(&format!(r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{SUFFIXES}$")));
        let parts = VERSION.captures(text).ok_or("invalid semantic version")?;
        let number = |i: usize| match parts.get(i) {
            None => Ok(0),
            Some(digits) => digits.as_str().parse().map_err(|_| {
                let digits = digits.as_str();
                format!(
                    "error parsing version segment: strconv.ParseUint: parsing {digits:?}: value out of range"
                )
            }),
        };
        let suffix = |i: usize| parts.get(i).map_or("", |m| m.as_str()).to_owned();
        let version = Version {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            prerelease: suffix(5),
            metadata: suffix(7),
            original: text.to_owned(),
        };
        let starts_with_zero =
            |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
        if version.prerelease.split('.').any(starts_with_zero) {
            return Err("version segment starts with 0".to_owned());
        }
        Ok(version)
    }
}

impl Version {
    /// What `IncMajor`, `IncMinor` and `IncPatch` give; the patch of a pre-release is the release itself.
    pub fn increment(&self, method: &str) -> Version {
        let (major, minor, patch) = match method {
            "IncMajor" => (self.major + 1, 0, 0),
            "IncMinor" => (self.major, self.minor + 1, 0),
            _ if self.prerelease.is_empty() => (self.major, self.minor, self.patch + 1),
            _ => (self.major, self.minor, self.patch),
        };
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        Version {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
            original: format!("{prefix}{major}.{minor}.{patch}"),
        }
    }
}

/// The version without what was missing in the original.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// Precedence: build metadata does not count.
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |v: &Version| (v.major, v.minor, v.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_prereleases(&self.prerelease, &other.prerelease),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                return match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) if a > b => Ordering::Greater,
                    (Ok(_), Ok(_) | Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                };
            }
        }
    }
}

impl Constraint {
    /// The error is the text of Masterminds' library.
    pub fn parse(text: &str) -> Result<Self, String> {
        static RANGE: LazyLock<Regex> =
            LazyLock::new(|| regex(&format!(r"\s*({PARTIAL}{SUFFIXES})\s+-\s+({PARTIAL}{SUFFIXES})\s*")));
        static VALID: LazyLock<Regex> = LazyLock::new(|| {
            let one = format!(r"(?:{OPERATORS})\s*(?:{PARTIAL}{SUFFIXES})\s*");
            regex(&format!(r"^(?:\s*{one})(?:(?:\s+|,\s*){one})*$"))
        });
        static EACH: LazyLock<Regex> =
            LazyLock::new(|| regex(&format!(r"(?:{OPERATORS})\s*(?:{PARTIAL}{SUFFIXES})")));
        let text = RANGE.replace_all(text, ">= $1, <= $9 ");
        let mut alternatives = Vec::new();
        for alternative in text.split("||") {
            if !VALID.is_match(alternative) {
                return Err(format!("improper constraint: {alternative}"));
            }
            let conditions = EACH.find_iter(alternative).map(|m| Condition::parse(m.as_str()));
            alternatives.push(conditions.collect::<Result<_, _>>()?);
        }
        Ok(Constraint { alternatives })
    }

    pub fn allows(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|conditions| {
            let names_prerelease = conditions.iter().any(|c| !c.version.prerelease.is_empty());
            (version.prerelease.is_empty() || names_prerelease) && conditions.iter().all(|c| c.holds(version))
        })
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, String> {
        static CONDITION: LazyLock<Regex> =
            LazyLock::new(|| regex(&format!(r"^\s*({OPERATORS})\s*({PARTIAL}{SUFFIXES})\s*$")));
        let parts = CONDITION.captures(text).ok_or_else(|| format!("improper constraint: {text}"))?;
        let part = |i: usize| parts.get(i).map_or("", |m| m.as_str());
        let is_any = |part: &str| matches!(part, "" | "x" | "X" | "*");
        let (major, minor, patch) =
            (part(3), part(4).trim_start_matches('.'), part(5).trim_start_matches('.'));
        let prerelease = part(6);
        let (any, version) = if is_any(major) {
            (Wildcard::All, format!("0.0.0{prerelease}"))
        } else if is_any(minor) {
            (Wildcard::Minor, format!("{major}.0.0{prerelease}"))
        } else if is_any(patch) {
            (Wildcard::Patch, format!("{major}.{minor}.0{prerelease}"))
        } else {
            (Wildcard::None, part(2).to_owned())
        };
        let version = Version::parse(&version).map_err(|_| "constraint parser error".to_owned())?;
        Ok(Condition { operator: part(1).to_owned(), version, any })
    }

    fn holds(&self, v: &Version) -> bool {
        let c = &self.version;
        match self.operator.as_str() {
            "!=" => !self.covers(v),
            ">" => match self.any {
                Wildcard::None => v > c,
                _ if v.major != c.major => v.major > c.major,
                Wildcard::Minor => false,
                Wildcard::Patch => v.minor > c.minor,
                Wildcard::All => v > c,
            },
            "<" => v < c,
            ">=" | "=>" => v >= c,
            "<=" | "=<" => match self.any {
                Wildcard::None => v <= c,
                any => {
                    v.major < c.major
                        || (v.major == c.major && (v.minor <= c.minor || any == Wildcard::Minor))
                }
            },
            "~" | "~>" => self.tilde(v),
            "^" => self.caret(v),
            _ if self.any == Wildcard::None => v == c,
            _ => self.tilde(v),
        }
    }

    /// Whether the version is one of those that the condition names, for `!=`.
    fn covers(&self, v: &Version) -> bool {
        let c = &self.version;
        match self.any {
            Wildcard::None => v == c,
            Wildcard::Minor => v.major == c.major,
            Wildcard::Patch => {
                (v.major, v.minor) == (c.major, c.minor)
                    && compare_prereleases(&v.prerelease, &c.prerelease) == Ordering::Equal
            }
            Wildcard::All => v == c,
        }
    }

    /// The same minor version, and not older.
    fn tilde(&self, v: &Version) -> bool {
        let c = &self.version;
        if v < c {
            return false;
        }
        let is_zero = (c.major, c.minor, c.patch) == (0, 0, 0);
        if is_zero && matches!(self.any, Wildcard::None | Wildcard::All) {
            return true;
        }
        v.major == c.major && (v.minor == c.minor || self.any == Wildcard::Minor)
    }

    /// The same version up to the first part that is not zero, and not older.
    fn caret(&self, v: &Version) -> bool {
        let c = &self.version;
        if v < c || v.major != c.major {
            return false;
        }
        if c.major > 0 || self.any == Wildcard::Minor {
            return true;
        }
        if c.minor > 0 || self.any == Wildcard::Patch {
            return v.minor == c.minor;
        }
        v.minor == 0 && v.patch == c.patch
    }
}
