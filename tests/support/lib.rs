//! What the tests that cross crates share: temporary folders, real servers, the binary under test.
