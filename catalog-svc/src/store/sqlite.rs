//! Items in a SQLite file, searched by FTS5.

use std::collections::HashSet;

use async_trait::async_trait;
use oxcart_types::Sku;
use serde_json::json;
use service_kit::database::Sqlite;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow, types::Json};

use super::{BATCH_ROWS, CatalogStore, Row, Saved, StoreError};
use crate::domain::{
    item::{Item, ItemSet},
    search::{self, Match, NAME_WEIGHT, Place, Query},
};

const FIND: &str = "
    select sku, name, description, currency_code, price_minor_units
    from item
    where sku in (select value from json_each($1))";

const LIST: &str = "
    select sku, name, description, currency_code, price_minor_units
    from item
    where sku > $1
    order by sku
    limit $2";

const SEARCH: &str = "
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
    limit $5";

// `where true`: without it SQLite reads `on` as the beginning of a join's condition.
const CREATE: &str = "
    insert into item (sku, name, description, currency_code, price_minor_units)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    from json_each($1)
    where true
    on conflict (sku) do nothing
    returning sku";

const UPDATE: &str = "
    update item
    set name = new.value ->> 1,
        description = new.value ->> 2,
        currency_code = new.value ->> 3,
        price_minor_units = new.value ->> 4
    from json_each($1) as new
    where item.sku = new.value ->> 0
    and (item.name, item.description, item.currency_code, item.price_minor_units)
        is not (new.value ->> 1, new.value ->> 2, new.value ->> 3, new.value ->> 4)
    returning sku";

const INDEX: &str = "
    insert or replace into item_search (rowid, name, description)
    select item.item_id, new.value ->> 1, new.value ->> 2
    from json_each($1) as new
    join item on item.sku = new.value ->> 0";

const DELETE: &str = "delete from item where sku = $1 returning item_id";

const UNINDEX: &str = "delete from item_search where rowid = $1";

/// The tables `item` and `item_search`.
pub(super) struct SqliteStore {
    database: Sqlite,
}

impl SqliteStore {
    pub(super) const fn new(database: Sqlite) -> Self {
        Self { database }
    }
}

#[async_trait]
impl CatalogStore for SqliteStore {
    async fn find(&self, skus: &[Sku]) -> Result<Vec<Item>, StoreError> {
        let skus: Vec<_> = skus.iter().map(Sku::as_str).collect();
        let rows = sqlx::query(FIND).bind(Json(skus)).fetch_all(&self.database.read).await?;
        rows.iter().map(read_item).collect()
    }

    async fn list(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<Item>, StoreError> {
        let query = sqlx::query(LIST).bind(after.map_or("", Sku::as_str)).bind(i64::from(limit));
        let rows = query.fetch_all(&self.database.read).await?;
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
        let rows = query.fetch_all(&self.database.read).await?;
        let read = |row| Ok(Match { item: read_item(row)?, rank: row.try_get("rank")? });
        rows.iter().map(read).collect()
    }

    async fn save(&self, items: &ItemSet) -> Result<Saved, StoreError> {
        let mut saved = Saved::default();
        let mut transaction = self.database.write.begin_with("begin immediate").await?;
        for batch in items.as_slice().chunks(BATCH_ROWS) {
            let (created, updated) = save_batch(&mut transaction, batch).await?;
            saved.created += created;
            saved.updated += updated;
            saved.unchanged += batch.len() as u64 - created - updated;
        }
        transaction.commit().await?;
        Ok(saved)
    }

    async fn delete(&self, sku: &Sku) -> Result<bool, StoreError> {
        let mut transaction = self.database.write.begin_with("begin immediate").await?;
        let item_id: Option<i64> =
            sqlx::query_scalar(DELETE).bind(sku.as_str()).fetch_optional(&mut *transaction).await?;
        sqlx::query(UNINDEX).bind(item_id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(item_id.is_some())
    }
}

/// Answers how many items were created and how many updated.
async fn save_batch(
    connection: &mut SqliteConnection,
    batch: &[Item],
) -> Result<(u64, u64), StoreError> {
    let rows: Vec<_> = batch.iter().map(to_row).collect();
    let rows = Json(rows);
    let created: Vec<String> =
        sqlx::query_scalar(CREATE).bind(&rows).fetch_all(&mut *connection).await?;
    let updated: Vec<String> =
        sqlx::query_scalar(UPDATE).bind(&rows).fetch_all(&mut *connection).await?;
    let counts = (created.len() as u64, updated.len() as u64);

    let changed: HashSet<String> = created.into_iter().chain(updated).collect();
    let is_changed = |item: &&Item| changed.contains(item.sku.as_str());
    let words: Vec<_> = batch.iter().filter(is_changed).map(to_words).collect();
    sqlx::query(INDEX).bind(Json(words)).execute(connection).await?;
    Ok(counts)
}

fn to_row(item: &Item) -> serde_json::Value {
    let price = item.price.money();
    json!([
        item.sku.as_str(),
        item.name.as_str(),
        item.description.as_str(),
        price.currency().code(),
        price.minor_units(),
    ])
}

fn to_words(item: &Item) -> serde_json::Value {
    let spaced = |text| search::words(text).collect::<Vec<_>>().join(" ");
    json!([item.sku.as_str(), spaced(item.name.as_str()), spaced(item.description.as_str()),])
}

/// The query as FTS5 reads it. Its words hold letters and digits only, so the quotes stay balanced,
/// and make plain words of `and`, `near` and the like.
fn match_expression(query: &Query) -> Option<String> {
    let beginning = query.beginning()?;
    let whole = query.whole().iter().map(|word| format!("\"{word}\""));
    Some(whole.chain([format!("\"{beginning}\" *")]).collect::<Vec<_>>().join(" AND "))
}

fn read_item(row: &SqliteRow) -> Result<Item, StoreError> {
    let row = Row {
        sku: row.try_get("sku")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        currency_code: row.try_get("currency_code")?,
        price_minor_units: row.try_get("price_minor_units")?,
    };
    row.try_into()
}
