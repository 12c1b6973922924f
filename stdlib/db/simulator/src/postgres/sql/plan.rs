//! A query whose names and types are known, and how its rows are found.
//!
//! Rows are found the plain way: every row of what is before, in its order. An equality between two sides of a join is looked up.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::aggregate::Aggregate;
use super::context::Context;
use super::dml::Change;
use super::expr::{Comparison, Expr, Node, Result, Rows, internal, values};
use super::window::Window;
use crate::postgres::{PgError, catalog};
use crate::rows::TableName;
use crate::value::{Datum, Ordered, Type};

pub(crate) type Row = Vec<Datum>;

/// More rows than this are refused, where joins and series make them.
const MOST_ROWS: usize = 20_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) named: Vec<NamedQuery>,
    pub(crate) body: Body,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
    pub(crate) columns: Vec<Output>,
}

/// A query of `WITH`; its rows are kept at a place.
#[derive(Debug, Clone)]
pub(crate) struct NamedQuery {
    pub(crate) place: usize,
    pub(crate) query: Arc<Query>,
    /// What is added as long as it adds something, and whether only what is new counts.
    pub(crate) recursive: Option<(Arc<Query>, bool)>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) kind: Type,
    /// The number of the table and of its column.
    pub(crate) of: Option<(u32, i16)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Set { how: SetHow, all: bool, left: Box<Query>, right: Box<Query> },
    Change(Box<Change>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetHow {
    Union,
    Intersect,
    Except,
}

#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Of the row that is projected, with what is projected for the order only.
    pub(crate) column: usize,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) from: From,
    pub(crate) filter: Option<Expr>,
    pub(crate) group: Option<Group>,
    pub(crate) windows: Vec<Window>,
    /// The columns of the result, and then what the order needs besides.
    pub(crate) project: Vec<Expr>,
    /// Of the projected columns, those that must differ.
    pub(crate) distinct: Option<Vec<usize>>,
    /// Columns that give a row for each of their values (`generate_series` among what is selected).
    pub(crate) series: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) keys: Vec<Expr>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) having: Option<Expr>,
    /// Of the rows before, for a group without any.
    pub(crate) width: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum From {
    /// One row without columns.
    Nothing,
    Table(TableName),
    Catalog(catalog::View),
    Named(usize),
    Query(Box<Query>),
    /// Rows of a function of sets, and whether they are numbered.
    Function(Expr, bool),
    Join(Box<Join>),
}

#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) left: From,
    pub(crate) right: From,
    pub(crate) kind: JoinKind,
    /// The right side sees the rows of the left one.
    pub(crate) lateral: bool,
    pub(crate) on: Option<Expr>,
    pub(crate) left_width: usize,
    pub(crate) right_width: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

impl Query {
    /// All its rows, in their order, with the columns that it has and no others.
    pub(crate) fn rows(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>) -> Result<Vec<Row>> {
        for named in &self.named {
            named.find(cx, outer)?;
        }
        let mut rows = match &self.body {
            Body::Select(select) => select.rows(cx, outer)?,
            Body::Values(lines) => {
                let seen = Rows { row: &[], outer };
                lines.iter().map(|line| values(line, cx, &seen)).collect::<Result<_>>()?
            }
            Body::Set { how, all, left, right } => {
                combined(*how, *all, left.rows(cx, outer)?, right.rows(cx, outer)?)
            }
            Body::Change(change) => change.rows(cx, outer)?,
        };
        if !self.order.is_empty() {
            rows.sort_by(|one, other| self.compare(one, other));
        }
        if let Body::Select(select) = &self.body
            && let Some(places) = &select.distinct
        {
            let mut seen = BTreeSet::new();
            rows.retain(|row| seen.insert(key(row, places)));
        }
        self.cut(cx, outer, &mut rows)?;
        if rows.first().is_some_and(|row| row.len() > self.columns.len()) {
            rows.iter_mut().for_each(|row| row.truncate(self.columns.len()));
        }
        Ok(rows)
    }

