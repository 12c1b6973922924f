//! An error carries the chart's line, so that a person sees where it is.

mod support;

use helm_render::{RenderError, Values, render};

fn failure(template: &str) -> RenderError {
    let files = [
        ("templates/a.yaml", template),
        ("templates/_h.tpl", "{{ define \"h\" }}\n  {{ fail .why }}{{ end }}"),
    ];
    render(&support::chart(&files), &Values::new(), &support::options()).expect_err("it fails")
}

fn frame(template: &str) -> String {
    failure(template).snippet().map_or_else(|| "no frame".to_owned(), ToString::to_string)
}

#[test]
fn a_caret_stands_under_what_failed() {
    let wanted = " --> app/templates/a.yaml:2:11\n  |\n2 | b: {{ 1 | upper }}\n  |           ^";
    assert_eq!(frame("a: 1\nb: {{ 1 | upper }}\nc: 1\n"), wanted);
}

#[test]
fn columns_count_characters_and_tabs_stay() {
    let wanted = " --> app/templates/a.yaml:1:12\n  |\n1 | \té: \"ü\" {{ fail \"x\" }}\n  | \t          ^";
    assert_eq!(frame("\té: \"ü\" {{ fail \"x\" }}\r\n"), wanted);
}

#[test]
fn the_innermost_template_of_the_chart_is_shown() {
    let error = failure("a: {{ include \"h\" (dict \"why\" \"so\") }}");
    // Helm names the outermost place alone.
    assert_eq!(error.to_string(), "execution error at (app/templates/a.yaml:1:6): so");
    let wanted = " --> app/templates/_h.tpl:2:6\n  |\n2 |   {{ fail .why }}{{ end }}\n  |      ^";
    assert_eq!(error.snippet().map(ToString::to_string).as_deref(), Some(wanted));
}

#[test]
fn a_text_that_has_no_file_is_shown_where_it_is_rendered() {
    let wanted =
        " --> app/templates/a.yaml:1:7\n  |\n1 | a: {{ tpl \"{{ fail \\\"x\\\" }}\" . }}\n  |       ^";
    assert_eq!(frame("a: {{ tpl \"{{ fail \\\"x\\\" }}\" . }}"), wanted);
}

#[test]
fn a_line_that_does_not_parse_is_shown_as_a_whole() {
    let wanted = " --> app/templates/a.yaml:10\n   |\n10 | b: {{ nope }}";
    assert_eq!(frame(&format!("{}b: {{{{ nope }}}}", "#\n".repeat(9))).replacen("  -->", " -->", 1), wanted);
}

#[test]
fn a_rendered_file_that_is_no_yaml_has_no_line_of_the_chart() {
    assert_eq!(frame("a: b: c"), "no frame");
}
