//! The chunks of an import, as they come.

use futures_util::{StreamExt as _, stream::BoxStream};
use oxcart_proto::controller::ImportItemsRequest;
use tonic::Streaming;

use crate::clients::{CsvChunk, Interrupted};

/// The messages of a client's stream. Why one cannot be read is the transport's affair; what counts
/// is that the file is not whole.
pub fn chunks(
    messages: Streaming<ImportItemsRequest>,
) -> BoxStream<'static, Result<CsvChunk, Interrupted>> {
    let chunk = |message: ImportItemsRequest| CsvChunk {
        bytes: message.csv_chunk,
        default_currency_code: message.default_currency_code,
    };
    messages.map(move |message| message.map(chunk).map_err(|_| Interrupted)).boxed()
}
