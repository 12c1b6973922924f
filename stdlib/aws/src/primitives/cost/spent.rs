use std::collections::BTreeMap;

use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition, GroupDefinitionType,
    MetricValue, ResultByTime, TagValues,
};
use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{amount, cents, client, day, today};

/// Tells what was spent in a time, by month or by day, and by service or by a tag.
///
/// AWS asks a cent for each page of an answer, and tells what was spent today and yesterday only roughly.
///
/// ```rhai
/// let spent = cost::spent("2026-02-01", #{ to: "2026-03-01", by: "service" });
/// log(`$${spent.total} in February, of it $${spent.by["Amazon Relational Database Service"]} for databases`);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetSpent {
    /// The first day: `2026-02-01`.
    #[arg(positional)]
    from: String,
    /// The day after the last one (today).
    to: Option<String>,
    /// `month` (by itself) or `day`.
    #[serde(default)]
    each: Each,
    /// Told apart by `service`, `region`, `account` or `usage_type`.
    by: Option<By>,
    /// Told apart by the values of this tag instead.
    tag: Option<String>,
    /// Only what has these tags: `#{ environment: "prod" }`.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Only these services, as AWS calls them in bills.
    #[serde(default)]
    services: Vec<String>,
}

/// How long each part of a time is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Each {
    #[default]
    Month,
    Day,
}

/// What costs are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    Service,
    Region,
    Account,
    UsageType,
}

/// What was spent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Spent {
    /// All of it, to the cent.
    total: f64,
    /// `USD`
    unit: String,
    /// By what it was to be told apart by; empty without that. What has no such tag is under the empty text.
    by: BTreeMap<String, f64>,
    /// In the order of time.
    parts: Vec<Part>,
}

/// What was spent in a part of the time.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Part {
    from: String,
    /// The day after.
    to: String,
    total: f64,
    by: BTreeMap<String, f64>,
    /// AWS is not done with counting.
    estimated: bool,
}

/// What is paid, before discounts are spread over accounts.
const METRIC: &str = "UnblendedCost";

impl Primitive for GetSpent {
    const PATH: &'static str = "cost::spent";
    const EFFECT: Effect = Effect::Read;
    type Out = Spent;

    async fn run(self, cx: &Cx) -> Result<Spent> {
        let from = day(&self.from, "from")?;
        let to = self.to.as_deref().map_or_else(|| Ok(today(cx)), |to| day(to, "to"))?;
        if to <= from {
            return Err(Error::invalid(format!("no day is from {from} until before {to}")));
        }
        if self.by.is_some() && self.tag.is_some() {
            return Err(Error::invalid("it is told apart either `by` something or by a `tag`"));
        }
        let client = client(cx)?;
        let tried = format!("asking what was spent from {from} until {to}");
        let unusable = |error| Error::invalid(format!("{tried}: {error}"));
        let time = DateInterval::builder().start(from.to_string()).end(to.to_string());
        let time = time.build().map_err(unusable)?;
        let mut spent = Spent { total: 0.0, unit: "USD".to_owned(), by: BTreeMap::new(), parts: Vec::new() };
        let mut next = None;
        loop {
            let asked = client.costs().get_cost_and_usage().time_period(time.clone()).metrics(METRIC);
            let asked = asked.granularity(self.each.granularity()).set_group_by(self.group());
            let asked = asked.set_filter(self.filter()).set_next_page_token(next).send();
            let page = client.call("ce:GetCostAndUsage", &tried, asked).await?;
            page.results_by_time().iter().for_each(|result| spent.take(result));
            next = page.next_page_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        spent.round();
        Ok(spent)
    }
}

impl Each {
    pub(super) fn granularity(self) -> Granularity {
        match self {
            Each::Month => Granularity::Monthly,
            Each::Day => Granularity::Daily,
        }
    }
}

impl GetSpent {
    fn group(&self) -> Option<Vec<GroupDefinition>> {
        let group = |kind, key: &str| Some(vec![GroupDefinition::builder().r#type(kind).key(key).build()]);
        match (self.by, &self.tag) {
            (_, Some(tag)) => group(GroupDefinitionType::Tag, tag),
            (Some(by), None) => group(
                GroupDefinitionType::Dimension,
                match by {
                    By::Service => "SERVICE",
                    By::Region => "REGION",
                    By::Account => "LINKED_ACCOUNT",
                    By::UsageType => "USAGE_TYPE",
                },
            ),
            (None, None) => None,
        }
    }

    fn filter(&self) -> Option<Expression> {
        let mut all: Vec<Expression> = self
            .tags
            .iter()
            .map(|(key, value)| {
                Expression::builder().tags(TagValues::builder().key(key).values(value).build()).build()
            })
            .collect();
        if !self.services.is_empty() {
            let services = DimensionValues::builder().key(Dimension::Service);
            let services = services.set_values(Some(self.services.clone())).build();
            all.push(Expression::builder().dimensions(services).build());
        }
        match all.len() {
            0 | 1 => all.pop(),
            _ => Some(Expression::builder().set_and(Some(all)).build()),
        }
    }
}

impl Spent {
    fn take(&mut self, result: &ResultByTime) {
        let of = |metrics: Option<&std::collections::HashMap<String, MetricValue>>| {
            let value = metrics.and_then(|metrics| metrics.get(METRIC));
            amount(value.and_then(|value| value.amount()))
        };
        let mut by = BTreeMap::new();
        for group in result.groups() {
            let key = group.keys().first().map(String::as_str).unwrap_or_default();
            // `team$platform`
            let key = key.split_once('$').map_or(key, |(_, value)| value);
            *by.entry(key.to_owned()).or_insert(0.0) += of(group.metrics());
        }
        let total = if by.is_empty() { of(result.total()) } else { by.values().sum() };
        for (key, amount) in &by {
            *self.by.entry(key.clone()).or_insert(0.0) += amount;
        }
        self.total += total;
        let time = result.time_period();
        let (from, to) = time.map(|time| (time.start(), time.end())).unwrap_or_default();
        let (from, to) = (from.to_owned(), to.to_owned());
        // Groups of one part may be on several pages.
        match self.parts.last_mut().filter(|last| last.from == from) {
            Some(last) => {
                last.total += total;
                by.into_iter().for_each(|(key, amount)| *last.by.entry(key).or_insert(0.0) += amount);
            }
            None => self.parts.push(Part { from, to, total, by, estimated: result.estimated() }),
        }
    }

    fn round(&mut self) {
        self.total = cents(self.total);
        self.by.values_mut().for_each(|amount| *amount = cents(*amount));
        for part in &mut self.parts {
            part.total = cents(part.total);
            part.by.values_mut().for_each(|amount| *amount = cents(*amount));
        }
    }
}
