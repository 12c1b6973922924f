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
        // Of `text**text` Helm's library checks both ends only, and lets them overlap: `a/**/b` matches `a/b`.
        if let Some(any) = self.0.iter().position(|term| matches!(term, Term::AnyAtAll))
            && self.0.iter().enumerate().all(|(i, term)| i == any || matches!(term, Term::Char(_)))
        {
            let is = |(term, c): (&Term, &char)| matches!(term, Term::Char(wanted) if wanted == c);
            let (head, tail) = (&self.0[..any], &self.0[any + 1..]);
            return path.len() >= head.len().max(tail.len())
                && head.iter().zip(&path).all(is)
                && tail.iter().rev().zip(path.iter().rev()).all(is);
        }
        matches(&self.0, &path, &|rest| rest.is_empty())
    }
}

/// Reads terms up to the end, or within braces up to `,` or `}`, which is left.
fn parse(mut rest: &[char], in_braces: bool) -> Option<(Vec<Term>, &[char])> {
    let mut terms = Vec::new();
    loop {
        let (term, tail) = match rest {
            // A brace need not be closed.
            [] => return Some((terms, rest)),
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
                        ['}', after @ ..] | after => break (Term::Alternatives(choices), after),
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
