//! The catalogue over gRPC.

use std::pin::pin;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream::BoxStream};
use kit_rpc::{channel::Outbound, retry};
use kit_service::Env;
use oxcart_proto::catalog::{
    GetDescriptionsRequest, ImportItemsRequest, ListItemsRequest, SearchItemsRequest,
    catalog_service_client::CatalogServiceClient,
};
use oxcart_types::{Item, Sku};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use super::{
    CallError, CatalogClient, CsvChunk, Imported, Interrupted, MAX_ANSWER_BYTES, PageRequest,
    Paged, ServiceToken,
    wire::{Unreadable, item_from_wire},
};
use crate::domain::item::Items;

const NAME: &str = "the catalogue";

/// How many chunks of an import wait for the catalogue at most.
const CHUNKS_AHEAD: usize = 4;

/// A [`CatalogClient`] that speaks gRPC.
#[derive(Clone)]
pub struct GrpcCatalog {
    client: CatalogServiceClient<Outbound>,
    env: Env,
}

impl GrpcCatalog {
    /// Calls the catalogue behind `channel`.
    #[must_use]
    pub fn new(channel: Outbound, env: Env) -> Self {
        let client = CatalogServiceClient::new(channel);
        Self { client: client.max_decoding_message_size(MAX_ANSWER_BYTES), env }
    }
}

fn failed(status: Status) -> CallError {
    CallError::from_status(NAME, status)
}

fn chunk_to_wire(chunk: CsvChunk) -> ImportItemsRequest {
    ImportItemsRequest {
        csv_chunk: chunk.bytes,
        default_currency_code: chunk.default_currency_code,
    }
}

fn broken(unreadable: Unreadable) -> CallError {
    CallError::Broken { service: NAME, source: unreadable.into() }
}

fn paged(
    items: &[oxcart_proto::common::Item],
    next_page_token: String,
) -> Result<Paged<Item>, CallError> {
    let entries = items.iter().map(item_from_wire).collect::<Result<_, _>>();
    Ok(Paged { entries: entries.map_err(broken)?, next_page_token })
}

#[async_trait]
impl CatalogClient for GrpcCatalog {
    async fn descriptions(&self, skus: &[Sku]) -> Result<Items, CallError> {
        let message =
            GetDescriptionsRequest { skus: skus.iter().map(ToString::to_string).collect() };
        let call = || {
            let (mut client, message) = (self.client.clone(), message.clone());
            async move { client.get_descriptions(message).await }
        };
        let found = retry(&self.env, call).await.map_err(failed)?.into_inner();
        let items = found.items.iter().map(item_from_wire);
        items.collect::<Result<Items, _>>().map_err(broken)
    }

    async fn list(&self, page: &PageRequest) -> Result<Paged<Item>, CallError> {
        let message = ListItemsRequest { page_size: page.size, page_token: page.token.clone() };
        let call = || {
            let (mut client, message) = (self.client.clone(), message.clone());
            async move { client.list_items(message).await }
        };
        let found = retry(&self.env, call).await.map_err(failed)?.into_inner();
        paged(&found.items, found.next_page_token)
    }

    async fn search(&self, query: &str, page: &PageRequest) -> Result<Paged<Item>, CallError> {
        let message = SearchItemsRequest {
            query: query.to_owned(),
            page_size: page.size,
            page_token: page.token.clone(),
        };
        let call = || {
            let (mut client, message) = (self.client.clone(), message.clone());
            async move { client.search_items(message).await }
        };
        let found = retry(&self.env, call).await.map_err(failed)?.into_inner();
        paged(&found.items, found.next_page_token)
    }

    async fn import(
        &self,
        ServiceToken(token): ServiceToken,
        chunks: BoxStream<'static, Result<CsvChunk, Interrupted>>,
    ) -> Result<Imported, CallError> {
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let mut request = Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("authorization", token);
        let mut client = self.client.clone();
        // Tried once: a client's stream cannot be sent twice.
        let call = async move { client.import_items(request).await };
        let done = import_whole(call, forward(chunks, sender)).await?.into_inner();
        Ok(Imported {
            created: done.created_count,
            updated: done.updated_count,
            unchanged: done.unchanged_count,
        })
    }
}

/// Passes chunks on. Ends the outgoing stream only if the incoming one came to its end: the sender
/// goes back to the caller with the interruption, since dropping it would look like the end.
async fn forward(
    mut chunks: BoxStream<'static, Result<CsvChunk, Interrupted>>,
    sender: mpsc::Sender<ImportItemsRequest>,
) -> Result<(), (Interrupted, mpsc::Sender<ImportItemsRequest>)> {
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Err(interrupted) => return Err((interrupted, sender)),
            Ok(chunk) => chunk_to_wire(chunk),
        };
        // The catalogue has answered before the end: its answer says why.
        if sender.send(chunk).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Waits for the answer, or gives the call up (which resets it) as soon as the file breaks off.
async fn import_whole<T>(
    call: impl Future<Output = Result<T, Status>> + Send,
    forwarded: impl Future<Output = Result<(), (Interrupted, mpsc::Sender<ImportItemsRequest>)>> + Send,
) -> Result<T, CallError> {
    let mut call = pin!(call);
    tokio::select! {
        done = &mut call => done.map_err(failed),
        forwarded = forwarded => match forwarded {
            Ok(()) => call.await.map_err(failed),
            Err((interrupted, _still_open)) => {
                Err(CallError::Unknown { service: "the client", source: interrupted.into() })
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn chunk(text: &str) -> CsvChunk {
        CsvChunk { bytes: text.into(), default_currency_code: String::new() }
    }

    /// A catalogue that counts the chunks, and answers only at the end of the file.
    async fn import(chunks: Vec<Result<CsvChunk, Interrupted>>) -> Result<usize, CallError> {
        let (sender, mut receiver) = mpsc::channel(CHUNKS_AHEAD);
        let call = async move {
            let mut count = 0;
            while receiver.recv().await.is_some() {
                count += 1;
            }
            Ok(count)
        };
        import_whole(call, forward(stream::iter(chunks).boxed(), sender)).await
    }

    #[tokio::test]
    async fn a_whole_file_is_passed_on() {
        let chunks = (0..20).map(|_| Ok(chunk("sku,"))).collect();
        assert_eq!(import(chunks).await.unwrap(), 20);
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_is_not_taken_for_a_whole_one() {
        let cut = import(vec![Ok(chunk("sku,name")), Ok(chunk("A,b")), Err(Interrupted)]).await;
        assert!(matches!(cut, Err(CallError::Unknown { .. })), "{cut:?}");
    }
}
