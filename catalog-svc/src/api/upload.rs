//! A file that comes in pieces.

use oxcart_proto::{BadFields, catalog as pb};
use oxcart_types::Currency;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::domain::import::MAX_FILE_BYTES;

/// The largest piece, in bytes: 1 MiB.
const MAX_CHUNK_BYTES: usize = 1024 * 1024;

/// Puts the file together, and reads the currency for rows that name none, if the caller named one.
pub(super) async fn read(
    mut pieces: impl Stream<Item = Result<pb::ImportItemsRequest, Status>> + Unpin,
) -> Result<(Vec<u8>, Option<Currency>), Status> {
    let mut file = Vec::new();
    let mut currency = None;
    let mut is_first = true;
    while let Some(piece) = pieces.next().await.transpose()? {
        let mut bad = BadFields::default();
        if is_first && !piece.default_currency_code.is_empty() {
            currency = bad.take("default_currency_code", piece.default_currency_code.parse());
        }
        if piece.csv_chunk.len() > MAX_CHUNK_BYTES {
            bad.push("csv_chunk", format_args!("must be at most {MAX_CHUNK_BYTES} bytes"));
        } else if file.len() + piece.csv_chunk.len() > MAX_FILE_BYTES {
            bad.push("csv_chunk", format_args!("must be at most {MAX_FILE_BYTES} bytes in all"));
        }
        bad.check()?;
        file.extend_from_slice(&piece.csv_chunk);
        is_first = false;
    }
    Ok((file, currency))
}
