//! Requests as messages. Every bad field is named in one answer.

use std::collections::HashSet;

use oxcart_proto::{common, controller as pb};
use oxcart_types::{CartId, CheckoutId, IdError, Line, Money, Quantity, Sku, Version};
use service_kit::error::BadFields;
use tonic::Status;

use crate::{
    app::checkout::Purchase,
    clients::{Card, CartFilter, CheckoutName, MAX_SKUS_PER_CALL, PageRequest, PaymentToken},
};

const MAX_LINES: usize = 1_000;
const MAX_QUERY_CHARS: usize = 200;
const MAX_PAYMENT_TOKEN_CHARS: usize = 255;
/// A token for the next page is short; what is longer was not made here.
const MAX_PAGE_TOKEN_BYTES: usize = 4_096;
/// The longest text in a card's field: 19 digits and a space after each.
const MAX_CARD_FIELD_BYTES: usize = 40;

/// Which cart, and the version of it that the client has seen.
pub struct CartName {
    pub id: CartId,
    pub seen: Option<Version>,
}

impl CartName {
    pub fn parse(cart_id: &str, etag: &str) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let name = Self::take(cart_id, etag, &mut bad);
        all(name, bad)
    }

    fn take(cart_id: &str, etag: &str, bad: &mut BadFields) -> Option<Self> {
        let id = bad.take("cart_id", cart_id.parse());
        let seen = bad.take("etag", seen_version(etag));
        Some(Self { id: id?, seen: seen? })
    }
}

/// A request that is whole, or every reason why it is not.
fn all<T>(parsed: Option<T>, bad: BadFields) -> Result<T, Status> {
    match parsed {
        Some(parsed) if bad.is_empty() => Ok(parsed),
        _ => Err(bad.into_status()),
    }
}

fn seen_version(etag: &str) -> Result<Option<Version>, IdError> {
    if etag.is_empty() { Ok(None) } else { Version::from_etag(etag).map(Some) }
}

pub struct NewCart {
    pub id: Option<CartId>,
    pub lines: Vec<Line>,
}

impl TryFrom<pb::CreateCartRequest> for NewCart {
    type Error = Status;

    fn try_from(request: pb::CreateCartRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let id = match request.cart_id.as_str() {
            "" => Some(None),
            id => bad.take("cart_id", id.parse()).map(Some),
        };
        let lines = take_lines(&request.lines, &mut bad);
        all(id.map(|id| Self { id, lines }), bad)
    }
}

pub struct UpdatedCart {
    pub name: CartName,
    pub lines: Vec<Line>,
}

impl TryFrom<pb::UpdateCartRequest> for UpdatedCart {
    type Error = Status;

    fn try_from(request: pb::UpdateCartRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let name = CartName::take(&request.cart_id, &request.etag, &mut bad);
        let lines = take_lines(&request.lines, &mut bad);
        all(name.map(|name| Self { name, lines }), bad)
    }
}

fn take_lines(lines: &[common::Line], bad: &mut BadFields) -> Vec<Line> {
    if lines.len() > MAX_LINES {
        bad.push("lines", format!("must be at most {MAX_LINES}"));
        return Vec::new();
    }
    let mut named = HashSet::new();
    let mut taken = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let field = format!("lines[{index}].sku");
        let sku = bad.take(field.as_str(), line.sku.parse::<Sku>());
        if sku.is_some() && !named.insert(line.sku.as_str()) {
            bad.push(field, "must be named once");
        }
        let quantity = Quantity::try_from(line.quantity);
        let quantity = bad.take(format!("lines[{index}].quantity"), quantity);
        if let (Some(sku), Some(quantity)) = (sku, quantity) {
            taken.push(Line { sku, quantity });
        }
    }
    taken
}

/// One line of a cart; without a quantity it is removed.
pub struct SetLine {
    pub name: CartName,
    pub sku: Sku,
    pub quantity: Option<Quantity>,
}

impl TryFrom<pb::SetItemRequest> for SetLine {
    type Error = Status;

    fn try_from(request: pb::SetItemRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let name = CartName::take(&request.cart_id, &request.etag, &mut bad);
        let Some(line) = request.line else {
            bad.push("line", "must be set");
            return Err(bad.into_status());
        };
        let sku = bad.take("line.sku", line.sku.parse());
        let quantity = match line.quantity {
            0 => Some(None),
            pieces => {
                let quantity = Quantity::try_from(pieces);
                let quantity = quantity.map_err(|range| format!("{range}, or 0"));
                bad.take("line.quantity", quantity).map(Some)
            }
        };
        let parsed = name.zip(sku).zip(quantity);
        all(parsed.map(|((name, sku), quantity)| Self { name, sku, quantity }), bad)
    }
}

pub struct CartPage {
    pub filter: CartFilter,
    pub page: PageRequest,
}

impl TryFrom<pb::ListCartsRequest> for CartPage {
    type Error = Status;

