//! Loads a catalogue into a running store, through its controller.

use std::{
    fs, io,
    io::{Read as _, Write},
    path::{Path, PathBuf},
};

use oxcart_proto::controller::{
    GetStorefrontRequest, ImportItemsRequest, ImportItemsResponse,
    controller_service_client::ControllerServiceClient,
};
use secrecy::SecretString;
use service_kit::{Sources, auth::ServiceIdentity, error};
use tokio_stream as stream;
use tonic::{Code, Request, Status, transport::Channel};

use crate::{client, client::ClientError};

/// Bytes of the file in one message.
const CHUNK_BYTES: usize = 256 * 1024;

/// Largest file that is read: what the catalogue takes.
const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is larger than a catalogue may be.
    #[error("{} is larger than 32 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Rows of the file are bad; they have been listed.
    #[error("{count} rows are bad, nothing was loaded")]
    BadRows {
        /// How many.
        count: String,
    },
    /// The address is none.
    #[error("--controller must read http://HOST:PORT, not {url:?}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        source: ClientError,
    },
    /// Nobody answers at the address, or not in gRPC.
    #[error("cannot reach the store at {url}, is --controller right? {}", status.message())]
    Unreachable {
        /// The address.
        url: String,
        /// What the transport says.
        status: Box<Status>,
    },
    /// Whoever listens at the address does not say where to sign in.
    #[error("{url} does not name an issuer, is it the store's controller?")]
    NoIssuer {
        /// The address.
        url: String,
    },
    /// The store refused the call, or did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The outcome could not be written.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
}

/// Who loads what where.
pub struct Import<'a> {
    /// The controller.
    pub controller_url: &'a str,
    /// A client with the scope `catalog:write`.
    pub client_id: &'a str,
    /// Its secret.
    pub client_secret: SecretString,
    /// ISO 4217 code for rows without a currency; empty means the catalogue's default.
    pub default_currency: &'a str,
}

impl Import<'_> {
    /// Loads the file and writes what became of it to `out`.
    ///
    /// # Errors
    /// [`ImportError`]: nothing was loaded, but for a broken connection, after which nobody knows.
    pub async fn file(
        self,
        path: &Path,
        sources: Sources,
        out: &mut impl Write,
    ) -> Result<(), ImportError> {
        let csv = read(path)?;
        let done = self.bytes(&csv, sources).await.map_err(|error| explain(error, out))?;
        let ImportItemsResponse { created_count, updated_count, unchanged_count } = done;
        writeln!(
            out,
            "{created_count} created, {updated_count} updated, {unchanged_count} unchanged"
        )
        .map_err(ImportError::Output)
    }

    /// Loads CSV that is at hand.
    ///
    /// # Errors
    /// As [`Self::file`], but bad rows are left in the [`Status`].
    pub async fn bytes(
        self,
        csv: &[u8],
        sources: Sources,
    ) -> Result<ImportItemsResponse, ImportError> {
        let url = self.controller_url;
        let channel = client::connect(url)
            .map_err(|source| ImportError::Address { url: url.to_owned(), source })?;
        let mut controller = ControllerServiceClient::new(channel);
        let issuer = issuer(&mut controller, url).await?;
        let identity = ServiceIdentity::new(&issuer, self.client_id, self.client_secret, sources);
        let bearer = identity.bearer().await.map_err(client::refused("sign in"))?;
        let mut request = Request::new(stream::iter(chunks(csv, self.default_currency)));
        request.metadata_mut().insert("authorization", bearer);
        let answer = controller.import_items(request).await;
        Ok(answer.map_err(client::refused("load the catalogue"))?.into_inner())
    }
}

/// The controller itself says where to sign in, to whoever comes without a token.
async fn issuer(
    controller: &mut ControllerServiceClient<Channel>,
    url: &str,
) -> Result<String, ImportError> {
    let no_issuer = || ImportError::NoIssuer { url: url.to_owned() };
    match controller.get_storefront(client::with_deadline(GetStorefrontRequest::default())).await {
        Err(status) if status.code() == Code::Unauthenticated => {
            let issuer = error::info(&status).and_then(|mut info| info.metadata.remove("issuer"));
            issuer.ok_or_else(no_issuer)
        }
        Err(status) => {
            Err(ImportError::Unreachable { url: url.to_owned(), status: Box::new(status) })
        }
        Ok(_) => Err(no_issuer()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    let failed = |source| ImportError::File { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let mut csv = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut csv).map_err(failed)?;
    if csv.len() as u64 > MAX_FILE_BYTES {
        return Err(ImportError::TooLarge { path: path.to_owned() });
    }
    Ok(csv)
}

fn chunks(csv: &[u8], default_currency: &str) -> Vec<ImportItemsRequest> {
    let message = |chunk: &[u8]| ImportItemsRequest {
        csv_chunk: chunk.to_vec(),
        default_currency_code: default_currency.to_owned(),
    };
    // An empty file is sent as well: the catalogue knows what is wrong with it.
    let all = if csv.is_empty() { vec![csv] } else { csv.chunks(CHUNK_BYTES).collect() };
    all.into_iter().map(message).collect()
}

/// Lists the bad rows, if that is why.
fn explain(error: ImportError, out: &mut impl Write) -> ImportError {
    let ImportError::Client(ClientError::Refused { status, .. }) = &error else { return error };
    let rows = error::bad_fields(status);
    if rows.is_empty() {
        return error;
    }
    let written = rows.iter().try_for_each(|(row, why)| writeln!(out, "{row}: {why}"));
    match written {
        Ok(()) => ImportError::BadRows { count: bad_rows(status, rows.len()) },
        Err(source) => ImportError::Output(source),
    }
}

/// More rows may be bad than one answer names.
fn bad_rows(status: &Status, named: usize) -> String {
    let counted = error::info(status).and_then(|mut info| info.metadata.remove("bad_rows"));
    counted.unwrap_or_else(|| named.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_in_pieces_and_whole() {
        let csv: Vec<u8> = (0..=CHUNK_BYTES * 2).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let sent = chunks(&csv, "GBP");
        assert_eq!(sent.len(), 3);
        let joined: Vec<u8> = sent.into_iter().flat_map(|message| message.csv_chunk).collect();
        assert_eq!(joined, csv);
        assert_eq!(chunks(&[], "").len(), 1);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/such/file.csv")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read no/such/file.csv");
    }
}
