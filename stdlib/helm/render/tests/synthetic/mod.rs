//! Charts made up to be large in one way, for tests and benchmarks of how time grows with size.

#![allow(dead_code)] // Not every user needs all of them.

/// A chart's files by their paths.
pub(crate) type ChartFiles = Vec<(String, String)>;

fn chart_yaml(name: &str, more: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n{more}")
}

/// A chart that depends on so many charts, each with a few templates, helpers and values, and a condition.
pub(crate) fn with_dependencies(count: usize) -> ChartFiles {
    let mut files = ChartFiles::new();
    let mut dependencies = String::from("dependencies:\n");
    let mut values = String::from("global:\n  team: ops\n");
    for i in 0..count {
        let name = format!("part-{i}");
        dependencies.push_str(&format!(
            "- name: {name}\n  version: 1.x\n  repository: \"\"\n  condition: {name}.enabled\n"
        ));
        values.push_str(&format!("{name}:\n  enabled: true\n  replicas: {}\n", i % 5));
        let folder = format!("charts/{name}");
        let mut add = |path: &str, text: String| files.push((format!("{folder}/{path}"), text));
        add("Chart.yaml", chart_yaml(&name, ""));
        add("values.yaml", "replicas: 1\nlabels:\n  tier: back\nenv:\n  A: one\n  B: two\n".to_owned());
        add("templates/_helpers.tpl", HELPERS.replace("NAME", &name));
        add("templates/deployment.yaml", DEPLOYMENT.replace("NAME", &name));
        add("templates/config.yaml", CONFIG.replace("NAME", &name));
    }
    files.push(("Chart.yaml".to_owned(), chart_yaml("many-parts", &dependencies)));
    files.push(("values.yaml".to_owned(), values));
    files
}

const HELPERS: &str = r#"{{ define "NAME.name" }}{{ .Release.Name }}-{{ .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{ define "NAME.labels" }}
app: {{ include "NAME.name" . }}
team: {{ .Values.global.team }}
{{ toYaml .Values.labels }}
{{- end }}
"#;

const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "NAME.name" . }}
  labels: {{- include "NAME.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
      - name: main
        image: "{{ .Chart.Name }}:{{ .Chart.Version }}"
        env:
        {{- range $key, $value := .Values.env }}
        - {name: {{ $key }}, value: {{ $value | quote }}}
        {{- end }}
"#;

const CONFIG: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "NAME.name" . }}
  labels: {{- include "NAME.labels" . | nindent 4 }}
data:
  env: {{ .Values.env | toJson | quote }}
"#;

/// A chart that renders so many texts with `tpl`, each another one, which includes a helper.
pub(crate) fn with_tpl_calls(count: usize) -> ChartFiles {
    let helper = "{{ define \"texts.name\" }}{{ .Release.Name }}{{ end }}";
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: texts\ndata:\n{{- range $i := until (int .Values.count) }}\n  t{{ $i }}: {{ tpl (printf \"{{ include \\\"texts.name\\\" . }}-%d-{{ .Values.word | upper }}\" $i) $ | quote }}\n{{- end }}\n";
    vec![
        ("Chart.yaml".to_owned(), chart_yaml("texts", "")),
        ("values.yaml".to_owned(), format!("count: {count}\nword: word\n")),
        ("templates/_helpers.tpl".to_owned(), helper.to_owned()),
        ("templates/config.yaml".to_owned(), template.to_owned()),
    ]
}

/// A chart whose helpers include each other, so many deep, and hand on the text that grows with each.
pub(crate) fn with_nested_includes(depth: usize) -> ChartFiles {
    let mut helpers = String::from("{{ define \"level.0\" }}end{{ end }}\n");
    for i in 1..=depth {
        let below = i - 1;
        helpers.push_str(&format!(
            "{{{{ define \"level.{i}\" }}}}{{{{ include \"level.{below}\" . }}}}{{{{ end }}}}\n"
        ));
    }
    vec![
        ("Chart.yaml".to_owned(), chart_yaml("levels", "")),
        ("templates/_helpers.tpl".to_owned(), helpers),
        (
            "templates/config.yaml".to_owned(),
            format!("kind: ConfigMap\nvalue: {{{{ include \"level.{depth}\" . }}}}\n"),
        ),
    ]
}
