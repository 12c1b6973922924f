//! The patch formats of the API: JSON patch, merge patch, strategic merge patch. Apply patches are in `managed`.

mod json_patch;
mod merge_patch;
mod strategic;

pub use json_patch::{JsonPatch, JsonPatchError};
pub use merge_patch::{merge_patch, merge_patch_between};
pub use strategic::strategic_merge;
