//! Bad input: each is refused with its place and reason, in little time and memory.

#![allow(clippy::disallowed_methods)] // Tests measure how long they take.

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use helm_render::{Chart, Files, Folder, RenderOptions, Values, render};
use support::{chart, error, render_one};

/// Far more than any case takes, far less than it would take without a limit.
const LONG: Duration = Duration::from_secs(120);

/// The message for a template, with values for it.
fn refused(template: &str, values: &str) -> String {
    let start = Instant::now();
    let message = error(&[("templates/a.yaml", template), ("values.yaml", values)]);
    assert!(start.elapsed() < LONG, "{template} took {:?}", start.elapsed());
    message
}

#[track_caller]
fn assert_refused(template: &str, values: &str, place: &str, reason: &str) {
    let message = refused(template, values);
    assert!(message.contains(place) && message.contains(reason), "{template}: {message}");
    assert!(message.len() < 1 << 20, "the message has {} bytes", message.len());
}

const PLACE: &str = "app/templates/a.yaml:1:";

#[test]
fn recursion_ends() {
    let own = r#"{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}"#;
    assert_refused(
        own,
        "",
        PLACE,
        "rendering template has a nested reference name: x: unable to execute template",
    );
    let two = r#"{{ define "x" }}{{ include "y" . }}{{ end }}{{ define "y" }}{{ include "x" . }}{{ end }}{{ include "x" . }}"#;
    assert_refused(two, "", PLACE, "rendering template has a nested reference name");
    let action = r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#;
    assert_refused(action, "", PLACE, "exceeded maximum template depth");
    assert_refused(
        "{{ tpl .Values.t . }}",
        "t: '{{ tpl .Values.t . }}'",
        PLACE,
        "more than 1000 texts are rendered within each other",
    );
    let mixed = r#"{{ define "x" }}{{ tpl "{{ include \"x\" . }}" . }}{{ end }}{{ include "x" . }}"#;
    assert_refused(mixed, "", PLACE, "rendered within each other");
}

#[test]
fn texts_do_not_grow_without_bound() {
    let too_long = "longer than 32 MiB";
    for template in [
        r#"{{ repeat 1000000000 "x" }}"#,
        r#"{{ indent 1000000000 "x" }}"#,
        r#"{{ nindent 40000000 "x" }}"#,
        r#"{{ printf "%1000000d" 1 | repeat 1000 }}"#,
        r#"{{ $f := repeat 1000 "%999999d" }}{{ printf $f 1 }}"#,
        r#"{{ $f := repeat 1000 "%*d" }}{{ printf $f 999999 1 }}"#,
        r#"{{ replace "" (repeat 1000000 "y") (repeat 1000 "x") }}"#,
        r#"{{ replace "x" (repeat 1000000 "y") (repeat 1000 "x") }}"#,
        r#"{{ regexReplaceAll "x" (repeat 1000 "x") (repeat 1000000 "y") }}"#,
        r#"{{ regexReplaceAllLiteral "x" (repeat 1000 "x") (repeat 1000000 "y") }}"#,
        r#"{{ join (repeat 1000000 "y") (until 1000) }}"#,
        r#"{{ wrapWith 1 (repeat 1000000 "y") (repeat 1000 "x") }}"#,
        r#"{{ randAlphaNum 1000000000 }}"#,
        r#"{{ randBytes 1000000000 }}"#,
        r#"{{ $x := "x" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}{{ $x }}"#,
        r#"{{ $x := "x" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}{{ $x }}"#,
        r#"{{ $x := repeat 10000 "x" }}{{ range until 1000 }}{{ range until 1000 }}{{ $x }}{{ end }}{{ end }}"#,
        r#"{{ $x := repeat 1000000 "x" }}{{ print $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x $x }}"#,
        r#"{{ define "x" }}{{ range until 1000 }}{{ repeat 100000 "x" }}{{ end }}{{ end }}{{ include "x" . }}"#,
        r#"{{ tpl "{{ range until 1000 }}{{ repeat 100000 \"x\" }}{{ end }}" . }}"#,
        // Lists of lists: short in memory, endless when written.
        r#"{{ $x := list "x" }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}"#,
        r#"{{ $x := list "x" }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ toYaml $x }}"#,
        r#"{{ $x := dict "a" "x" }}{{ range until 60 }}{{ $x = dict "a" $x "b" $x }}{{ end }}{{ toJson $x }}"#,
        r#"{{ $x := dict "a" "x" }}{{ range until 60 }}{{ $x = dict "a" $x "b" $x }}{{ end }}{{ deepCopy $x }}"#,
        r#"{{ $x := list "x" }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ deepEqual $x (list $x) }}"#,
    ] {
        assert_refused(template, "", PLACE, too_long);
    }
}

