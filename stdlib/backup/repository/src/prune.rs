//! Pruning: what no snapshot uses any more is removed. First it is decided, as a value that can be looked at; then it is done, in an order in
//! which a kill at any moment loses nothing.

mod apply;

use std::collections::{BTreeMap, BTreeSet};

use crate::fetch::Fetcher;
use crate::index::{Index, Location, Marks};
use crate::lock::ExclusiveLock;
use crate::pack::{self, BlobKey, PackBlob};
use crate::packer::PACK_SIZE;
use crate::repository::Repository;
use crate::{BlobType, Error, File, Id, Kind, Result};

/// A pack below this is small, …
const SMALL: u64 = PACK_SIZE as u64 / 25;
/// … and so many of them are made into larger ones.
const MANY_SMALL: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneOptions {
    /// How many hundredths of what is kept may be unused: packs are only written anew to get below that. 5 with restic.
    pub unused_percent: u8,
}

impl Default for PruneOptions {
    fn default() -> Self {
        PruneOptions { unused_percent: 5 }
    }
}

/// What a prune will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunePlan {
    /// Packs of which nothing is used.
    pub unused: Vec<Id>,
    /// Packs that are in no index: a backup that broke off, or a prune, has left them.
    pub unreferenced: Vec<Id>,
    /// Packs that the index names and that are not there; nothing of them is used.
    pub missing: Vec<Id>,
    /// Packs of which what is used is written into new ones.
    pub repack: Vec<Id>,
    /// Index files that are merged, as there are many small ones.
    pub merge: Vec<Id>,
    pub bytes: PruneBytes,
    /// What is kept of `repack`, pack by pack.
    kept: Vec<Location>,
    /// What stays where it is, in order, and of which other copies will be gone.
    last_copies: Vec<Location>,
}

/// How large things are, as they are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneBytes {
    /// What snapshots use.
    pub used: u64,
    /// What will be gone.
    pub removed: u64,
    /// What will be written anew.
    pub repacked: u64,
    /// What is not used and stays, in packs that are mostly used.
    pub unused_left: u64,
}

/// How much of a pack is used.
#[derive(Debug, Clone, Default)]
struct Usage {
    used: u64,
    unused: u64,
    /// Of the whole file, by its index.
    size: u64,
    has: BTreeSet<BlobType>,
}

impl PrunePlan {
    pub fn is_empty(&self) -> bool {
        let lists = [&self.unused, &self.unreferenced, &self.missing, &self.repack, &self.merge];
        lists.iter().all(|list| list.is_empty())
    }
}

impl Repository {
    /// Decides what a prune will do.
    ///
    /// # Errors
    /// `PruneRefused` if it cannot be told what is used: a snapshot, an index or a tree cannot be read, or something that is used is not
    /// there. Those of the storage.
    pub async fn plan_prune(&self, _lock: &ExclusiveLock<'_>, options: PruneOptions) -> Result<PrunePlan> {
        let refused = |error: Error| Error::PruneRefused(Box::new(error));
        let snapshots = self.snapshots().await?;
        if let Some((_, error)) = snapshots.damaged.into_iter().next() {
            return Err(refused(error));
        }
        self.load_index().await?;
        let unread = self.index().unread().iter().next().map(|(file, problem)| (*file, problem.clone()));
        if let Some((file, problem)) = unread {
            return Err(refused(Error::damaged(File::Named(Kind::Index, file), problem)));
        }
        let roots = snapshots.readable.iter().map(|named| named.snapshot.tree);
        let used = self.used_blobs(roots).await.map_err(refused)?;
        let there: BTreeMap<Id, u64> =
            self.list(Kind::Data).await?.into_iter().map(|listed| (listed.id, listed.size)).collect();
        let mut broken = BTreeSet::new();
        loop {
            let plan = decide(&self.index(), used.clone(), &there, &broken, options).map_err(refused)?;
            let found = self.broken_copies(&plan.last_copies).await?;
            if found.is_empty() {
                return Ok(plan);
            }
            broken.extend(found);
        }
    }

