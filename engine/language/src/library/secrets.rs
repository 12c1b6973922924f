//! Secrets: a playbook names them and puts them together with other text; their values it never has.

use rhai::{Dynamic, NativeCallContext};

use super::{Function, Outcome, invalid};
use crate::failure::fail;
use crate::host::Here;
use crate::value::kind_of;

pub(super) const FUNCTIONS: &[Function] = &[function!(
    "secret",
    "secret(reference) -> string",
    "Names a secret: the text stands for its value wherever a primitive takes secrets, also within a longer text.\n\n\
     It is read when a primitive needs it, once in a run; the playbook itself never has the value. A reference is `env:NAME`, `file:PATH` \
     (from the project's folder), `command:PROGRAM ARGUMENTS`, `k8s:NAMESPACE/NAME#KEY` or `vault:PATH#KEY`, and needs the grant \
     `secret read REFERENCE`. In a rehearsal the estate file's `secrets` say the value; else it is a placeholder.\n\n\
     ```rhai\nlet authorization = `Bearer ${secret(\"env:API_TOKEN\")}`;\n```",
    |ctx: NativeCallContext, reference: &str| -> Outcome<String> {
        Here::of(&ctx)?.branch.secret(reference).map_err(|error| fail(&ctx, error))
    }
)];

/// What stands for the secret that a parameter is: named by a reference, or given as it is. An empty text is no secret.
pub(super) fn of_parameter(ctx: &NativeCallContext, name: &str, value: Dynamic) -> Outcome<Dynamic> {
    if value.is_unit() {
        return Ok(value);
    }
    let Ok(text) = value.clone().into_string() else {
        return invalid(ctx, format!("the secret parameter `{name}` is a text, this is {}", kind_of(&value)));
    };
    let branch = Here::of(ctx)?.branch;
    let marker = match text.as_str() {
        "" => return Ok(value),
        text if opsrun_runtime::is_reference(branch.run().registry(), text) => branch.secret(text),
        text => branch.secret_parameter(name, text),
    };
    marker.map(Dynamic::from).map_err(|error| fail(ctx, error))
}