    fn compare(&self, one: &Row, other: &Row) -> Ordering {
        self.order.iter().fold(Ordering::Equal, |order, by| {
            order.then_with(|| compare(&one[by.column], &other[by.column], by.descending, by.nulls_first))
        })
    }

    fn cut(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>, rows: &mut Vec<Row>) -> Result<()> {
        let seen = Rows { row: &[], outer };
        let count = |expression: &Option<Expr>, code, name| match expression {
            None => Ok(None),
            Some(expression) => match expression.value(cx, &seen)? {
                Datum::Int(number) => usize::try_from(number)
                    .map(Some)
                    .map_err(|_| PgError::new(code, format!("{name} must not be negative"))),
                _ => Ok(None),
            },
        };
        if let Some(skipped) = count(&self.offset, "2201X", "OFFSET")? {
            rows.drain(..skipped.min(rows.len()));
        }
        if let Some(most) = count(&self.limit, "2201W", "LIMIT")? {
            rows.truncate(most);
        }
        Ok(())
    }
}

/// What is absent counts as the largest, unless it is to come first.
pub(crate) fn compare(one: &Datum, other: &Datum, descending: bool, nulls_first: bool) -> Ordering {
    match (one.is_null(), other.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        _ if descending => other.order(one),
        _ => one.order(other),
    }
}

fn key(row: &Row, places: &[usize]) -> Vec<Ordered> {
    places.iter().map(|place| Ordered(row[*place].clone())).collect()
}

impl NamedQuery {
    fn find(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>) -> Result<()> {
        let keep = |rows: Vec<Row>| {
            let mut named = cx.named.borrow_mut();
            let places = named.len().max(self.place + 1);
            named.resize(places, None);
            named[self.place] = Some(Rc::new(rows));
        };
        let mut all = self.query.rows(cx, outer)?;
        let Some((step, distinct)) = &self.recursive else {
            keep(all);
            return Ok(());
        };
        let whole = |row: &Row| key(row, &(0..row.len()).collect::<Vec<_>>());
        let mut seen = BTreeSet::new();
        if *distinct {
            all.retain(|row| seen.insert(whole(row)));
        }
        let mut new = all.clone();
        while !new.is_empty() {
            keep(std::mem::take(&mut new));
            new = step.rows(cx, outer)?;
            if *distinct {
                new.retain(|row| seen.insert(whole(row)));
            }
            all.extend(new.iter().cloned());
            bounded(all.len())?;
        }
        keep(all);
        Ok(())
    }
}

fn bounded(rows: usize) -> Result<()> {
    if rows > MOST_ROWS {
        return Err(PgError::new("54000", format!("more than {MOST_ROWS} rows are not simulated")));
    }
    Ok(())
}

fn combined(how: SetHow, all: bool, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    let whole = |row: &Row| row.iter().cloned().map(Ordered).collect::<Vec<_>>();
    if how == SetHow::Union {
        let mut rows = left;
        rows.extend(right);
        if !all {
            let mut seen = BTreeSet::new();
            rows.retain(|row| seen.insert(whole(row)));
        }
        return rows;
    }
    let mut counts: BTreeMap<Vec<Ordered>, usize> = BTreeMap::new();
    right.iter().for_each(|row| *counts.entry(whole(row)).or_default() += 1);
    let mut seen = BTreeSet::new();
    let mut rows = left;
    rows.retain(|row| {
        let key = whole(row);
        let count = counts.get_mut(&key);
        let matched = match count {
            Some(count) if all => {
                let is = *count > 0;
                *count = count.saturating_sub(1);
                is
            }
            count => count.is_some(),
        };
        (matched == (how == SetHow::Intersect)) && (all || seen.insert(key))
    });
    rows
}