    /// Those that are not as they were written. With the plan, the other copies would go.
    async fn broken_copies(&self, copies: &[Location]) -> Result<Vec<Copy>> {
        let mut blobs = Fetcher::new(self, |codec, blob, sealed| {
            codec.open_blob(blob.key.id, sealed, blob.uncompressed).map(drop)
        });
        let mut asked = copies.iter();
        let mut broken = Vec::new();
        for copy in copies {
            while !blobs.is_full()
                && let Some(next) = asked.next()
            {
                blobs.ask(*next);
            }
            if !matches!(blobs.next().await, Some(Ok(()))) {
                self.answers().await?;
                broken.push((copy.pack, copy.blob.key));
            }
        }
        Ok(broken)
    }
}

/// A blob in one of the packs that have it.
type Copy = (Id, BlobKey);

fn decide(
    index: &Index,
    mut used: Marks<bool>,
    there: &BTreeMap<Id, u64>,
    broken: &BTreeSet<Copy>,
    options: PruneOptions,
) -> Result<PrunePlan> {
    let mut usages = usages(index);
    let is_whole = |usages: &BTreeMap<Id, Usage>, copy: &Location| {
        there.get(&copy.pack) == usages.get(&copy.pack).map(|usage| &usage.size)
            && !broken.contains(&(copy.pack, copy.blob.key))
    };
    let Chosen { kept, of_several } = choose_copies(index, &mut used, &mut usages, is_whole)
        .map_err(|key| lost(index, there, broken, key))?;
    let mut plan = PrunePlan {
        unused: Vec::new(),
        unreferenced: there.keys().filter(|pack| !index.knows_pack(**pack)).copied().collect(),
        missing: Vec::new(),
        repack: Vec::new(),
        merge: Vec::new(),
        bytes: PruneBytes::default(),
        kept: Vec::new(),
        last_copies: Vec::new(),
    };
    plan.bytes.removed = plan.unreferenced.iter().map(|pack| there[pack]).sum();
    let mut partly = Vec::new();
    let mut small = Vec::new();
    for (pack, usage) in &usages {
        plan.bytes.used += usage.used;
        match there.get(pack) {
            None => plan.missing.push(*pack),
            Some(size) if usage.used == 0 => {
                plan.unused.push(*pack);
                plan.bytes.removed += size;
            }
            Some(_) if usage.unused > 0 => partly.push((*pack, usage)),
            Some(size) if *size < SMALL => small.push(*pack),
            Some(_) => {}
        }
    }
    let repack = choose_repacked(plan.bytes.used, &partly, small, options);
    for (pack, usage) in &partly {
        match repack.contains(pack) {
            true => plan.bytes.removed += usage.unused,
            false => plan.bytes.unused_left += usage.unused,
        }
    }
    let goes = |pack: &Id| repack.contains(pack) || usages.get(pack).is_none_or(|usage| usage.used == 0);
    let others_go =
        |copy: &Location| !goes(&copy.pack) && index.locations(copy.blob.key).any(|other| goes(&other.pack));
    plan.last_copies = of_several.into_iter().filter(others_go).collect();
    plan.last_copies.sort_unstable_by_key(|location| (location.pack, location.blob.offset));
    plan.kept = kept.into_iter().filter(|location| repack.contains(&location.pack)).collect();
    plan.kept.sort_unstable_by_key(|location| (location.pack, location.blob.offset));
    plan.bytes.repacked = plan.kept.iter().map(|location| u64::from(location.blob.length)).sum();
    plan.repack = repack.into_iter().collect();
    plan.merge = apply::small_index_files(index);
    Ok(plan)
}

/// All packs of the index, as if nothing in them were used.
fn usages(index: &Index) -> BTreeMap<Id, Usage> {
    let empty = pack::size([]);
    let mut usages: BTreeMap<Id, Usage> =
        index.packs().into_iter().map(|pack| (pack, Usage { size: empty, ..Usage::default() })).collect();
    for slot in index.all_slots() {
        let Location { pack, blob } = index.location(slot);
        let usage = usages.entry(pack).or_default();
        usage.unused += u64::from(blob.length);
        usage.size += pack::size([blob]) - empty;
        usage.has.insert(blob.key.kind);
    }
    usages
}

