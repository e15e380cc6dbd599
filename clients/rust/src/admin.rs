//! What a service may do: load the catalogue.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use oxcart_proto::controller::{ImportItemsRequest, ImportItemsResponse};

use crate::{
    call::{Caller, Limits},
    client::Client,
    error::Error,
    session::Session,
    shopper::Store,
};

/// Bytes of the file in one message; the contract allows 1 MiB.
const CHUNK_BYTES: usize = 256 * 1024;

/// How long one import may take, all its chunks together.
const IMPORT_DEADLINE: Duration = Duration::from_mins(1);

/// The store as a service identity sees it. A clone is the same service in the same session.
#[derive(Debug, Clone)]
pub struct Admin {
    caller: Caller<Store>,
    session: Session,
}

impl Admin {
    pub(crate) fn new(client: &Client, session: Session) -> Self {
        Self { caller: client.caller(session.clone()), session }
    }

    /// The session that it calls in.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Loads a catalogue: CSV with the columns sku, name, price, description and, if wanted, currency.
    /// All rows or none; again, it updates. Sent in chunks, with a deadline of a minute. Rows without a
    /// currency are in `default_currency`, an ISO 4217 code; if that is empty, in the store's own.
    ///
    /// # Errors
    /// [`Error::Call`]. Bad rows are its bad fields, and `bad_rows` in its metadata is how many there
    /// are.
    pub async fn import(
        &self,
        csv: impl Into<Arc<[u8]>>,
        default_currency: &str,
    ) -> Result<ImportItemsResponse, Error> {
        let caller = Caller { limits: import_limits(self.caller.limits), ..self.caller.clone() };
        let answer = caller.repeat("ImportItems", csv.into(), |mut store, request| {
            let request = request.map(|csv| chunks(csv, default_currency.to_owned()));
            async move { store.import_items(request).await }
        });
        answer.await
    }
}

/// Each try may take all of its own deadline.
fn import_limits(limits: Limits) -> Limits {
    let time_budget = limits.time_budget;
    let is_tried_once = time_budget.is_zero();
    Limits {
        deadline: IMPORT_DEADLINE,
        time_budget: if is_tried_once { time_budget } else { time_budget + IMPORT_DEADLINE },
    }
}

/// An empty file is sent as well: the catalogue knows what is wrong with it.
fn chunks(
    csv: Arc<[u8]>,
    default_currency_code: String,
) -> impl Stream<Item = ImportItemsRequest> + Send + 'static {
    let count = csv.len().div_ceil(CHUNK_BYTES).max(1);
    stream::iter((0..count).map(move |number| {
        let rest = &csv[number * CHUNK_BYTES..];
        ImportItemsRequest {
            csv_chunk: rest[..rest.len().min(CHUNK_BYTES)].to_vec(),
            default_currency_code: default_currency_code.clone(),
        }
    }))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_sent_in_pieces_and_whole() {
        let csv: Vec<u8> = (0..=CHUNK_BYTES * 2).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let sent: Vec<_> = chunks(csv.as_slice().into(), "GBP".to_owned()).collect().await;
        assert_eq!(sent.len(), 3);
        let joined: Vec<u8> = sent.into_iter().flat_map(|message| message.csv_chunk).collect();
        assert_eq!(joined, csv);
        assert_eq!(chunks([].into(), String::new()).count().await, 1);
    }
}
