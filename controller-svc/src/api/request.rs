//! Requests: what they ask for, or every bad field at once.

use std::collections::HashSet;

use oxcart_proto::{BadFields, common, controller as pb};
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, Line, Money, Quantity, RequestId, Sku,
    Version,
};
use tonic::Status;

use crate::{
    app::checkout::Purchase,
    clients::{Card, CheckoutName, MAX_SKUS_PER_CALL, PageRequest, PaymentToken},
};

const MAX_LINES: usize = 1_000;
const MAX_QUERY_CHARS: usize = 200;
const MAX_PAYMENT_TOKEN_CHARS: usize = 255;
/// A token for the next page is short; what is longer was not made here.
const MAX_PAGE_TOKEN_BYTES: usize = 4_096;
/// The longest text in a card's field: 19 digits and a space after each.
const MAX_CARD_FIELD_BYTES: usize = 40;

/// Which cart, and the version that the client expects it to have.
pub(super) struct CartVersion {
    pub(super) id: CartId,
    pub(super) expected_version: Option<Version>,
}

/// What `CreateCart` asks for.
pub(super) struct CreateCart {
    pub(super) id: Option<CartId>,
    pub(super) lines: Vec<Line>,
    pub(super) details: CartDetails,
}

/// What `UpdateCart` asks for.
pub(super) struct UpdateCart {
    pub(super) cart: CartVersion,
    pub(super) lines: Option<Vec<Line>>,
    pub(super) details: CartDetailsPatch,
}

/// What `SetItem` asks for; without a quantity the item is removed.
pub(super) struct SetItem {
    pub(super) cart: CartVersion,
    pub(super) sku: Sku,
    pub(super) quantity: Option<Quantity>,
}

pub(super) fn get_storefront(request: pb::GetStorefrontRequest) -> Result<i32, Status> {
    page(request.page_size, String::new()).map(|page| page.size)
}

pub(super) fn list_items(request: pb::ListItemsRequest) -> Result<PageRequest, Status> {
    page(request.page_size, request.page_token)
}

pub(super) fn search_items(
    request: pb::SearchItemsRequest,
) -> Result<(String, PageRequest), Status> {
    let mut bad = BadFields::default();
    let page = read_page(request.page_size, request.page_token, &mut bad);
    if !has_length(&request.query, 1, MAX_QUERY_CHARS) {
        bad.push("query", format!("must be 1 to {MAX_QUERY_CHARS} characters"));
    }
    bad.finish(Some((request.query, page)))
}

pub(super) fn get_items(request: &pb::GetItemsRequest) -> Result<Vec<Sku>, Status> {
    let mut bad = BadFields::default();
    let skus = &request.skus;
    if skus.len() > MAX_SKUS_PER_CALL {
        bad.push("skus", format!("must be at most {MAX_SKUS_PER_CALL}"));
        return Err(bad.into_status());
    }
    let read = skus.iter().enumerate();
    let read = read.filter_map(|(index, sku)| bad.take(format!("skus[{index}]"), sku.parse()));
    let read = read.collect();
    bad.finish(Some(read))
}

pub(super) fn create_cart(request: &pb::CreateCartRequest) -> Result<CreateCart, Status> {
    let mut bad = BadFields::default();
    let given = Some(&request.cart_id).filter(|id| !id.is_empty());
    let id = bad.take("cart_id", given.map(|id| id.parse()).transpose());
    let lines = read_lines(&request.lines, Zero::IsRefused, &mut bad);
    let details = bad.cart_details("", request);
    bad.finish(id.zip(details).map(|(id, details)| CreateCart { id, lines, details }))
}

pub(super) fn get_cart(request: &pb::GetCartRequest) -> Result<CartId, Status> {
    let mut bad = BadFields::default();
    let id = bad.take("cart_id", request.cart_id.parse());
    bad.finish(id)
}

pub(super) fn list_carts(
    request: pb::ListCartsRequest,
) -> Result<(CartFilter, PageRequest), Status> {
    let mut bad = BadFields::default();
    let filter = CartFilter::try_from(request.filter())
        .map_err(|_| "must be CART_FILTER_UNPURCHASED or CART_FILTER_PURCHASED");
    let filter = bad.take("filter", filter);
    let page = read_page(request.page_size, request.page_token, &mut bad);
    bad.finish(filter.map(|filter| (filter, page)))
}

pub(super) fn update_cart(request: &pb::UpdateCartRequest) -> Result<UpdateCart, Status> {
    let mut bad = BadFields::default();
    let cart = read_version(&request.cart_id, &request.etag, &mut bad);
    let lines = bad.replaced_lines(request);
    let lines = lines.map(|lines| read_lines(lines, Zero::Removes, &mut bad));
    let details = bad.cart_details_patch(request);
    bad.finish(cart.zip(details).map(|(cart, details)| UpdateCart { cart, lines, details }))
}

pub(super) fn set_item(request: &pb::SetItemRequest) -> Result<SetItem, Status> {
    let mut bad = BadFields::default();
    let cart = read_version(&request.cart_id, &request.etag, &mut bad);
    let line = bad.required("line", request.line.as_ref());
    let line = line.and_then(|line| bad.line_change("line", line, Quantity::try_from));
    bad.finish(cart.zip(line).map(|(cart, (sku, quantity))| SetItem { cart, sku, quantity }))
}

pub(super) fn delete_cart(request: &pb::DeleteCartRequest) -> Result<CartVersion, Status> {
    let mut bad = BadFields::default();
    let cart = read_version(&request.cart_id, &request.etag, &mut bad);
    bad.finish(cart)
}

