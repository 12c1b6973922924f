//! Which names Kubernetes accepts for which kind.

/// The message of Kubernetes' validation, in Helm's words, if the name does not conform.
pub(super) fn check(kind: &str, name: &str) -> Result<(), String> {
    let problems = match kind.to_lowercase().as_str() {
        "certificatesigningrequest" => Vec::new(),
        "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => path_segment(name),
        "service" => dns_label_1035(name),
        "namespace" => dns_label(name),
        _ => dns_subdomain(name),
    };
    let invalid: Vec<String> =
        problems.iter().map(|problem| format!("metadata.name: Invalid value: {name:?}: {problem}")).collect();
    let text = match &invalid[..] {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    Err(format!("object name does not conform to Kubernetes naming requirements: {name:?}: {text}"))
}

fn is_lower_alphanumeric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| is_lower_alphanumeric(c) || c == '-')
        && text.starts_with(is_lower_alphanumeric)
        && text.ends_with(is_lower_alphanumeric)
}

fn too_long(name: &str, limit: usize) -> Option<String> {
    (name.len() > limit).then(|| format!("must be no more than {limit} characters"))
}

fn dns_subdomain(name: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(name, 253).into_iter().collect();
    if !name.split('.').all(is_label) {
        problems.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    problems
}

fn dns_label(name: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(name, 63).into_iter().collect();
    if !is_label(name) {
        problems.push(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
             end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    problems
}

fn dns_label_1035(name: &str) -> Vec<String> {
    let mut problems: Vec<String> = too_long(name, 63).into_iter().collect();
    if !is_label(name) || name.starts_with(|c: char| c.is_ascii_digit()) {
        problems.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    problems
}

fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .into_iter()
        .filter(|illegal| name.contains(illegal))
        .map(|illegal| format!("may not contain '{illegal}'"))
        .collect()
}
