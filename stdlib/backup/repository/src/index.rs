//! The index in memory: where each blob is. 48 bytes a blob, so a million take under 50 MB, and what is looked for is found by halving.

use std::collections::{BTreeMap, BTreeSet};

use crate::Id;
use crate::pack::{BlobKey, BlobType, PackBlob};

/// By the first byte of their names, so that one can be put in its place without moving many.
const BUCKETS: usize = 256;

/// The blobs of a repository, and which index files they were read from.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    buckets: Vec<Vec<Entry>>,
    packs: Vec<Id>,
    /// Where the last blob of each pack ends.
    pack_ends: Vec<u32>,
    pack_numbers: BTreeMap<Id, u32>,
    /// The packs that each index file names.
    files: BTreeMap<Id, Vec<u32>>,
    /// Index files that could not be read, and why.
    unread: BTreeMap<Id, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    id: Id,
    /// The highest bit tells trees.
    pack_and_kind: u32,
    offset: u32,
    length: u32,
    /// 0 if it is not compressed.
    uncompressed: u32,
}

const IS_TREE: u32 = 1 << 31;

/// Where a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) pack: Id,
    pub(crate) blob: PackBlob,
}

/// The place of an entry; holds as long as nothing is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    bucket: usize,
    at: usize,
}

/// A pack as index files and headers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackContent {
    pub(crate) id: Id,
    pub(crate) blobs: Vec<PackBlob>,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            buckets: vec![Vec::new(); BUCKETS],
            packs: Vec::new(),
            pack_ends: Vec::new(),
            pack_numbers: BTreeMap::new(),
            files: BTreeMap::new(),
            unread: BTreeMap::new(),
        }
    }
}

impl Entry {
    fn new(pack: u32, blob: &PackBlob) -> Self {
        let kind = if blob.key.kind == BlobType::Tree { IS_TREE } else { 0 };
        Entry {
            id: blob.key.id,
            pack_and_kind: pack | kind,
            offset: blob.offset,
            length: blob.length,
            uncompressed: blob.uncompressed.unwrap_or(0),
        }
    }

    fn key(&self) -> BlobKey {
        let kind = if self.pack_and_kind & IS_TREE == 0 { BlobType::Data } else { BlobType::Tree };
        BlobKey { id: self.id, kind }
    }

    fn blob(&self) -> PackBlob {
        PackBlob {
            key: self.key(),
            offset: self.offset,
            length: self.length,
            uncompressed: (self.uncompressed != 0).then_some(self.uncompressed),
        }
    }

    fn pack(&self) -> u32 {
        self.pack_and_kind & !IS_TREE
    }
}

impl Index {
    /// Adds what index files say; much at once, as all is put in order afterwards.
    pub(crate) fn add_files(&mut self, files: Vec<(Id, Vec<PackContent>)>) {
        for (file, packs) in files {
            let numbers = packs.iter().map(|pack| {
                let number = self.number(pack);
                for blob in &pack.blobs {
                    self.buckets[bucket(blob.key.id)].push(Entry::new(number, blob));
                }
                number
            });
            let numbers = numbers.collect();
            self.files.insert(file, numbers);
        }
    }

    /// Has to follow [`Self::add_files`].
    pub(crate) fn put_in_order(&mut self) {
        for bucket in &mut self.buckets {
            bucket.sort_unstable();
            // Several index files may name the same pack.
            bucket.dedup();
            bucket.shrink_to_fit();
        }
    }

    /// Adds an index file that was just written.
    pub(crate) fn add_file(&mut self, file: Id, packs: &[PackContent]) {
        let mut numbers = Vec::with_capacity(packs.len());
        for pack in packs {
            let number = self.number(pack);
            numbers.push(number);
            for blob in &pack.blobs {
                let entry = Entry::new(number, blob);
                let bucket = &mut self.buckets[bucket(entry.id)];
                if let Err(at) = bucket.binary_search(&entry) {
                    bucket.insert(at, entry);
                }
            }
        }
        self.files.insert(file, numbers);
        self.unread.remove(&file);
    }

    pub(crate) fn add_unread(&mut self, file: Id, problem: String) {
        self.unread.insert(file, problem);
    }

    fn number(&mut self, pack: &PackContent) -> u32 {
        let number = *self.pack_numbers.entry(pack.id).or_insert_with(|| {
            self.packs.push(pack.id);
            self.pack_ends.push(0);
            u32::try_from(self.packs.len() - 1).expect("2^31 packs are more than a repository has")
        });
        let ends = pack.blobs.iter().map(|blob| blob.offset.saturating_add(blob.length));
        let end = &mut self.pack_ends[number as usize];
        *end = ends.fold(*end, u32::max);
        number
    }

    /// Where the last blob of a pack ends; 0 if the pack is not known.
    pub(crate) fn pack_end(&self, pack: Id) -> u32 {
        self.pack_numbers.get(&pack).map_or(0, |number| self.pack_ends[*number as usize])
    }

    pub(crate) fn contains(&self, key: BlobKey) -> bool {
        self.slots(key).next().is_some()
    }

    /// Where a blob is; in several packs, if it was written several times.
    pub(crate) fn locations(&self, key: BlobKey) -> impl Iterator<Item = Location> {
        self.slots(key).map(|slot| self.location(slot))
    }

