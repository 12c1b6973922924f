//! Snapshots of what a program printed: what differs from run to run is replaced before the comparison.

/// Settings for `insta` under which times, durations of the wall clock, uids and temporary folders compare equal.
/// Used as `settings().bind(|| insta::assert_snapshot!(…))`.
pub fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "[time]");
    settings.add_filter(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[uid]");
    settings.add_filter(r"\b(127\.0\.0\.1|10\.213\.\d+\.1):\d+", "[server]");
    settings.add_filter(
        &format!(r"{}/[\w.\-]+", regex_escape(&std::env::temp_dir().to_string_lossy())),
        "[temp]",
    );
    settings
}

fn regex_escape(text: &str) -> String {
    text.chars().flat_map(|c| (!c.is_alphanumeric()).then_some('\\').into_iter().chain([c])).collect()
}
