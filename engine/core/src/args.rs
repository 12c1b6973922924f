//! What a primitive's arguments say about themselves; `#[derive(Args)]` of `opsrun-derive` writes it.

/// The arguments of a primitive as documentation, completion, checker and decoder need them.
pub trait Args {
    /// The doc comment of the struct: a summary line, details, and an example in a ```` ```rhai ```` fence.
    const DOC: &'static str;
    /// In the order of their declaration: the positional ones, then the options.
    const FIELDS: &'static [Field];
}

/// One argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The key in an options map, and the name in errors.
    pub name: &'static str,
    pub doc: &'static str,
    /// Given by its place; the others are keys of the options map.
    pub positional: bool,
    /// The call is refused without it.
    pub required: bool,
    pub secrets: TakesSecrets,
}

/// What becomes of a secret in an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesSecrets {
    /// The call is refused.
    No,
    /// The primitive gets its value.
    Value,
    /// The primitive gets its marker, and hands it on, or reveals it where it may stand ([`crate::Cx::reveal`]).
    Marker,
}
