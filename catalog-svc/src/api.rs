//! `oxcart.catalog.v1.CatalogService`: check who asks, read, ask, answer.

mod page;
mod request;
mod response;
mod status;
mod upload;

use kit_rpc::auth::Caller;
use oxcart_proto::catalog::{self as pb, catalog_service_server::CatalogService};
use oxcart_types::Currency;
use tonic::{Request, Response, Status, Streaming};

use crate::app::Catalog;

/// What a service's token must allow before the service may write.
const WRITE_SCOPE: &str = "catalog:write";

/// Answers the RPCs of `CatalogService`.
pub struct CatalogApi {
    catalog: Catalog,
    default_currency: Currency,
}

impl CatalogApi {
    /// Serves `catalog`; imported rows that name no currency are priced in `default_currency`.
    #[must_use]
    pub const fn new(catalog: Catalog, default_currency: Currency) -> Self {
        Self { catalog, default_currency }
    }
}

#[tonic::async_trait]
impl CatalogService for CatalogApi {
    async fn get_descriptions(
        &self,
        request: Request<pb::GetDescriptionsRequest>,
    ) -> Result<Response<pb::GetDescriptionsResponse>, Status> {
        let skus = request::get_descriptions(&request.into_inner())?;
        let found = self.catalog.descriptions(&skus).await?;
        Ok(Response::new(response::get_descriptions(found)))
    }

    async fn list_items(
        &self,
        request: Request<pb::ListItemsRequest>,
    ) -> Result<Response<pb::ListItemsResponse>, Status> {
        let list = request::list_items(&request.into_inner())?;
        let part = self.catalog.list(list.after.as_ref(), list.size).await?;
        let next_page_token = page::after_item(part.rows.last().filter(|_| part.has_more));
        let items = part.rows.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListItemsResponse { items, next_page_token }))
    }

    async fn search_items(
        &self,
        request: Request<pb::SearchItemsRequest>,
    ) -> Result<Response<pb::SearchItemsResponse>, Status> {
        let request = request.into_inner();
        let search = request::search_items(&request)?;
        let part = self.catalog.search(&search.query, search.after.as_ref(), search.size).await?;
        let last = part.rows.last().filter(|_| part.has_more);
        let next_page_token = page::after_match(&request.query, last);
        let items = part.rows.into_iter().map(|found| found.item.into()).collect();
        Ok(Response::new(pb::SearchItemsResponse { items, next_page_token }))
    }

    async fn import_items(
        &self,
        request: Request<Streaming<pb::ImportItemsRequest>>,
    ) -> Result<Response<pb::ImportItemsResponse>, Status> {
        Caller::of(&request).service(WRITE_SCOPE)?;
        let (file, currency) = upload::read(request.into_inner()).await?;
        let saved = self.catalog.import(file, currency.unwrap_or(self.default_currency)).await?;
        Ok(Response::new(response::import_items(saved)))
    }

    async fn upsert_item(
        &self,
        request: Request<pb::UpsertItemRequest>,
    ) -> Result<Response<pb::UpsertItemResponse>, Status> {
        Caller::of(&request).service(WRITE_SCOPE)?;
        let item = request::upsert_item(&request.into_inner())?;
        self.catalog.upsert(item.clone()).await?;
        Ok(Response::new(pb::UpsertItemResponse { item: Some(item.into()) }))
    }

    async fn delete_item(
        &self,
        request: Request<pb::DeleteItemRequest>,
    ) -> Result<Response<pb::DeleteItemResponse>, Status> {
        Caller::of(&request).service(WRITE_SCOPE)?;
        let sku = request::delete_item(&request.into_inner())?;
        self.catalog.delete(sku).await?;
        Ok(Response::new(pb::DeleteItemResponse {}))
    }
}
