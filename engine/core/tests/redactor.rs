//! What a redactor hides: every value in every form in which it may come to light, and nothing else.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use opsrun_core::Redactor;
use serde_json::{Value, json};

const VALUES: &[&str] = &[
    "swordfish-71",
    "a b&c<d>\"e\"\\f'g'/h+i=j?k",
    "grüße aus Köln, ça va?",
    "postgres://shop:p%40ss-word-99@db.internal:5432/shop?sslmode=require",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----\n",
    "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 and so on",
];

fn redactor(value: &str) -> Redactor {
    let redactor = Redactor::default();
    redactor.hide("s", value);
    redactor
}

/// So long a part of the value, in this form, is still to be read.
fn left(shown: &str, form: &str) -> Option<String> {
    let form: Vec<char> = form.chars().collect();
    form.windows(8).map(|part| part.iter().collect::<String>()).find(|part| shown.contains(part))
}

#[track_caller]
fn hides(value: &str, text: &str, form: &str) {
    let shown = redactor(value).apply(text).into_owned();
    assert!(shown.contains("‹s›"), "{text:?} shows {value:?} as {form:?}");
    assert_eq!(left(&shown, form), None, "is left of {form:?} in {shown:?}");
}

#[test]
fn a_value_is_hidden_as_it_is_and_where_a_text_quotes_or_escapes_it() {
    for value in VALUES {
        hides(value, &format!("before {value} after"), value);
        let json = json!(value).to_string();
        hides(value, &json, json.trim_matches('"'));
        let twice = json!(json).to_string();
        hides(value, &twice, twice.trim_matches('"'));
        let debug = format!("{value:?}");
        hides(value, &debug, debug.trim_matches('"'));
        let go = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
        hides(value, &go, go.trim_matches('"'));
        hides(value, &format!("'{}'", value.replace('\'', "'\\''")), &value.replace('\'', "'\\''"));
    }
}

#[test]
fn a_value_is_hidden_in_base64_wherever_it_begins_and_whatever_follows() {
    for value in VALUES {
        for engine in [&STANDARD, &URL_SAFE, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            for before in ["", "x", "xy", "user:"] {
                for behind in ["", "!", "!?", "\n"] {
                    let text = engine.encode(format!("{before}{value}{behind}"));
                    hides(
                        value,
                        &format!("data: {text}"),
                        &text[before.len().div_ceil(3) * 4..text.len() - 4],
                    );
                }
            }
        }
    }
}

#[test]
fn a_value_is_hidden_in_hexadecimal_digits_and_in_addresses() {
    for value in VALUES {
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        hides(value, &hex, &hex);
        hides(value, &hex.to_uppercase(), &hex.to_uppercase());
        for kept in ["-._~", "-._~/", "*-._"] {
            let percent = |digits: fn(u8) -> String| -> String {
                value
                    .chars()
                    .map(|character| match character.is_ascii_alphanumeric() || kept.contains(character) {
                        true => character.to_string(),
                        false => character.to_string().bytes().map(digits).collect(),
                    })
                    .collect()
            };
            let (upper, lower) =
                (percent(|byte| format!("%{byte:02X}")), percent(|byte| format!("%{byte:02x}")));
            for form in [upper.replace("%20", "+"), upper, lower] {
                hides(value, &format!("https://x.test/?a={form}&b=c"), &form);
            }
        }
    }
}

#[test]
fn a_value_is_hidden_where_it_is_broken_into_lines() {
    for value in VALUES {
        for width in [10, 64, 76] {
            let base64 = STANDARD.encode(format!("x{value} and what follows"));
            let lines = |text: &str| -> Vec<String> {
                text.chars().collect::<Vec<_>>().chunks(width).map(|line| line.iter().collect()).collect()
            };
            for separator in ["\n", "\r\n", "\n    ", "\\\n", "\\n"] {
                let wrapped = lines(&base64).join(separator);
                let shown = redactor(value).apply(&wrapped).into_owned();
                assert!(shown.contains("‹s›"), "{wrapped:?} shows {value:?}");
                let joined: String = lines(value).join(separator);
                let shown = redactor(value).apply(&joined).into_owned();
                assert!(shown.contains("‹s›"), "{joined:?} shows {value:?}");
            }
        }
        // As YAML folds a long line.
        let folded = format!("key: >-\n  {}\n", value.replace(' ', "\n  "));
        assert!(redactor(value).apply(&folded).contains("‹s›"), "{folded:?} shows {value:?}");
    }
}

#[test]
fn what_is_cut_off_in_a_long_value_is_hidden_as_far_as_it_goes() {
    let value: String = (0..500).map(|number| format!("{number:03} ")).collect();
    let redactor = redactor(&value);
    for length in [64, 100, 1999] {
        assert_eq!(redactor.apply(&format!("it says {}…", &value[..length])), "it says ‹s›…");
    }
    assert_eq!(redactor.apply(&value[..40]), &value[..40], "so little may be anything");
}

#[test]
fn passwords_and_paths_of_addresses_are_values_of_their_own() {
    let redactor = Redactor::default();
    redactor.hide("db", "postgres://shop:pa55-word@db.internal/shop");
    redactor.hide("hook", "https://hooks.slack.com/services/T00000/B00000/abcdef?x=1");
    assert_eq!(redactor.apply("the password is pa55-word"), "the password is ‹db›");
    assert_eq!(redactor.apply("cGE1NS13b3Jk"), "‹db›");
    assert_eq!(
        redactor.apply("POST hooks.slack.com/services/T00000/B00000/abcdef"),
        "POST hooks.slack.com/‹hook›"
    );
    assert_eq!(
        redactor.apply("db.internal and shop and hooks.slack.com"),
        "db.internal and shop and hooks.slack.com"
    );
}

#[test]
fn what_overlaps_is_hidden_whole_and_the_rest_is_left() {
    let redactor = Redactor::default();
    redactor.hide("short", "abcdef");
    redactor.hide("long", "cdefghijk");
    redactor.hide("other", "ghij-klmno");
    assert_eq!(redactor.apply("-abcdefghijk-abcdef-"), "-‹long›-‹short›-");
    assert_eq!(redactor.apply("ghij-klmno, abcdeg, no secret"), "‹other›, abcdeg, no secret");
    for text in ["", "abc", "nothing of that kind\nin two lines"] {
        assert_eq!(redactor.apply(text), text);
    }
}

#[test]
fn values_in_keys_of_json_are_hidden() {
    let redactor = redactor("swordfish-71");
    let mut value = json!({ "swordfish-71": [{ "a": "swordfish-71!" }, 7, null], "b": "c" });
    redactor.apply_value(&mut value);
    assert_eq!(value, json!({ "‹s›": [{ "a": "‹s›!" }, 7, null], "b": "c" }));
    let mut same = Value::from("nothing");
    redactor.apply_value(&mut same);
    assert_eq!(same, "nothing");
}

#[test]
fn many_large_values_are_told_apart() {
    let redactor = Redactor::default();
    let value = |number: usize| format!("{number:05}-").repeat(400);
    for number in 0..60 {
        redactor.hide(&number.to_string(), &value(number));
        assert_eq!(redactor.apply(&format!("it is {}.", value(number))), format!("it is ‹{number}›."));
    }
    assert_eq!(redactor.apply(&value(17)), "‹17›");
    assert_eq!(redactor.apply(&STANDARD.encode(value(59))), "‹59›");
}
