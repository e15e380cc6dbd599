//! Requests: what they ask for, or every bad field at once.

use kit_rpc::page::Page;
use oxcart_proto::{
    BadFields, Reason, Refusal,
    cart::{self as pb, get_checkout_request::Name},
    common,
    convert::FailureFields,
};
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, CheckoutFailure, CheckoutId, MAX_AMOUNT,
    Money, PaymentId, PricedLine, Quantity, Quote, QuoteFault, Sku, UserId, Version,
};
use tonic::Status;

use super::page;
use crate::{
    app::{CheckoutName, Cursor},
    domain::{Limits, Lines, MarkCommand},
};

/// The longest name of a worker, in characters.
const MAX_WORKER_CHARS: usize = 64;

/// Checkouts that one call hands out at most.
const MAX_LEASES: i32 = 100;

/// What `CreateCart` asks for.
pub(super) struct CreateCart {
    pub(super) id: Option<CartId>,
    pub(super) lines: Lines,
    pub(super) details: CartDetails,
}

/// What `ListCarts` asks for.
pub(super) struct ListCarts {
    pub(super) filter: CartFilter,
    pub(super) after: Option<Cursor>,
    pub(super) size: u32,
}

/// What `UpdateCart` asks for.
pub(super) struct UpdateCart {
    pub(super) cart: CartId,
    pub(super) expected_version: Option<Version>,
    pub(super) lines: Option<Lines>,
    pub(super) details: CartDetailsPatch,
}

/// What `SetItem` asks for.
pub(super) struct SetItem {
    pub(super) cart: CartId,
    pub(super) expected_version: Option<Version>,
    pub(super) sku: Sku,
    pub(super) quantity: Option<Quantity>,
}

/// What `ConfirmPurchase` asks for.
pub(super) struct ConfirmPurchase {
    pub(super) owner: UserId,
    pub(super) checkout: CheckoutId,
    pub(super) payment: PaymentId,
    pub(super) amount: Money,
}

pub(super) fn create_cart(
    request: &pb::CreateCartRequest,
    limits: &Limits,
) -> Result<CreateCart, Status> {
    let mut bad = BadFields::default();
    let given = Some(&request.cart_id).filter(|id| !id.is_empty());
    let id = bad.take("cart_id", given.map(|id| id.parse()).transpose());
    let lines = read_lines(&request.lines, limits, &mut bad);
    let details = bad.cart_details("", request);
    let create = || Some(CreateCart { id: id?, lines: lines?, details: details? });
    bad.finish(create())
}

pub(super) fn get_cart(request: &pb::GetCartRequest) -> Result<CartId, Status> {
    let mut bad = BadFields::default();
    let id = bad.take("cart_id", request.cart_id.parse());
    bad.finish(id)
}

pub(super) fn list_carts(
    request: &pb::ListCartsRequest,
    owner: &UserId,
) -> Result<ListCarts, Status> {
    let mut bad = BadFields::default();
    let filter = CartFilter::try_from(request.filter())
        .map_err(|_| "must be CART_FILTER_UNPURCHASED or CART_FILTER_PURCHASED");
    let filter = bad.take("filter", filter);
    // Without a filter the token cannot be checked, but the size can.
    let (token, query) = match filter {
        Some(filter) => (request.page_token.as_str(), page::query(filter, owner)),
        None => ("", String::new()),
    };
    let page = Page::read(request.page_size, token, &query, &mut bad);
    let list = page.and_then(|page| {
        let after = page.after.as_deref().map(page::cursor).transpose();
        Some(ListCarts { filter: filter?, after: bad.take("page_token", after)?, size: page.size })
    });
    bad.finish(list)
}

pub(super) fn update_cart(
    request: &pb::UpdateCartRequest,
    limits: &Limits,
) -> Result<UpdateCart, Status> {
    let mut bad = BadFields::default();
    let cart = bad.take("cart_id", request.cart_id.parse());
    let expected_version = bad.optional_etag("etag", &request.etag);
    let lines = match bad.replaced_lines(request) {
        Some(lines) => read_lines(lines, limits, &mut bad).map(Some),
        None => Some(None),
    };
    let details = bad.cart_details_patch(request);
    let update = || {
        let (cart, expected_version) = (cart?, expected_version?);
        Some(UpdateCart { cart, expected_version, lines: lines?, details: details? })
    };
    bad.finish(update())
}

pub(super) fn set_item(request: &pb::SetItemRequest, limits: &Limits) -> Result<SetItem, Status> {
    let mut bad = BadFields::default();
    let cart = bad.take("cart_id", request.cart_id.parse());
    let expected_version = bad.optional_etag("etag", &request.etag);
    let line = bad.required("line", request.line.as_ref());
    let line = line.and_then(|line| bad.line_change("line", line, |n| limits.quantity(n)));
    let set = || {
        let (cart, expected_version, (sku, quantity)) = (cart?, expected_version?, line?);
        Some(SetItem { cart, expected_version, sku, quantity })
    };
    bad.finish(set())
}

