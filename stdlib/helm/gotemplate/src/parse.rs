//! Builds the syntax trees of a text: its own and those of its `define`s and `block`s. The grammar and every message are
//! those of Go's `text/template/parse`. Knows the names of functions, not what they do.

use std::sync::Arc;

use crate::error::ParseError;
use crate::lex::{Lexer, Token, TokenKind as T};
use crate::limits::{MAX_TEXT, too_long};
use crate::number;
use crate::quote::unquote;
use crate::stack::Stack;
use crate::tree::{Branch, Command, List, Node, Operand, OperandKind, Pipe, Slice, Source, Tree};

/// Parses a text. The trees come in the order in which they are to be added to a set; the text's own tree is the last.
pub(crate) fn parse(
    name: &str,
    text: &str,
    is_function: &dyn Fn(&str) -> bool,
    stack: Stack,
) -> Result<Vec<Arc<Tree>>, ParseError> {
    let name: Arc<str> = name.into();
    if text.len() > MAX_TEXT {
        return Err(ParseError { name: name.to_string(), line: 1, message: too_long("the text") });
    }
    let source = Arc::new(Source { name: name.clone(), text: text.into() });
    let mut lexer = Lexer::new(&source.text);
    lexer.break_ok = !is_function("break");
    lexer.continue_ok = !is_function("continue");
    let mut parser = Parser {
        source: &source,
        lexer,
        is_function,
        scope: Scope::new(),
        trees: Vec::new(),
        stack,
        nodes: Vec::new(),
        commands: Vec::new(),
        operands: Vec::new(),
    };
    let root = parser.template_text()?;
    parser.add(name, root)?;
    Ok(parser.trees)
}

struct Parser<'s> {
    source: &'s Arc<Source>,
    lexer: Lexer<'s>,
    is_function: &'s dyn Fn(&str) -> bool,
    scope: Scope<'s>,
    trees: Vec<Arc<Tree>>,
    stack: Stack,
    /// Children whose parents are not finished: these then take theirs off the end, in a list that is no longer than it must be.
    nodes: Vec<Node>,
    commands: Vec<Command>,
    operands: Vec<Operand>,
}

/// What one tree's parse keeps; a nested `define` or `block` starts with its own.
struct Scope<'s> {
    /// Tokens read ahead, as a stack; the one in place 0 was read from the lexer.
    tokens: [Token<'s>; 3],
    peeked: usize,
    vars: Vec<&'s str>,
    action_line: usize,
    range_depth: usize,
    paren_depth: usize,
}

/// What a pipeline declares or assigns.
#[derive(Default)]
struct Declared {
    is_assign: bool,
    names: Vec<Slice>,
}

/// What ends a list of nodes.
enum ListEnd {
    End,
    /// `else`, with an `if` or `with` still to be read if one follows.
    Else,
}

enum Item {
    Node(Node),
    End(ListEnd),
}

type Parsed<R> = Result<R, ParseError>;

/// Go's limit of parentheses within parentheses.
const MAX_PAREN_DEPTH: usize = 10_000;

impl Scope<'_> {
    fn new() -> Self {
        Scope {
            tokens: [Token::none(), Token::none(), Token::none()],
            peeked: 0,
            vars: vec!["$"],
            action_line: 0,
            range_depth: 0,
            paren_depth: 0,
        }
    }
}

impl ListEnd {
    fn text(&self) -> &'static str {
        match self {
            ListEnd::End => "{{end}}",
            ListEnd::Else => "{{else}}",
        }
    }
}