impl Usage {
    fn uses(&mut self, blob: &PackBlob) {
        self.used += u64::from(blob.length);
        self.unused -= u64::from(blob.length);
    }
}

/// Of each blob that is used, the copy that stays.
struct Chosen {
    kept: Vec<Location>,
    /// Those of `kept` of which there are others.
    of_several: Vec<Location>,
}

/// Those there is only one of are chosen first, as the others should be where much is used.
///
/// # Errors
/// A blob of which no copy is whole.
fn choose_copies(
    index: &Index,
    used: &mut Marks<bool>,
    usages: &mut BTreeMap<Id, Usage>,
    is_whole: impl Fn(&BTreeMap<Id, Usage>, &Location) -> bool,
) -> std::result::Result<Chosen, BlobKey> {
    let (mut kept, mut several, mut of_several) = (Vec::new(), Vec::new(), Vec::new());
    for slot in index.all_slots() {
        if !*used.at(slot) {
            continue;
        }
        let key = index.location(slot).blob.key;
        let copies: Vec<Location> = index.locations(key).filter(|copy| is_whole(usages, copy)).collect();
        match copies[..] {
            [] => return Err(key),
            [only] => {
                kept.push(only);
                // The pack of another one may have lost its end, and still have this.
                of_several.extend(index.locations(key).nth(1).map(|_| only));
            }
            _ => several.push(copies),
        }
    }
    for location in &kept {
        if let Some(usage) = usages.get_mut(&location.pack) {
            usage.uses(&location.blob);
        }
    }
    for copies in several {
        let best = copies.iter().max_by_key(|copy| usages.get(&copy.pack).map_or(0, |usage| usage.used));
        let Some(best) = best else { continue };
        if let Some(usage) = usages.get_mut(&best.pack) {
            usage.uses(&best.blob);
        }
        kept.push(*best);
        of_several.push(*best);
    }
    Ok(Chosen { kept, of_several })
}

/// What is wrong with the first copy of a blob that is used and of which there is no whole one.
fn lost(index: &Index, there: &BTreeMap<Id, u64>, broken: &BTreeSet<Copy>, key: BlobKey) -> Error {
    let Some(location) = index.locations(key).next() else { return crate::used::not_indexed(index, key) };
    let problem = match there.get(&location.pack) {
        None => format!("it is not there, and the {key} in it is used"),
        Some(_) if broken.contains(&(location.pack, key)) => {
            format!("the {key} in it is used, and not as it was written")
        }
        Some(size) => {
            format!("it has {size} bytes, which is not what the index says, and the {key} in it is used")
        }
    };
    Error::damaged(File::Named(Kind::Data, location.pack), problem)
}

fn choose_repacked(
    used: u64,
    partly: &[(Id, &Usage)],
    small: Vec<Id>,
    options: PruneOptions,
) -> BTreeSet<Id> {
    let limit = used / 100 * u64::from(options.unused_percent);
    let mut left: u64 = partly.iter().map(|(_, usage)| usage.unused).sum();
    // What wins most room for what has to be written. Trees first: they are read for everything.
    let mut order: Vec<&(Id, &Usage)> = partly.iter().collect();
    order.sort_by(|(_, a), (_, b)| {
        let has_trees = |usage: &Usage| usage.has.contains(&BlobType::Tree);
        let product = |x: &Usage, y: &Usage| u128::from(x.unused) * u128::from(y.used);
        has_trees(b).cmp(&has_trees(a)).then(product(b, a).cmp(&product(a, b)))
    });
    let mut repack = BTreeSet::new();
    for (pack, usage) in order {
        let mixed = usage.has.len() > 1;
        let has_trees = usage.has.contains(&BlobType::Tree);
        if left > limit || mixed || has_trees {
            left -= usage.unused;
            repack.insert(*pack);
        }
    }
    if small.len() >= MANY_SMALL {
        repack.extend(small);
    }
    repack
}