impl Select {
    fn rows(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>) -> Result<Vec<Row>> {
        let mut hints = Vec::new();
        if let Some(filter) = &self.filter {
            filter.conjuncts(&mut hints);
        }
        let mut rows = self.from.rows(cx, outer, &hints, 0)?;
        if let Some(filter) = &self.filter {
            let mut kept = Vec::new();
            for row in rows {
                if filter.truth(cx, &Rows { row: &row, outer })? == Some(true) {
                    kept.push(row);
                }
            }
            rows = kept;
        }
        if let Some(group) = &self.group {
            rows = group.rows(cx, outer, rows)?;
        }
        // The first one stands last.
        for window in self.windows.iter().rev() {
            window.append(cx, outer, &mut rows)?;
        }
        let mut projected = Vec::with_capacity(rows.len());
        for row in &rows {
            let line = values(&self.project, cx, &Rows { row, outer })?;
            if self.series.is_empty() {
                projected.push(line);
            } else {
                self.unrolled(&line, &mut projected)?;
            }
        }
        Ok(projected)
    }

    /// A row for each item of its series; a shorter one goes on with nothing.
    fn unrolled(&self, line: &Row, rows: &mut Vec<Row>) -> Result<()> {
        let items = |place: &usize| match &line[*place] {
            Datum::Array(items) => items.as_ref().clone(),
            _ => Vec::new(),
        };
        let series: Vec<Vec<Datum>> = self.series.iter().map(items).collect();
        let longest = series.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..longest {
            let mut row = line.clone();
            for (place, items) in self.series.iter().zip(&series) {
                row[*place] = items.get(at).cloned().unwrap_or(Datum::Null);
            }
            rows.push(row);
        }
        bounded(rows.len())
    }
}

impl Group {
    /// For each group its first row, with the aggregates behind it.
    fn rows(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>, rows: Vec<Row>) -> Result<Vec<Row>> {
        let mut places: BTreeMap<Vec<Ordered>, usize> = BTreeMap::new();
        let mut groups: Vec<Vec<Row>> = Vec::new();
        for row in rows {
            let key = values(&self.keys, cx, &Rows { row: &row, outer })?.into_iter().map(Ordered).collect();
            let place = *places.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(row);
        }
        if groups.is_empty() && self.keys.is_empty() {
            groups.push(Vec::new());
        }
        let mut result = Vec::new();
        for members in groups {
            let mut row = members.first().cloned().unwrap_or_else(|| vec![Datum::Null; self.width]);
            for aggregate in &self.aggregates {
                let value = aggregate.value(cx, outer, &members)?;
                row.push(value);
            }
            let kept = match &self.having {
                Some(having) => having.truth(cx, &Rows { row: &row, outer })? == Some(true),
                None => true,
            };
            if kept {
                result.push(row);
            }
        }
        Ok(result)
    }
}

impl From {
    /// `hints` are conditions that every row has to meet in the end, by places that count from `base`.
    pub(crate) fn rows(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        hints: &[&Expr],
        base: usize,
    ) -> Result<Vec<Row>> {
        match self {
            From::Nothing => Ok(vec![Row::new()]),
            From::Table(name) => {
                let table = cx.table(name).ok_or_else(|| internal("a table went in the meantime"))?;
                Ok(table.rows().map(|(_, row)| row.to_vec()).collect())
            }
            From::Catalog(view) => Ok(catalog::rows(cx, *view)),
            From::Named(place) => {
                let named = cx.named.borrow();
                let rows = named.get(*place).cloned().flatten();
                rows.map(|rows| rows.to_vec()).ok_or_else(|| internal("a query with a name has no rows"))
            }
            From::Query(query) => query.rows(cx, outer),
            From::Function(function, numbered) => {
                let found = function.value(cx, &Rows { row: &[], outer })?;
                let items = match found {
                    Datum::Array(items) => items.as_ref().clone(),
                    _ => Vec::new(),
                };
                Ok(items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| {
                        // A record of a function is its columns.
                        let mut row = match item {
                            Datum::Record(fields) => fields.iter().map(|(_, field)| field.clone()).collect(),
                            item => vec![item],
                        };
                        if *numbered {
                            row.push(Datum::Int(i64::try_from(at + 1).unwrap_or(i64::MAX)));
                        }
                        row
                    })
                    .collect())
            }
            From::Join(join) => join.rows(cx, outer, hints, base),
        }
    }
}

