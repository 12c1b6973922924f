//! Window functions: what a row is among others. Frames are those that there are without saying one: up to the row and its peers
//! where there is an order, all rows where there is none.

use std::collections::BTreeMap;

use super::aggregate::Aggregate;
use super::context::Context;
use super::expr::{Expr, Result, Rows, values};
use super::plan::{self, Row};
use crate::value::{Datum, Ordered};

#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) what: What,
    pub(crate) partition: Vec<Expr>,
    /// With whether it descends, and whether what is absent comes first.
    pub(crate) order: Vec<(Expr, bool, bool)>,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    RowNumber,
    Rank,
    DenseRank,
    /// The value of a row so many further on, or back; or this.
    Beside {
        value: Expr,
        by: Option<Expr>,
        otherwise: Option<Expr>,
        back: bool,
    },
    First(Expr),
    Last(Expr),
    Aggregate(Aggregate),
}

impl Window {
    /// Appends its value to each row.
    pub(crate) fn append(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>, rows: &mut [Row]) -> Result<()> {
        let mut partitions: BTreeMap<Vec<Ordered>, Vec<usize>> = BTreeMap::new();
        let mut orders = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let seen = Rows { row, outer };
            let key = values(&self.partition, cx, &seen)?.into_iter().map(Ordered).collect();
            partitions.entry(key).or_default().push(at);
            orders.push(self.order.iter().map(|(by, ..)| by.value(cx, &seen)).collect::<Result<Row>>()?);
        }
        let mut found = vec![Datum::Null; rows.len()];
        for members in partitions.values_mut() {
            let compare = |one: &usize, other: &usize| {
                let pairs = orders[*one].iter().zip(&orders[*other]).zip(&self.order);
                pairs.fold(
                    std::cmp::Ordering::Equal,
                    |order, ((one, other), (_, descending, nulls_first))| {
                        order.then_with(|| plan::compare(one, other, *descending, *nulls_first))
                    },
                )
            };
            members.sort_by(compare);
            // Where each group of peers ends.
            let mut begin = 0;
            let mut dense = 0;
            while begin < members.len() {
                let same = |at: &usize| compare(at, &members[begin]).is_eq();
                let end = match self.order.is_empty() {
                    true => members.len(),
                    false => begin + members[begin..].iter().take_while(|at| same(at)).count(),
                };
                dense += 1;
                for place in begin..end {
                    let at = members[place];
                    let part = Part { rows, members, begin, end, place, dense };
                    found[at] = self.what.value(cx, outer, &part)?;
                }
                begin = end;
            }
        }
        rows.iter_mut().zip(found).for_each(|(row, value)| row.push(value));
        Ok(())
    }
}

/// A row among its peers.
struct Part<'p> {
    rows: &'p [Row],
    members: &'p [usize],
    begin: usize,
    end: usize,
    place: usize,
    dense: i64,
}

impl What {
    fn value(&self, cx: &Context<'_>, outer: Option<&Rows<'_>>, part: &Part<'_>) -> Result<Datum> {
        let number = |count: usize| Datum::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let of = |place: usize, expression: &Expr| {
            expression.value(cx, &Rows { row: &part.rows[part.members[place]], outer })
        };
        Ok(match self {
            What::RowNumber => number(part.place + 1),
            What::Rank => number(part.begin + 1),
            What::DenseRank => Datum::Int(part.dense),
            What::First(value) => of(0, value)?,
            What::Last(value) => of(part.end - 1, value)?,
            What::Beside { value, by, otherwise, back } => {
                let by = match by {
                    Some(by) => match of(part.place, by)? {
                        Datum::Int(by) => by,
                        _ => return Ok(Datum::Null),
                    },
                    None => 1,
                };
                let place = i64::try_from(part.place).unwrap_or(i64::MAX);
                let place = if *back { place.checked_sub(by) } else { place.checked_add(by) };
                let place = place.and_then(|place| usize::try_from(place).ok());
                match (place.filter(|place| *place < part.members.len()), otherwise) {
                    (Some(place), _) => of(place, value)?,
                    (None, Some(otherwise)) => of(part.place, otherwise)?,
                    (None, None) => Datum::Null,
                }
            }
            What::Aggregate(aggregate) => {
                let frame =
                    part.members[..part.end].iter().map(|at| part.rows[*at].clone()).collect::<Vec<_>>();
                aggregate.value(cx, outer, &frame)?
            }
        })
    }
}
