//! Answers: the values of the use cases as messages.

use oxcart_proto::catalog as pb;

use crate::app::{Descriptions, Saved};

pub(super) fn get_descriptions(found: Descriptions) -> pb::GetDescriptionsResponse {
    pb::GetDescriptionsResponse {
        items: found.items.into_iter().map(Into::into).collect(),
        missing_skus: found.missing.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn import_items(saved: Saved) -> pb::ImportItemsResponse {
    let count = |items: u64| i64::try_from(items).unwrap_or(i64::MAX);
    pb::ImportItemsResponse {
        created_count: count(saved.created),
        updated_count: count(saved.updated),
        unchanged_count: count(saved.unchanged),
    }
}
