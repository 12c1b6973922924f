mod estimate;
mod forecast;
mod spent;

use opsrun_core::{Cx, Declaration, Error, Result};

use crate::client::Client;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<estimate::GetEstimate>(),
    Declaration::of::<forecast::GetForecast>(),
    Declaration::of::<spent::GetSpent>(),
];

/// Cost Explorer answers for all regions in this one.
const REGION: &str = "us-east-1";

fn client(cx: &Cx) -> Result<Client> {
    Client::new(cx, Some(REGION))
}

/// A day as it is written: `2026-03-01`.
fn day(text: &str, what: &str) -> Result<jiff::civil::Date> {
    text.parse().map_err(|_| {
        Error::invalid(format!("`{what}`: `{text}` is no day")).hint("write it like `2026-03-01`")
    })
}

fn today(cx: &Cx) -> jiff::civil::Date {
    cx.now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// To the cent: what AWS tells has ten decimals, and sums of them more.
fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

fn amount(text: Option<&str>) -> f64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
