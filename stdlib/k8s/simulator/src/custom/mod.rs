//! CustomResourceDefinitions, and the kinds that they bring.
//! A definition is an object like any other; that its kind is served begins and ends with the controller here.

mod definition;
mod establish;
mod json_path;
mod resource;

pub(crate) use definition::Definition;
pub(crate) use establish::{Establish, serve};
