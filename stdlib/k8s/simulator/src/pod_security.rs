//! The Pod Security Standards: what a namespace's labels forbid its pods, in the words of that admission.
//! Functions of labels, annotations and specs; it refuses nothing itself.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::context::text;
use crate::status::Invalid;

const PREFIX: &str = "pod-security.kubernetes.io/";

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

/// What is wrong with the labels of a namespace.
pub(crate) fn validate_labels(namespace: &Value) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    for mode in ["enforce", "audit", "warn"] {
        let label =
            |suffix: &str| namespace["metadata"]["labels"][format!("{PREFIX}{mode}{suffix}")].as_str();
        if let Some(level) = label("").filter(|level| Level::parse(level).is_none()) {
            let why = "must be one of privileged, baseline, restricted";
            wrong.push(Invalid::value(format!("metadata.labels[{PREFIX}{mode}]"), level, why));
        }
        let minor =
            |version: &str| version.strip_prefix("v1.").is_some_and(|minor| minor.parse::<u32>().is_ok());
        if let Some(version) = label("-version").filter(|version| *version != "latest" && !minor(version)) {
            let why = "must be \"latest\" or \"v1.x\"";
            wrong.push(Invalid::value(format!("metadata.labels[{PREFIX}{mode}-version]"), version, why));
        }
    }
    wrong
}

/// What a pod or a template of one violates of a namespace's level for a mode (`enforce`, `warn`):
/// `PodSecurity "restricted:latest": …`.
pub(crate) fn violation(namespace: &Value, mode: &str, pod: &Value) -> Option<String> {
    let labels = &namespace["metadata"]["labels"];
    let name = labels[format!("{PREFIX}{mode}")].as_str()?;
    let version = labels[format!("{PREFIX}{mode}-version")].as_str().unwrap_or("latest");
    let check = Check { spec: &pod["spec"], annotations: &pod["metadata"]["annotations"] };
    let found = match Level::parse(name)? {
        Level::Privileged => return None,
        Level::Baseline => check.baseline(false),
        Level::Restricted => [check.baseline(true), check.restricted()].concat(),
    };
    let found: Vec<String> =
        found.into_iter().map(|(reason, detail)| format!("{reason} ({detail})")).collect();
    (!found.is_empty()).then(|| format!("PodSecurity \"{name}:{version}\": {}", found.join(", ")))
}

/// A reason, and who gives it.
type Found = (String, String);

struct Check<'a> {
    spec: &'a Value,
    annotations: &'a Value,
}

impl<'a> Check<'a> {
    /// What no ordinary pod needs. What `restricted` says more strictly itself is left out then.
    fn baseline(&self, restricted: bool) -> Vec<Found> {
        let all = [
            self.app_armor(),
            self.capabilities().filter(|_| !restricted),
            self.host_namespaces(),
            self.host_paths().filter(|_| !restricted),
            self.host_ports(),
            self.probe_hosts(),
            self.containers_that("privileged", "must not set securityContext.privileged=true", |container| {
                container["securityContext"]["privileged"] == true
            }),
            self.proc_mount().filter(|_| !self.has_own_users()),
            self.selinux(),
            self.seccomp(false).filter(|_| !restricted),
            self.sysctls(),
            self.host_process(),
        ];
        all.into_iter().flatten().collect()
    }

    fn restricted(&self) -> Vec<Found> {
        let windows = self.spec["os"]["name"] == "windows";
        let users = self.has_own_users();
        let escalation = self.containers_that(
            "allowPrivilegeEscalation != false",
            "must set securityContext.allowPrivilegeEscalation=false",
            |container| container["securityContext"]["allowPrivilegeEscalation"] != false,
        );
        let all = [
            escalation.filter(|_| !windows),
            self.dropped_capabilities().filter(|_| !windows),
            self.volumes(),
            self.non_root().filter(|_| !users),
            self.root_user().filter(|_| !users),
            self.seccomp(true).filter(|_| !windows),
        ];
        all.into_iter().flatten().collect()
    }

    fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let spec = self.spec;
        let lists = ["initContainers", "containers", "ephemeralContainers"].into_iter();
        lists.flat_map(move |list| spec[list].as_array().into_iter().flatten())
    }

    /// The names of the containers for which something holds.
    fn named(&self, test: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers()
            .filter(|container| test(container))
            .map(|container| text(&container["name"]))
            .collect()
    }

    fn containers_that(&self, reason: &str, must: &str, test: impl Fn(&Value) -> bool) -> Option<Found> {
        let bad = self.named(test);
        (!bad.is_empty()).then(|| (reason.to_owned(), format!("{} {must}", containers(&bad))))
    }

    /// Root within is nobody outside.
    fn has_own_users(&self) -> bool {
        self.spec["hostUsers"] == false
    }

    /// Who sets something bad: `pod and container "a"`.
    fn setters(&self, test: impl Fn(&Value) -> bool) -> Option<String> {
        let pod = test(&self.spec["securityContext"]).then(|| "pod".to_owned());
        let bad = self.named(|container| test(&container["securityContext"]));
        let named = (!bad.is_empty()).then(|| containers(&bad));
        let all: Vec<String> = pod.into_iter().chain(named).collect();
        (!all.is_empty()).then(|| all.join(" and "))
    }

    /// The values that pod and containers give, out of their security contexts.
    fn values(&self, value: impl Fn(&Value) -> Vec<String>) -> BTreeSet<String> {
        let contexts = self.containers().map(|container| &container["securityContext"]);
        contexts.chain([&self.spec["securityContext"]]).flat_map(value).collect()
    }

    fn app_armor(&self) -> Option<Found> {
        let bad = |context: &Value| -> Vec<String> {
            let kind = text(&context["appArmorProfile"]["type"]);
            (!matches!(kind, "" | "RuntimeDefault" | "Localhost"))
                .then(|| kind.to_owned())
                .into_iter()
                .collect()
        };
        let annotations: Vec<String> = self
            .annotations
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), text(value)))
            .filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"))
            .filter(|(_, value)| {
                !matches!(*value, "" | "runtime/default") && !value.starts_with("localhost/")
            })
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect();
        let annotated = (!annotations.is_empty()).then(|| plural("annotation", annotations.len()));
        let setters: Vec<String> =
            self.setters(|context| !bad(context).is_empty()).into_iter().chain(annotated).collect();
        if setters.is_empty() {
            return None;
        }
        let values: Vec<String> = self.values(bad).into_iter().chain(annotations).collect();
        let (reason, setters) = (plural("forbidden AppArmor profile", values.len()), setters.join(" and "));
        Some((reason, format!("{setters} must not set AppArmor profile type to {}", quoted(&values))))
    }

    fn capabilities(&self) -> Option<Found> {
        const ALLOWED: [&str; 13] = [
            "AUDIT_WRITE",
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "FSETID",
            "KILL",
            "MKNOD",
            "NET_BIND_SERVICE",
            "SETFCAP",
            "SETGID",
            "SETPCAP",
            "SETUID",
            "SYS_CHROOT",
        ];
        let added = |container: &Value| added_but(container, &ALLOWED);
        let must = self.added_words(added);
        self.containers_that("non-default capabilities", &must, |container| !added(container).is_empty())
    }

    fn added_words(&self, added: impl Fn(&Value) -> Vec<String>) -> String {
        let all: BTreeSet<String> = self.containers().flat_map(added).collect();
        let all: Vec<String> = all.into_iter().collect();
        format!("must not include {} in securityContext.capabilities.add", quoted(&all))
    }

    fn host_namespaces(&self) -> Option<Found> {
        let used =
            ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| self.spec[*field] == true);
        let used: Vec<String> = used.map(|field| format!("{field}=true")).collect();
        (!used.is_empty()).then(|| ("host namespaces".to_owned(), used.join(", ")))
    }

    fn host_paths(&self) -> Option<Found> {
        let volumes = self.spec["volumes"].as_array().into_iter().flatten();
        let bad: Vec<&str> = volumes
            .filter(|volume| volume["hostPath"].is_object())
            .map(|volume| text(&volume["name"]))
            .collect();
        let words = format!("{} {}", plural("volume", bad.len()), quoted(&bad));
        (!bad.is_empty()).then(|| ("hostPath volumes".to_owned(), words))
    }

    fn host_ports(&self) -> Option<Found> {
        let ports = |container: &Value| -> Vec<String> {
            let ports = container["ports"].as_array().into_iter().flatten();
            ports
                .filter_map(|port| port["hostPort"].as_i64())
                .filter(|p| *p != 0)
                .map(|p| p.to_string())
                .collect()
        };
        let bad = self.named(|container| !ports(container).is_empty());
        let all: BTreeSet<String> = self.containers().flat_map(ports).collect();
        let all: Vec<String> = all.into_iter().collect();
        let words = format!(
            "{} {} {} {}",
            containers(&bad),
            uses(&bad),
            plural("hostPort", all.len()),
            all.join(", ")
        );
        (!bad.is_empty()).then(|| ("hostPort".to_owned(), words))
    }

    fn probe_hosts(&self) -> Option<Found> {
        let hosts = |container: &Value| -> Vec<String> {
            let probes =
                ["livenessProbe", "readinessProbe", "startupProbe"].iter().map(|probe| &container[*probe]);
            let hooks = ["postStart", "preStop"].iter().map(|hook| &container["lifecycle"][*hook]);
            let all =
                probes.chain(hooks).flat_map(|one| [&one["httpGet"]["host"], &one["tcpSocket"]["host"]]);
            all.map(text).filter(|host| !host.is_empty()).map(str::to_owned).collect()
        };
        let mut bad = self.named(|container| !hosts(container).is_empty());
        bad.sort_unstable();
        let all: BTreeSet<String> = self.containers().flat_map(hosts).collect();
        let all: Vec<String> = all.into_iter().collect();
        let what = plural("probe or lifecycle host", all.len());
        let words = format!("{} {} {what} {}", containers(&bad), uses(&bad), quoted(&all));
        (!bad.is_empty()).then(|| ("probe or lifecycle host".to_owned(), words))
    }

    fn proc_mount(&self) -> Option<Found> {
        let bad = |container: &Value| -> Vec<String> {
            let kind = text(&container["securityContext"]["procMount"]);
            (!matches!(kind, "" | "Default")).then(|| kind.to_owned()).into_iter().collect()
        };
        let all: BTreeSet<String> = self.containers().flat_map(bad).collect();
        let all: Vec<String> = all.into_iter().collect();
        let must = format!("must not set securityContext.procMount to {}", quoted(&all));
        self.containers_that("procMount", &must, |container| !bad(container).is_empty())
    }

    fn selinux(&self) -> Option<Found> {
        const TYPES: [&str; 5] =
            ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
        let kind = |context: &Value| -> Vec<String> {
            let kind = text(&context["seLinuxOptions"]["type"]);
            (!TYPES.contains(&kind)).then(|| kind.to_owned()).into_iter().collect()
        };
        let sets = |context: &Value, field: &str| !text(&context["seLinuxOptions"][field]).is_empty();
        let setters = self
            .setters(|context| !kind(context).is_empty() || sets(context, "user") || sets(context, "role"))?;
        let kinds: Vec<String> = self.values(kind).into_iter().collect();
        let mut what = Vec::new();
        if !kinds.is_empty() {
            what.push(format!("{} {}", plural("type", kinds.len()), quoted(&kinds)));
        }
        for field in ["user", "role"] {
            if self.setters(|context| sets(context, field)).is_some() {
                what.push(format!("{field} may not be set"));
            }
        }
        let words = format!("{setters} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
        Some(("seLinuxOptions".to_owned(), words))
    }

    /// A profile that is none; if one must be given, also a container without any.
    fn seccomp(&self, demanded: bool) -> Option<Found> {
        let kind = |context: &Value| context["seccompProfile"]["type"].as_str().map(str::to_owned);
        let bad = |context: &Value| -> Vec<String> {
            kind(context)
                .filter(|kind| !matches!(kind.as_str(), "RuntimeDefault" | "Localhost"))
                .into_iter()
                .collect()
        };
        let reason = "seccompProfile".to_owned();
        if let Some(setters) = self.setters(|context| !bad(context).is_empty()) {
            let values: Vec<String> = self.values(bad).into_iter().collect();
            let must = "must not set securityContext.seccompProfile.type to";
            return Some((reason, format!("{setters} {must} {}", quoted(&values))));
        }
        let given = kind(&self.spec["securityContext"]).is_some();
        let without = self.named(|container| !given && kind(&container["securityContext"]).is_none());
        (demanded && !without.is_empty()).then(|| {
            let must = "must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
            (reason, format!("pod or {} {must}", containers(&without)))
        })
    }

    fn sysctls(&self) -> Option<Found> {
        const ALLOWED: [&str; 12] = [
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range",
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ip_local_reserved_ports",
            "net.ipv4.tcp_keepalive_time",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_rmem",
            "net.ipv4.tcp_wmem",
        ];
        let all = self.spec["securityContext"]["sysctls"].as_array().into_iter().flatten();
        let bad: Vec<&str> =
            all.map(|one| text(&one["name"])).filter(|name| !ALLOWED.contains(name)).collect();
        (!bad.is_empty()).then(|| ("forbidden sysctls".to_owned(), bad.join(", ")))
    }

    fn host_process(&self) -> Option<Found> {
        let setters = self.setters(|context| context["windowsOptions"]["hostProcess"] == true)?;
        let must = "must not set securityContext.windowsOptions.hostProcess=true";
        Some(("hostProcess".to_owned(), format!("{setters} {must}")))
    }

    fn dropped_capabilities(&self) -> Option<Found> {
        let drops_all = |container: &Value| {
            let dropped =
                container["securityContext"]["capabilities"]["drop"].as_array().into_iter().flatten();
            dropped.into_iter().any(|capability| capability == "ALL")
        };
        let added = |container: &Value| added_but(container, &["NET_BIND_SERVICE"]);
        let keeping = self.named(|container| !drops_all(container));
        let adding = self.named(|container| !added(container).is_empty());
        let mut what = Vec::new();
        if !keeping.is_empty() {
            what.push(format!(
                "{} must set securityContext.capabilities.drop=[\"ALL\"]",
                containers(&keeping)
            ));
        }
        if !adding.is_empty() {
            what.push(format!("{} {}", containers(&adding), self.added_words(added)));
        }
        (!what.is_empty()).then(|| ("unrestricted capabilities".to_owned(), what.join("; ")))
    }

    fn volumes(&self) -> Option<Found> {
        const ALLOWED: [&str; 9] = [
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "image",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ];
        let kind = |volume: &Value| -> Option<String> {
            let keys = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            keys.filter(|key| *key != "name").map(str::to_owned).next()
        };
        let volumes = self.spec["volumes"].as_array().into_iter().flatten();
        let bad: Vec<&Value> = volumes
            .filter(|volume| kind(volume).is_some_and(|kind| !ALLOWED.contains(&kind.as_str())))
            .collect();
        if bad.is_empty() {
            return None;
        }
        let names: Vec<&str> = bad.iter().map(|volume| text(&volume["name"])).collect();
        let kinds: BTreeSet<String> = bad.iter().filter_map(|volume| kind(volume)).collect();
        let kinds: Vec<String> = kinds.into_iter().collect();
        let what = plural("restricted volume type", kinds.len());
        let volumes = plural("volume", names.len());
        let words = format!("{volumes} {} {} {what} {}", quoted(&names), uses(&names), quoted(&kinds));
        Some(("restricted volume types".to_owned(), words))
    }

    fn non_root(&self) -> Option<Found> {
        let reason = "runAsNonRoot != true".to_owned();
        if let Some(setters) = self.setters(|context| context["runAsNonRoot"] == false) {
            return Some((reason, format!("{setters} must not set securityContext.runAsNonRoot=false")));
        }
        let given = self.spec["securityContext"]["runAsNonRoot"] == true;
        let without =
            self.named(|container| !given && container["securityContext"]["runAsNonRoot"].is_null());
        (!without.is_empty()).then(|| {
            (reason, format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&without)))
        })
    }

    fn root_user(&self) -> Option<Found> {
        let setters = self.setters(|context| context["runAsUser"] == 0)?;
        Some(("runAsUser=0".to_owned(), format!("{setters} must not set runAsUser=0")))
    }
}

