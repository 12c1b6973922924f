//! Turns tokens into events, by the grammar of YAML 1.1 as libyaml parses it.
//! Assumes nothing of what the events are for; tags are expanded, aliases are not followed.

use super::scan::{Scanner, SyntaxError, TokenKind};

pub(super) struct Events<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// Where the open collections began.
    starts: Vec<usize>,
    tag_directives: Vec<(String, String)>,
}

/// A piece of a document with the line it starts on, counted from 0.
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) line: usize,
}

pub(super) enum EventKind {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    Alias(String),
    Scalar { node: Properties, value: String, plain: bool },
    SequenceStart(Properties),
    SequenceEnd,
    MappingStart(Properties),
    MappingEnd,
}

#[derive(Default)]
pub(super) struct Properties {
    pub(super) anchor: Option<String>,
    /// In full (`tag:yaml.org,2002:str`), empty for none.
    pub(super) tag: String,
}

#[derive(Clone, Copy)]
enum State {
    DocumentStart { first: bool },
    DocumentContent,
    DocumentEnd,
    End,
    BlockNode,
    BlockSequenceEntry { first: bool },
    IndentlessSequenceEntry,
    BlockMappingKey { first: bool },
    BlockMappingValue,
    FlowSequenceEntry { first: bool },
    PairKey,
    PairValue,
    PairEnd,
    FlowMappingKey { first: bool },
    FlowMappingValue { empty: bool },
}

#[derive(Clone, Copy, PartialEq)]
enum Context {
    Flow,
    Block,
    /// Where a sequence may stand at the indentation of its mapping.
    BlockOrIndentless,
}

type Parse<T> = Result<T, SyntaxError>;