impl<'s> Parser<'s> {
    fn next(&mut self) -> Token<'s> {
        let scope = &mut self.scope;
        if scope.peeked > 0 {
            scope.peeked -= 1;
        } else {
            scope.tokens[0] = self.lexer.next_token();
        }
        scope.tokens[scope.peeked]
    }

    fn backup(&mut self) {
        self.scope.peeked += 1;
    }

    /// Puts `first` back in front of the token that was read last.
    fn backup2(&mut self, first: Token<'s>) {
        self.scope.tokens[1] = first;
        self.scope.peeked = 2;
    }

    fn backup3(&mut self, first: Token<'s>, second: Token<'s>) {
        self.scope.tokens[1] = second;
        self.scope.tokens[2] = first;
        self.scope.peeked = 3;
    }

    fn peek(&mut self) -> T {
        let scope = &mut self.scope;
        if scope.peeked == 0 {
            scope.peeked = 1;
            scope.tokens[0] = self.lexer.next_token();
        }
        scope.tokens[scope.peeked - 1].kind
    }

    fn peek_pos(&mut self) -> usize {
        self.peek();
        self.scope.tokens[self.scope.peeked - 1].pos
    }

    fn next_non_space(&mut self) -> Token<'s> {
        loop {
            let token = self.next();
            if token.kind != T::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token<'s> {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn error<R>(&self, message: impl Into<String>) -> Parsed<R> {
        Err(ParseError {
            name: self.source.name.to_string(),
            line: self.scope.tokens[0].line,
            message: message.into(),
        })
    }

    fn slice(&self, token: Token<'_>) -> Slice {
        Slice::new(self.source, token.pos..token.pos + token.text.len())
    }

    fn unexpected<R>(&self, token: Token<'_>, context: &str) -> Parsed<R> {
        if token.kind != T::Error {
            return self.error(format!("unexpected {token} in {context}"));
        }
        let line = self.scope.action_line;
        if line == 0 || line == token.line {
            return self.error(&*self.lexer.problem);
        }
        // "unclosed action" says the word already.
        let token = &self.lexer.problem;
        let what = if token.ends_with(" action") { "" } else { " in action" };
        self.error(format!("{token}{what} started at {}:{line}", self.source.name))
    }

    fn expect(&mut self, kinds: &[T], context: &str) -> Parsed<Token<'s>> {
        let token = self.next_non_space();
        if kinds.contains(&token.kind) { Ok(token) } else { self.unexpected(token, context) }
    }

    fn add(&mut self, name: Arc<str>, root: List) -> Parsed<()> {
        let tree = Tree { name, source: self.source.clone(), root };
        match self.trees.iter().position(|other| other.name == tree.name) {
            None => self.trees.push(Arc::new(tree)),
            Some(i) if self.trees[i].is_empty() => {
                self.trees.remove(i);
                self.trees.push(Arc::new(tree));
            }
            Some(_) if tree.is_empty() => {}
            Some(_) => {
                let name = crate::quote::quote(tree.name.as_bytes());
                return self.error(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn template_text(&mut self) -> Parsed<List> {
        let mark = self.nodes.len();
        while self.peek() != T::Eof {
            if self.peek() == T::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == T::Define {
                    self.definition()?;
                    continue;
                }
                self.backup2(delim);
            }
            match self.text_or_action()? {
                Item::Node(node) => self.nodes.push(node),
                Item::End(end) => return self.error(format!("unexpected {}", end.text())),
            }
        }
        Ok(List { nodes: self.nodes.split_off(mark).into() })
    }

    /// A `define`, whose keyword was read.
    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let token = self.expect(&[T::String, T::RawString], CONTEXT)?;
        let name = self.unquoted(token)?;
        self.expect(&[T::RightDelim], CONTEXT)?;
        let body = self.body(CONTEXT)?;
        self.add(name, body)?;
        self.scope = outer;
        Ok(())
    }

    /// A list that only `{{end}}` may end.
    fn body(&mut self, context: &str) -> Parsed<List> {
        match self.item_list()? {
            (list, ListEnd::End) => Ok(list),
            (_, end) => self.error(format!("unexpected {} in {context}", end.text())),
        }
    }

    fn item_list(&mut self) -> Parsed<(List, ListEnd)> {
        let mark = self.nodes.len();
        while self.peek_non_space().kind != T::Eof {
            match self.text_or_action()? {
                Item::Node(node) => self.nodes.push(node),
                Item::End(end) => return Ok((List { nodes: self.nodes.split_off(mark).into() }, end)),
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            T::Text => Ok(Item::Node(Node::Text { pos: token.pos, text: self.slice(token) })),
            T::LeftDelim => {
                self.scope.action_line = token.line;
                let item = self.action()?;
                self.scope.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        if self.stack.is_exhausted() {
            return self.error("max nesting depth exceeded");
        }
        let token = self.next_non_space();
        let node = match token.kind {
            T::Block => self.block()?,
            T::Break => self.leave_range(token.pos, "{{break}}", |pos| Node::Break { pos })?,
            T::Continue => self.leave_range(token.pos, "{{continue}}", |pos| Node::Continue { pos })?,
            T::Else => {
                if !matches!(self.peek_non_space().kind, T::If | T::With) {
                    self.expect(&[T::RightDelim], "else")?;
                }
                return Ok(Item::End(ListEnd::Else));
            }
            T::End => {
                self.expect(&[T::RightDelim], "end")?;
                return Ok(Item::End(ListEnd::End));
            }
            T::If => Node::If(Box::new(self.branch("if")?)),
            T::Range => Node::Range(Box::new(self.branch("range")?)),
            T::With => Node::With(Box::new(self.branch("with")?)),
            T::Template => self.template()?,
            _ => {
                self.backup();
                let pos = self.peek_pos();
                Node::Action { pos, pipe: self.pipeline("command", T::RightDelim)? }
            }
        };
        Ok(Item::Node(node))
    }

    fn leave_range(&mut self, pos: usize, text: &str, node: fn(usize) -> Node) -> Parsed<Node> {
        let token = self.next_non_space();
        if token.kind != T::RightDelim {
            return self.unexpected(token, text);
        }
        if self.scope.range_depth == 0 {
            return self.error(format!("{text} outside {{{{range}}}}"));
        }
        Ok(node(pos))
    }

    fn branch(&mut self, keyword: &str) -> Parsed<Branch> {
        let vars = self.scope.vars.len();
        let pipe = self.pipeline(keyword, T::RightDelim)?;
        let is_range = usize::from(keyword == "range");
        self.scope.range_depth += is_range;
        let (list, end) = self.item_list()?;
        self.scope.range_depth -= is_range;
        let else_list = match end {
            ListEnd::End => None,
            ListEnd::Else => Some(self.else_list(keyword)?),
        };
        self.scope.vars.truncate(vars);
        Ok(Branch { pos: pipe.pos, pipe, list, else_list })
    }

    /// After `else`. An `if` or `with` that follows at once shares its `end` with the branch it continues.
    fn else_list(&mut self, keyword: &str) -> Parsed<List> {
        let chained = match (keyword, self.peek()) {
            ("if", T::If) => Some(Node::If as fn(Box<Branch>) -> Node),
            ("with", T::With) => Some(Node::With as fn(Box<Branch>) -> Node),
            _ => None,
        };
        if let Some(node) = chained {
            if self.stack.is_exhausted() {
                return self.error("max nesting depth exceeded");
            }
            self.next();
            return Ok(List { nodes: Box::new([node(Box::new(self.branch(keyword)?))]) });
        }
        match self.item_list()? {
            (list, ListEnd::End) => Ok(list),
            (_, end) => self.error(format!("expected end; found {}", end.text())),
        }
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, T::RightDelim)?;
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let body = self.body(CONTEXT)?;
        self.add(name.clone(), body)?;
        self.scope = outer;
        Ok(Node::Template { pos: token.pos, name: (*name).into(), pipe: Some(Box::new(pipe)) })
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = if self.next_non_space().kind == T::RightDelim {
            None
        } else {
            self.backup();
            Some(Box::new(self.pipeline(CONTEXT, T::RightDelim)?))
        };
        Ok(Node::Template { pos: token.pos, name: (*name).into(), pipe })
    }

    fn template_name(&mut self, token: Token<'_>, context: &str) -> Parsed<Arc<str>> {
        match token.kind {
            T::String | T::RawString => self.unquoted(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquoted(&self, token: Token<'_>) -> Parsed<Arc<str>> {
        match unquote(token.text) {
            Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into()),
            None => self.error("invalid syntax"),
        }
    }

    fn pipeline(&mut self, context: &str, end: T) -> Parsed<Pipe> {
        let pos = self.peek_non_space().pos;
        let mark = self.commands.len();
        let mut declared = Declared::default();
        while self.declaration(&mut declared, context)? {}
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                T::Bool
                | T::CharConstant
                | T::Complex
                | T::Dot
                | T::Field
                | T::Identifier
                | T::Number
                | T::Nil
                | T::RawString
                | T::String
                | T::Variable
                | T::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    self.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
        let cmds: Box<[Command]> = self.commands.split_off(mark).into();
        if cmds.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (i, command) in cmds.iter().enumerate().skip(1) {
            use OperandKind as O;
            if matches!(command.args[0].kind, O::Bool(_) | O::Dot | O::Nil | O::Number(_) | O::Str { .. }) {
                return self.error(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(Pipe { pos, is_assign: declared.is_assign, decl: declared.names.into(), cmds })
    }

    /// Reads a variable that the pipeline declares or assigns; says whether another follows.
    fn declaration(&mut self, declared: &mut Declared, context: &str) -> Parsed<bool> {
        let variable = self.peek_non_space();
        if variable.kind != T::Variable {
            return Ok(false);
        }
        self.next();
        self.peek();
        let after = self.scope.tokens[self.scope.peeked - 1];
        let next = self.peek_non_space();
        match next.kind {
            T::Assign | T::Declare => {
                declared.is_assign = next.kind == T::Assign;
                self.next_non_space();
                self.declare(declared, variable);
                Ok(false)
            }
            T::Char if next.text == "," => {
                self.next_non_space();
                self.declare(declared, variable);
                if context == "range" && declared.names.len() < 2 {
                    return match self.peek_non_space().kind {
                        T::Variable | T::RightDelim | T::RightParen => Ok(true),
                        _ => self.error("range can only initialize variables"),
                    };
                }
                self.error(format!("too many declarations in {context}"))
            }
            _ if after.kind == T::Space => {
                self.backup3(variable, after);
                Ok(false)
            }
            _ => {
                self.backup2(variable);
                Ok(false)
            }
        }
    }

    fn declare(&mut self, declared: &mut Declared, variable: Token<'s>) {
        declared.names.push(self.slice(variable));
        self.scope.vars.push(variable.text);
    }

    fn command(&mut self) -> Parsed<Command> {
        let pos = self.peek_non_space().pos;
        let mark = self.operands.len();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.operands.push(operand);
            }
            let token = self.next();
            match token.kind {
                T::Space => continue,
                T::RightDelim | T::RightParen => self.backup(),
                T::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        let args: Box<[Operand]> = self.operands.split_off(mark).into();
        if args.is_empty() {
            return self.error("empty command");
        }
        Ok(Command { pos, args })
    }

    /// A term and the fields that follow it.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        if self.peek() != T::Field {
            return Ok(Some(term));
        }
        let pos = self.peek_pos();
        let mut end = pos;
        while self.peek() == T::Field {
            let token = self.next();
            end = token.pos + token.text.len();
        }
        let fields = Slice::new(self.source, pos..end);
        match term.kind {
            OperandKind::Field(first) => {
                Ok(Some(Operand { pos, kind: OperandKind::Field(first.up_to(end)) }))
            }
            OperandKind::Variable { name, .. } => {
                Ok(Some(Operand { pos, kind: OperandKind::Variable { name, fields } }))
            }
            OperandKind::Bool(_)
            | OperandKind::Str { .. }
            | OperandKind::Number(_)
            | OperandKind::Nil
            | OperandKind::Dot => {
                let term = crate::quote::quote(term.to_string().as_bytes());
                self.error(format!("unexpected . after term {term}"))
            }
            _ => Ok(Some(Operand { pos, kind: OperandKind::Chain { node: Box::new(term), fields } })),
        }
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_non_space();
        let text = token.text;
        let kind = match token.kind {
            T::Identifier => {
                if !(self.is_function)(text) {
                    return self
                        .error(format!("function {} not defined", crate::quote::quote(text.as_bytes())));
                }
                OperandKind::Identifier(self.slice(token))
            }
            T::Dot => OperandKind::Dot,
            T::Nil => OperandKind::Nil,
            T::Variable => {
                if !self.scope.vars.contains(&text) {
                    return self
                        .error(format!("undefined variable {}", crate::quote::quote(text.as_bytes())));
                }
                let end = token.pos + text.len();
                OperandKind::Variable { name: self.slice(token), fields: Slice::new(self.source, end..end) }
            }
            T::Field => OperandKind::Field(self.slice(token)),
            T::Bool => OperandKind::Bool(text == "true"),
            T::CharConstant | T::Complex | T::Number => match number::parse(text, token.kind) {
                Ok(number) => OperandKind::Number(Box::new(number)),
                Err(message) => return self.error(message),
            },
            T::LeftParen => {
                if self.scope.paren_depth >= MAX_PAREN_DEPTH || self.stack.is_exhausted() {
                    return self.error("max expression depth exceeded");
                }
                self.scope.paren_depth += 1;
                let pipe = self.pipeline("parenthesized pipeline", T::RightParen)?;
                self.scope.paren_depth -= 1;
                return Ok(Some(Operand { pos: pipe.pos, kind: OperandKind::Pipe(Box::new(pipe)) }));
            }
            T::String | T::RawString => match unquote(text) {
                Some(value) => OperandKind::Str { quoted: self.slice(token), value: value.into() },
                None => return self.error("invalid syntax"),
            },
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(Operand { pos: token.pos, kind }))
    }
}
