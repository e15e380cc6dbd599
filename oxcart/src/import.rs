//! Loads a catalogue into a running store, through its controller.

use std::{
    fs, io,
    io::{Read as _, Write},
    path::{Path, PathBuf},
};

use kit_rpc::auth::ServiceIdentity;
use kit_service::Env;
use oxcart_client::{
    BadField, CallError, Client, Error, ImportItemsResponse, InvalidUrl, Session, SourceError,
    Token,
};
use secrecy::SecretString;

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
        source: InvalidUrl,
    },
    /// There is no answer from the address, or none in gRPC.
    #[error("cannot reach the store at {url}, is --controller right?")]
    Unreachable {
        /// The address.
        url: String,
        /// What the transport says.
        source: Error,
    },
    /// The server at the address does not say who issues tokens.
    #[error("{url} does not name an issuer, is it the store's controller?")]
    NoIssuer {
        /// The address.
        url: String,
    },
    /// The store refused the call, or did not answer.
    #[error(transparent)]
    Client(#[from] Error),
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
    /// [`ImportError`]: nothing was loaded, but for a broken connection, after which it is unknown.
    pub async fn file(
        self,
        path: &Path,
        env: Env,
        out: &mut impl Write,
    ) -> Result<(), ImportError> {
        let csv = read(path)?;
        let done = self.bytes(csv, env).await.map_err(|error| explain(error, out))?;
        let ImportItemsResponse { created_count, updated_count, unchanged_count } = done;
        writeln!(
            out,
            "{created_count} created, {updated_count} updated, {unchanged_count} unchanged"
        )
        .map_err(ImportError::Output)
    }

    async fn bytes(self, csv: Vec<u8>, env: Env) -> Result<ImportItemsResponse, ImportError> {
        let url = self.controller_url;
        let client = Client::new(url)
            .map_err(|source| ImportError::Address { url: url.to_owned(), source })?;
        let issuer = issuer(&client, url).await?;
        let session = session(&issuer, self.client_id, self.client_secret, env);
        Ok(client.admin(session).import(csv, self.default_currency).await?)
    }
}

/// The controller itself says who issues tokens.
async fn issuer(client: &Client, url: &str) -> Result<String, ImportError> {
    let no_issuer = || ImportError::NoIssuer { url: url.to_owned() };
    // Without retries: a mistyped address is to be told at once.
    match client.clone().without_retries().identity_provider().await {
        Ok(told) if told.issuer.is_empty() => Err(no_issuer()),
        Ok(told) => Ok(told.issuer.clone()),
        Err(Error::NoSignIn { .. }) => Err(no_issuer()),
        Err(source) => Err(ImportError::Unreachable { url: url.to_owned(), source }),
    }
}

/// By OpenID Connect, so that it works with the identity provider of a shop as well.
fn session(issuer: &str, client_id: &str, client_secret: SecretString, env: Env) -> Session {
    let identity = ServiceIdentity::new(issuer, client_id, client_secret, env);
    Session::from_source(move || {
        let identity = identity.clone();
        async move {
            let bearer = identity.bearer().await.map_err(|status| status.message().to_owned())?;
            let token = bearer.to_str()?.strip_prefix("Bearer ").map(Token::new);
            token.ok_or_else(|| SourceError::from("the issuer's token is no bearer token"))
        }
    })
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

/// Lists the bad rows, if that is why.
fn explain(error: ImportError, out: &mut impl Write) -> ImportError {
    let ImportError::Client(Error::Call(refused)) = &error else { return error };
    let rows = refused.bad_fields();
    if rows.is_empty() {
        return error;
    }
    let written = rows
        .iter()
        .try_for_each(|BadField { field, description }| writeln!(out, "{field}: {description}"));
    match written {
        Ok(()) => ImportError::BadRows { count: bad_rows(refused) },
        Err(source) => ImportError::Output(source),
    }
}

/// More rows may be bad than one answer names.
fn bad_rows(refused: &CallError) -> String {
    let counted = refused.metadata("bad_rows").map(str::to_owned);
    counted.unwrap_or_else(|| refused.bad_fields().len().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/such/file.csv")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read no/such/file.csv");
    }
}
