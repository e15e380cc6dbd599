-- Carts, their checkouts, and the log of every step of a checkout.
-- Every key leads with the owner. Times are microseconds since 1970, UTC.

create table cart (
    owner text not null,
    cart_id blob not null constraint cart_id_is_uuid check (length(cart_id) = 16),
    state text not null constraint cart_state_is_known check (state in ('OPEN', 'PENDING', 'PAID')),
    version integer not null,
    checkout_id blob,
    -- What it holds, by the order in which it was put in: {"lines": [[sku, quantity], ...], "note": text}.
    contents text not null,
    created_at integer not null,
    updated_at integer not null,
    constraint cart_pkey primary key (owner, cart_id),
    constraint cart_is_held_unless_open check ((state = 'OPEN') = (checkout_id is null))
) strict;

-- One per list that ListCarts offers, in its order.
create index cart_unpurchased_idx on cart (owner, created_at desc, cart_id desc) where state <> 'PAID';
create index cart_purchased_idx on cart (owner, updated_at desc, cart_id desc) where state = 'PAID';

-- Never deleted. No foreign key to cart: the record outlives an open cart that its owner deletes.
create table checkout (
    owner text not null,
    checkout_id blob not null constraint checkout_id_is_uuid check (length(checkout_id) = 16),
    cart_id blob not null,
    request_id text not null,
    fingerprint blob not null constraint checkout_fingerprint_is_sha256 check (length(fingerprint) = 32),
    -- The snapshot: [[sku, name, quantity, unit price in minor units], ...].
    items text not null,
    total integer not null constraint checkout_total_is_payable check (total >= 1),
    currency text not null,
    state text not null constraint checkout_state_is_known check (state in ('PENDING', 'PAID', 'FAILED')),
    fail_reason text,
    decline_reason text,
    payment_id text,
    charge_until integer not null,
    lease_epoch integer not null,
    lease_until integer not null,
    attempts integer not null,
    created_at integer not null,
    updated_at integer not null,
    constraint checkout_pkey primary key (owner, checkout_id),
    constraint checkout_request_key unique (owner, request_id),
    constraint checkout_is_paid_by_a_payment check ((state = 'PAID') = (payment_id is not null)),
    constraint checkout_fails_for_a_reason check ((state = 'FAILED') = (fail_reason is not null)),
    constraint checkout_fail_reason_is_known check (fail_reason in ('DECLINED', 'CANCELLED')),
    constraint checkout_decline_has_a_reason check ((fail_reason is not null and fail_reason = 'DECLINED') = (decline_reason is not null))
) strict;

-- One checkout at a time holds a cart.
create unique index checkout_holds_cart_key on checkout (owner, cart_id) where state in ('PENDING', 'PAID');
create index checkout_overdue_idx on checkout (lease_until asc) where state = 'PENDING';

-- Append-only, written in the transaction of the step.
create table checkout_event (
    owner text not null,
    checkout_id blob not null,
    seq integer not null,
    from_state text not null,
    to_state text not null,
    -- What the step was taken on: a request, a payment's record.
    evidence text not null,
    happened_at integer not null,
    constraint checkout_event_pkey primary key (owner, checkout_id, seq)
) strict;
