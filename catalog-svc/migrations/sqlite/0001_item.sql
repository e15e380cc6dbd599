create table item (
    item_id integer not null constraint item_pkey primary key,
    sku text not null constraint item_sku_key unique,
    name text not null,
    description text not null,
    currency_code text not null,
    price_minor_units integer not null,
    constraint item_price_check check (price_minor_units between 0 and 1000000000000)
) strict;

-- The words of each item, under its item_id. They are cut out and put into lower case before they
-- get here, so that all stores find the same: here any character but a space belongs to a word.
create virtual table item_search using fts5(
    name,
    description,
    content = '',
    contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 0 categories 'C* L* M* N* P* S*'"
);
