create table item (
    -- Compared byte by byte, so that pages come in the same order from every database.
    sku text collate "C" not null,
    name text not null,
    description text not null,
    currency_code text not null,
    price_minor_units bigint not null,
    -- The words of the name (weight A) and of the description (weight D). Not generated: the words
    -- are cut out before they get here, so that all stores find the same.
    search tsvector not null,
    constraint item_pkey primary key (sku),
    constraint item_price_check check (price_minor_units between 0 and 1000000000000)
);

create index item_search_idx on item using gin (search);