fn added_but(container: &Value, allowed: &[&str]) -> Vec<String> {
    let added = container["securityContext"]["capabilities"]["add"].as_array().into_iter().flatten();
    added.map(text).filter(|capability| !allowed.contains(capability)).map(str::to_owned).collect()
}

fn quoted<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("\"{}\"", item.as_ref())).collect();
    items.join(", ")
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn uses(subjects: &[&str]) -> &'static str {
    if subjects.len() == 1 { "uses" } else { "use" }
}

/// `container "a"`, `containers "a", "b"`.
fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", names.len()), quoted(names))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(level: &str, spec: &Value) -> Option<String> {
        let namespace = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}});
        violation(&namespace, "enforce", &json!({"spec": spec}))
    }

    #[test]
    fn a_level_says_what_it_forbids_and_by_whom() {
        let plain =
            json!({"containers": [{"name": "a"}, {"name": "b", "securityContext": {"privileged": true}}]});
        assert_eq!(found("privileged", &plain), None);
        assert_eq!(
            found("baseline", &plain).expect("forbidden"),
            "PodSecurity \"baseline:latest\": privileged (container \"b\" must not set securityContext.privileged=true)"
        );
        let host = json!({"hostNetwork": true, "containers": [{"name": "a", "ports": [{"hostPort": 80}]}]});
        assert_eq!(
            found("baseline", &host).expect("forbidden"),
            "PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true), hostPort (container \"a\" uses hostPort 80)"
        );
    }

    #[test]
    fn a_careful_pod_passes_everywhere() {
        let spec = json!({
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "a", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            }}],
        });
        assert_eq!(found("restricted", &spec), None);
    }
}
