//! Requests into words of the domain: every bad field in one answer.

use kit_database::{from_micros, micros};
use kit_rpc::page::Page;
use oxcart_proto::{BadFields, common, payment as pb};
use oxcart_types::Money;
use prost_types::Timestamp;
use time::OffsetDateTime;
use tonic::Status;

use crate::{
    app::Charge,
    domain::{
        card::{self, CardNumber},
        key::PaymentKey,
        payment::{Cursor, Order, Payment, Range},
    },
};

const MUST_BE_SET: &str = "must be set";

/// What can be read only by someone who knows the time.
pub(super) trait FromNow<M>: Sized {
    /// Reads `message` as it is to be understood at `now`.
    fn from_now(message: M, now: OffsetDateTime) -> Result<Self, Status>;
}

impl FromNow<pb::TokenizeRequest> for CardNumber {
    /// Of all that is checked only the number is needed afterwards.
    fn from_now(request: pb::TokenizeRequest, now: OffsetDateTime) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let Some(sent) = request.card else {
            bad.push("card", MUST_BE_SET);
            return Err(bad.into_status());
        };
        let number = bad.take("card.number", Self::parse(&sent.number));
        let month = bad.take("card.expiry_month", card::month(sent.expiry_month));
        let year = bad.take("card.expiry_year", card::year(sent.expiry_year));
        if let (Some(month), Some(year)) = (month, year) {
            let field = if year < now.year() { "card.expiry_year" } else { "card.expiry_month" };
            bad.take(field, card::not_expired(month, year, now));
        }
        bad.take("card.cvc", card::check_cvc(&sent.cvc));
        all_good(number, bad)
    }
}

impl TryFrom<pb::ChargeRequest> for Charge {
    type Error = Status;

    fn try_from(request: pb::ChargeRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let key = bad.take("key", request.key.parse());
        let amount = amount(request.amount.as_ref(), &mut bad);
        let token = bad.take("payment_token", request.payment_token.parse());
        let not_after = time("not_after", request.not_after, &mut bad);
        let order = amount.zip(token).map(|(amount, token)| Order { amount, token });
        all_good(key.zip(order).map(|(key, order)| Self { key, order, not_after }), bad)
    }
}

/// A page of payments that was asked for.
pub(super) struct List {
    /// What a page token is bound to.
    pub(super) query: String,
    pub(super) range: Range,
    pub(super) after: Option<Cursor>,
    /// At least 1.
    pub(super) size: u32,
}

impl TryFrom<pb::ListPaymentsRequest> for List {
    type Error = Status;

    fn try_from(request: pb::ListPaymentsRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let start = time("start_time", request.start_time, &mut bad);
        let end = time("end_time", request.end_time, &mut bad);
        if start.zip(end).is_some_and(|(start, end)| end < start) {
            bad.push("end_time", "must not be before start_time");
        }
        let limits = [start, end].map(|limit| limit.map(micros));
        let query = format!("ListPayments {limits:?}");
        let page = Page::read(request.page_size, &request.page_token, &query, &mut bad);
        let list = page.and_then(|page| {
            let after = page.after.map(|text| cursor(&text).ok_or("must be a page token of ours"));
            let after = bad.take("page_token", after.transpose())?;
            Some(Self { query, range: Range { start, end }, after, size: page.size })
        });
        all_good(list, bad)
    }
}

/// Reads a payment's key.
pub(super) fn key(text: &str) -> Result<PaymentKey, Status> {
    let mut bad = BadFields::default();
    let key = bad.take("key", text.parse());
    all_good(key, bad)
}

/// Where the page behind `payment` starts. [`cursor`] reads it.
pub(super) fn cursor_text(payment: &Payment) -> String {
    format!("{}/{}", micros(payment.created_at), payment.key)
}

fn cursor(text: &str) -> Option<Cursor> {
    let (created_at, key) = text.split_once('/')?;
    Some(Cursor { created_at: from_micros(created_at.parse().ok()?), key: key.parse().ok()? })
}

fn amount(sent: Option<&common::Money>, bad: &mut BadFields) -> Option<Money> {
    let Some(sent) = sent else {
        bad.push("amount", MUST_BE_SET);
        return None;
    };
    let currency = bad.take("amount.currency_code", sent.currency_code.parse());
    let minor_units = if sent.minor_units == 0 {
        bad.push("amount.minor_units", "must be at least 1");
        None
    } else {
        Some(sent.minor_units)
    };
    let (currency, minor_units) = currency.zip(minor_units)?;
    bad.take("amount.minor_units", Money::new(currency, minor_units))
}

fn time(field: &str, sent: Option<Timestamp>, bad: &mut BadFields) -> Option<OffsetDateTime> {
    let read = |sent: Timestamp| {
        let nanos = u32::try_from(sent.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        let time = OffsetDateTime::from_unix_timestamp(sent.seconds).ok()?;
        time.replace_nanosecond(nanos).ok()
    };
    let wrong = "must be a time from the year 1 to the year 9999";
    bad.take(field, read(sent?).filter(|time| (1..=9999).contains(&time.year())).ok_or(wrong))
}

/// The value, if nothing was wrong.
fn all_good<T>(value: Option<T>, bad: BadFields) -> Result<T, Status> {
    match value {
        Some(value) => bad.check().map(|()| value),
        None => Err(bad.into_status()),
    }
}
