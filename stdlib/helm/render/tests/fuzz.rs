//! Makes up input, the same in every run, and asserts what must hold of any: nothing panics, nothing hangs, and what was
//! written is read as it was.

#![allow(clippy::disallowed_methods)] // Tests measure how long they take.

mod support;

use std::time::{Duration, Instant};

use gotemplate::{Map, Value};
use helm_render::{Chart, Files, KubeVersion, Values, lint, render, yaml};

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng as StdRng;

const LONG: Duration = Duration::from_secs(30);

/// Pieces of a language, put together at random; sometimes with a random character.
fn text(rng: &mut StdRng, pieces: &[&str], most: usize) -> String {
    let mut text = String::new();
    for _ in 0..rng.random_range(1..=most) {
        if rng.random_ratio(1, 40) {
            text.push(char::from_u32(rng.random_range(0..0x2_0000)).unwrap_or('\u{fffd}'));
        } else {
            text.push_str(pieces.choose(rng).copied().unwrap_or_default());
        }
    }
    text
}

/// A copy with a few bytes changed, taken out, repeated or put in.
fn mutated(rng: &mut StdRng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = (at + rng.random_range(1..9)).min(bytes.len());
        match rng.random_range(0..4) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => bytes.insert(at, rng.random()),
        }
    }
    bytes
}

const TEMPLATE: &[&str] = &[
    "{{",
    "}}",
    "{{- ",
    " -}}",
    "{{ if ",
    "{{ else }}",
    "{{ else if ",
    "{{ end }}",
    "{{ range ",
    "{{ with ",
    "{{ define \"x\" }}",
    "{{ template \"x\" . }}",
    "{{ block \"y\" . }}",
    "{{ include \"x\" . }}",
    ".Values.a",
    ".Values",
    ".Files",
    ".Capabilities",
    "$",
    "$x",
    ":=",
    "=",
    "$i, $v := ",
    "(",
    ")",
    "|",
    " ",
    "\n",
    "1",
    "-1",
    "1.5",
    "0x1p4",
    "'c'",
    "\"s\"",
    "`r`",
    "nil",
    "true",
    "until 3",
    "list 1 \"a\" nil",
    "dict \"a\" 1",
    "toYaml",
    "toJson",
    "quote",
    "printf \"%v %5.2f %q\"",
    "tpl \"{{ . }}\" .",
    "index",
    "slice",
    "len",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "{{ break }}",
    "{{ continue }}",
    "{{/* c */}}",
    "/*",
    "*/",
    "a: b\n",
    "- c\n",
    "---\n",
    "upper",
    "trunc 3",
    "regexMatch \"a\"",
    "default",
    "fromYaml",
    "semver \"1.2\"",
    "toDate \"2006\" \"2020\"",
    ".Name",
    ".a.b.c",
    "é",
    "fail \"x\"",
    "repeat 3",
    "indent 2",
    "nope",
    "set",
    "merge",
    "keys",
    "first",
    "sortAlpha",
    "splitList \",\"",
    "b64dec",
    "date \"06\"",
];

/// A call that may work: a function, and arguments that may be calls.
fn expression(rng: &mut StdRng, depth: usize) -> String {
    const FUNCTIONS: &[&str] = &[
        "toYaml",
        "toJson",
        "quote",
        "print",
        "len",
        "index",
        "slice",
        "eq",
        "lt",
        "and",
        "or",
        "not",
        "upper",
        "trunc",
        "default",
        "list",
        "dict \"a\"",
        "set (dict) \"a\"",
        "merge (dict)",
        "keys",
        "first",
        "sortAlpha",
        "splitList \",\"",
        "b64dec",
        "repeat 3",
        "indent 2",
        "printf \"%v %q\"",
        "fromYaml",
        "semver",
        "until",
        "ternary 1 2",
        "regexFind \"[a-z]+\"",
        "tpl \"{{ . }}\"",
        "include \"x\"",
        "typeOf",
        "deepCopy",
        "has 1",
        "uniq",
        "concat",
        "dig \"a\" 1",
        "toToml",
        "toPrettyJson",
        "b64enc",
        "sha256sum",
        "add 1",
        "div 6",
        "round 2",
    ];
    const ARGUMENTS: &[&str] = &[
        ".Values",
        ".Values.a",
        ".Values.a.b",
        "\"s\"",
        "1",
        "-2",
        "2.5",
        "nil",
        "true",
        ".Files",
        "$",
        ".Chart",
        ".",
    ];
    let mut text = FUNCTIONS.choose(rng).copied().unwrap_or_default().to_owned();
    for _ in 0..rng.random_range(0..3) {
        if depth < 3 && rng.random_ratio(1, 3) {
            text.push_str(&format!(" ({})", expression(rng, depth + 1)));
        } else {
            text.push_str(&format!(" {}", ARGUMENTS.choose(rng).copied().unwrap_or_default()));
        }
    }
    text
}

