//! What a Kubernetes API server knows of the shapes of objects: types, decoding, patches, field ownership, documents.
//! Values in, values out: no input or output, no clock, nothing of a cluster.

pub mod catalogue;
pub mod custom;
pub mod decode;
pub mod diff;
pub mod documents;
pub mod duration;
pub mod field_set;
pub mod json;
pub mod managed;
pub mod patch;
pub mod proto;
pub mod quantity;
pub mod schema;
pub mod time;
pub mod typed;

pub use catalogue::catalogue;
pub use custom::CustomSchema;
pub use decode::{DecodeError, Decoded, decode, decode_value};
pub use diff::{Change, diff, three_way};
pub use quantity::Quantity;
pub use schema::{Gvk, ListKind, Schema, Shape};
