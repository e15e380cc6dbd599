//! The statements, the same on SQLite and PostgreSQL, and on PostgreSQL spread over machines: all but
//! the lists are about one key.

macro_rules! payment_columns {
    () => {
        "payment_key, amount_minor, currency, token_ref, state, payment_id, decline_reason, \
         created_at, updated_at, refunded_at"
    };
}

macro_rules! charge_columns {
    () => {
        "payment_key, amount_minor, currency, payment_id, decline_reason, decided_at, created_at, \
         refunded_at"
    };
}

pub(super) const OPEN: &str = concat!(
    "insert into payment (",
    payment_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (payment_key) do nothing"
);

pub(super) const SETTLE: &str = concat!(
    "update payment set state = $2, payment_id = $3, decline_reason = $4, updated_at = $5 \
     where payment_key = $1 and state = 'PROCESSING' returning ",
    payment_columns!()
);

pub(super) const REFUND: &str = concat!(
    "update payment set refunded_at = $2, updated_at = $2 \
     where payment_key = $1 and state = 'CAPTURED' and refunded_at is null returning ",
    payment_columns!()
);

pub(super) const FIND: &str =
    concat!("select ", payment_columns!(), " from payment where payment_key = $1");

pub(super) const LIST: &str = concat!(
    "select ",
    payment_columns!(),
    " from payment where created_at >= $1 and created_at < $2 \
     and (created_at, payment_key) > ($3, $4) order by created_at, payment_key limit $5"
);

pub(super) const UNDECIDED: &str = "select payment_key from payment \
     where state = 'PROCESSING' and payment_key > $1 order by payment_key limit $2";

pub(super) const KEEP_CARD: &str = "insert into acquirer_card \
     (token_ref, decline_reason, brand, last_four, created_at) values ($1, $2, $3, $4, $5)";

pub(super) const CARD: &str =
    "select decline_reason, brand, last_four from acquirer_card where token_ref = $1";

pub(super) const CHARGE: &str = concat!(
    "insert into acquirer_charge (",
    charge_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (payment_key) do nothing"
);

pub(super) const FIND_CHARGE: &str =
    concat!("select ", charge_columns!(), " from acquirer_charge where payment_key = $1");

pub(super) const REFUND_CHARGE: &str = "update acquirer_charge set refunded_at = $2 \
     where payment_key = $1 and payment_id is not null and refunded_at is null";