impl Join {
    fn rows(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        hints: &[&Expr],
        base: usize,
    ) -> Result<Vec<Row>> {
        let left = self.left.rows(cx, outer, hints, base)?;
        let mut rows = Vec::new();
        if self.lateral {
            for one in left {
                let seen = Rows { row: &one, outer };
                let right = self.right.rows(cx, Some(&seen), &[], 0)?;
                let before = rows.len();
                self.matched(cx, outer, &one, right.iter(), &mut rows)?;
                if rows.len() == before && self.kind == JoinKind::Left {
                    rows.push(joined(&one, &vec![Datum::Null; self.right_width]));
                }
            }
            return Ok(rows);
        }
        let right = self.right.rows(cx, outer, hints, base + self.left_width)?;
        let pairs = self.pairs(hints, base);
        let mut index: BTreeMap<Vec<Ordered>, Vec<usize>> = BTreeMap::new();
        if !pairs.is_empty() {
            let places: Vec<usize> = pairs.iter().map(|(_, right)| *right).collect();
            for (at, row) in right.iter().enumerate() {
                index.entry(key(row, &places)).or_default().push(at);
            }
        }
        let left_places: Vec<usize> = pairs.iter().map(|(left, _)| *left).collect();
        let mut met = vec![false; right.len()];
        for one in &left {
            let candidates: Vec<usize> = match pairs.is_empty() {
                true => (0..right.len()).collect(),
                false => index.get(&key(one, &left_places)).cloned().unwrap_or_default(),
            };
            let mut some = false;
            for at in candidates {
                let row = joined(one, &right[at]);
                if self.holds(cx, outer, &row)? {
                    met[at] = true;
                    some = true;
                    rows.push(row);
                }
            }
            if !some && matches!(self.kind, JoinKind::Left | JoinKind::Full) {
                rows.push(joined(one, &vec![Datum::Null; self.right_width]));
            }
            bounded(rows.len())?;
        }
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            let nothing = vec![Datum::Null; self.left_width];
            let alone = right.iter().zip(&met).filter(|(_, met)| !**met);
            rows.extend(alone.map(|(row, _)| joined(&nothing, row)));
        }
        Ok(rows)
    }

    fn matched<'r>(
        &self,
        cx: &Context<'_>,
        outer: Option<&Rows<'_>>,
        one: &Row,
        right: impl Iterator<Item = &'r Row>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        for other in right {
            let row = joined(one, other);
            if self.holds(cx, outer, &row)? {
                rows.push(row);
            }
        }
        bounded(rows.len())
    }

    fn holds(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>, row: &Row) -> Result<bool> {
        match &self.on {
            Some(on) => Ok(on.truth(cx, &Rows { row, outer })? == Some(true)),
            None => Ok(true),
        }
    }

    /// The columns of both sides that must be equal.
    fn pairs(&self, hints: &[&Expr], base: usize) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        let mut own = Vec::new();
        if let Some(on) = &self.on {
            on.conjuncts(&mut own);
        }
        pairs.extend(own.into_iter().filter_map(|part| self.pair(part, 0)));
        // An outer join has rows of its own that a later condition is not about.
        if self.kind == JoinKind::Inner {
            pairs.extend(hints.iter().filter_map(|part| self.pair(part, base)));
        }
        pairs
    }

    fn pair(&self, part: &Expr, base: usize) -> Option<(usize, usize)> {
        let Node::Compare(Comparison::Equal, one, other) = &part.node else { return None };
        let place = |side: &Expr| match side.node {
            Node::Column { up: 0, at } => at.checked_sub(base),
            _ => None,
        };
        let (one, other) = (place(one)?, place(other)?);
        let (low, high) = (one.min(other), one.max(other));
        let right = high.checked_sub(self.left_width).filter(|right| *right < self.right_width)?;
        (low < self.left_width).then_some((low, right))
    }
}

fn joined(one: &[Datum], other: &[Datum]) -> Row {
    let mut row = Vec::with_capacity(one.len() + other.len());
    row.extend_from_slice(one);
    row.extend_from_slice(other);
    row
}
