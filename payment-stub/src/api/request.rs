//! Requests: what they ask for, or every bad field at once.

use kit_rpc::page::Page;
use oxcart_proto::{BadFields, payment as pb};
use time::OffsetDateTime;
use tonic::Status;

use super::page;
use crate::{
    app::Charge,
    domain::{
        card::{self, CardNumber},
        key::PaymentKey,
        payment::{ChargeTerms, Cursor, Range},
    },
};

/// What `ListPayments` asks for.
pub(super) struct ListPayments {
    pub(super) range: Range,
    pub(super) after: Option<Cursor>,
    /// At least 1.
    pub(super) size: u32,
}

/// Of all that is checked only the number is needed afterwards.
pub(super) fn tokenize(
    request: pb::TokenizeRequest,
    now: OffsetDateTime,
) -> Result<CardNumber, Status> {
    let mut bad = BadFields::default();
    let Some(card) = bad.required("card", request.card) else { return Err(bad.into_status()) };
    let number = bad.take("card.number", CardNumber::parse(&card.number));
    let month = bad.take("card.expiry_month", card::month(card.expiry_month));
    let year = bad.take("card.expiry_year", card::year(card.expiry_year));
    if let (Some(month), Some(year)) = (month, year) {
        let field = if year < now.year() { "card.expiry_year" } else { "card.expiry_month" };
        bad.take(field, card::not_expired(month, year, now));
    }
    bad.take("card.cvc", card::check_cvc(&card.cvc));
    bad.finish(number)
}

pub(super) fn charge(request: &pb::ChargeRequest) -> Result<Charge, Status> {
    let mut bad = BadFields::default();
    let key = bad.take("key", request.key.parse());
    let amount = bad.positive_money("amount", request.amount.as_ref());
    let token = bad.take("payment_token", request.payment_token.parse());
    let not_after = bad.optional_timestamp("not_after", request.not_after);
    let charge = || {
        let terms = ChargeTerms { amount: amount?, token: token? };
        Some(Charge { key: key?, terms, not_after })
    };
    bad.finish(charge())
}

pub(super) fn resolve(request: &pb::ResolveRequest) -> Result<PaymentKey, Status> {
    read_key(&request.key)
}

pub(super) fn get_payment(request: &pb::GetPaymentRequest) -> Result<PaymentKey, Status> {
    read_key(&request.key)
}

pub(super) fn refund(request: &pb::RefundRequest) -> Result<PaymentKey, Status> {
    read_key(&request.key)
}

pub(super) fn list_payments(request: &pb::ListPaymentsRequest) -> Result<ListPayments, Status> {
    let mut bad = BadFields::default();
    let start = bad.optional_timestamp("start_time", request.start_time);
    let end = bad.optional_timestamp("end_time", request.end_time);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        bad.push("end_time", "must not be before start_time");
    }
    let range = Range { start, end };
    let query = page::query(&range);
    let page = Page::read(request.page_size, &request.page_token, &query, &mut bad);
    let list = page.and_then(|page| {
        let after = page.after.as_deref().map(page::cursor).transpose();
        Some(ListPayments { range, after: bad.take("page_token", after)?, size: page.size })
    });
    bad.finish(list)
}

fn read_key(key: &str) -> Result<PaymentKey, Status> {
    let mut bad = BadFields::default();
    let key = bad.take("key", key.parse());
    bad.finish(key)
}
