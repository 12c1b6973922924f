//! Go slices.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::extent::{dismantle, is_composite};
use super::{Number, Type, Value};

/// A Go slice. Immutable, as no template function changes a slice in place.
#[derive(Clone, Debug)]
pub struct List(Arc<ListData>);

#[derive(Debug)]
struct ListData {
    elem: Type,
    /// The name of a named slice type.
    name: Option<&'static str>,
    nil: bool,
    /// What a `[]byte` holds: its items are made when somebody looks at them one by one.
    bytes: Option<Arc<[u8]>>,
    items: OnceLock<Vec<Value>>,
}

impl List {
    pub fn new(elem: Type, items: Vec<Value>) -> Self {
        List::with(elem, None, false, items)
    }

    /// A list of a named slice type.
    pub fn named(name: &'static str, elem: Type, items: Vec<Value>) -> Self {
        List::with(elem, Some(name), false, items)
    }

    /// Go's nil slice: empty, but `null` in JSON.
    pub fn nil(elem: Type) -> Self {
        List::with(elem, None, true, Vec::new())
    }

    /// `[]byte`
    pub fn of_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = Some(bytes.into());
        List(Arc::new(ListData { elem: Type::Uint8, name: None, nil: false, bytes, items: OnceLock::new() }))
    }

    fn with(elem: Type, name: Option<&'static str>, nil: bool, items: Vec<Value>) -> Self {
        List(Arc::new(ListData { elem, name, nil, bytes: None, items: items.into() }))
    }

    /// A list of the same type that holds other items.
    pub(crate) fn with_items(&self, items: Vec<Value>) -> Self {
        List::with(self.0.elem, self.0.name, self.0.nil, items)
    }

    /// The length of a `[]byte`, whose items are not made for this.
    pub(crate) fn bytes_len(&self) -> Option<usize> {
        self.0.bytes.as_ref().map(|bytes| bytes.len())
    }

    /// The items, if this is the last handle on them.
    pub(super) fn into_items(list: List) -> Vec<Value> {
        Arc::into_inner(list.0).and_then(|mut data| data.items.take()).unwrap_or_default()
    }

    pub fn elem(&self) -> Type {
        self.0.elem
    }

    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    pub fn items(&self) -> &[Value] {
        self.0.items.get_or_init(|| {
            let bytes = self.0.bytes.as_deref().unwrap_or_default();
            bytes.iter().map(|b| Value::Number(Number::Uint8(*b))).collect()
        })
    }

    pub fn type_name(&self) -> Cow<'static, str> {
        match self.0.name {
            Some(name) => Cow::Borrowed(name),
            None => match self.0.elem {
                Type::Any => Cow::Borrowed("[]interface {}"),
                Type::String => Cow::Borrowed("[]string"),
                elem => Cow::Owned(format!("[]{}", elem.name())),
            },
        }
    }

    /// The bytes of a `[]byte`.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if let Some(bytes) = &self.0.bytes {
            return Some(bytes.to_vec());
        }
        self.iter()
            .map(|item| match item {
                Value::Number(Number::Uint8(b)) => Some(*b),
                _ => None,
            })
            .collect()
    }
}

impl Drop for ListData {
    fn drop(&mut self) {
        if self.items.get().is_some_and(|items| items.iter().any(is_composite)) {
            dismantle(self.items.take().unwrap_or_default());
        }
    }
}

impl Deref for List {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        self.items()
    }
}
