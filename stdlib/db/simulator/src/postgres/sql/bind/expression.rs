//! Expressions.

use sqlparser::ast::{self, AccessExpr, BinaryOperator, Spanned, Subscript, UnaryOperator};
use sqlparser::tokenizer::Location;

use super::super::cast::{How, castable};
use super::super::expr::{Comparison, Expr, Function, Kind, Node, Result, internal};
use super::super::functions::{self, extracted};
use super::super::names;
use super::operator::{self, no_operator};
use super::{Binder, Scope, data_type, shared};
use crate::postgres::PgError;
use crate::value::{Datum, Type};

impl Binder<'_, '_> {
    pub(crate) fn expr(&self, scope: &Scope<'_>, expression: &ast::Expr) -> Result<Expr> {
        let _within = scope.within_key(expression);
        use ast::Expr as E;
        match expression {
            E::Identifier(ident) => self.column(scope, None, ident),
            E::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] => self.column(scope, Some((None, names::folded(table))), column),
                [schema, table, column] => {
                    self.column(scope, Some((Some(names::folded(schema)), names::folded(table))), column)
                }
                _ => Err(PgError::unsupported(format_args!("`{expression}` as a name"))),
            },
            E::Value(value) => self.literal(&value.value).map_err(|error| error.at(value.span.start)),
            E::Interval(interval) => self.interval(interval),
            E::TypedString(typed) => {
                let kind = data_type(&typed.data_type)?;
                let text = super::string_of(&typed.value.value)
                    .ok_or_else(|| PgError::unsupported(format_args!("`{expression}`")))?;
                self.coerced(Expr::constant(Datum::text(text), Type::Unknown), &kind, How::Explicit)
                    .map_err(|error| error.at(typed.value.span.start))
            }
            E::Nested(inner) => self.expr(scope, inner),
            E::Cast {
                expr,
                data_type: kind,
                format: None,
                kind: ast::CastKind::Cast | ast::CastKind::DoubleColon,
            } => {
                let kind = data_type(kind)?;
                let bound = self.expr(scope, expr)?;
                self.cast(bound, &kind).map_err(|error| error.at(start(expr)))
            }
            E::BinaryOp { left, op, right } => self.binary_operation(scope, left, op, right),
            E::UnaryOp { op, expr } => {
                let inner = self.expr(scope, expr)?;
                match op {
                    UnaryOperator::Not => {
                        let kind = inner.kind.plain_name();
                        self.unary(*op, inner).map_err(|error| match error.code {
                            "42804" => PgError::new(
                                "42804",
                                format!("argument of NOT must be type boolean, not type {kind}"),
                            ),
                            _ => error,
                        })
                    }
                    _ => self.unary(*op, inner),
                }
            }
            E::IsNull(inner) => self.is_null(scope, inner, true),
            E::IsNotNull(inner) => self.is_null(scope, inner, false),
            E::IsTrue(inner) => self.is(scope, inner, true, false),
            E::IsNotTrue(inner) => self.is(scope, inner, true, true),
            E::IsFalse(inner) => self.is(scope, inner, false, false),
            E::IsNotFalse(inner) => self.is(scope, inner, false, true),
            E::IsUnknown(inner) => self.is_null(scope, inner, true),
            E::IsNotUnknown(inner) => self.is_null(scope, inner, false),
            E::IsDistinctFrom(left, right) => self.distinct(scope, left, right, false),
            E::IsNotDistinctFrom(left, right) => self.distinct(scope, left, right, true),
            E::Between { expr, negated, low, high } => {
                let (value, low, high) =
                    (self.expr(scope, expr)?, self.expr(scope, low)?, self.expr(scope, high)?);
                let above = self.compared(Comparison::GreaterOrEqual, ">=", value.clone(), low)?;
                let below = self.compared(Comparison::LessOrEqual, "<=", value, high)?;
                let both = Expr::new(Node::And(Box::new(above), Box::new(below)), Type::Bool);
                Ok(not_if(*negated, both))
            }
            E::In { expr, target, negated, global: false } => self.within(scope, expr, target, *negated),
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(scope, expr, pattern, escape_char.as_deref(), *negated, false)
            }
            E::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(scope, expr, pattern, escape_char.as_deref(), *negated, true)
            }
            E::AnyOp { left, compare_op, right, .. } => {
                self.quantified(scope, left, compare_op, right, false)
            }
            E::AllOp { left, compare_op, right } => self.quantified(scope, left, compare_op, right, true),
            E::Case { operand, conditions, else_result, .. } => {
                self.case(scope, operand.as_deref(), conditions, else_result.as_deref())
            }
            E::Exists { subquery, negated } => {
                let query = self.query(subquery, Some(scope))?;
                let exists = Expr::new(Node::Subquery(Kind::Exists, None, shared(query)), Type::Bool);
                Ok(not_if(*negated, exists))
            }
            E::Subquery(query) => {
                let query = self.query(query, Some(scope))?;
                if query.columns.len() != 1 {
                    return Err(PgError::new("42601", "subquery must return only one column"));
                }
                let kind = query.columns[0].kind.clone();
                Ok(Expr::new(Node::Subquery(Kind::Scalar, None, shared(query)), kind))
            }
            E::Array(array) => {
                let items =
                    array.elem.iter().map(|item| self.expr(scope, item)).collect::<Result<Vec<_>>>()?;
                if items.is_empty() {
                    // Its type is what it is cast to.
                    return Ok(Expr::constant(Datum::text("{}"), Type::Unknown));
                }
                let kind = self.common(items.iter().map(|item| item.kind.clone()), "ARRAY")?;
                if matches!(kind, Type::Array(_)) {
                    return Err(PgError::unsupported("an array of several dimensions"));
                }
                let items = items.into_iter().map(|item| self.coerced(item, &kind, How::Implicit));
                Ok(Expr::new(Node::Array(items.collect::<Result<_>>()?), Type::Array(Box::new(kind))))
            }
            E::Tuple(items) => {
                let items = items.iter().map(|item| self.expr(scope, item)).collect::<Result<Vec<_>>>()?;
                Ok(Expr::new(Node::Record(items), Type::Record))
            }
            E::Extract { field, expr, .. } => {
                let value = self.expr(scope, expr)?;
                let known = matches!(
                    value.kind,
                    Type::Date | Type::Time | Type::Timestamp | Type::Timestamptz | Type::Interval
                );
                if !known {
                    let kind = value.kind.plain_name();
                    return Err(PgError::new(
                        "42883",
                        format!("function pg_catalog.extract(unknown, {kind}) does not exist"),
                    ));
                }
                let field = Expr::constant(Datum::text(field.to_string()), Type::Text);
                let function: Function = |_, a| match &a[0] {
                    Datum::Text(field) => extracted(field, &a[1]),
                    _ => Err(internal("a field is no text")),
                };
                Ok(Expr::call(function, vec![field, value], Type::Numeric(None)))
            }
            E::Ceil { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.called(scope, "ceil", &[expr])
            }
            E::Floor { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.called(scope, "floor", &[expr])
            }
            E::Position { expr, r#in } => self.called(scope, "position", &[expr, r#in]),
            E::Substring { expr, substring_from, substring_for, .. } => {
                match (substring_from.as_deref(), substring_for.as_deref()) {
                    (Some(from), None) => self.called(scope, "substring", &[expr, from]),
                    (Some(from), Some(length)) => self.called(scope, "substring", &[expr, from, length]),
                    _ => Err(PgError::unsupported("substring() without FROM")),
                }
            }
            E::Trim { expr, trim_where, trim_what, trim_characters: None } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                match trim_what.as_deref() {
                    Some(what) => self.called(scope, name, &[expr, what]),
                    None => self.called(scope, name, &[expr]),
                }
            }
            E::AtTimeZone { timestamp, time_zone } => self.at_time_zone(scope, timestamp, time_zone),
            E::Collate { expr, collation } => {
                let name = collation.0.last().map(ToString::to_string).unwrap_or_default();
                match name.trim_matches('"') {
                    "default" | "C" | "POSIX" | "ucs_basic" => self.expr(scope, expr),
                    _ => Err(PgError::unsupported(format_args!("the collation {collation}"))),
                }
            }
            E::CompoundFieldAccess { root, access_chain } => self.access(scope, root, access_chain),
            E::Function(function) => self.function(scope, function),
            other => Err(PgError::unsupported(format_args!("`{other}`"))),
        }
    }

    /// A value that is to be of this type, as it is written: `value::kind`.
    fn cast(&self, value: Expr, kind: &Type) -> Result<Expr> {
        if value.kind == Type::Unknown {
            return self.coerced(value, kind, How::Explicit);
        }
        if castable(&value.kind, kind).is_none() {
            let (from, to) = (value.kind.plain_name(), kind.plain_name());
            return Err(PgError::new("42846", format!("cannot cast type {from} to {to}")));
        }
        if value.kind == *kind {
            return Ok(value);
        }
        Ok(Expr::new(Node::Cast(Box::new(value), How::Explicit), kind.clone()))
    }

    /// A call by the name of a function that SQL has words of its own for.
    fn called(&self, scope: &Scope<'_>, name: &str, arguments: &[&ast::Expr]) -> Result<Expr> {
        let arguments = arguments.iter().map(|one| self.expr(scope, one)).collect::<Result<Vec<_>>>()?;
        let called = functions::call(self, name, &arguments)?;
        called.map(|called| called.expression).ok_or_else(|| super::function::no_function(name, &arguments))
    }

    fn column(
        &self,
        scope: &Scope<'_>,
        table: Option<(Option<String>, String)>,
        ident: &ast::Ident,
    ) -> Result<Expr> {
        let name = names::folded(ident);
        let mut around = Some(scope);
        let mut up = 0;
        let mut table_seen = false;
        while let Some(scope) = around {
            let of_table = |column: &&super::Visible| match &table {
                None => true,
                Some((schema, table)) => {
                    column.of == *table && (schema.is_none() || column.schema == *schema)
                }
            };
            table_seen |= table.is_some() && scope.columns.iter().any(|column| of_table(&column));
            let found: Vec<&super::Visible> = scope
                .columns
                .iter()
                .filter(|column| column.name == name && of_table(column))
                .filter(|column| table.is_some() || !column.merged)
                .collect();
            match found.as_slice() {
                [] => {}
                [column] => {
                    scope.used(column, ident.span.start, up)?;
                    return Ok(Expr::new(Node::Column { up, at: column.at }, column.kind.clone()));
                }
                _ => {
                    let shown = table.as_ref().map_or(name.clone(), |(_, table)| format!("{table}.{name}"));
                    return Err(PgError::new("42702", format!("column reference \"{shown}\" is ambiguous"))
                        .at(ident.span.start));
                }
            }
            if table.is_none()
                && let Some(row) = whole_row(scope, &name, up, ident.span.start)?
            {
                return Ok(row);
            }
            around = scope.parent;
            up += 1;
        }
        // Words that are values without being columns.
        if table.is_none()
            && ident.quote_style.is_none()
            && let Some(called) = functions::call(self, &name, &[])?
            && matches!(
                name.as_str(),
                "current_user"
                    | "session_user"
                    | "user"
                    | "current_role"
                    | "current_catalog"
                    | "current_schema"
            )
        {
            return Ok(called.expression);
        }
        Err(match table {
            Some((_, table)) if !table_seen => {
                PgError::new("42P01", format!("missing FROM-clause entry for table \"{table}\""))
            }
            Some((_, table)) => PgError::new("42703", format!("column {table}.{name} does not exist")),
            None => PgError::new("42703", format!("column \"{name}\" does not exist")),
        }
        .at(ident.span.start))
    }

    fn binary_operation(
        &self,
        scope: &Scope<'_>,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
    ) -> Result<Expr> {
        let op = operator::plain(op)?;
        if matches!(op, BinaryOperator::And | BinaryOperator::Or) {
            let name = op.to_string();
            let left = Box::new(self.condition(scope, left, &name)?);
            let right = Box::new(self.condition(scope, right, &name)?);
            let node = if op == BinaryOperator::And { Node::And(left, right) } else { Node::Or(left, right) };
            return Ok(Expr::new(node, Type::Bool));
        }
        let (bound, other) = (self.expr(scope, left)?, self.expr(scope, right)?);
        self.binary(&op, bound, other)
    }

    fn is_null(&self, scope: &Scope<'_>, inner: &ast::Expr, wanted: bool) -> Result<Expr> {
        let inner = self.expr(scope, inner)?;
        let inner = self.settled(inner)?;
        Ok(not_if(!wanted, Expr::new(Node::IsNull(Box::new(inner)), Type::Bool)))
    }

    fn is(&self, scope: &Scope<'_>, inner: &ast::Expr, wanted: bool, negated: bool) -> Result<Expr> {
        let what = match (wanted, negated) {
            (true, false) => "IS TRUE",
            (true, true) => "IS NOT TRUE",
            (false, false) => "IS FALSE",
            (false, true) => "IS NOT FALSE",
        };
        let inner = self.condition(scope, inner, what)?;
        Ok(not_if(negated, Expr::new(Node::Is(Box::new(inner), wanted), Type::Bool)))
    }

    fn distinct(
        &self,
        scope: &Scope<'_>,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
    ) -> Result<Expr> {
        let (left, right) = (self.expr(scope, left)?, self.expr(scope, right)?);
        let (left, right) = self.matched("=", left, right)?;
        Ok(not_if(negated, Expr::new(Node::Distinct(Box::new(left), Box::new(right)), Type::Bool)))
    }

    fn within(
        &self,
        scope: &Scope<'_>,
        left: &ast::Expr,
        target: &ast::InTarget,
        negated: bool,
    ) -> Result<Expr> {
        let value = self.expr(scope, left)?;
        match target {
            ast::InTarget::List(items) => {
                let items = items.iter().map(|item| self.expr(scope, item)).collect::<Result<Vec<_>>>()?;
                if let Node::Record(_) = value.node {
                    let mut any: Option<Expr> = None;
                    for item in items {
                        let one = self.compared(Comparison::Equal, "=", value.clone(), item)?;
                        any = Some(match any {
                            Some(before) => Expr::new(Node::Or(Box::new(before), Box::new(one)), Type::Bool),
                            None => one,
                        });
                    }
                    return any.map(|any| not_if(negated, any)).ok_or_else(|| internal("IN without items"));
                }
                let kinds = std::iter::once(&value).chain(&items).map(|item| item.kind.clone());
                let first =
                    items.iter().find(|item| item.kind != Type::Unknown).map(|item| item.kind.clone());
                let missing = || no_operator(&value.kind, "=", &first.unwrap_or(Type::Unknown));
                let kind = self.common(kinds, "IN").map_err(|_| missing())?.plain();
                let items = items.into_iter().map(|item| self.coerced(item, &kind, How::Implicit));
                let items = items.collect::<Result<Vec<_>>>()?;
                let value = self.coerced(value, &kind, How::Implicit)?;
                Ok(not_if(negated, Expr::new(Node::In(Box::new(value), items), Type::Bool)))
            }
            ast::InTarget::Subquery(query) => {
                Ok(not_if(negated, self.among_rows(scope, value, query, Comparison::Equal, "=", false)?))
            }
            other => Err(PgError::unsupported(format_args!("IN {other}"))),
        }
    }

    /// Compared with one, or all, of a query's rows.
    fn among_rows(
        &self,
        scope: &Scope<'_>,
        left: Expr,
        query: &ast::Query,
        asked: Comparison,
        op: &str,
        all: bool,
    ) -> Result<Expr> {
        let mut query = self.query(query, Some(scope))?;
        let width = match &left.node {
            Node::Record(fields) => fields.len(),
            _ => 1,
        };
        match query.columns.len() {
            count if count > width => return Err(PgError::new("42601", "subquery has too many columns")),
            count if count < width => return Err(PgError::new("42601", "subquery has too few columns")),
            _ => {}
        }
        let sides: Vec<Expr> = match left.node {
            Node::Record(fields) => fields,
            _ => vec![left],
        };
        let mut kinds = Vec::new();
        for (side, column) in sides.iter().zip(&query.columns) {
            let missing = || no_operator(&side.kind, op, &column.kind);
            kinds.push(
                self.common([side.kind.clone(), column.kind.clone()], op).map_err(|_| missing())?.plain(),
            );
        }
        query = self.recast(query, &kinds)?;
        let sides = sides.into_iter().zip(&kinds).map(|(side, kind)| self.coerced(side, kind, How::Implicit));
        let mut sides = sides.collect::<Result<Vec<_>>>()?;
        let left = match width {
            1 => sides.remove(0),
            _ => Expr::new(Node::Record(sides), Type::Record),
        };
        let kind = if all { Kind::All(asked) } else { Kind::Any(asked) };
        Ok(Expr::new(Node::Subquery(kind, Some(Box::new(left)), shared(query)), Type::Bool))
    }

    fn quantified(
        &self,
        scope: &Scope<'_>,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        all: bool,
    ) -> Result<Expr> {
        let op = operator::plain(op)?;
        let left = self.expr(scope, left)?;
        let mut target = right;
        while let ast::Expr::Nested(inner) = target {
            target = inner;
        }
        if let ast::Expr::Subquery(query) = target {
            let asked = operator::comparison(&op)
                .ok_or_else(|| PgError::unsupported(format_args!("the operator {op} with a query")))?;
            return self.among_rows(scope, left, query, asked, &op.to_string(), all);
        }
        let array = self.expr(scope, target)?;
        let (left, array) = match array.kind.clone() {
            Type::Unknown => {
                let left = self.settled(left)?;
                let kind = Type::Array(Box::new(left.kind.plain()));
                (left, self.coerced(array, &kind, How::Implicit)?)
            }
            Type::Array(element) => {
                let missing = || no_operator(&left.kind, &op.to_string(), &element);
                let kind =
                    self.common([left.kind.clone(), (*element).clone()], "").map_err(|_| missing())?.plain();
                let array = self.coerced(array, &Type::Array(Box::new(kind.clone())), How::Implicit)?;
                (self.coerced(left, &kind, How::Implicit)?, array)
            }
            _ => return Err(PgError::new("42809", "op ANY/ALL (array) requires array on right side")),
        };
        let comparison = self.quantifier(&op)?;
        let node = Node::Quantified { comparison, left: Box::new(left), array: Box::new(array), all };
        Ok(Expr::new(node, Type::Bool))
    }

    fn like(
        &self,
        scope: &Scope<'_>,
        value: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        negated: bool,
        ignore_case: bool,
    ) -> Result<Expr> {
        let (value, pattern) = (self.expr(scope, value)?, self.expr(scope, pattern)?);
        let op = if ignore_case { "~~*" } else { "~~" };
        let bound = match ignore_case {
            true => self.texts(op, value, pattern, |_, a| operator::like(a, true))?,
            false => self.texts(op, value, pattern, |_, a| operator::like(a, false))?,
        };
        let bound = match (escape, bound.node) {
            (None, node) => Expr::new(node, Type::Bool),
            (Some(escape), Node::Call(function, mut arguments)) => {
                let escape = self.expr(scope, escape)?;
                arguments.push(self.coerced(escape, &Type::Text, How::Implicit)?);
                Expr::call(function, arguments, Type::Bool)
            }
            _ => return Err(internal("LIKE is no call")),
        };
        Ok(not_if(negated, bound))
    }

    fn case(
        &self,
        scope: &Scope<'_>,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let operand = operand.map(|operand| self.expr(scope, operand)).transpose()?;
        let mut branches = Vec::new();
        for branch in conditions {
            let condition = match &operand {
                Some(operand) => {
                    let wanted = self.expr(scope, &branch.condition)?;
                    self.compared(Comparison::Equal, "=", operand.clone(), wanted)?
                }
                None => self.condition(scope, &branch.condition, "CASE/WHEN")?,
            };
            branches.push((condition, self.expr(scope, &branch.result)?));
        }
        let otherwise = otherwise.map(|otherwise| self.expr(scope, otherwise)).transpose()?;
        // What is said last counts first where it matters.
        let kinds = otherwise.iter().chain(branches.iter().map(|(_, result)| result));
        let kind = self.common(kinds.map(|result| result.kind.clone()), "CASE")?;
        let branches = branches
            .into_iter()
            .map(|(condition, result)| Ok((condition, self.coerced(result, &kind, How::Implicit)?)))
            .collect::<Result<_>>()?;
        let otherwise =
            otherwise.map(|otherwise| self.coerced(otherwise, &kind, How::Implicit)).transpose()?;
        Ok(Expr::new(Node::Case { branches, otherwise: otherwise.map(Box::new) }, kind))
    }

    /// The only time zone is UTC: a time with a zone loses it, one without gets it.
    fn at_time_zone(&self, scope: &Scope<'_>, time: &ast::Expr, zone: &ast::Expr) -> Result<Expr> {
        let utc = match zone {
            ast::Expr::Value(value) => super::string_of(&value.value).is_some_and(|zone| {
                matches!(zone.to_ascii_uppercase().as_str(), "UTC" | "ETC/UTC" | "GMT" | "Z")
            }),
            _ => false,
        };
        if !utc {
            return Err(PgError::unsupported(format_args!("the time zone {zone} (only UTC)")));
        }
        let time = self.expr(scope, time)?;
        let kind = match time.kind {
            Type::Timestamptz => Type::Timestamp,
            Type::Timestamp => Type::Timestamptz,
            Type::Date | Type::Unknown => {
                let time = self.coerced(time, &Type::Timestamptz, How::Implicit)?;
                return Ok(Expr::new(Node::Cast(Box::new(time), How::Explicit), Type::Timestamp));
            }
            other => {
                return Err(PgError::new(
                    "42883",
                    format!("function pg_catalog.timezone(unknown, {}) does not exist", other.plain_name()),
                ));
            }
        };
        Ok(Expr::new(Node::Cast(Box::new(time), How::Explicit), kind))
    }

    /// `array[1]`
    fn access(&self, scope: &Scope<'_>, root: &ast::Expr, chain: &[AccessExpr]) -> Result<Expr> {
        let mut value = self.expr(scope, root)?;
        for access in chain {
            let AccessExpr::Subscript(Subscript::Index { index }) = access else {
                return Err(PgError::unsupported("a field of a record, or a part of an array"));
            };
            let Type::Array(element) = value.kind.clone() else {
                return Err(PgError::new(
                    "42804",
                    format!(
                        "cannot subscript type {} because it does not support subscripting",
                        value.kind.plain_name()
                    ),
                ));
            };
            let index = self.expr(scope, index)?;
            let index = self.coerced(index, &Type::Int4, How::Assignment)?;
            let function: Function = |_, a| match (&a[0], &a[1]) {
                (Datum::Array(items), Datum::Int(index)) => {
                    let place = usize::try_from(index - 1).ok();
                    Ok(place.and_then(|place| items.get(place)).cloned().unwrap_or(Datum::Null))
                }
                _ => Err(internal("an argument is no array")),
            };
            value = Expr::call(function, vec![value, index], *element);
        }
        Ok(value)
    }
}

/// The row of a table that is named like a column.
fn whole_row(scope: &Scope<'_>, name: &str, up: usize, at: Location) -> Result<Option<Expr>> {
    let columns: Vec<&super::Visible> = scope.columns.iter().filter(|column| column.of == name).collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let mut fields = Vec::new();
    for column in columns {
        scope.used(column, at, up)?;
        fields.push(Expr::new(Node::Column { up, at: column.at }, column.kind.clone()));
    }
    Ok(Some(Expr::new(Node::Record(fields), Type::Record)))
}

pub(super) fn not_if(negated: bool, inner: Expr) -> Expr {
    if negated { Expr::new(Node::Not(Box::new(inner)), Type::Bool) } else { inner }
}

/// Where an expression begins.
pub(super) fn start(expression: &ast::Expr) -> Location {
    expression.span().start
}
