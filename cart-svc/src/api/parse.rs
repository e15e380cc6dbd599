//! Requests: what they ask for, or every bad field at once.

use std::{fmt, str::FromStr};

use oxcart_proto::{
    cart::{self as pb, get_checkout_request::Name},
    common,
};
use oxcart_types::{
    CartId, CheckoutId, IdError, Money, MoneyError, PaymentId, Quantity, Sku, UserId, Version,
};
use service_kit::{database::from_micros, error::BadFields, page::Page};
use tonic::Status;

use super::refuse;
use crate::{
    app::{CheckoutName, Cursor, Shelf},
    domain::{
        DeclineReason, Failure, Fingerprint, Limits, Lines, Order, PricedLine, Quote, QuoteFault,
    },
};

/// The longest name of an item, in characters.
const MAX_NAME_CHARS: usize = 200;

/// The longest name of a worker, in characters.
const MAX_WORKER_CHARS: usize = 64;

/// Checkouts that one call hands out at most.
const MAX_LEASES: i32 = 100;

/// The list that a page token is for.
pub(super) fn carts_query(shelf: Shelf, owner: &UserId) -> String {
    format!("FindCarts {shelf:?} {owner}")
}

/// What `FindCarts` asks for.
pub(super) struct Find {
    pub(super) shelf: Shelf,
    pub(super) after: Option<Cursor>,
    pub(super) size: u32,
}

/// What `SetItem` asks for.
pub(super) struct SetItem {
    pub(super) cart: CartId,
    pub(super) seen: Option<Version>,
    pub(super) sku: Sku,
    pub(super) quantity: Option<Quantity>,
}

/// What `ConfirmPurchase` asks for.
pub(super) struct Paid {
    pub(super) owner: UserId,
    pub(super) checkout: CheckoutId,
    pub(super) payment: PaymentId,
    pub(super) amount: Money,
}

pub(super) fn create_cart(
    request: &pb::CreateCartRequest,
    limits: &Limits,
) -> Result<(Option<CartId>, Lines), Status> {
    let mut bad = BadFields::default();
    let given = Some(&request.cart_id).filter(|id| !id.is_empty());
    let id = bad.take("cart_id", given.map(|id| id.parse()).transpose());
    let lines = read_lines(&request.lines, limits, &mut bad);
    id.zip(lines).ok_or_else(|| bad.into_status())
}

pub(super) fn get_cart(request: &pb::GetCartRequest) -> Result<CartId, Status> {
    let mut bad = BadFields::default();
    bad.take("cart_id", request.cart_id.parse()).ok_or_else(|| bad.into_status())
}

pub(super) fn find_carts(request: &pb::FindCartsRequest, owner: &UserId) -> Result<Find, Status> {
    let mut bad = BadFields::default();
    let shelf = match common::CartFilter::try_from(request.filter) {
        Ok(common::CartFilter::Unpurchased) => Some(Shelf::Unpurchased),
        Ok(common::CartFilter::Purchased) => Some(Shelf::Purchased),
        Ok(common::CartFilter::Unspecified) | Err(_) => {
            bad.push("filter", "must be CART_FILTER_UNPURCHASED or CART_FILTER_PURCHASED");
            None
        }
    };
    // Without a filter the token cannot be checked, but the size can.
    let (token, query) = match shelf {
        Some(shelf) => (request.page_token.as_str(), carts_query(shelf, owner)),
        None => ("", String::new()),
    };
    let page = Page::read(request.page_size, token, &query, &mut bad);
    let after = page.as_ref().and_then(|page| page.after.as_deref()).map(read_cursor);
    let after = bad.take("page_token", after.transpose());
    match (shelf, page, after) {
        (Some(shelf), Some(page), Some(after)) => Ok(Find { shelf, after, size: page.size }),
        _ => Err(bad.into_status()),
    }
}

pub(super) fn update_cart(
    request: &pb::UpdateCartRequest,
    limits: &Limits,
) -> Result<(CartId, Option<Version>, Lines), Status> {
    let mut bad = BadFields::default();
    let id = bad.take("cart_id", request.cart_id.parse());
    let seen = bad.take("etag", optional_etag(&request.etag));
    let lines = read_lines(&request.lines, limits, &mut bad);
    match (id, seen, lines) {
        (Some(id), Some(seen), Some(lines)) => Ok((id, seen, lines)),
        _ => Err(bad.into_status()),
    }
}

