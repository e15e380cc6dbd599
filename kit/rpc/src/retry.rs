//! Repeats what may be repeated.

use std::time::Duration;

use kit_service::Env;
use oxcart_proto::error::{is_transient, retry_delay};
use tokio::time;
use tonic::Status;

use crate::{channel::MARGIN, deadline};

/// The longest pause before each further try, in milliseconds.
const PAUSES_MS: [u64; 2] = [200, 400];

/// A server that wants us to stay away for longer is not tried again.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Makes an idempotent call, and up to twice more if it fails in a way that is likely to pass: the
/// service said so, or a transport failed. Pauses between tries, with full jitter or as long as the
/// service asks; stops when the pause would outlast the current call's time.
///
/// # Errors
/// The status of the last try.
pub async fn retry<T>(
    env: &Env,
    mut call: impl AsyncFnMut() -> Result<T, Status>,
) -> Result<T, Status> {
    for longest_pause_ms in PAUSES_MS {
        let status = match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) => status,
        };
        let asked = retry_delay(&status).unwrap_or_default();
        let jittered = env.jitter(Duration::from_millis(longest_pause_ms), 0.25, 1.0);
        let pause = jittered.max(asked);
        let is_too_long = deadline::remaining().is_some_and(|left| left <= pause + MARGIN);
        if !is_transient(&status) || asked > LONGEST_RETRY_DELAY || is_too_long {
            return Err(status);
        }
        tracing::debug!(code = ?status.code(), pause_ms = pause.as_millis(), "trying again");
        time::sleep(pause).await;
    }
    call().await
}