#[test]
fn lists_do_not_grow_without_bound() {
    let too_many = "more than 1048576 items";
    for template in [
        "{{ until 1000000000 }}",
        "{{ untilStep 0 1000000000 1 }}",
        "{{ seq 1000000000 }}",
        "{{ seq 1 1 9223372036854775806 }}",
        r#"{{ $x := list 1 }}{{ range until 40 }}{{ $x = concat $x $x }}{{ end }}"#,
        r#"{{ splitList "" (repeat 2000000 "x") }}"#,
        r#"{{ split "x" (repeat 2000000 "x") }}"#,
        r#"{{ regexFindAll "x" (repeat 2000000 "x") -1 }}"#,
        r#"{{ regexSplit "x" (repeat 2000000 "x") -1 }}"#,
        r#"{{ uniq (until 100000) }}"#,
    ] {
        assert_refused(template, "", PLACE, too_many);
    }
}

#[test]
fn loops_end() {
    for template in [
        "{{ range 9223372036854775807 }}{{ end }}",
        "{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}",
        r#"{{ range until 1000000 }}{{ $x := list . . }}{{ range until 1000000 }}{{ $x = append $x 1 }}{{ end }}{{ end }}"#,
    ] {
        let files = [("templates/a.yaml", template)];
        let start = Instant::now();
        let mut options = support::options();
        options.work = 2_000_000;
        let message =
            render(&chart(&files), &Values::new(), &options).expect_err("it has no end").to_string();
        assert!(message.contains(PLACE) && message.contains("2000000 units of work"), "{message}");
        assert!(start.elapsed() < LONG);
    }
}

