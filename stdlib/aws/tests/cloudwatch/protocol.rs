//! The CBOR that the simulated CloudWatch speaks.

use opsrun_aws_simulator::cbor;
use serde_json::json;

#[test]
fn what_is_written_is_read_again_and_times_bear_a_tag() {
    let content = json!({
        "Timestamps": ["2026-03-02T03:00:00Z", "2026-03-02T03:00:00.5Z"],
        "Text": "2026-03-02T03:00:00Z",
        "Numbers": [1, -2, 0.5, 20.0],
        "Is": true,
    });
    let written = cbor::write(&content);
    assert_eq!(cbor::read(&written), Some(content));
    assert_eq!(written.iter().filter(|byte| **byte == 0xc1).count(), 2, "{written:02x?}");
    // As long as nobody has counted: {_ "a": [_ 1]}
    assert_eq!(cbor::read(&[0xbf, 0x61, b'a', 0x9f, 1, 0xff, 0xff]), Some(json!({ "a": [1] })));
    assert_eq!(cbor::read(&[0x81].repeat(1000)), None, "it is nested too deep");
}
