//! What an author is told about a template.

use serde_json::json;

use super::render;

#[track_caller]
fn refused(text: &str, expected: &str) {
    let data = json!({ "version": "1.2.0", "list": [1, 2], "user": { "name": "me" } });
    let error = render("note.hbs", text, &data).expect_err(text);
    assert_eq!(error.report(), expected.trim_start_matches('\n').trim_end(), "{text}");
}

#[test]
fn a_block_that_is_not_closed_is_named_with_what_closes_it() {
    refused(
        "a\n{{#if version}}\nb {{version}}\n",
        "
the template `note.hbs` cannot be read: `{{#if}}` is not closed: it needs a `{{/if}}`
     --> note.hbs:2:1
      |
    2 | {{#if version}}
      | ^",
    );
}

#[test]
fn a_block_that_is_closed_by_anothers_name_is_told_where_it_was_opened() {
    refused("{{#if version}}\n  {{#each list}}x{{/if}}\n{{/if}}", "
the template `note.hbs` cannot be read: `{{/if}}` stands where `{{#each}}` of line 2 has to be closed with `{{/each}}`
     --> note.hbs:2:18
      |
    2 |   {{#each list}}x{{/if}}
      |                  ^");
}

#[test]
fn what_closes_or_divides_no_block_is_told() {
    refused(
        "ü {{/if}}",
        "
the template `note.hbs` cannot be read: `{{/if}}` closes nothing
     --> note.hbs:1:3
      |
    1 | ü {{/if}}
      |   ^",
    );
    refused(
        "{{else}}",
        "
the template `note.hbs` cannot be read: `{{else}}` stands outside of a block
     --> note.hbs:1:1
      |
    1 | {{else}}
      | ^",
    );
}

#[test]
fn a_tag_that_is_not_closed_is_shown_at_its_begin() {
    refused(
        "a {{version\nb {{version}}",
        "
the template `note.hbs` cannot be read: `{{` is not closed: it needs a `}}`
     --> note.hbs:1:3
      |
    1 | a {{version
      |   ^",
    );
}

#[test]
fn a_tag_that_cannot_be_read_is_shown_with_the_letter_that_is_too_much() {
    refused(
        "a\n  {{version | upper}}",
        "
the template `note.hbs` cannot be read: `|` cannot stand there in `{{version | upper}}`
     --> note.hbs:2:13
      |
    2 |   {{version | upper}}
      |             ^",
    );
    refused(
        "{{ }}",
        "
the template `note.hbs` cannot be read: `{{ }}` names nothing
     --> note.hbs:1:1
      |
    1 | {{ }}
      | ^",
    );
}

#[test]
fn a_missing_value_names_its_path() {
    refused(
        "Hi {{user.name}}\n  and {{user.team.lead}}",
        "
the template `note.hbs` cannot be rendered: there is no value for `user.team.lead`
     --> note.hbs:2:7
      |
    2 |   and {{user.team.lead}}
      |       ^
  hint: give it in the values; `{{#if NAME}}` asks whether there is one",
    );
}

#[test]
fn an_unknown_helper_is_named() {
    refused(
        "{{upper version}}",
        "
the template `note.hbs` cannot be rendered: there is no helper `upper`
     --> note.hbs:1:1
      |
    1 | {{upper version}}
      | ^",
    );
}

#[test]
fn what_can_be_read_is_rendered_unescaped() {
    let text = "{{!-- {{#if}} --}}\\{{a}} {{#if none}}x{{else}}{{{user.name}}} \"{{version}}\"{{/if}}{{#each list}} {{this}}{{/each}}";
    let rendered =
        render("note.hbs", text, &json!({ "version": "<1>", "list": [1, 2], "user": { "name": "&" } }));
    assert_eq!(rendered.expect("it renders"), "{{a}} & \"<1>\" 1 2");
}