pub(super) fn set_item(request: &pb::SetItemRequest, limits: &Limits) -> Result<SetItem, Status> {
    let mut bad = BadFields::default();
    let cart = bad.take("cart_id", request.cart_id.parse());
    let seen = bad.take("etag", optional_etag(&request.etag));
    let line = required(request.line.as_ref(), "line", &mut bad);
    let sku = line.and_then(|line| bad.take("line.sku", line.sku.parse()));
    let quantity = line.and_then(|line| {
        let pieces = Some(line.quantity).filter(|pieces| *pieces != 0);
        let quantity = pieces.map(|pieces| limits.quantity(pieces)).transpose();
        bad.take("line.quantity", quantity.map_err(|error| format!("{error}, or 0 to remove it")))
    });
    match (cart, seen, sku, quantity) {
        (Some(cart), Some(seen), Some(sku), Some(quantity)) => {
            Ok(SetItem { cart, seen, sku, quantity })
        }
        _ => Err(bad.into_status()),
    }
}

pub(super) fn delete_cart(
    request: &pb::DeleteCartRequest,
) -> Result<(CartId, Option<Version>), Status> {
    let mut bad = BadFields::default();
    let id = bad.take("cart_id", request.cart_id.parse());
    let seen = bad.take("etag", optional_etag(&request.etag));
    id.zip(seen).ok_or_else(|| bad.into_status())
}

pub(super) fn mark_purchased(request: pb::MarkPurchasedRequest) -> Result<Order, Status> {
    let mut bad = BadFields::default();
    let id = bad.take("request_id", request.request_id.parse());
    let fingerprint =
        bad.take("fingerprint", Fingerprint::try_from(request.fingerprint.as_slice()));
    let cart = bad.take("cart_id", request.cart_id.parse());
    // Unlike where a cart is changed: what was priced has a version.
    let etag = Version::from_etag(&request.etag);
    let seen = bad.take("etag", etag.map_err(|_| "must be the etag of the cart that was priced"));
    let total = read_money(request.total.as_ref(), "total", &mut bad);
    let lines = request.lines.into_iter().enumerate();
    let lines: Vec<_> =
        lines.map(|(index, line)| read_priced_line(index, line, &mut bad)).collect();
    let lines: Option<Vec<_>> = lines.into_iter().collect();
    let quote = match (lines, total) {
        (Some(lines), Some(total)) => read_quote(lines, total, &mut bad)?,
        _ => None,
    };
    match (id, fingerprint, cart, seen, quote) {
        (Some(request), Some(fingerprint), Some(cart), Some(seen), Some(quote)) => {
            Ok(Order { request, fingerprint, cart, seen, quote })
        }
        _ => Err(bad.into_status()),
    }
}

pub(super) fn confirm_purchase(request: &pb::ConfirmPurchaseRequest) -> Result<Paid, Status> {
    let mut bad = BadFields::default();
    let owner = bad.take("owner", request.owner.parse());
    let checkout = bad.take("checkout_id", request.checkout_id.parse());
    let payment = bad.take("payment_id", request.payment_id.parse());
    let amount = read_money(request.amount.as_ref(), "amount", &mut bad);
    match (owner, checkout, payment, amount) {
        (Some(owner), Some(checkout), Some(payment), Some(amount)) => {
            Ok(Paid { owner, checkout, payment, amount })
        }
        _ => Err(bad.into_status()),
    }
}

pub(super) fn unmark_purchased(
    request: &pb::UnmarkPurchasedRequest,
) -> Result<(UserId, CheckoutId, Failure), Status> {
    let mut bad = BadFields::default();
    let owner = bad.take("owner", request.owner.parse());
    let checkout = bad.take("checkout_id", request.checkout_id.parse());
    let failure = read_failure(request.failure, request.decline_reason, &mut bad);
    match (owner, checkout, failure) {
        (Some(owner), Some(checkout), Some(failure)) => Ok((owner, checkout, failure)),
        _ => Err(bad.into_status()),
    }
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
    bad.check()?;
    Ok((worker, request.limit.unsigned_abs()))
}

pub(super) fn get_checkout(request: pb::GetCheckoutRequest) -> Result<CheckoutName, Status> {
    let mut bad = BadFields::default();
    let name = match request.name {
        Some(Name::CheckoutId(id)) => bad.take("checkout_id", id.parse()).map(CheckoutName::Id),
        Some(Name::RequestId(id)) => bad.take("request_id", id.parse()).map(CheckoutName::Request),
        None => {
            bad.push("checkout_id", "must be set, or request_id");
            None
        }
    };
    name.ok_or_else(|| bad.into_status())
}

fn optional_etag(etag: &str) -> Result<Option<Version>, IdError> {
    if etag.is_empty() { Ok(None) } else { Version::from_etag(etag).map(Some) }
}

