//! Items in PostgreSQL, searched by its `tsvector`.
//!
//! The catalogue is small and read by everyone: where PostgreSQL is spread over machines, `item` is
//! a table that each of them has whole.

use std::fmt::Write as _;

use async_trait::async_trait;
use oxcart_types::Sku;
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};

use super::{BATCH_ROWS, CatalogStore, Row, Saved, StoreError};
use crate::domain::{
    item::{Item, ItemSet},
    search::{self, Match, NAME_WEIGHT, Place, Query},
};

const FIND: &str = "
    select sku, name, description, currency_code, price_minor_units
    from item
    where sku = any($1)";

const LIST: &str = "
    select sku, name, description, currency_code, price_minor_units
    from item
    where sku > $1
    order by sku
    limit $2";

// `1`: long texts rank lower, by the logarithm of their length. Less is better, as in SQLite.
const SEARCH: &str = "
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
    limit $5";

// Both statements go through the rows in the order of their SKUs, so that two imports at once wait
// for each other in a line and not in a circle.
const CREATE: &str = "
    insert into item (sku, name, description, currency_code, price_minor_units, search)
    select sku, name, description, currency_code, price_minor_units, search::tsvector
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
        as new (sku, name, description, currency_code, price_minor_units, search)
    order by sku collate \"C\"
    on conflict (sku) do nothing";

const UPDATE: &str = "
    insert into item (sku, name, description, currency_code, price_minor_units, search)
    select sku, name, description, currency_code, price_minor_units, search::tsvector
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
        as new (sku, name, description, currency_code, price_minor_units, search)
    order by sku collate \"C\"
    on conflict (sku) do update
    set name = excluded.name,
        description = excluded.description,
        currency_code = excluded.currency_code,
        price_minor_units = excluded.price_minor_units,
        search = excluded.search
    where (item.name, item.description, item.currency_code, item.price_minor_units)
        is distinct from
        (excluded.name, excluded.description, excluded.currency_code, excluded.price_minor_units)";

const DELETE: &str = "delete from item where sku = $1";

/// The table `item`.
pub(super) struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    pub(super) const fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl CatalogStore for PostgresStore {
    async fn find(&self, skus: &[Sku]) -> Result<Vec<Item>, StoreError> {
        let skus: Vec<_> = skus.iter().map(Sku::as_str).collect();
        let rows = sqlx::query(FIND).bind(skus).fetch_all(&self.pool).await?;
        rows.iter().map(read_item).collect()
    }

    async fn list(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<Item>, StoreError> {
        let query = sqlx::query(LIST).bind(after.map_or("", Sku::as_str)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter().map(read_item).collect()
    }

    async fn search(
        &self,
        query: &Query,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Match>, StoreError> {
        let Some(expression) = match_expression(query) else {
            return Ok(Vec::new());
        };
        let query = sqlx::query(SEARCH)
            .bind(expression)
            .bind(NAME_WEIGHT)
            .bind(after.map_or(f64::NEG_INFINITY, |place| place.rank))
            .bind(after.map_or("", |place| place.sku.as_str()))
            .bind(i64::from(limit));
        let rows = query.fetch_all(&self.pool).await?;
        let read = |row| Ok(Match { item: read_item(row)?, rank: row.try_get("rank")? });
        rows.iter().map(read).collect()
    }

    async fn save(&self, items: &ItemSet) -> Result<Saved, StoreError> {
        let batches: Vec<_> = items.as_slice().chunks(BATCH_ROWS).map(Columns::of).collect();
        let mut transaction = self.pool.begin().await?;
        let (mut created, mut updated) = (0, 0);
        // All that is new first: a batch that updates before the next one creates would hold rows
        // out of their order.
        for batch in &batches {
            created += batch.write(CREATE, &mut transaction).await?;
        }
        for batch in &batches {
            updated += batch.write(UPDATE, &mut transaction).await?;
        }
        transaction.commit().await?;
        let unchanged = items.as_slice().len() as u64 - created - updated;
        Ok(Saved { created, updated, unchanged })
    }

    async fn delete(&self, sku: &Sku) -> Result<bool, StoreError> {
        let done = sqlx::query(DELETE).bind(sku.as_str()).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }
}

/// A batch of items, column by column.
#[derive(Default)]
struct Columns<'a> {
    skus: Vec<&'a str>,
    names: Vec<&'a str>,
    descriptions: Vec<&'a str>,
    currency_codes: Vec<&'a str>,
    prices_minor_units: Vec<i64>,
    searches: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Item]) -> Self {
        let mut columns = Self::default();
        for item in batch {
            let price = item.price.money();
            columns.skus.push(item.sku.as_str());
            columns.names.push(item.name.as_str());
            columns.descriptions.push(item.description.as_str());
            columns.currency_codes.push(price.currency().code());
            columns.prices_minor_units.push(price.minor_units());
            columns.searches.push(search_vector(item));
        }
        columns
    }

    /// Runs [`CREATE`] or [`UPDATE`]. Answers how many rows it wrote.
    async fn write(
        &self,
        sql: &'static str,
        connection: &mut PgConnection,
    ) -> Result<u64, StoreError> {
        let query = sqlx::query(sql)
            .bind(&self.skus)
            .bind(&self.names)
            .bind(&self.descriptions)
            .bind(&self.currency_codes)
            .bind(&self.prices_minor_units)
            .bind(&self.searches);
        Ok(query.execute(connection).await?.rows_affected())
    }
}

/// The words of an item as a `tsvector`, made here because PostgreSQL's own parser has other ideas
/// of a word (it takes `red/white` for a path). They hold letters and digits only.
fn search_vector(item: &Item) -> String {
    let name = search::words(item.name.as_str()).map(|word| (word, 'A'));
    let description = search::words(item.description.as_str()).map(|word| (word, 'D'));
    let mut vector = String::new();
    for (index, (word, weight)) in name.chain(description).enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(vector, "'{word}':{}{weight} ", index + 1);
    }
    vector
}

/// The query as a `tsquery`. Its words hold letters and digits only, so the quotes stay balanced.
fn match_expression(query: &Query) -> Option<String> {
    let beginning = query.beginning()?;
    let whole = query.whole().iter().map(|word| format!("'{word}'"));
    Some(whole.chain([format!("'{beginning}':*")]).collect::<Vec<_>>().join(" & "))
}

fn read_item(row: &PgRow) -> Result<Item, StoreError> {
    let row = Row {
        sku: row.try_get("sku")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        currency_code: row.try_get("currency_code")?,
        price_minor_units: row.try_get("price_minor_units")?,
    };
    row.try_into()
}
