//! Go maps with string keys: shared, and mutable in place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::extent::{dismantle, is_composite};
use super::{Str, Type, Value};
use crate::function::Function;

/// A Go map with string keys, shared by all its clones and mutable through any of them. Iteration is in the order of
/// the keys' bytes, as Go's templates and `fmt` iterate.
#[derive(Clone)]
pub struct Map {
    data: Arc<MapData>,
    /// The type of this handle, if it has a name: as in Go, another handle on the same entries may be of another type.
    named: Option<&'static NamedMap>,
}

/// A named map type.
#[derive(Debug)]
pub struct NamedMap {
    /// As `%T` prints it.
    pub name: &'static str,
    /// The type's methods, by name, bound to the map.
    pub method: fn(&Map, &str) -> Option<Function>,
}

struct MapData {
    elem: Type,
    nil: bool,
    entries: RwLock<BTreeMap<Str, Value>>,
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Map::of(Type::Any)
    }

    /// An empty `map[string]T`.
    pub fn of(elem: Type) -> Self {
        Map::with(elem, false, BTreeMap::new())
    }

    /// Go's nil map: empty, `null` in JSON, and not to be written to.
    pub fn nil(elem: Type) -> Self {
        Map::with(elem, true, BTreeMap::new())
    }

    fn with(elem: Type, nil: bool, entries: BTreeMap<Str, Value>) -> Self {
        Map { data: Arc::new(MapData { elem, nil, entries: RwLock::new(entries) }), named: None }
    }

    /// The same entries as a map of this type.
    #[must_use]
    pub fn converted(&self, named: Option<&'static NamedMap>) -> Self {
        Map { data: self.data.clone(), named }
    }

    /// The method of this name, if the map's type has one.
    pub fn method(&self, name: &str) -> Option<Function> {
        self.named.and_then(|named| (named.method)(self, name))
    }

    pub fn elem(&self) -> Type {
        self.data.elem
    }

    pub fn is_nil(&self) -> bool {
        self.data.nil
    }

    pub fn type_name(&self) -> Cow<'static, str> {
        match self.named {
            Some(named) => Cow::Borrowed(named.name),
            None if self.data.elem == Type::Any => Cow::Borrowed("map[string]interface {}"),
            None => Cow::Owned(format!("map[string]{}", self.data.elem.name())),
        }
    }

    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.read().get(key.as_ref()).cloned()
    }

    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        self.read().contains_key(key.as_ref())
    }

    /// Sets a key; a nil map ignores it, so callers that can report Go's panic ask [`Map::is_nil`] first.
    pub fn insert(&self, key: impl Into<Str>, value: Value) {
        if !self.data.nil {
            let value = if matches!(value, Value::NoValue) { Value::Nil } else { value };
            self.write().insert(key.into(), value);
        }
    }

    pub fn remove(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        self.write().remove(key.as_ref())
    }

    pub fn len(&self) -> usize {
        self.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// The keys in order.
    pub fn keys(&self) -> Vec<Str> {
        self.read().keys().cloned().collect()
    }

    /// A snapshot of the entries in the order of the keys.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.read().iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Whether both are the same map (not merely equal ones).
    pub fn same(&self, other: &Map) -> bool {
        Arc::ptr_eq(&self.data, &other.data)
    }

    pub fn deep_copy(&self) -> Map {
        let mut entries = self.read().clone();
        for value in entries.values_mut().filter(|value| is_composite(value)) {
            *value = value.deep_copy();
        }
        Map::with(self.data.elem, self.data.nil, entries).converted(self.named)
    }

    /// The values, if this is the last handle on them.
    pub(super) fn into_values(map: Map) -> impl Iterator<Item = Value> {
        Arc::into_inner(map.data).map(|mut data| data.take()).unwrap_or_default().into_values()
    }

    /// The same entries in a new map; nested maps stay shared.
    pub fn shallow_copy(&self) -> Map {
        Map::with(self.data.elem, self.data.nil, self.read().clone()).converted(self.named)
    }

    /// The entries, locked: for reading without copies. Do not write to the same map meanwhile.
    pub fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Str, Value>> {
        // A poisoned lock only means that another thread panicked while it held the map: the map itself is whole.
        self.data.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Str, Value>> {
        self.data.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MapData {
    fn take(&mut self) -> BTreeMap<Str, Value> {
        std::mem::take(self.entries.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for MapData {
    fn drop(&mut self) {
        let entries = self.entries.get_mut().unwrap_or_else(PoisonError::into_inner);
        if entries.values().any(is_composite) {
            dismantle(self.take().into_values().filter(is_composite).collect());
        }
    }
}

impl Default for Map {
    fn default() -> Self {
        Map::new()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        Map::with(Type::Any, false, entries.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}