#[test]
fn templates_end_in_an_output_or_an_error() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut rendered = 0;
    for _ in 0..3_000 {
        let mut template = text(&mut rng, TEMPLATE, 12);
        if rng.random_bool(0.5) {
            // Most of these parse.
            template = format!("a: {{{{ {} }}}}", expression(&mut rng, 0));
        }
        let start = Instant::now();
        let files = [("templates/a.yaml", template.as_str()), ("values.yaml", "a: {b: [1, x]}")];
        rendered += usize::from(support::try_render(&files).is_ok());
        assert!(start.elapsed() < LONG, "{template:?}");
    }
    assert!(rendered > 100, "only {rendered} rendered: the generator makes nothing but errors");
}

const YAML: &[&str] = &[
    "a",
    "b: ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ": ",
    "\"x\"",
    "'y'",
    "|\n",
    ">-\n",
    "|2\n",
    "# c",
    "&a ",
    "*a",
    "!!str ",
    "!!binary ",
    "? ",
    "---\n",
    "...\n",
    "~",
    "1.5",
    "0x1",
    "\t",
    "<<: *a",
    "\"\\u00e9\"",
    "%YAML 1.1\n",
    "@",
    "`",
    "\\",
    ".inf",
    "'",
    "\"",
    "é",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "2020-01-01",
    "a: 1",
    "- - b",
    "[a, {b: c}]",
];

#[test]
fn any_text_is_read_or_refused_as_yaml() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut read = 0;
    for _ in 0..6_000 {
        let document = text(&mut rng, YAML, 20);
        let start = Instant::now();
        if let Ok(value) = yaml::parse(&document)
            && yaml::write(&value).is_ok()
        {
            read += 1;
            assert_eq!(read_again(&value), Some(display(&value)), "{document:?}");
        }
        let _ = yaml::to_json_strict(mutated(&mut rng, document.as_bytes()));
        let _ = Values::from_yaml(mutated(&mut rng, document.as_bytes()));
        assert!(start.elapsed() < LONG, "{document:?}");
    }
    assert!(read > 500, "only {read} were read");
}

fn display(value: &Value) -> String {
    let shown = gotemplate::format::sprintf(b"%#v", std::slice::from_ref(value));
    String::from_utf8_lossy(&shown).into_owned()
}

/// The value, written as YAML and read.
fn read_again(value: &Value) -> Option<String> {
    let written = yaml::write(value).ok()?;
    Some(display(&yaml::parse(&written).ok()?))
}

const WORDS: &[&str] = &[
    "",
    "a",
    "a b",
    "01",
    "1.0",
    "true",
    "yes",
    "~",
    "null",
    "- x",
    "a: b",
    "a:",
    "#x",
    "x #y",
    "\n",
    "a\nb",
    "a\n\n",
    "  a",
    "\ta",
    "é",
    "😀",
    "\"q\"",
    "it's",
    "{x}",
    "[x]",
    "*x",
    "&x",
    "!x",
    "%x",
    "@x",
    "`x",
    "|",
    ">",
    "a\tb",
    "\u{a0}",
    "\u{2028}x",
    "\u{7}",
    "\u{7f}",
    "=",
    "1e3",
    "0o7",
    "1:20",
    "2020-01-01",
    ".5",
    "+1",
    "-",
    "--",
    "---",
    "...",
    "?",
    "a\r\nb",
    "\u{feff}",
    "y",
    "off",
    "1_000",
    "trailing \nspace",
    "x: |\n  y",
    "\\",
    "word word word word word ",
];

