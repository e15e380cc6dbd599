//! Items in SQLite, searched by FTS5, or in PostgreSQL, searched by its `tsvector`.
//!
//! The catalogue is small and read by everyone: where PostgreSQL is spread over machines, `item` is
//! a table that each of them has whole. Lists go in as one JSON value, which both databases take
//! apart.

use std::collections::HashSet;

use async_trait::async_trait;
use kit_database::{Dialect, Json, Row, Sql, SqlDatabase, Transaction};
use oxcart_types::{Item, Sku};

use super::{CatalogStore, Saved, StoreError, row};
use crate::domain::{
    item::ItemSet,
    search::{Match, NAME_WEIGHT, Place, Query},
};

/// Rows that one statement writes at most. Keeps a statement within a database's time limit; the
/// transaction is one all the same.
const BATCH_ROWS: usize = 5_000;

const FIND: Sql = Sql {
    sqlite: "
        select sku, name, description, currency_code, price_minor_units
        from item
        where sku in (select value from json_each($1))",
    postgres: "
        select sku, name, description, currency_code, price_minor_units
        from item
        where sku = any (array (select jsonb_array_elements_text($1)))",
};

const LIST: Sql = Sql::same(
    "
        select sku, name, description, currency_code, price_minor_units
        from item
        where sku > $1
        order by sku
        limit $2",
);

// PostgreSQL's `1`: long texts rank lower, by the logarithm of their length. Less is better, as in
// SQLite.
const SEARCH: Sql = Sql {
    sqlite: "
        with hit as materialized (
            select rowid as item_id, bm25(item_search, $2, 1.0) as rank
            from item_search
            where item_search match $1
        )
        select sku, name, description, currency_code, price_minor_units, hit.rank as rank
        from hit
        join item using (item_id)
        where (hit.rank, sku) > ($3, $4)
        order by hit.rank, sku
        limit $5",
    postgres: "
        with hit as materialized (
            select sku, name, description, currency_code, price_minor_units,
                -ts_rank(array[1.0 / $2, 1.0 / $2, 1.0 / $2, 1.0]::real[], search,
                    cast($1::text as tsquery), 1)::double precision as rank
            from item
            where search @@ cast($1::text as tsquery)
        )
        select sku, name, description, currency_code, price_minor_units, rank
        from hit
        where (rank, sku) > ($3, $4)
        order by rank, sku
        limit $5",
};

// SQLite needs `where true`: without it, it reads `on` as the beginning of a join's condition.
// PostgreSQL goes through the rows in the order of their SKUs here and in `UPDATE`, so that two
// imports at once wait for each other in a line and not in a circle.
const CREATE: Sql = Sql {
    sqlite: "
        insert into item (sku, name, description, currency_code, price_minor_units)
        select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
        from json_each($1)
        where true
        on conflict (sku) do nothing
        returning sku",
    postgres: "
        insert into item (sku, name, description, currency_code, price_minor_units, search)
        select value ->> 0, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint,
            (value ->> 5)::tsvector
        from jsonb_array_elements($1)
        order by (value ->> 0) collate \"C\"
        on conflict (sku) do nothing
        returning sku",
};

const UPDATE: Sql = Sql {
    sqlite: "
        update item
        set name = new.value ->> 1,
            description = new.value ->> 2,
            currency_code = new.value ->> 3,
            price_minor_units = new.value ->> 4
        from json_each($1) as new
        where item.sku = new.value ->> 0
        and (item.name, item.description, item.currency_code, item.price_minor_units)
            is not (new.value ->> 1, new.value ->> 2, new.value ->> 3, new.value ->> 4)
        returning sku",
    postgres: "
        insert into item (sku, name, description, currency_code, price_minor_units, search)
        select value ->> 0, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint,
            (value ->> 5)::tsvector
        from jsonb_array_elements($1)
        order by (value ->> 0) collate \"C\"
        on conflict (sku) do update
        set name = excluded.name,
            description = excluded.description,
            currency_code = excluded.currency_code,
            price_minor_units = excluded.price_minor_units,
            search = excluded.search
        where (item.name, item.description, item.currency_code, item.price_minor_units)
            is distinct from (excluded.name, excluded.description, excluded.currency_code,
                excluded.price_minor_units)
        returning sku",
};

