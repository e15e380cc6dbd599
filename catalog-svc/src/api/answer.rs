//! To the wire: items, counts, cursors and errors.

use kit_rpc::error;
use oxcart_proto::{Reason, Refusal, catalog as pb};
use tonic::Status;

use crate::{
    app::{CatalogError, Descriptions, Saved, StoreError},
    domain::{import::BadFile, search::Match},
};

const STORE_FAILED: &str = "the catalogue store failed";

impl From<Descriptions> for pb::GetDescriptionsResponse {
    fn from(descriptions: Descriptions) -> Self {
        Self {
            items: descriptions.items.into_iter().map(Into::into).collect(),
            missing_skus: descriptions.missing.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Saved> for pb::ImportItemsResponse {
    fn from(saved: Saved) -> Self {
        let count = |items: u64| i64::try_from(items).unwrap_or(i64::MAX);
        Self {
            created_count: count(saved.created),
            updated_count: count(saved.updated),
            unchanged_count: count(saved.unchanged),
        }
    }
}

/// Where in a search's order an item stands. The rank goes by its bits: in decimals the item might
/// come out on either side of itself.
pub(super) fn cursor(found: &Match) -> String {
    format!("{:x} {}", found.rank.to_bits(), found.item.sku)
}

impl From<CatalogError> for Status {
    fn from(failure: CatalogError) -> Self {
        match failure {
            CatalogError::NotFound { ref sku } => {
                Refusal::new(Reason::ItemNotFound, failure.to_string()).with("sku", sku).into()
            }
            CatalogError::BadFile(bad) => refuse_file(&bad),
            CatalogError::Interrupted(_) => error::internal("reading the file failed", &failure),
            CatalogError::Store(StoreError::Database(failure)) => {
                error::failed(STORE_FAILED, &failure, failure.is_unavailable())
            }
            CatalogError::Store(conflict @ StoreError::Conflict) => {
                error::unavailable(STORE_FAILED, &conflict)
            }
            CatalogError::Store(unreadable @ StoreError::Unreadable { .. }) => {
                error::internal(STORE_FAILED, &unreadable)
            }
        }
    }
}

/// Names as many bad rows as a status holds, and counts them all.
fn refuse_file(bad: &BadFile) -> Status {
    let listed = bad.listed().iter().map(|field| (field.place(), field.reason.to_string()));
    let first = listed.clone().next().map(|(place, reason)| format!(": {place} {reason}"));
    let message = format!("{bad}{}", first.unwrap_or_default());
    let refusal = Refusal::new(Reason::FieldInvalid, message).with("bad_rows", bad.bad_rows());
    listed.fold(refusal, |refusal, (place, reason)| refusal.field(place, reason)).into()
}
