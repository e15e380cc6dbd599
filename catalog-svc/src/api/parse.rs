//! From the wire: every bad field of a request in one answer.

use kit_rpc::page::Page;
use oxcart_proto::{BadFields, catalog as pb};
use oxcart_types::{Item, Sku};
use tonic::Status;

use crate::domain::search::{Place, Query};

/// The most SKUs that one call looks up.
const MAX_SKUS: usize = 1_000;

/// Names the list of all items in its page tokens.
pub(super) const LIST_QUERY: &str = "oxcart.catalog.v1.ListItems";

/// Names a search in its page tokens, together with the words.
const SEARCH_QUERY: &str = "oxcart.catalog.v1.SearchItems";

pub(super) fn skus(request: &pb::GetDescriptionsRequest) -> Result<Vec<Sku>, Status> {
    let mut bad = BadFields::default();
    if request.skus.len() > MAX_SKUS {
        bad.push("skus", format_args!("must be at most {MAX_SKUS}"));
        return Err(bad.into_status());
    }
    let parsed = request.skus.iter().enumerate();
    let skus = parsed.filter_map(|(index, text)| bad.take(format!("skus[{index}]"), text.parse()));
    let skus = skus.collect();
    bad.check()?;
    Ok(skus)
}

pub(super) fn sku(request: &pb::DeleteItemRequest) -> Result<Sku, Status> {
    let mut bad = BadFields::default();
    let sku = bad.take("sku", request.sku.parse());
    sku.ok_or_else(|| bad.into_status())
}

pub(super) fn item(request: &pb::UpsertItemRequest) -> Result<Item, Status> {
    let mut bad = BadFields::default();
    let item = bad.item("item", request.item.as_ref());
    bad.finish(item)
}

/// A request for a page of all items.
pub(super) struct ListItems {
    pub(super) after: Option<Sku>,
    pub(super) size: u32,
}

impl TryFrom<pb::ListItemsRequest> for ListItems {
    type Error = Status;

    fn try_from(request: pb::ListItemsRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let page = Page::read(request.page_size, &request.page_token, LIST_QUERY, &mut bad);
        let list = page.and_then(|page| {
            let after = read_cursor(page.after.as_deref(), |text| text.parse().ok());
            Some(Self { after: bad.take("page_token", after)?, size: page.size })
        });
        list.ok_or_else(|| bad.into_status())
    }
}

/// A request for a page of matching items.
pub(super) struct SearchItems {
    pub(super) query: Query,
    pub(super) after: Option<Place>,
    pub(super) size: u32,
    /// Names this search in its page tokens.
    pub(super) list_query: String,
}

impl TryFrom<pb::SearchItemsRequest> for SearchItems {
    type Error = Status;

    fn try_from(request: pb::SearchItemsRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let query = bad.take("query", request.query.parse());
        let list_query = format!("{SEARCH_QUERY} {}", request.query);
        let page = Page::read(request.page_size, &request.page_token, &list_query, &mut bad);
        let search = query.zip(page).and_then(|(query, page)| {
            let after = read_cursor(page.after.as_deref(), read_place);
            Some(Self { query, after: bad.take("page_token", after)?, size: page.size, list_query })
        });
        search.ok_or_else(|| bad.into_status())
    }
}

/// Reads where a page ended. The kit has checked that the token is one of ours, but whoever reads
/// this file can make one.
fn read_cursor<T>(
    cursor: Option<&str>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, &'static str> {
    let after = cursor.map(|cursor| read(cursor).ok_or("must be empty or a next_page_token"));
    after.transpose()
}

/// Reads what [`super::answer::cursor`] wrote.
fn read_place(cursor: &str) -> Option<Place> {
    let (rank, sku) = cursor.split_once(' ')?;
    let rank = f64::from_bits(u64::from_str_radix(rank, 16).ok()?);
    Some(Place { rank, sku: sku.parse().ok()? }).filter(|place| place.rank.is_finite())
}

#[cfg(test)]
mod tests {
    use oxcart_types::Money;

    use super::*;
    use crate::{api::answer::cursor, domain::search::Match};

    #[test]
    fn a_place_in_a_search_reads_back_to_the_last_bit() {
        let price = Money::from_parts("GBP", 1).unwrap().try_into().unwrap();
        let (name, description) = ("x".parse().unwrap(), "".parse().unwrap());
        let sku: Sku = "BANK CHARGES".parse().unwrap();
        for rank in [-1.0 / 3.0, -0.0, -1e-6, f64::MIN_POSITIVE] {
            let item = Item {
                sku: sku.clone(),
                name: Clone::clone(&name),
                description: Clone::clone(&description),
                price,
            };
            let place = read_place(&cursor(&Match { rank, item })).unwrap();
            assert_eq!((place.rank.to_bits(), &place.sku), (rank.to_bits(), &sku));
        }
        for rubbish in ["", "x", "0 ", "7ff8000000000000 x", "g x", "1ffffffffffffffff x"] {
            assert_eq!(read_place(rubbish), None, "{rubbish}");
        }
    }
}