const DELETE: Sql = Sql {
    sqlite: "delete from item where sku = $1 returning item_id",
    postgres: "delete from item where sku = $1 returning sku",
};

/// The words of an item stand in a table of their own, in SQLite only.
const INDEX: &str = "
    insert or replace into item_search (rowid, name, description)
    select item.item_id, new.value ->> 1, new.value ->> 2
    from json_each($1) as new
    join item on item.sku = new.value ->> 0";

const UNINDEX: &str = "delete from item_search where rowid = $1";

/// Items in a database.
pub(super) struct SqlStore {
    database: SqlDatabase,
}

impl SqlStore {
    pub(super) const fn new(database: SqlDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl CatalogStore for SqlStore {
    async fn find(&self, skus: &[Sku]) -> Result<Vec<Item>, StoreError> {
        let skus: Vec<_> = skus.iter().map(Sku::as_str).collect();
        let rows = self.database.query(FIND).bind(Json(skus)).fetch_all().await?;
        rows.iter().map(row::item).collect()
    }

    async fn list(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<Item>, StoreError> {
        let after = after.map_or("", Sku::as_str);
        let rows = self.database.query(LIST).bind(after).bind(i64::from(limit)).fetch_all().await?;
        rows.iter().map(row::item).collect()
    }

    async fn search(
        &self,
        query: &Query,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Match>, StoreError> {
        let Some(expression) = row::match_expression(self.database.dialect(), query) else {
            return Ok(Vec::new());
        };
        let search = self
            .database
            .query(SEARCH)
            .bind(expression)
            .bind(NAME_WEIGHT)
            .bind(after.map_or(f64::NEG_INFINITY, |place| place.rank))
            .bind(after.map_or("", |place| place.sku.as_str()))
            .bind(i64::from(limit));
        let read = |row: &Row| Ok(Match { item: row::item(row)?, rank: row.get("rank")? });
        search.fetch_all().await?.iter().map(read).collect()
    }

    async fn save(&self, items: &ItemSet) -> Result<Saved, StoreError> {
        let dialect = self.database.dialect();
        let items = items.as_slice();
        let columns = |batch: &[Item]| -> Vec<_> {
            batch.iter().map(|item| row::columns(dialect, item)).collect()
        };
        let batches: Vec<_> = items.chunks(BATCH_ROWS).map(|batch| Json(columns(batch))).collect();

        let mut transaction = self.database.begin().await?;
        let (mut created, mut updated) = (Vec::new(), Vec::new());
        // All that is new first: a batch that updates before the next one creates would hold rows
        // out of their order.
        for batch in &batches {
            created.extend(transaction.query(CREATE).bind(batch).execute_returning().await?);
        }
        for batch in &batches {
            updated.extend(transaction.query(UPDATE).bind(batch).execute_returning().await?);
        }
        if dialect == Dialect::Sqlite {
            index(&mut transaction, items, created.iter().chain(&updated)).await?;
        }
        transaction.commit().await?;

        let (created, updated) = (created.len() as u64, updated.len() as u64);
        Ok(Saved { created, updated, unchanged: items.len() as u64 - created - updated })
    }

    async fn delete(&self, sku: &Sku) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin().await?;
        let deleted = transaction.query(DELETE).bind(sku.as_str()).execute_returning().await?;
        if let (Dialect::Sqlite, Some(row)) = (self.database.dialect(), deleted.first()) {
            let item_id: i64 = row.get("item_id")?;
            transaction.query(Sql::same(UNINDEX)).bind(item_id).execute().await?;
        }
        transaction.commit().await?;
        Ok(!deleted.is_empty())
    }
}

/// Stores the words of those of `items` that are among the `written`.
async fn index(
    transaction: &mut Transaction,
    items: &[Item],
    written: impl Iterator<Item = &Row>,
) -> Result<(), StoreError> {
    let written: HashSet<&str> = written.map(|row| row.get("sku")).collect::<Result<_, _>>()?;
    let items: Vec<_> = items.iter().filter(|item| written.contains(item.sku.as_str())).collect();
    for batch in items.chunks(BATCH_ROWS) {
        let words: Vec<_> = batch.iter().copied().map(row::words).collect();
        transaction.query(Sql::same(INDEX)).bind(Json(words)).execute().await?;
    }
    Ok(())
}