impl<'a> Events<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Events {
            scanner: Scanner::new(text),
            state: State::DocumentStart { first: true },
            states: Vec::new(),
            starts: Vec::new(),
            tag_directives: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> Parse<Event> {
        match self.state {
            State::DocumentStart { first } => self.document_start(first),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::End => Ok(Event { kind: EventKind::StreamEnd, line: self.scanner.mark.line }),
            State::BlockNode => self.node(Context::Block),
            State::BlockSequenceEntry { first } => self.block_sequence_entry(first),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingKey { first } => self.block_mapping_key(first),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceEntry { first } => self.flow_sequence_entry(first),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairEnd => self.pair_end(),
            State::FlowMappingKey { first } => self.flow_mapping_key(first),
            State::FlowMappingValue { empty } => self.flow_mapping_value(empty),
        }
    }

    fn document_start(&mut self, first: bool) -> Parse<Event> {
        if !first {
            while *self.peek()? == TokenKind::DocumentEnd {
                self.scanner.take();
            }
        }
        let line = self.line()?;
        let explicit = matches!(
            self.peek()?,
            TokenKind::Version { .. } | TokenKind::TagDirective { .. } | TokenKind::DocumentStart
        );
        if *self.peek()? == TokenKind::StreamEnd {
            self.state = State::End;
            self.scanner.take();
            return Ok(Event { kind: EventKind::StreamEnd, line });
        }
        self.directives()?;
        self.states.push(State::DocumentEnd);
        if first && !explicit {
            self.state = State::BlockNode;
        } else {
            if *self.peek()? != TokenKind::DocumentStart {
                let line = self.line()?;
                return Err(error("did not find expected <document start>", line, 0));
            }
            self.scanner.take();
            self.state = State::DocumentContent;
        }
        Ok(Event { kind: EventKind::DocumentStart, line })
    }

    fn document_content(&mut self) -> Parse<Event> {
        match self.peek()? {
            TokenKind::Version { .. }
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd => {
                let line = self.line()?;
                self.pop_state();
                Ok(empty_scalar(line))
            }
            _ => self.node(Context::Block),
        }
    }

    fn document_end(&mut self) -> Parse<Event> {
        let line = self.line()?;
        if *self.peek()? == TokenKind::DocumentEnd {
            self.scanner.take();
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart { first: false };
        Ok(Event { kind: EventKind::DocumentEnd, line })
    }

    fn directives(&mut self) -> Parse<()> {
        let mut versioned = false;
        loop {
            let line = self.line()?;
            match self.peek()? {
                TokenKind::Version { major, minor } => {
                    if versioned {
                        return Err(error("found duplicate %YAML directive", line, 0));
                    }
                    if (*major, *minor) != (1, 1) {
                        return Err(error("found incompatible YAML document", line, 0));
                    }
                    versioned = true;
                }
                TokenKind::TagDirective { handle, prefix } => {
                    let directive = (handle.clone(), prefix.clone());
                    if self.tag_directives.iter().any(|(known, _)| *known == directive.0) {
                        return Err(error("found duplicate %TAG directive", line, 0));
                    }
                    self.tag_directives.push(directive);
                }
                _ => break,
            }
            self.scanner.take();
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_directives.iter().any(|(known, _)| known == handle) {
                self.tag_directives.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn node(&mut self, context: Context) -> Parse<Event> {
        let start = self.line()?;
        if let TokenKind::Alias(name) = self.peek()? {
            let name = name.clone();
            self.scanner.take();
            self.pop_state();
            return Ok(Event { kind: EventKind::Alias(name), line: start });
        }
        let node = self.properties(start)?;
        let event = |kind| Ok(Event { kind, line: start });
        match self.peek()? {
            TokenKind::BlockEntry if context == Context::BlockOrIndentless => {
                self.state = State::IndentlessSequenceEntry;
                event(EventKind::SequenceStart(node))
            }
            TokenKind::Scalar { .. } => {
                let TokenKind::Scalar { value, plain } = self.scanner.take().kind else {
                    unreachable!("a scalar was peeked");
                };
                self.pop_state();
                event(EventKind::Scalar { node, value, plain })
            }
            TokenKind::FlowSequenceStart => {
                self.state = State::FlowSequenceEntry { first: true };
                event(EventKind::SequenceStart(node))
            }
            TokenKind::FlowMappingStart => {
                self.state = State::FlowMappingKey { first: true };
                event(EventKind::MappingStart(node))
            }
            TokenKind::BlockSequenceStart if context != Context::Flow => {
                self.state = State::BlockSequenceEntry { first: true };
                event(EventKind::SequenceStart(node))
            }
            TokenKind::BlockMappingStart if context != Context::Flow => {
                self.state = State::BlockMappingKey { first: true };
                event(EventKind::MappingStart(node))
            }
            _ if node.anchor.is_some() || !node.tag.is_empty() => {
                self.pop_state();
                let plain = node.tag.is_empty();
                event(EventKind::Scalar { node, value: String::new(), plain })
            }
            _ => Err(error("did not find expected node content", self.line()?, start)),
        }
    }

    fn properties(&mut self, start: usize) -> Parse<Properties> {
        let mut node = Properties::default();
        let mut tag = None;
        loop {
            match self.peek()? {
                TokenKind::Anchor(_) if node.anchor.is_none() => {
                    if let TokenKind::Anchor(name) = self.scanner.take().kind {
                        node.anchor = Some(name);
                    }
                }
                TokenKind::Tag { .. } if tag.is_none() => {
                    let token = self.scanner.take();
                    if let TokenKind::Tag { handle, suffix } = token.kind {
                        tag = Some((handle, suffix, token.line));
                    }
                }
                _ => break,
            }
        }
        if let Some((handle, suffix, line)) = tag {
            node.tag = if handle.is_empty() {
                suffix
            } else {
                match self.tag_directives.iter().find(|(known, _)| *known == handle) {
                    Some((_, prefix)) => format!("{prefix}{suffix}"),
                    None => return Err(error("found undefined tag handle", line, start)),
                }
            };
        }
        Ok(node)
    }

    fn block_sequence_entry(&mut self, first: bool) -> Parse<Event> {
        if first {
            self.open()?;
        }
        let line = self.line()?;
        match self.peek()? {
            TokenKind::BlockEntry => {
                self.scanner.take();
                match self.peek()? {
                    TokenKind::BlockEntry | TokenKind::BlockEnd => {
                        self.state = State::BlockSequenceEntry { first: false };
                        Ok(empty_scalar(line))
                    }
                    _ => self.nested(State::BlockSequenceEntry { first: false }, Context::Block),
                }
            }
            TokenKind::BlockEnd => self.close(EventKind::SequenceEnd),
            _ => Err(error("did not find expected '-' indicator", line, self.start())),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Parse<Event> {
        let line = self.line()?;
        if *self.peek()? != TokenKind::BlockEntry {
            self.pop_state();
            return Ok(Event { kind: EventKind::SequenceEnd, line });
        }
        self.scanner.take();
        match self.peek()? {
            TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                self.state = State::IndentlessSequenceEntry;
                Ok(empty_scalar(line))
            }
            _ => self.nested(State::IndentlessSequenceEntry, Context::Block),
        }
    }

    fn block_mapping_key(&mut self, first: bool) -> Parse<Event> {
        if first {
            self.open()?;
        }
        let line = self.line()?;
        match self.peek()? {
            TokenKind::Key => {
                self.scanner.take();
                match self.peek()? {
                    TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                        self.state = State::BlockMappingValue;
                        Ok(empty_scalar(line))
                    }
                    _ => self.nested(State::BlockMappingValue, Context::BlockOrIndentless),
                }
            }
            TokenKind::BlockEnd => self.close(EventKind::MappingEnd),
            _ => Err(error("did not find expected key", line, self.start())),
        }
    }

    fn block_mapping_value(&mut self) -> Parse<Event> {
        let line = self.line()?;
        let next = State::BlockMappingKey { first: false };
        if *self.peek()? == TokenKind::Value {
            self.scanner.take();
            if !matches!(self.peek()?, TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd) {
                return self.nested(next, Context::BlockOrIndentless);
            }
        }
        self.state = next;
        Ok(empty_scalar(line))
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Parse<Event> {
        if first {
            self.open()?;
        }
        if *self.peek()? != TokenKind::FlowSequenceEnd {
            if !first {
                self.flow_separator("did not find expected ',' or ']'")?;
            }
            let line = self.line()?;
            match self.peek()? {
                TokenKind::Key => {
                    self.scanner.take();
                    self.state = State::PairKey;
                    return Ok(Event { kind: EventKind::MappingStart(Properties::default()), line });
                }
                TokenKind::FlowSequenceEnd => {}
                _ => return self.nested(State::FlowSequenceEntry { first: false }, Context::Flow),
            }
        }
        self.close(EventKind::SequenceEnd)
    }

    /// The key of a single pair inside a flow sequence: `[a: b]`.
    fn pair_key(&mut self) -> Parse<Event> {
        let line = self.line()?;
        match self.peek()? {
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => {
                // libyaml drops this token, so that a pair without a key loses its value.
                self.scanner.take();
                self.state = State::PairValue;
                Ok(empty_scalar(line))
            }
            _ => self.nested(State::PairValue, Context::Flow),
        }
    }

    fn pair_value(&mut self) -> Parse<Event> {
        if *self.peek()? == TokenKind::Value {
            self.scanner.take();
            if !matches!(self.peek()?, TokenKind::FlowEntry | TokenKind::FlowSequenceEnd) {
                return self.nested(State::PairEnd, Context::Flow);
            }
        }
        self.state = State::PairEnd;
        Ok(empty_scalar(self.line()?))
    }

    fn pair_end(&mut self) -> Parse<Event> {
        self.state = State::FlowSequenceEntry { first: false };
        Ok(Event { kind: EventKind::MappingEnd, line: self.line()? })
    }

    fn flow_mapping_key(&mut self, first: bool) -> Parse<Event> {
        if first {
            self.open()?;
        }
        if *self.peek()? != TokenKind::FlowMappingEnd {
            if !first {
                self.flow_separator("did not find expected ',' or '}'")?;
            }
            match self.peek()? {
                TokenKind::Key => {
                    self.scanner.take();
                    if !matches!(
                        self.peek()?,
                        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd
                    ) {
                        return self.nested(State::FlowMappingValue { empty: false }, Context::Flow);
                    }
                    self.state = State::FlowMappingValue { empty: false };
                    return Ok(empty_scalar(self.line()?));
                }
                TokenKind::FlowMappingEnd => {}
                _ => return self.nested(State::FlowMappingValue { empty: true }, Context::Flow),
            }
        }
        self.close(EventKind::MappingEnd)
    }

    fn flow_mapping_value(&mut self, empty: bool) -> Parse<Event> {
        let next = State::FlowMappingKey { first: false };
        if !empty && *self.peek()? == TokenKind::Value {
            self.scanner.take();
            if !matches!(self.peek()?, TokenKind::FlowEntry | TokenKind::FlowMappingEnd) {
                return self.nested(next, Context::Flow);
            }
        }
        self.state = next;
        Ok(empty_scalar(self.line()?))
    }

    fn flow_separator(&mut self, otherwise: &str) -> Parse<()> {
        if *self.peek()? != TokenKind::FlowEntry {
            return Err(error(otherwise, self.line()?, self.start()));
        }
        self.scanner.take();
        Ok(())
    }

    fn nested(&mut self, then: State, context: Context) -> Parse<Event> {
        self.states.push(then);
        self.node(context)
    }

    fn open(&mut self) -> Parse<()> {
        let line = self.line()?;
        self.starts.push(line);
        self.scanner.take();
        Ok(())
    }

    fn close(&mut self, kind: EventKind) -> Parse<Event> {
        let line = self.line()?;
        self.pop_state();
        self.starts.pop();
        self.scanner.take();
        Ok(Event { kind, line })
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().expect("every node was entered with a state to return to");
    }

    fn start(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    fn peek(&mut self) -> Parse<&TokenKind> {
        self.scanner.peek().map(|token| &token.kind)
    }

    fn line(&mut self) -> Parse<usize> {
        self.scanner.peek().map(|token| token.line)
    }
}

fn empty_scalar(line: usize) -> Event {
    Event { kind: EventKind::Scalar { node: Properties::default(), value: String::new(), plain: true }, line }
}

/// go-yaml prints the line of a parser error counted from 0, and none for the first.
fn error(problem: &str, line: usize, context: usize) -> SyntaxError {
    let line = [line, context].into_iter().find(|line| *line != 0);
    SyntaxError { line, problem: problem.to_owned() }
}
