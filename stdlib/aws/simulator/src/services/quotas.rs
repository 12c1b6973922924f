//! Service Quotas: how many virtual processors may run.

use serde_json::{Value, json};

use crate::estate::RegionSection;
use crate::fault::{Answer, Fault};
use crate::protocol::{Call, text};
use crate::world::{Aws, Caller};

/// `Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances`
const VCPUS: &str = "L-1216C47A";
const USUAL_VCPUS: u32 = 256;

#[derive(Debug, Clone)]
pub(crate) struct Quotas {
    pub(crate) vcpus: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas { vcpus: USUAL_VCPUS }
    }
}

impl Quotas {
    pub(crate) fn start(section: &RegionSection) -> Self {
        Quotas { vcpus: section.vcpus.unwrap_or(USUAL_VCPUS) }
    }
}

pub(crate) fn call(world: &mut Aws, caller: &Caller, call: &Call) -> Answer {
    match call.operation.as_str() {
        "GetServiceQuota" => {
            let (service, code) = (text(&call.input, "ServiceCode")?, text(&call.input, "QuotaCode")?);
            if (service, code) != ("ec2", VCPUS) {
                let message = "The request failed because the specified resource does not exist.";
                return Err(Fault::sender("NoSuchResourceException", message));
            }
            Ok(json!({ "Quota": vcpus(world.region_of(caller)) }))
        }
        "ListServiceQuotas" => Ok(json!({ "Quotas": [vcpus(world.region_of(caller))] })),
        operation => Err(Fault::not_simulated("servicequotas", operation)),
    }
}

fn vcpus(region: &crate::world::Region) -> Value {
    json!({
        "ServiceCode": "ec2",
        "QuotaCode": VCPUS,
        "QuotaName": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        "Value": region.quotas.vcpus,
        "Unit": "None",
        "Adjustable": true,
    })
}