pub(super) fn delete_cart(
    request: &pb::DeleteCartRequest,
) -> Result<(CartId, Option<Version>), Status> {
    let mut bad = BadFields::default();
    let id = bad.take("cart_id", request.cart_id.parse());
    let expected_version = bad.optional_etag("etag", &request.etag);
    bad.finish(id.zip(expected_version))
}

pub(super) fn mark_purchased(request: &pb::MarkPurchasedRequest) -> Result<MarkCommand, Status> {
    let mut bad = BadFields::default();
    let id = bad.take("request_id", request.request_id.parse());
    let fingerprint = bad.take("fingerprint", request.fingerprint.as_slice().try_into());
    let cart = bad.take("cart_id", request.cart_id.parse());
    // Unlike where a cart is changed: what was priced has a version.
    let etag = Version::from_etag(&request.etag);
    let version =
        bad.take("etag", etag.map_err(|_| "must be the etag of the cart that was priced"));
    let total = bad.money("total", request.total.as_ref());
    let lines = bad.priced_lines("lines", &request.lines);
    let quote = match lines.zip(total) {
        Some((lines, total)) => read_quote(lines, total, &mut bad)?,
        None => None,
    };
    let command = || {
        let (request, fingerprint, cart) = (id?, fingerprint?, cart?);
        Some(MarkCommand { request, fingerprint, cart, expected_version: version?, quote: quote? })
    };
    bad.finish(command())
}

pub(super) fn confirm_purchase(
    request: &pb::ConfirmPurchaseRequest,
) -> Result<ConfirmPurchase, Status> {
    let mut bad = BadFields::default();
    let owner = bad.take("owner", request.owner.parse());
    let checkout = bad.take("checkout_id", request.checkout_id.parse());
    let payment = bad.take("payment_id", request.payment_id.parse());
    let amount = bad.money("amount", request.amount.as_ref());
    let confirm = || {
        let (owner, checkout) = (owner?, checkout?);
        Some(ConfirmPurchase { owner, checkout, payment: payment?, amount: amount? })
    };
    bad.finish(confirm())
}

pub(super) fn unmark_purchased(
    request: &pb::UnmarkPurchasedRequest,
) -> Result<(UserId, CheckoutId, CheckoutFailure), Status> {
    let mut bad = BadFields::default();
    let owner = bad.take("owner", request.owner.parse());
    let checkout = bad.take("checkout_id", request.checkout_id.parse());
    let (failure, decline_reason) = (request.failure, request.decline_reason);
    let failure = bad.checkout_failure(FailureFields { failure, decline_reason });
    bad.finish(owner.zip(checkout).zip(failure).map(|((owner, id), failure)| (owner, id, failure)))
}

pub(super) fn lease_overdue(request: pb::LeaseOverdueRequest) -> Result<(String, u32), Status> {
    let mut bad = BadFields::default();
    // It goes into the log: one line, of bounded length.
    let worker = request.worker;
    if !is_text(&worker, MAX_WORKER_CHARS) || worker.chars().any(char::is_control) {
        bad.push("worker", "must be 1 to 64 characters, none of them a control character");
    }
    if !(1..=MAX_LEASES).contains(&request.limit) {
        bad.push("limit", "must be from 1 to 100");
    }
    bad.finish(Some((worker, request.limit.unsigned_abs())))
}

pub(super) fn get_checkout(request: pb::GetCheckoutRequest) -> Result<CheckoutName, Status> {
    let mut bad = BadFields::default();
    let name = match request.name {
        Some(Name::CheckoutId(id)) => bad.take("checkout_id", id.parse()).map(CheckoutName::Id),
        Some(Name::RequestId(id)) => bad.take("request_id", id.parse()).map(CheckoutName::Request),
        None => bad.take("checkout_id", Err("must be set, or request_id")),
    };
    bad.finish(name)
}

/// A quantity that is left out is refused as 0 is.
fn read_lines(raw: &[common::Line], limits: &Limits, bad: &mut BadFields) -> Option<Lines> {
    let raw = raw.iter().map(|line| (line.sku.as_str(), line.quantity.unwrap_or_default()));
    let raw: Vec<_> = raw.collect();
    let faults = match Lines::parse(&raw, limits) {
        Ok(lines) => return Some(lines),
        Err(faults) => faults,
    };
    for fault in faults {
        bad.push(fault.path(), fault);
    }
    None
}

/// A sum that cannot be held has a reason of its own.
fn read_quote(
    lines: Vec<PricedLine>,
    total: Money,
    bad: &mut BadFields,
) -> Result<Option<Quote>, Status> {
    let faults = match Quote::new(lines, total) {
        Ok(quote) => return Ok(Some(quote)),
        Err(faults) => faults,
    };
    if bad.is_empty() && faults.contains(&QuoteFault::TooLarge) {
        let message = "the cart's total is over the largest amount";
        return Err(Refusal::new(Reason::TotalTooLarge, message).with("limit", MAX_AMOUNT).into());
    }
    for fault in faults {
        bad.push(fault.path(), fault);
    }
    Ok(None)
}

/// Whether `text` has 1 to `max` characters. A huge one is refused without counting it.
fn is_text(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= 4 * max && text.chars().count() <= max
}