/// The payment service knows what a card is; only what no card could hold is refused here.
pub(super) fn tokenize_card(request: pb::TokenizeCardRequest) -> Result<Card, Status> {
    let mut bad = BadFields::default();
    let card = bad.required("card", request.card);
    let card = card.map(|card| {
        for (field, text) in [("card.number", &card.number), ("card.cvc", &card.cvc)] {
            if text.is_empty() || text.len() > MAX_CARD_FIELD_BYTES {
                bad.push(field, format!("must be 1 to {MAX_CARD_FIELD_BYTES} characters"));
            }
        }
        Card {
            number: card.number,
            expiry_month: card.expiry_month,
            expiry_year: card.expiry_year,
            cvc: card.cvc,
        }
    });
    bad.finish(card)
}

pub(super) fn checkout(request: pb::CheckoutRequest) -> Result<Purchase, Status> {
    let mut bad = BadFields::default();
    let id = bad.take("request_id", request.request_id.parse());
    let cart = read_version(&request.cart_id, &request.etag, &mut bad);
    let expected_total = match (&request.expected_total, request.accept_any_total) {
        (None, true) => Some(None),
        (Some(total), false) => {
            let total = Money::from_parts(&total.currency_code, total.minor_units);
            bad.take("expected_total", total).map(Some)
        }
        (Some(_), true) => {
            bad.take("accept_any_total", Err("must be false where expected_total is set"))
        }
        (None, false) => {
            let missing = "must be set; to purchase at whatever it costs set accept_any_total";
            bad.take("expected_total", Err(missing))
        }
    };
    if !has_length(&request.payment_token, 1, MAX_PAYMENT_TOKEN_CHARS) {
        bad.push("payment_token", format!("must be 1 to {MAX_PAYMENT_TOKEN_CHARS} characters"));
    }
    let token = PaymentToken(request.payment_token);
    let read: Option<((RequestId, CartVersion), Option<Money>)> = id.zip(cart).zip(expected_total);
    bad.finish(read.map(|((request, cart), expected_total)| Purchase {
        request,
        cart: cart.id,
        expected_version: cart.expected_version,
        expected_total,
        token,
    }))
}

pub(super) fn get_checkout(request: pb::GetCheckoutRequest) -> Result<CheckoutName, Status> {
    use pb::get_checkout_request::Name;
    let mut bad = BadFields::default();
    let name = match request.name {
        Some(Name::CheckoutId(id)) => bad.take("checkout_id", id.parse()).map(CheckoutName::Id),
        Some(Name::RequestId(id)) => bad.take("request_id", id.parse()).map(CheckoutName::Request),
        None => bad.take("name", Err("must be a checkout_id or a request_id")),
    };
    bad.finish(name)
}

pub(super) fn watch_checkout(request: pb::WatchCheckoutRequest) -> Result<CheckoutName, Status> {
    use pb::{get_checkout_request as get, watch_checkout_request::Name};
    let name = request.name.map(|name| match name {
        Name::CheckoutId(id) => get::Name::CheckoutId(id),
        Name::RequestId(id) => get::Name::RequestId(id),
    });
    get_checkout(pb::GetCheckoutRequest { name })
}

pub(super) fn list_purchases(request: pb::ListPurchasesRequest) -> Result<PageRequest, Status> {
    page(request.page_size, request.page_token)
}

fn page(size: i32, token: String) -> Result<PageRequest, Status> {
    let mut bad = BadFields::default();
    let page = read_page(size, token, &mut bad);
    bad.finish(Some(page))
}

/// The listing service reads the page; only what no service could take is refused here.
fn read_page(size: i32, token: String, bad: &mut BadFields) -> PageRequest {
    if size < 0 {
        bad.push("page_size", "must not be negative");
    }
    if token.len() > MAX_PAGE_TOKEN_BYTES {
        bad.push("page_token", "must be empty or a token as the service gave it out");
    }
    PageRequest { size, token }
}

fn read_version(cart_id: &str, etag: &str, bad: &mut BadFields) -> Option<CartVersion> {
    let id = bad.take("cart_id", cart_id.parse());
    let expected_version = bad.optional_etag("etag", etag);
    id.zip(expected_version).map(|(id, expected_version)| CartVersion { id, expected_version })
}

/// What a line with a quantity of 0 means.
#[derive(Clone, Copy)]
enum Zero {
    /// The item is not to be in the cart.
    Removes,
    /// A mistake.
    IsRefused,
}

fn read_lines(lines: &[common::Line], zero: Zero, bad: &mut BadFields) -> Vec<Line> {
    if lines.len() > MAX_LINES {
        bad.push("lines", format!("must be at most {MAX_LINES}"));
        return Vec::new();
    }
    let mut named = HashSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let path = format!("lines[{index}]");
        if !named.insert(line.sku.as_str()) && line.sku.parse::<Sku>().is_ok() {
            bad.push(format!("{path}.sku"), "must be named once");
        }
        match zero {
            Zero::IsRefused => read.extend(bad.line(&path, line)),
            Zero::Removes => {
                let change = bad.line_change(&path, line, Quantity::try_from);
                let line =
                    change.and_then(|(sku, quantity)| Some(Line { sku, quantity: quantity? }));
                read.extend(line);
            }
        }
    }
    read
}

/// A character has at most four bytes: a huge text is refused without counting it.
fn has_length(text: &str, least: usize, most: usize) -> bool {
    text.len() <= 4 * most && (least..=most).contains(&text.chars().count())
}
