//! What the use cases refuse, as statuses: code and reason stand in one `match`.

use kit_rpc::error::{failed, internal, unavailable};
use oxcart_proto::{Reason, Refusal};
use tonic::Status;

use crate::{
    app::{Error, StoreError},
    domain::import::BadFile,
};

/// What a client is told of a failed store.
const STORE_FAILED: &str = "the catalogue store failed";

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { sku } => {
                Refusal::new(Reason::ItemNotFound, message).with("sku", sku).into()
            }
            Error::BadFile(bad) => refuse_file(&bad),
            Error::Interrupted(cause) => internal("reading the file failed", &cause),
            Error::Store(StoreError::Database(failure)) => {
                failed(STORE_FAILED, &failure, failure.is_unavailable())
            }
            Error::Store(conflict @ StoreError::Conflict) => unavailable(STORE_FAILED, &conflict),
            Error::Store(unreadable @ StoreError::Unreadable { .. }) => {
                internal(STORE_FAILED, &unreadable)
            }
        }
    }
}

/// Names as many bad rows as a status holds, and counts them all.
fn refuse_file(bad: &BadFile) -> Status {
    let listed = bad.listed().iter().map(|field| (field.place(), field.fault.to_string()));
    let first = listed.clone().next().map(|(place, fault)| format!(": {place} {fault}"));
    let message = format!("{bad}{}", first.unwrap_or_default());
    let refusal = Refusal::new(Reason::FieldInvalid, message).with("bad_rows", bad.bad_rows());
    listed.fold(refusal, |refusal, (place, fault)| refusal.field(place, fault)).into()
}
