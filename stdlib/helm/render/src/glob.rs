//! Patterns of `.Files.Glob`: `*` and `?` stay within one part of a path, `**` does not; `[a-c]`, `{x,y}`, and `\` before a
//! character that is to mean itself.

/// A pattern that was understood.
pub(crate) struct Glob(Vec<Term>);

enum Term {
    Char(char),
    AnyChar,
    AnyInPart,
    AnyAtAll,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Alternatives(Vec<Vec<Term>>),
}

impl Glob {
    /// `None` if the pattern is malformed.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let chars: Vec<char> = pattern.chars().collect();
        let (terms, rest) = parse(&chars, false)?;
        rest.is_empty().then_some(Glob(terms))
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        matches(&self.0, &path, &|rest| rest.is_empty())
    }
}

/// Reads terms up to the end, or within braces up to `,` or `}`, which is left.
fn parse(mut rest: &[char], in_braces: bool) -> Option<(Vec<Term>, &[char])> {
    let mut terms = Vec::new();
    loop {
        let (term, tail) = match rest {
            [] => return (!in_braces).then_some((terms, rest)),
            [',' | '}', ..] if in_braces => return Some((terms, rest)),
            ['\\', c, tail @ ..] => (Term::Char(*c), tail),
            ['\\'] => return None,
            ['*', '*', tail @ ..] => (Term::AnyAtAll, tail),
            ['*', tail @ ..] => (Term::AnyInPart, tail),
            ['?', tail @ ..] => (Term::AnyChar, tail),
            ['[', tail @ ..] => class(tail)?,
            ['{', tail @ ..] => {
                let mut choices = Vec::new();
                let mut tail = tail;
                loop {
                    let (choice, after) = parse(tail, true)?;
                    choices.push(choice);
                    match after {
                        [',', after @ ..] => tail = after,
                        ['}', after @ ..] => break (Term::Alternatives(choices), after),
                        _ => return None,
                    }
                }
            }
            [c, tail @ ..] => (Term::Char(*c), tail),
        };
        terms.push(term);
        rest = tail;
    }
}

fn class(rest: &[char]) -> Option<(Term, &[char])> {
    let (negated, mut rest) = match rest {
        ['!', tail @ ..] => (true, tail),
        _ => (false, rest),
    };
    let mut ranges = Vec::new();
    loop {
        rest = match rest {
            [] => return None,
            [']', tail @ ..] if !ranges.is_empty() => return Some((Term::Class { negated, ranges }, tail)),
            ['\\', c, tail @ ..] => {
                ranges.push((*c, *c));
                tail
            }
            [low, '-', high, tail @ ..] if *high != ']' => {
                ranges.push((*low, *high));
                tail
            }
            [c, tail @ ..] => {
                ranges.push((*c, *c));
                tail
            }
        };
    }
}

fn matches(terms: &[Term], path: &[char], then: &dyn Fn(&[char]) -> bool) -> bool {
    let Some((term, terms)) = terms.split_first() else {
        return then(path);
    };
    let one = |accepts: &dyn Fn(char) -> bool| match path {
        [c, rest @ ..] => accepts(*c) && matches(terms, rest, then),
        [] => false,
    };
    match term {
        Term::Char(wanted) => one(&|c| c == *wanted),
        Term::AnyChar => one(&|c| c != '/'),
        Term::Class { negated, ranges } => {
            one(&|c| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated)
        }
        Term::AnyInPart => {
            let end = path.iter().position(|c| *c == '/').unwrap_or(path.len());
            (0..=end).any(|skip| matches(terms, &path[skip..], then))
        }
        Term::AnyAtAll => (0..=path.len()).any(|skip| matches(terms, &path[skip..], then)),
        Term::Alternatives(choices) => {
            choices.iter().any(|choice| matches(choice, path, &|rest| matches(terms, rest, then)))
        }
    }
}