    pub(crate) fn slots(&self, key: BlobKey) -> impl Iterator<Item = Slot> {
        let number = bucket(key.id);
        let bucket = &self.buckets[number];
        let first = bucket.partition_point(|entry| entry.id < key.id);
        let same = bucket[first..].iter().take_while(move |entry| entry.id == key.id).enumerate();
        same.filter(move |(_, entry)| entry.key() == key)
            .map(move |(after, _)| Slot { bucket: number, at: first + after })
    }

    pub(crate) fn location(&self, slot: Slot) -> Location {
        let entry = &self.buckets[slot.bucket][slot.at];
        Location { pack: self.packs[entry.pack() as usize], blob: entry.blob() }
    }

    /// All entries.
    pub(crate) fn all_slots(&self) -> impl Iterator<Item = Slot> {
        let buckets = self.buckets.iter().enumerate();
        buckets.flat_map(|(bucket, entries)| (0..entries.len()).map(move |at| Slot { bucket, at }))
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = Id> {
        self.files.keys().copied()
    }

    pub(crate) fn has_file(&self, file: Id) -> bool {
        self.files.contains_key(&file)
    }

    /// The packs that an index file names.
    pub(crate) fn packs_of(&self, file: Id) -> Vec<Id> {
        let numbers = self.files.get(&file).map_or(&[][..], Vec::as_slice);
        numbers.iter().map(|number| self.packs[*number as usize]).collect()
    }

    /// How many blobs each pack has.
    pub(crate) fn blob_counts(&self) -> BTreeMap<Id, usize> {
        let mut counts = vec![0; self.packs.len()];
        for entry in self.buckets.iter().flatten() {
            counts[entry.pack() as usize] += 1;
        }
        self.packs.iter().copied().zip(counts).collect()
    }

    pub(crate) fn unread(&self) -> &BTreeMap<Id, String> {
        &self.unread
    }

    pub(crate) fn knows_pack(&self, pack: Id) -> bool {
        self.pack_numbers.contains_key(&pack)
    }

    pub(crate) fn packs(&self) -> BTreeSet<Id> {
        self.packs.iter().copied().collect()
    }

    /// What is in these packs, each in the order of its blobs.
    pub(crate) fn contents(&self, wanted: &BTreeSet<Id>) -> Vec<PackContent> {
        let mut contents: BTreeMap<Id, Vec<PackBlob>> = wanted.iter().map(|id| (*id, Vec::new())).collect();
        for slot in self.all_slots() {
            let location = self.location(slot);
            if let Some(blobs) = contents.get_mut(&location.pack) {
                blobs.push(location.blob);
            }
        }
        let sorted = |(id, mut blobs): (Id, Vec<PackBlob>)| {
            blobs.sort_unstable_by_key(|blob| blob.offset);
            PackContent { id, blobs }
        };
        contents.into_iter().map(sorted).collect()
    }

    /// A place for something about each entry.
    pub(crate) fn marks<T: Clone>(&self, value: T) -> Marks<T> {
        Marks(self.buckets.iter().map(|bucket| vec![value.clone(); bucket.len()]).collect())
    }
}

fn bucket(id: Id) -> usize {
    usize::from(id.as_bytes()[0])
}

/// Something about each entry of an index to which nothing is added meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Marks<T>(Vec<Vec<T>>);

impl<T> Marks<T> {
    pub(crate) fn at(&mut self, slot: Slot) -> &mut T {
        &mut self.0[slot.bucket][slot.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(number: u32, kind: BlobType) -> PackBlob {
        let key = BlobKey { id: Id::of(&number.to_le_bytes()), kind };
        PackBlob { key, offset: number, length: 40, uncompressed: (number % 2 == 1).then_some(number) }
    }

    #[test]
    fn blobs_are_found_where_files_say_that_they_are_in_whichever_way_these_were_added() {
        let pack = |number: u32| PackContent {
            id: Id::of(format!("pack {number}").as_bytes()),
            blobs: (number * 100..number * 100 + 150)
                .map(|blob_number| blob(blob_number, BlobType::Data))
                .collect(),
        };
        let packs: Vec<PackContent> = (0..20).map(pack).collect();
        let (first, second) = packs.split_at(12);
        let (one, two) = (Id::of(b"one"), Id::of(b"two"));
        let mut at_once = Index::default();
        at_once.add_files(vec![(one, first.to_vec()), (two, packs[10..].to_vec())]);
        at_once.put_in_order();
        let mut one_by_one = Index::default();
        one_by_one.add_file(one, first);
        one_by_one.add_file(two, second);
        for number in 0..2050 {
            let key = blob(number, BlobType::Data).key;
            let found =
                |index: &Index| index.locations(key).map(|location| location.pack).collect::<BTreeSet<_>>();
            let expected: BTreeSet<Id> = packs
                .iter()
                .filter(|pack| pack.blobs.iter().any(|blob| blob.key == key))
                .map(|pack| pack.id)
                .collect();
            assert_eq!((found(&at_once), found(&one_by_one)), (expected.clone(), expected), "{number}");
            assert!(!at_once.contains(BlobKey::tree(key.id)), "a tree is something else");
        }
        assert_eq!(at_once.contents(&at_once.packs()), one_by_one.contents(&one_by_one.packs()));
        assert_eq!(at_once.packs_of(two), packs[10..].iter().map(|pack| pack.id).collect::<Vec<_>>());
        assert_eq!(size_of::<Entry>(), 48);
    }
}
