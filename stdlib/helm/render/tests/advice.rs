//! Our own lint rules: what they say, of which line, and that they can be told from Helm's.

mod support;

use helm_render::{KubeVersion, LintMessage, LintOptions, Origin, Severity, Values, lint, lint_with};

const POD: &str = "apiVersion: v1
kind: Pod
metadata:
  name: x
spec:
  initContainers:
  - name: first
    image: registry:5000/first
    resources: {limits: {memory: 1Gi}}
  containers:
  {{- range list \"one:latest\" \"two@sha256:abc\" \"three:1.2\" }}
  - name: {{ splitList \":\" . | first | splitList \"@\" | first }}
    image: {{ . | quote }}
    {{- if hasPrefix \"three\" . }}
    resources:
      limits: {cpu: 1}
    {{- end }}
  {{- end }}
";

fn advice(files: &[(&str, &str)], target: Option<&str>) -> Vec<String> {
    let target = target.map(|version| KubeVersion::parse(version).expect("a version"));
    let wanted = LintOptions { advice: true, target };
    let found = lint_with(&support::files(files), "chart", &Values::new(), &support::options(), &wanted);
    let is_ours = |message: &&LintMessage| message.origin == Origin::Advice;
    let ours = found.iter().filter(is_ours);
    ours.inspect(|message| assert_eq!(message.severity, Severity::Warning)).map(ToString::to_string).collect()
}

#[test]
fn images_without_a_tag_and_containers_without_limits_are_named_with_their_line() {
    assert_eq!(
        advice(&[("templates/pod.yaml", POD)], None),
        [
            "[WARNING] templates/pod.yaml:8: the image registry:5000/first of the container first has no tag: it is the latest",
            "[WARNING] templates/pod.yaml:13: the image one:latest of the container one is whatever is latest",
            "[WARNING] templates/pod.yaml:12: the container one has no limits of its resources",
            "[WARNING] templates/pod.yaml:12: the container two has no limits of its resources",
        ]
    );
}

#[test]
fn what_an_included_template_writes_is_said_of_the_line_that_includes_it() {
    let helper = "{{ define \"c\" }}- name: c\n  image: c{{ end }}";
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  template:\n    spec:\n      containers:\n{{ include \"c\" . | indent 6 }}\n";
    assert_eq!(
        advice(&[("templates/job.yaml", job), ("templates/_c.tpl", helper)], None),
        [
            "[WARNING] templates/job.yaml:8: the image c of the container c has no tag: it is the latest",
            "[WARNING] templates/job.yaml:8: the container c has no limits of its resources",
        ]
    );
}

#[test]
fn versions_of_the_api_are_held_against_the_target() {
    let files = [(
        "templates/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: apiextensions.k8s.io/v1beta1\n  kind: CustomResourceDefinition\n",
    )];
    assert!(advice(&files, None).is_empty(), "no target, no advice");
    assert!(advice(&files, Some("1.15")).is_empty(), "both are fine there");
    assert_eq!(
        advice(&files, Some("1.22")),
        [
            "[WARNING] templates/a.yaml:4: policy/v1beta1 PodDisruptionBudget is deprecated since Kubernetes 1.21 and removed in 1.25; use policy/v1 PodDisruptionBudget",
            "[WARNING] templates/a.yaml:10: Kubernetes 1.22 does not serve apiextensions.k8s.io/v1beta1 CustomResourceDefinition, which was removed in 1.22; use apiextensions.k8s.io/v1 CustomResourceDefinition",
        ]
    );
}

#[test]
fn helms_rules_alone_are_what_they_were() {
    let files = support::files(&[("templates/pod.yaml", POD), ("values.yaml", "")]);
    let found = lint(&files, "chart", &Values::new(), &support::options());
    assert!(found.iter().all(|message| message.origin == Origin::Helm && message.line.is_none()));
    let all = lint_with(&files, "chart", &Values::new(), &support::options(), &LintOptions::default());
    assert_eq!(all[..found.len()], found[..]);
    assert_eq!(all.len(), found.len() + 4);
}