#[test]
fn values_that_contain_themselves_are_refused() {
    let reason = "contain";
    for use_of in [
        "{{ .Values }}",
        "{{ toYaml .Values }}",
        "{{ toJson .Values }}",
        "{{ toPrettyJson .Values }}",
        "{{ toToml .Values }}",
        "{{ toYamlPretty .Values }}",
        "{{ deepCopy .Values }}",
        "{{ print .Values }}",
        r#"{{ printf "%v" .Values }}"#,
        "{{ quote .Values }}",
        "{{ toString .Values }}",
        "{{ join \",\" (list .Values) }}",
        "{{ has .Values (list .Values) }}",
        "{{ uniq (list .Values) }}",
        "{{ html .Values }}",
        "{{ merge (dict) .Values | toYaml }}",
    ] {
        let template = format!(r#"{{{{ $_ := set .Values "self" .Values }}}}{use_of}"#);
        assert_refused(&template, "a: 1", PLACE, reason);
    }
    let grows = r#"{{ $a := dict "m" (dict "x" 1) }}{{ $_ := set $a.m "m" (dict) }}{{ $_ := merge $a.m $a }}{{ range until 2000 }}{{ $_ := merge $a.m $a }}{{ end }}{{ toYaml $a }}"#;
    let message = refused(grows, "");
    assert!(message.contains(PLACE), "{message}");
}

#[test]
fn what_nests_deep_is_dropped_without_using_up_the_stack() {
    let lists = r#"{{ $x := list 1 }}{{ range until 300000 }}{{ $x = list $x }}{{ end }}a: {{ len $x }}"#;
    let maps = r#"{{ $top := dict }}{{ $x := $top }}{{ range until 100000 }}{{ $y := dict }}{{ $_ := set $x "x" $y }}{{ $x = $y }}{{ end }}a: {{ len $top }}"#;
    for template in [lists, maps] {
        assert_eq!(
            render_one(&[("templates/a.yaml", template)]),
            "---\n# Source: app/templates/a.yaml\na: 1\n"
        );
    }
}

#[test]
fn absurd_expressions_are_refused() {
    for pattern in ["((a{1000}){1000}){1000}", "(((((a*)*)*)*)*){1000}{1000}", "a{1001}", "(?P<n>"] {
        let template = format!(r#"{{{{ mustRegexMatch "{pattern}" "aaaa" }}}}"#);
        let message = refused(&template, "");
        assert!(message.contains("error parsing regexp") || message.contains("size"), "{pattern}: {message}");
    }
    let deep = format!(r#"{{{{ mustRegexMatch "{}a{}" "a" }}}}"#, "(".repeat(5_000), ")".repeat(5_000));
    assert!(refused(&deep, "").contains("error parsing regexp"), "deep nesting");
    // A match takes linear time, whatever the expression.
    let slow = r#"a: {{ regexMatch "^(a+)+$" (print (repeat 100000 "a") "b") }}"#;
    assert!(render_one(&[("templates/a.yaml", slow)]).ends_with("a: false\n"));
}

#[test]
fn templates_that_nest_deep_are_refused() {
    for (open, close) in
        [("{{ if true }}", "{{ end }}"), ("{{ range .l }}", "{{ end }}"), ("{{ with 1 }}", "{{ end }}")]
    {
        let template = format!("{}{}", open.repeat(50_000), close.repeat(50_000));
        let start = Instant::now();
        // Helm allows it; what matters is that it ends, either way.
        let _ = support::try_render(&[("templates/a.yaml", &template)]);
        assert!(start.elapsed() < LONG);
    }
    let parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(refused(&parentheses, "").contains("app/templates/a.yaml:1"), "the place");
    let many = "{{ if 1 }}".repeat(100_000);
    assert!(refused(&many, "").contains("app/templates/a.yaml:1"), "the place");
    let elses = format!("{{{{ if 1 }}}}{}{{{{ end }}}}", "{{ else if 1 }}".repeat(100_000));
    let _ = support::try_render(&[("templates/a.yaml", &elses)]);
}

#[test]
fn huge_values_are_refused() {
    let huge = "a: 1\n".repeat(20_000_000);
    assert_eq!(
        Values::from_yaml(huge.as_bytes()).expect_err("it is huge"),
        "the values are longer than 10 MiB"
    );
    let mut list = String::from("a:\n");
    while list.len() < 1 << 20 {
        list.push_str("- x\n");
    }
    let start = Instant::now();
    assert!(Values::from_yaml(list.as_bytes()).is_ok(), "that many are allowed");
    assert!(start.elapsed() < LONG);
}

#[test]
fn bombs_of_aliases_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..9 {
        let aliases = vec![format!("*a{}", i - 1); 9].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    let reason = "document contains excessive aliasing";
    assert!(Values::from_yaml(&bomb).expect_err("it is a bomb").contains(reason));
    let message = error(&[("values.yaml", bomb.as_str())]);
    assert!(message.starts_with("cannot load values.yaml: ") && message.contains(reason), "{message}");
    let message = error(&[("Chart.yaml", bomb.as_str())]);
    assert!(message.starts_with("cannot load Chart.yaml: ") && message.contains(reason), "{message}");
    let message = error(&[("templates/a.yaml", bomb.as_str())]);
    assert!(
        message.starts_with("YAML parse error on app/templates/a.yaml: ") && message.contains(reason),
        "{message}"
    );
}

#[test]
fn data_that_nests_deep_is_refused() {
    let deep = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Values::from_yaml(&deep).expect_err("it is deep").contains("exceeded max depth"));
    for template in [
        r#"{{ repeat 100000 "[" | mustFromJson }}"#,
        r#"{{ index (repeat 100000 "[" | fromYamlArray) 0 | fail }}"#,
        r#"{{ index (repeat 100000 "[" | fromJsonArray) 0 | fail }}"#,
        r#"{{ get (print "a = " (repeat 100000 "[") | fromToml) "Error" | fail }}"#,
        r#"{{ get (repeat 100000 "{\"a\":" | fromJson) "Error" | fail }}"#,
    ] {
        let message = refused(template, "");
        assert!(message.contains("app/templates/a.yaml:1:"), "{message}");
    }
    let schema = "{\"not\":".repeat(100_000);
    let message = error(&[("values.schema.json", schema.as_str())]);
    assert!(message.contains("app:\nrecursion limit exceeded"), "{message}");
}

#[test]
fn what_is_not_utf8_has_a_place() {
    let mut files = Files::new();
    files.insert("Chart.yaml", support::CHART);
    files.insert("templates/a.yaml", b"a: \xff\n");
    let chart_of = |files: &Files| Chart::from_files(files.clone());
    let rendered = render(&chart_of(&files).expect("it loads"), &Values::new(), &support::options());
    let message = rendered.expect_err("it is no YAML").to_string();
    assert_eq!(
        message,
        "YAML parse error on app/templates/a.yaml: error converting YAML to JSON: yaml: invalid leading UTF-8 octet"
    );
    assert_eq!(
        Values::from_yaml(b"a: \xff").expect_err("it is no YAML"),
        "cannot unmarshal yaml document: error converting YAML to JSON: yaml: invalid leading UTF-8 octet"
    );
    let mut files = Files::new();
    files.insert("Chart.yaml", support::CHART);
    files.insert("values.yaml", b"a: \xff");
    let message = chart_of(&files).expect_err("it is no YAML").to_string();
    assert!(
        message.starts_with("cannot load values.yaml: ") && message.ends_with("invalid leading UTF-8 octet"),
        "{message}"
    );
    // Other files may hold anything, and reach the output as they are.
    let mut files = Files::new();
    files.insert("Chart.yaml", support::CHART);
    files.insert("data.bin", b"\xff\x00");
    files.insert("templates/a.yaml", r#"a: {{ .Files.Get "data.bin" | b64enc }}"#);
    let rendered = render(&chart_of(&files).expect("it loads"), &Values::new(), &support::options());
    assert!(rendered.expect("it renders").to_template_output().ends_with("a: /wA=\n"));
}

/// A gzipped archive of entries: path, kind, what is linked to, and contents.
fn archive(entries: &[(&str, tar::EntryType, &str, &[u8])]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (path, kind, target, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        header.set_cksum();
        archive.append(&header, *data).expect("memory takes it");
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory takes it")
}

#[test]
fn archives_stay_within_their_folder() {
    let file = tar::EntryType::Regular;
    for (path, reason) in [
        ("app/../../etc/passwd", "chart illegally references parent directory"),
        ("app/..", "chart illegally references parent directory"),
        ("app//etc/passwd", "chart illegally contains absolute paths"),
        ("/etc/passwd", ""),
        ("passwd", "chart illegally contains content outside the base directory: \"passwd\""),
        ("app\\..\\..\\x", "chart illegally references parent directory"),
        ("app/c:/x", "chart contains illegally named files"),
    ] {
        let chart = (("app/Chart.yaml"), file, "", support::CHART.as_bytes());
        let files = Files::from_archive(&archive(&[chart, (path, file, "", b"x")]));
        match files {
            Err(e) => assert_eq!(e.to_string(), reason, "{path}"),
            // The first part of a path is the chart's folder, whatever it is.
            Ok(files) => assert!(reason.is_empty() && files.get("etc/passwd").is_some(), "{path}"),
        }
    }
    // Links hold nothing: what they point at is not read.
    let link = ("app/templates/a.yaml", tar::EntryType::Symlink, "/etc/passwd", &b""[..]);
    let chart = ("app/Chart.yaml", file, "", support::CHART.as_bytes());
    let files = Files::from_archive(&archive(&[chart, link])).expect("as Helm reads it");
    assert_eq!(files.get("templates/a.yaml"), Some(&b""[..]));
}

#[test]
fn archives_that_unpack_to_too_much_are_refused() {
    let file = tar::EntryType::Regular;
    let large = vec![0; (5 << 20) + 1];
    let message =
        Files::from_archive(&archive(&[("app/x", file, "", &large)])).expect_err("too large").to_string();
    assert_eq!(message, "decompressed chart file \"app/x\" is larger than the maximum file size 5242880");
    let half = vec![0; 5 << 20];
    let paths: Vec<String> = (0..25).map(|i| format!("app/{i}")).collect();
    let many: Vec<_> = paths.iter().map(|path| (path.as_str(), file, "", half.as_slice())).collect();
    let start = Instant::now();
    let message = Files::from_archive(&archive(&many)).expect_err("too large").to_string();
    assert_eq!(message, "decompressed chart is larger than the maximum size 104857600");
    assert!(start.elapsed() < LONG);
    // A header may lie about the size of what follows, and gzip may hold nothing but zeros.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&zeros).expect("memory takes it");
    }
    let bomb = encoder.finish().expect("memory takes it");
    assert!(bomb.len() < 1 << 20);
    let start = Instant::now();
    assert!(Files::from_archive(&bomb).is_err());
    assert!(start.elapsed() < LONG);
}

#[test]
fn archives_of_countless_empty_files_are_refused() {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for i in 0..50_000 {
        let mut header = tar::Header::new_gnu();
        header.set_path(format!("app/{i}")).expect("a path");
        header.set_size(0);
        header.set_cksum();
        archive.append(&header, &b""[..]).expect("memory takes it");
    }
    let bytes = archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory takes it");
    let message = Files::from_archive(&bytes).expect_err("too many").to_string();
    assert_eq!(message, "the archive has more than 20000 files");
}

/// A folder that never ends: each has a folder of the same name, as a link to itself would make it.
struct Endless;

impl Folder for Endless {
    fn list(&self, _: &str) -> std::io::Result<Vec<helm_render::Entry>> {
        Ok(vec![helm_render::Entry { name: "a".to_owned(), is_folder: true }])
    }

    fn read(&self, _: &str) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

#[test]
fn folders_that_contain_themselves_are_refused() {
    let message = Files::from_folder(&Endless).expect_err("it has no end").to_string();
    assert!(message.starts_with("folders nest deeper than 100: \"a/a/a"), "{message}");
}

#[test]
fn files_outside_of_the_chart_are_not_there() {
    for path in ["../x", "/etc/passwd", "templates/../../x", "./Chart.yaml"] {
        let template = format!("a: {{{{ .Files.Get {path:?} | quote }}}}");
        assert!(render_one(&[("templates/a.yaml", template.as_str())]).ends_with("a: \"\"\n"), "{path}");
    }
}

#[test]
fn a_budget_is_for_the_whole_render() {
    let template = "{{ range until 1000 }}{{ end }}";
    let paths: Vec<String> = (0..100).map(|i| format!("templates/{i}.yaml")).collect();
    let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), template)).collect();
    let mut options: RenderOptions = support::options();
    options.work = 100_000;
    let message =
        render(&chart(&files), &Values::new(), &options).expect_err("together too much").to_string();
    assert!(message.contains("units of work"), "{message}");
    options.work = 1_000_000;
    assert!(render(&chart(&files), &Values::new(), &options).is_ok());
}