fn read_lines(raw: &[common::Line], limits: &Limits, bad: &mut BadFields) -> Option<Lines> {
    let raw: Vec<_> = raw.iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
    let faults = match Lines::parse(&raw, limits) {
        Ok(lines) => return Some(lines),
        Err(faults) => faults,
    };
    for fault in faults {
        bad.push(fault.path(), fault);
    }
    None
}

fn read_priced_line(
    index: usize,
    line: common::PricedLine,
    bad: &mut BadFields,
) -> Option<PricedLine> {
    let at = |field: &str| format!("lines[{index}].{field}");
    let sku = bad.take(at("sku"), line.sku.parse());
    let quantity = bad.take(at("quantity"), Quantity::try_from(line.quantity));
    let unit_price = read_money(line.unit_price.as_ref(), &at("unit_price"), bad);
    let line_total = read_money(line.line_total.as_ref(), &at("line_total"), bad);
    if line.unavailable {
        bad.push(at("unavailable"), "must be false: what is not for sale has no price");
    }
    // Databases cannot hold a NUL.
    let name = Some(line.name).filter(|name| is_text(name, MAX_NAME_CHARS) && !name.contains('\0'));
    let name = bad.take(at("name"), name.ok_or("must be 1 to 200 characters"));
    Some(PricedLine {
        sku: sku?,
        name: name?,
        quantity: quantity?,
        unit_price: unit_price?,
        line_total: line_total?,
    })
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
        return Err(refuse::total_too_large());
    }
    for fault in faults {
        bad.push(fault.path(), fault);
    }
    Ok(None)
}

fn read_money(amount: Option<&common::Money>, field: &str, bad: &mut BadFields) -> Option<Money> {
    let Some(amount) = amount else {
        bad.push(field, "must be set");
        return None;
    };
    let money = Money::from_parts(&amount.currency_code, amount.minor_units);
    let part = match money {
        Err(MoneyError::UnknownCurrency) => "currency_code",
        _ => "minor_units",
    };
    bad.take(format!("{field}.{part}"), money)
}

fn read_failure(failure: i32, decline_reason: i32, bad: &mut BadFields) -> Option<Failure> {
    let Ok(reason) = common::DeclineReason::try_from(decline_reason) else {
        bad.push("decline_reason", "must be a known DeclineReason");
        return None;
    };
    match (common::CheckoutFailure::try_from(failure), domain_reason(reason)) {
        // The issuer gave none.
        (Ok(common::CheckoutFailure::Declined), None) => {
            Some(Failure::Declined(DeclineReason::Generic))
        }
        (Ok(common::CheckoutFailure::Declined), Some(reason)) => Some(Failure::Declined(reason)),
        (Ok(common::CheckoutFailure::Cancelled), None) => Some(Failure::Cancelled),
        (Ok(common::CheckoutFailure::Cancelled), Some(_)) => {
            bad.push("decline_reason", "must be unset unless the payment was declined");
            None
        }
        (Ok(common::CheckoutFailure::Unspecified) | Err(_), _) => {
            bad.push("failure", "must be CHECKOUT_FAILURE_DECLINED or CHECKOUT_FAILURE_CANCELLED");
            None
        }
    }
}

const fn domain_reason(reason: common::DeclineReason) -> Option<DeclineReason> {
    match reason {
        common::DeclineReason::Unspecified => None,
        common::DeclineReason::Generic => Some(DeclineReason::Generic),
        common::DeclineReason::InsufficientFunds => Some(DeclineReason::InsufficientFunds),
        common::DeclineReason::LostCard => Some(DeclineReason::LostCard),
        common::DeclineReason::StolenCard => Some(DeclineReason::StolenCard),
        common::DeclineReason::ExpiredCard => Some(DeclineReason::ExpiredCard),
        common::DeclineReason::ProcessingError => Some(DeclineReason::ProcessingError),
        common::DeclineReason::UnknownToken => Some(DeclineReason::UnknownToken),
    }
}

fn read_cursor(text: &str) -> Result<Cursor, impl fmt::Display + use<>> {
    let parts = text.split_once(':');
    let cursor = parts.and_then(|(created_at, cart)| {
        let created_at = from_micros(i64::from_str(created_at).ok()?);
        Some(Cursor { created_at, cart: cart.parse().ok()? })
    });
    cursor.ok_or("must be empty or the next_page_token of the same query")
}

fn required<'a, T>(field: Option<&'a T>, name: &str, bad: &mut BadFields) -> Option<&'a T> {
    if field.is_none() {
        bad.push(name, "must be set");
    }
    field
}

/// Whether `text` has 1 to `max` characters. A huge one is refused without counting it.
fn is_text(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= 4 * max && text.chars().count() <= max
}
