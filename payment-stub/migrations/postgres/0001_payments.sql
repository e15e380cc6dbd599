-- The register: one outcome per key, written once.
create table payment (
    payment_key text collate "C" not null,
    amount_minor bigint,
    currency text,
    token_ref text,
    state text not null,
    payment_id text,
    decline_reason text,
    created_at bigint not null,
    updated_at bigint not null,
    refunded_at bigint,
    constraint payment_pkey primary key (payment_key),
    constraint payment_state_check
        check (state in ('PROCESSING', 'CAPTURED', 'DECLINED', 'CANCELLED')),
    constraint payment_amount_check check (amount_minor > 0),
    constraint payment_order_check check (
        (amount_minor is null) = (currency is null)
        and (amount_minor is null) = (token_ref is null)
        and (amount_minor is not null or state = 'CANCELLED')
    ),
    constraint payment_captured_check check ((state = 'CAPTURED') = (payment_id is not null)),
    constraint payment_declined_check check ((state = 'DECLINED') = (decline_reason is not null)),
    constraint payment_refunded_check check (refunded_at is null or state = 'CAPTURED')
);

-- Reconciliation reads by time.
create index payment_created_at_idx on payment (created_at asc, payment_key asc);

-- After a restart every one of these is asked for again.
create index payment_processing_idx on payment (payment_key asc) where state = 'PROCESSING';

-- The acquirer's side: what it keeps of a card. There is no column that could hold a number.
create table acquirer_card (
    token_ref text collate "C" not null,
    decline_reason text,
    brand text not null,
    last_four text not null,
    created_at bigint not null,
    constraint acquirer_card_pkey primary key (token_ref),
    constraint acquirer_card_last_four_check check (length(last_four) = 4)
);

-- The acquirer's side: what it did for a key, once.
create table acquirer_charge (
    payment_key text collate "C" not null,
    amount_minor bigint not null,
    currency text not null,
    payment_id text,
    decline_reason text,
    decided_at bigint not null,
    created_at bigint not null,
    refunded_at bigint,
    constraint acquirer_charge_pkey primary key (payment_key),
    constraint acquirer_charge_outcome_check
        check ((payment_id is null) <> (decline_reason is null)),
    constraint acquirer_charge_refunded_check
        check (refunded_at is null or payment_id is not null)
);