fn value(rng: &mut StdRng, depth: usize) -> Value {
    match rng.random_range(0..if depth > 4 { 6 } else { 10 }) {
        0 => Value::Nil,
        1 => Value::Bool(rng.random()),
        2 => {
            Value::float(*[0.0, -1.5, 1e21, 1e-7, 123_456_789_012.0, 0.1, 1e300].choose(rng).unwrap_or(&1.0))
        }
        3..6 => Value::str(text(rng, WORDS, 3)),
        6 | 7 => Value::list((0..rng.random_range(0..4)).map(|_| value(rng, depth + 1)).collect()),
        _ => {
            let entries = (0..rng.random_range(0..4)).map(|_| (text(rng, WORDS, 2), value(rng, depth + 1)));
            Value::Map(entries.collect::<Vec<_>>().into_iter().collect::<Map>())
        }
    }
}

#[test]
fn any_value_is_read_as_it_was_written() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut written = 0;
    for _ in 0..3_000 {
        let value = value(&mut rng, 0);
        // Some control characters cannot be written: Helm's `toYaml` is empty then.
        if yaml::write(&value).is_ok() {
            written += 1;
            assert_eq!(read_again(&value), Some(display(&value)), "{:?}", yaml::write(&value));
        }
        yaml::write_pretty(&value);
    }
    assert!(written > 2_000, "only {written} were written");
}

/// Found by making up values, and Helm's own way: the key that merges is written bare, and so it merges when it is read.
#[test]
fn a_merge_key_is_not_read_as_it_was_written() {
    let map: Map = [("<<", Value::Nil)].into_iter().collect();
    let written = yaml::write(&Value::Map(map)).expect("it can be written");
    assert_eq!(written, "<<: null\n");
    let refused = yaml::parse(&written).expect_err("there is nothing to merge").to_string();
    assert_eq!(
        refused,
        "error converting YAML to JSON: yaml: map merge requires map or sequence of maps as the value"
    );
}

#[test]
fn any_archive_is_read_or_refused() {
    let mut rng = StdRng::seed_from_u64(4);
    let seed = archive();
    let plain = unpacked(&seed);
    for i in 0..1_500 {
        let start = Instant::now();
        let bytes = if i % 2 == 0 { mutated(&mut rng, &seed) } else { packed(&mutated(&mut rng, &plain)) };
        if let Ok(files) = Files::from_archive(&bytes) {
            assert!(files.iter().all(|(path, _)| !path.starts_with(['/', '.']) && !path.contains("/../")));
            if let Ok(chart) = Chart::from_files(files.clone()) {
                let _ = render(&chart, &Values::new(), &support::options());
            }
            if i % 10 == 0 {
                lint(&files, "chart", &Values::new(), &support::options());
            }
        }
        assert!(start.elapsed() < LONG);
    }
}

fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, data) in [
        ("app/Chart.yaml", support::CHART),
        ("app/values.yaml", "a: 1\nb: {c: [x, y]}\n"),
        ("app/templates/_helpers.tpl", "{{ define \"x\" }}{{ .Values.a }}{{ end }}"),
        ("app/templates/a.yaml", "kind: ConfigMap\ndata:\n  x: {{ include \"x\" . | quote }}\n"),
        ("app/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_path(path).expect("a path");
        header.set_cksum();
        archive.append(&header, data.as_bytes()).expect("memory takes it");
    }
    packed(&archive.into_inner().expect("memory takes it"))
}

fn packed(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory takes it")
}

fn unpacked(data: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(data).read_to_end(&mut plain).expect("it was packed here");
    plain
}

#[test]
fn any_setting_is_applied_or_refused() {
    use helm_render::SetKind;
    let mut rng = StdRng::seed_from_u64(5);
    let pieces = [
        "a", "b.c", "[0]", "[", "]", "=", ",", "{", "}", "\\", "1", "null", "\"x\"", ".", "[65536]", "é",
        "a[1].b", "[-1]",
    ];
    for _ in 0..5_000 {
        let setting = text(&mut rng, &pieces, 8);
        let kinds = [SetKind::Typed, SetKind::Text, SetKind::Json, SetKind::Literal];
        let mut values = Values::from_yaml("a: [1, {b: 2}]").expect("values");
        let _ = values.set(*kinds.choose(&mut rng).unwrap_or(&SetKind::Typed), &setting);
        let _ = KubeVersion::parse(&setting);
    }
}