    fn try_from(request: pb::ListCartsRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let filter = match common::CartFilter::try_from(request.filter) {
            Ok(common::CartFilter::Unpurchased) => Some(CartFilter::Unpurchased),
            Ok(common::CartFilter::Purchased) => Some(CartFilter::Purchased),
            Ok(common::CartFilter::Unspecified) | Err(_) => {
                bad.push("filter", "must be CART_FILTER_UNPURCHASED or CART_FILTER_PURCHASED");
                None
            }
        };
        let page = take_page(request.page_size, request.page_token, &mut bad);
        all(filter.map(|filter| Self { filter, page }), bad)
    }
}

/// The listing service reads the page; only what no service could take is refused here.
fn take_page(size: i32, token: String, bad: &mut BadFields) -> PageRequest {
    if size < 0 {
        bad.push("page_size", "must not be negative");
    }
    if token.len() > MAX_PAGE_TOKEN_BYTES {
        bad.push("page_token", "must be empty or a token as the service gave it out");
    }
    PageRequest { size, token }
}

pub fn items_page(size: i32, token: String) -> Result<PageRequest, Status> {
    let mut bad = BadFields::default();
    let page = take_page(size, token, &mut bad);
    all(Some(page), bad)
}

pub fn purchases_page(request: pb::ListPurchasesRequest) -> Result<PageRequest, Status> {
    items_page(request.page_size, request.page_token)
}

pub fn parse_search(request: pb::SearchItemsRequest) -> Result<(String, PageRequest), Status> {
    let mut bad = BadFields::default();
    let page = take_page(request.page_size, request.page_token, &mut bad);
    if !has_length(&request.query, 1, MAX_QUERY_CHARS) {
        bad.push("query", format!("must be 1 to {MAX_QUERY_CHARS} characters"));
    }
    all(Some((request.query, page)), bad)
}

/// Four bytes a character at most: a huge text is refused without counting it.
fn has_length(text: &str, least: usize, most: usize) -> bool {
    text.len() <= 4 * most && (least..=most).contains(&text.chars().count())
}

pub fn parse_skus(skus: &[String]) -> Result<Vec<Sku>, Status> {
    let mut bad = BadFields::default();
    if skus.len() > MAX_SKUS_PER_CALL {
        bad.push("skus", format!("must be at most {MAX_SKUS_PER_CALL}"));
        return Err(bad.into_status());
    }
    let parsed = skus.iter().enumerate();
    let parsed = parsed.filter_map(|(index, sku)| bad.take(format!("skus[{index}]"), sku.parse()));
    let parsed = parsed.collect();
    all(Some(parsed), bad)
}

/// The payment service knows what a card is; only what no card could hold is refused here.
pub fn parse_card(request: pb::TokenizeCardRequest) -> Result<Card, Status> {
    let mut bad = BadFields::default();
    let Some(card) = request.card else {
        bad.push("card", "must be set");
        return Err(bad.into_status());
    };
    for (field, text) in [("card.number", &card.number), ("card.cvc", &card.cvc)] {
        if text.is_empty() || text.len() > MAX_CARD_FIELD_BYTES {
            bad.push(field, format!("must be 1 to {MAX_CARD_FIELD_BYTES} characters"));
        }
    }
    let card = Card {
        number: card.number,
        expiry_month: card.expiry_month,
        expiry_year: card.expiry_year,
        cvc: card.cvc,
    };
    all(Some(card), bad)
}

pub fn parse_purchase(request: pb::CheckoutRequest) -> Result<Purchase, Status> {
    let mut bad = BadFields::default();
    let id = bad.take("request_id", request.request_id.parse());
    let name = CartName::take(&request.cart_id, &request.etag, &mut bad);
    let expected_total = match &request.expected_total {
        None => Some(None),
        Some(total) => {
            let total = Money::from_parts(&total.currency_code, total.minor_units);
            bad.take("expected_total", total).map(Some)
        }
    };
    if !has_length(&request.payment_token, 1, MAX_PAYMENT_TOKEN_CHARS) {
        bad.push("payment_token", format!("must be 1 to {MAX_PAYMENT_TOKEN_CHARS} characters"));
    }
    let token = PaymentToken(request.payment_token);
    let parsed = id.zip(name).zip(expected_total);
    let purchase = parsed.map(|((request, name), expected_total)| Purchase {
        request,
        cart: name.id,
        seen: name.seen,
        expected_total,
        token,
    });
    all(purchase, bad)
}

pub fn parse_checkout_id(checkout_id: &str) -> Result<CheckoutId, Status> {
    let mut bad = BadFields::default();
    let id = bad.take("checkout_id", checkout_id.parse());
    all(id, bad)
}

pub fn parse_checkout_name(request: pb::GetCheckoutRequest) -> Result<CheckoutName, Status> {
    use pb::get_checkout_request::Name;
    let mut bad = BadFields::default();
    let name = match request.name {
        Some(Name::CheckoutId(id)) => bad.take("checkout_id", id.parse()).map(CheckoutName::Id),
        Some(Name::RequestId(id)) => bad.take("request_id", id.parse()).map(CheckoutName::Request),
        None => {
            bad.push("name", "must be a checkout_id or a request_id");
            None
        }
    };
    all(name, bad)
}
