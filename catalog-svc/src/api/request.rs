//! Requests: what they ask for, or every bad field at once.

use kit_rpc::page::Page;
use oxcart_proto::{BadFields, catalog as pb};
use oxcart_types::{Item, Sku};
use tonic::Status;

use super::page;
use crate::domain::search::{Place, Query};

/// The most SKUs that one call looks up.
const MAX_SKUS: usize = 1_000;

/// What `ListItems` asks for.
pub(super) struct ListItems {
    pub(super) after: Option<Sku>,
    pub(super) size: u32,
}

/// What `SearchItems` asks for.
pub(super) struct SearchItems {
    pub(super) query: Query,
    pub(super) after: Option<Place>,
    pub(super) size: u32,
}

pub(super) fn get_descriptions(request: &pb::GetDescriptionsRequest) -> Result<Vec<Sku>, Status> {
    let mut bad = BadFields::default();
    if request.skus.len() > MAX_SKUS {
        bad.push("skus", format_args!("must be at most {MAX_SKUS}"));
        return Err(bad.into_status());
    }
    let parsed = request.skus.iter().enumerate();
    let skus = parsed.filter_map(|(index, text)| bad.take(format!("skus[{index}]"), text.parse()));
    let skus = skus.collect();
    bad.finish(Some(skus))
}

pub(super) fn list_items(request: &pb::ListItemsRequest) -> Result<ListItems, Status> {
    let mut bad = BadFields::default();
    let page = Page::read(request.page_size, &request.page_token, page::LIST, &mut bad);
    let list = page.and_then(|page| {
        let after = page.after.as_deref().map(page::sku).transpose();
        Some(ListItems { after: bad.take("page_token", after)?, size: page.size })
    });
    bad.finish(list)
}

pub(super) fn search_items(request: &pb::SearchItemsRequest) -> Result<SearchItems, Status> {
    let mut bad = BadFields::default();
    let query = bad.take("query", request.query.parse());
    let list = page::search(&request.query);
    let page = Page::read(request.page_size, &request.page_token, &list, &mut bad);
    let search = query.zip(page).and_then(|(query, page)| {
        let after = page.after.as_deref().map(page::place).transpose();
        Some(SearchItems { query, after: bad.take("page_token", after)?, size: page.size })
    });
    bad.finish(search)
}

pub(super) fn upsert_item(request: &pb::UpsertItemRequest) -> Result<Item, Status> {
    let mut bad = BadFields::default();
    let item = bad.item("item", request.item.as_ref());
    bad.finish(item)
}

pub(super) fn delete_item(request: &pb::DeleteItemRequest) -> Result<Sku, Status> {
    let mut bad = BadFields::default();
    let sku = bad.take("sku", request.sku.parse());
    bad.finish(sku)
}
