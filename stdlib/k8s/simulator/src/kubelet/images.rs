//! Images on nodes: which are there, pulls that take time or fail, and pod addresses.
//! It knows what the estate says of an image, not what a pod wants with it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

use super::container::{BackOff, Container, Pull};
use super::status::go_duration;
use crate::context::{Cx, text};
use crate::controllers::events::{Recorder, Tone};
use crate::controllers::object::pod;

/// How long a registry takes to refuse, and to say that nothing is newer.
const ROUND_TRIP: SignedDuration = SignedDuration::from_millis(300);
/// How long a failed pull shows before it is known as backing off.
const NOTICE: SignedDuration = SignedDuration::from_secs(3);

/// What all nodes hold.
#[derive(Clone, Default)]
pub(super) struct Images {
    /// By node and name.
    pulled: BTreeSet<(String, String)>,
    back_offs: BTreeMap<(String, String), BackOff>,
    /// Nodes in the order in which they got their first pod, and how many addresses each gave out.
    addresses: BTreeMap<String, u32>,
    networks: BTreeMap<String, usize>,
}

impl Images {
    /// A new address in the node's network.
    pub(super) fn new_address(&mut self, of: &Value) -> String {
        if of["spec"]["hostNetwork"] == true
            && let Some(host) = of["status"]["hostIP"].as_str()
        {
            return host.to_owned();
        }
        let node = pod::node(of).to_owned();
        let networks = self.networks.len();
        let network = *self.networks.entry(node.clone()).or_insert(networks);
        let given = self.addresses.entry(node).or_insert(1);
        *given += 1;
        format!(
            "10.{}.{}.{}",
            244 + given.checked_div(65_536).unwrap_or(0),
            network + (*given as usize / 254),
            *given % 254 + 1
        )
    }

    /// Gets the image nearer to the node; says whether it is there.
    #[allow(clippy::too_many_arguments)] // one container's pull, and who hears of it
    pub(super) fn pull(
        &mut self,
        cx: &mut Cx<'_>,
        of: &Value,
        spec: &Value,
        container: &mut Container,
        part: &str,
        others_pull: bool,
        node: Recorder<'_>,
    ) -> bool {
        let now = cx.now();
        let place = (pod::node(of).to_owned(), container.image.clone());
        let policy = text(&spec["imagePullPolicy"]);
        match container.pull {
            Pull::Done => return true,
            Pull::Running { done, .. } if done > now => return false,
            Pull::Running { since, .. } => {
                return match container.behaviour.pull_error.clone() {
                    None => {
                        let took = go_duration(now.duration_since(since));
                        let message = format!(
                            "Successfully pulled image \"{}\" in {took} ({took} including waiting). Image size: {} bytes.",
                            container.image,
                            size(&container.image),
                        );
                        node.record(cx, of, part, Tone::Normal, "Pulled", &message);
                        self.pulled.insert(place);
                        container.pull = Pull::Done;
                        true
                    }
                    Some(error) => {
                        self.refuse(cx, of, container, part, &error, node);
                        false
                    }
                };
            }
            Pull::Wanted => {}
        }
        let present = container.behaviour.present || self.pulled.contains(&place);
        if present && policy != "Always" {
            let message = format!("Container image \"{}\" already present on machine", container.image);
            node.record(cx, of, part, Tone::Normal, "Pulled", &message);
            container.pull = Pull::Done;
            return true;
        }
        if policy == "Never" {
            let message =
                format!("Container image \"{}\" is not present with pull policy of Never", container.image);
            node.record(cx, of, part, Tone::Warning, "ErrImageNeverPull", &message);
            node.record(cx, of, part, Tone::Warning, "Failed", "Error: ErrImageNeverPull");
            container.wait("ErrImageNeverPull", message);
            container.next = Some(now + SignedDuration::from_secs(10));
            return false;
        }
        if others_pull {
            container.next = Some(now + ROUND_TRIP);
            return false;
        }
        if let Some(until) = self.back_offs.get(&place).map(BackOff::next).filter(|until| *until > now) {
            let error = container.behaviour.pull_error.clone().unwrap_or_default();
            let message = format!("Back-off pulling image \"{}\"", container.image);
            node.record(cx, of, part, Tone::Normal, "BackOff", &message);
            node.record(cx, of, part, Tone::Warning, "Failed", "Error: ImagePullBackOff");
            let why = format!("{message}: ErrImagePull: {}", full_error(&container.image, &error));
            container.wait("ImagePullBackOff", why);
            container.next = Some(until);
            return false;
        }
        node.record(cx, of, part, Tone::Normal, "Pulling", &format!("Pulling image \"{}\"", container.image));
        let quick = present || container.behaviour.pull_error.is_some();
        let takes =
            SignedDuration::try_from(container.behaviour.pull.duration()).unwrap_or(SignedDuration::MAX);
        let done = now + if quick { takes.min(ROUND_TRIP) } else { takes };
        container.pull = Pull::Running { since: now, done };
        if done <= now {
            return self.pull(cx, of, spec, container, part, others_pull, node);
        }
        false
    }

    fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        of: &Value,
        container: &mut Container,
        part: &str,
        error: &str,
        node: Recorder<'_>,
    ) {
        let now = cx.now();
        let why = full_error(&container.image, error);
        let message = format!("Failed to pull image \"{}\": {why}", container.image);
        node.record(cx, of, part, Tone::Warning, "Failed", &message);
        node.record(cx, of, part, Tone::Warning, "Failed", "Error: ErrImagePull");
        let place = (pod::node(of).to_owned(), container.image.clone());
        self.back_offs.entry(place).or_default().attempt(now);
        container.wait("ErrImagePull", why);
        container.pull = Pull::Wanted;
        container.next = Some(now + NOTICE);
    }
}

/// What the runtime says around the registry's words.
fn full_error(image: &str, error: &str) -> String {
    let name = full_name(image);
    format!("failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {error}")
}

/// With the default registry and tag.
fn full_name(image: &str) -> String {
    let first = image.split('/').next().unwrap_or_default();
    let has_registry = image.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let name = match (has_registry, image.contains('/')) {
        (true, _) => image.to_owned(),
        (false, true) => format!("docker.io/{image}"),
        (false, false) => format!("docker.io/library/{image}"),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { name } else { format!("{name}:latest") }
}

/// Why a name cannot be an image's.
pub(super) fn invalid_name(image: &str) -> Option<String> {
    let (path, _) = image.split_once('@').unwrap_or((image, ""));
    let cut = path.rfind(':').filter(|at| !path[*at..].contains('/')).unwrap_or(path.len());
    let repository = &path[..cut];
    let remainder = match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => rest,
        _ => repository,
    };
    let reason = if remainder.chars().any(|c| c.is_ascii_uppercase()) {
        format!("repository name ({remainder}) must be lowercase")
    } else if remainder.is_empty()
        || remainder.contains(|c: char| !(c.is_ascii_alphanumeric() || "._-/".contains(c)))
    {
        String::new()
    } else {
        return None;
    };
    let detail = if reason.is_empty() {
        "invalid reference format".to_owned()
    } else {
        format!("invalid reference format: {reason}")
    };
    Some(format!(
        "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {detail}"
    ))
}

/// Some size that is always the same for a name.
fn size(image: &str) -> u64 {
    20_000_000 + image.bytes().fold(7u64, |hash, byte| (hash * 31 + u64::from(byte)) % 80_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_and_checked() {
        assert_eq!(full_name("nginx"), "docker.io/library/nginx:latest");
        assert_eq!(full_name("team/app:1"), "docker.io/team/app:1");
        assert_eq!(full_name("127.0.0.1:1/none:1"), "127.0.0.1:1/none:1");
        assert!(invalid_name("127.0.0.1:1/none:1").is_none());
        let why = invalid_name("opsrun.test/Web:1").expect("upper case");
        assert!(why.ends_with("invalid reference format: repository name (Web) must be lowercase"), "{why}");
    }
}
