use std::collections::BTreeMap;

use opsrun_core::{Cx, Effect, Error, Primitive, Result};
use opsrun_derive::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cents;
use crate::client::Client;
use crate::primitives::eks;
use crate::rds;

/// Estimates what all of it costs a month, by a table of prices and what is there.
///
/// The table says what is counted: `base` is what costs the same each month, `node` a node of the clusters' groups, or one of each type
/// of machine, of which `nodes_in_base` are in the base already, `databases` an instance of each class, twice where it has a standby, and
/// `storage` a GB of theirs. What has no price in a table that prices its kind is an error. How many nodes there are is asked of EKS,
/// unless `nodes` says for how many it is wanted to be known.
///
/// ```rhai
/// let prices = #{ base: 708, nodes_in_base: 3, node: 63 };
/// let estimate = cost::estimate(prices, #{ nodes: 20 });
/// assert(estimate.total == 1779.0);
/// ```
#[derive(Deserialize, JsonSchema, Args)]
pub(crate) struct GetEstimate {
    /// What things cost a month.
    #[arg(positional)]
    prices: Prices,
    /// For so many nodes, instead of those that there are.
    nodes: Option<u32>,
    /// Only the nodes of these clusters.
    #[serde(default)]
    clusters: Vec<String>,
    /// The region that is looked at; the target's if left out.
    region: Option<String>,
}

/// What things cost a month.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    /// What costs the same whatever there is.
    #[serde(default)]
    base: f64,
    /// So many nodes are in the base.
    #[serde(default)]
    nodes_in_base: u32,
    /// A node, or one of each type of machine.
    node: Option<PerNode>,
    /// An instance of RDS, by its class.
    databases: Option<BTreeMap<String, f64>>,
    /// A GB of a database's storage.
    storage: Option<f64>,
    /// `USD` by itself.
    unit: Option<String>,
}

/// The price of a node.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum PerNode {
    Each(f64),
    ByType(BTreeMap<String, f64>),
}

/// What a month costs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Estimate {
    /// To the cent.
    total: f64,
    unit: String,
    lines: Vec<Line>,
}

/// A part of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Line {
    what: String,
    count: f64,
    /// What one of them costs.
    each: f64,
    amount: f64,
}

impl Primitive for GetEstimate {
    const PATH: &'static str = "cost::estimate";
    const EFFECT: Effect = Effect::Read;
    type Out = Estimate;

    async fn run(self, cx: &Cx) -> Result<Estimate> {
        let mut lines = vec![line("base", 1.0, self.prices.base)];
        if let Some(node) = &self.prices.node {
            self.add_nodes(cx, node, &mut lines).await?;
        }
        if self.prices.databases.is_some() || self.prices.storage.is_some() {
            self.add_databases(cx, &mut lines).await?;
        }
        let total = cents(lines.iter().map(|line| line.amount).sum());
        let unit = self.prices.unit.unwrap_or_else(|| "USD".to_owned());
        Ok(Estimate { total, unit, lines })
    }
}

fn line(what: &str, count: f64, each: f64) -> Line {
    Line { what: what.to_owned(), count, each, amount: cents(count * each) }
}

/// The price of one, which has to be in the table.
fn price(prices: &BTreeMap<String, f64>, what: &str, name: &str) -> Result<f64> {
    prices.get(name).copied().ok_or_else(|| {
        let known: Vec<&str> = prices.keys().map(String::as_str).collect();
        Error::invalid(format!("`prices`: what a {what} {name} costs is not in the table"))
            .hint(format!("it has `{}`", known.join("`, `")))
    })
}

impl GetEstimate {
    async fn add_nodes(&self, cx: &Cx, node: &PerNode, lines: &mut Vec<Line>) -> Result<()> {
        let mut in_base = self.prices.nodes_in_base;
        let mut add = |what: &str, count: u32, each: f64| {
            let further = count.saturating_sub(in_base);
            in_base = in_base.saturating_sub(count);
            lines.push(line(what, f64::from(further), each));
        };
        match (self.nodes, node) {
            (Some(count), PerNode::Each(each)) => add("nodes", count, *each),
            (Some(count), PerNode::ByType(prices)) => match prices.iter().next() {
                Some((name, each)) if prices.len() == 1 => add(&format!("nodes {name}"), count, *each),
                _ => {
                    let message = "`nodes`: the table has several types of machines, and nothing says which";
                    return Err(Error::invalid(message));
                }
            },
            (None, node) => {
                for (name, count) in self.nodes_by_type(cx).await? {
                    let each = match node {
                        PerNode::Each(each) => *each,
                        PerNode::ByType(prices) => price(prices, "node", &name)?,
                    };
                    add(&format!("nodes {name}"), count, each);
                }
            }
        }
        Ok(())
    }

    /// How many nodes are wanted of each type of machine.
    async fn nodes_by_type(&self, cx: &Cx) -> Result<BTreeMap<String, u32>> {
        let client = Client::new(cx, self.region.as_deref())?;
        let clusters = match self.clusters.is_empty() {
            true => cluster_names(&client).await?,
            false => self.clusters.clone(),
        };
        let mut counts = BTreeMap::new();
        for cluster in clusters {
            for group in eks::group_names(&client, &cluster).await? {
                let group = eks::node_group(&client, &cluster, &group).await?;
                let name = group.instance_types.first().cloned().unwrap_or_default();
                *counts.entry(name).or_insert(0) += u32::try_from(group.desired).unwrap_or_default();
            }
        }
        Ok(counts)
    }

    async fn add_databases(&self, cx: &Cx, lines: &mut Vec<Line>) -> Result<()> {
        let client = Client::new(cx, self.region.as_deref())?;
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut storage = 0;
        for database in rds::instances(&client).await? {
            let copies = if database.multi_az { 2 } else { 1 };
            *counts.entry(database.class).or_insert(0) += copies;
            storage += u32::try_from(database.storage).unwrap_or_default() * copies;
        }
        if let Some(prices) = &self.prices.databases {
            for (class, count) in counts {
                let each = price(prices, "database of the class", &class)?;
                lines.push(line(&format!("databases {class}"), f64::from(count), each));
            }
        }
        if let Some(each) = self.prices.storage {
            lines.push(line("GB of databases", f64::from(storage), each));
        }
        Ok(())
    }
}

async fn cluster_names(client: &Client) -> Result<Vec<String>> {
    let tried = format!("listing the clusters of {}", client.region());
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page = client.eks().list_clusters().set_next_token(next).send();
        let page = client.call("eks:ListClusters", &tried, page).await?;
        all.extend(page.clusters().iter().cloned());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}
