//! Items in memory, lost at exit: for tests and for a first look.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use async_trait::async_trait;
use oxcart_types::{Item, Sku};

use super::{CatalogStore, Saved, StoreError};
use crate::domain::{
    item::ItemSet,
    search::{Match, Place, Query},
};

/// A map under a lock that is never held across an await.
#[derive(Default)]
pub(super) struct MemoryStore {
    items: RwLock<BTreeMap<Sku, Item>>,
}

impl MemoryStore {
    // Nothing panics between two changes of the map, so a poisoned one is whole.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Sku, Item>> {
        self.items.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Sku, Item>> {
        self.items.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CatalogStore for MemoryStore {
    async fn find(&self, skus: &[Sku]) -> Result<Vec<Item>, StoreError> {
        let wanted: BTreeMap<&Sku, ()> = skus.iter().map(|sku| (sku, ())).collect();
        let items = self.read();
        Ok(wanted.into_keys().filter_map(|sku| items.get(sku).cloned()).collect())
    }

    async fn list(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<Item>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let items = self.read();
        let behind = items.range::<Sku, _>((start, Bound::Unbounded));
        Ok(behind.map(|(_, item)| item.clone()).take(limit as usize).collect())
    }

    async fn search(
        &self,
        query: &Query,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Match>, StoreError> {
        let is_behind = |one: &(f64, &Item)| {
            after.is_none_or(|place| {
                one.0.total_cmp(&place.rank).then_with(|| one.1.sku.cmp(&place.sku)).is_gt()
            })
        };
        let items = self.read();
        let ranked = items.values().filter_map(|item| Some((query.rank(item)?, item)));
        let mut found: Vec<_> = ranked.filter(is_behind).collect();
        // Stable: items of one rank stay in the order of their SKUs.
        found.sort_by(|one, other| one.0.total_cmp(&other.0));
        let found = found.into_iter().take(limit as usize);
        Ok(found.map(|(rank, item)| Match { rank, item: item.clone() }).collect())
    }

    async fn save(&self, items: &ItemSet) -> Result<Saved, StoreError> {
        let mut saved = Saved::default();
        let mut stored = self.write();
        for item in items.as_slice() {
            match stored.entry(item.sku.clone()) {
                Entry::Vacant(place) => {
                    place.insert(item.clone());
                    saved.created += 1;
                }
                Entry::Occupied(place) if place.get() == item => saved.unchanged += 1,
                Entry::Occupied(mut place) => {
                    place.insert(item.clone());
                    saved.updated += 1;
                }
            }
        }
        Ok(saved)
    }

    async fn delete(&self, sku: &Sku) -> Result<bool, StoreError> {
        Ok(self.write().remove(sku).is_some())
    }
}
