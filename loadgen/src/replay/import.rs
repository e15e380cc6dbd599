//! Loads the catalogue into the store, in pieces.

use std::time::Duration;

use oxcart_proto::controller::ImportItemsRequest;
use oxcart_types::Currency;
use tonic::{Request, Status};

use crate::{
    call::{CallError, Tries},
    session::Store,
};

/// Bytes of the file in one message; the contract allows 1 MiB.
const CHUNK_BYTES: usize = 64 * 1024;

/// How long an import may take, all pieces together.
const IMPORT_TIMEOUT: Duration = Duration::from_mins(1);

/// Tries of the whole import.
const IMPORT_TRIES: u32 = 5;

/// What the import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Items that are new.
    pub created: i64,
    /// Items that are different now.
    pub updated: i64,
    /// Items that were there and are the same.
    pub unchanged: i64,
}

/// Imports a file whose prices are in `currency` where it does not say otherwise.
///
/// # Errors
/// Whatever the store refuses, with the bad rows.
pub async fn import(
    store: &Store,
    catalogue: Vec<u8>,
    currency: Currency,
) -> Result<Imported, CallError> {
    let pieces: Vec<_> =
        catalogue.chunks(CHUNK_BYTES).map(|piece| message(piece, currency)).collect();
    let mut tries = Tries::new(IMPORT_TRIES, "import");
    loop {
        match try_once(store, pieces.clone()).await {
            Ok(imported) => return Ok(imported),
            Err(error) => tries.pause_or_give_up(error).await?,
        }
    }
}

async fn try_once(store: &Store, pieces: Vec<ImportItemsRequest>) -> Result<Imported, CallError> {
    let token = store.service_token().await?;
    let mut request = Request::new(tokio_stream::iter(pieces));
    request.set_timeout(IMPORT_TIMEOUT);
    request.metadata_mut().insert("authorization", token.bearer());
    let answer = store.controller(0).import_items(request).await;
    let answer =
        answer.map_err(|status: Status| CallError::new("ImportItems", status))?.into_inner();
    Ok(Imported {
        created: answer.created_count,
        updated: answer.updated_count,
        unchanged: answer.unchanged_count,
    })
}

fn message(piece: &[u8], currency: Currency) -> ImportItemsRequest {
    ImportItemsRequest {
        csv_chunk: piece.to_vec(),
        default_currency_code: currency.code().to_owned(),
    }
}
