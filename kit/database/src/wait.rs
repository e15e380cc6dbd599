//! Waiting for a PostgreSQL server that is not up yet.

use std::{str::FromStr as _, time::Duration};

use kit_service::chain;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use crate::{OpenError, failure::is_passing, postgres::name};

/// The longest that one try may take.
const TRY: Duration = Duration::from_secs(5);

/// The pause after the first try; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Returns when the server at `url` lets us in. What time does not mend ends the waiting at once: a
/// wrong password, a database that does not exist, encryption that the server does not have.
pub(super) async fn wait(
    url: &str,
    limit: Duration,
    shutdown: &CancellationToken,
) -> Result<(), OpenError> {
    let options = PgConnectOptions::from_str(url).map_err(OpenError::InvalidUrl)?;
    let name = name(&options);
    let until = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    for attempt in 1_u32.. {
        let Err(source) = enter(&options).await else { break };
        let is_over = Instant::now() + pause > until;
        if is_over || !is_passing(&source) || matches!(source, sqlx::Error::Tls(_)) {
            return Err(OpenError::Connect { name, source });
        }
        let error = chain(&source);
        tracing::warn!(attempt, error, "the database {name} is not there yet, trying again");
        tokio::select! {
            () = time::sleep(pause) => {}
            () = shutdown.cancelled() => return Err(OpenError::Stopped { name }),
        }
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
    Ok(())
}

async fn enter(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let entering = async { PgConnection::connect_with(options).await?.close().await };
    time::timeout(TRY, entering).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// What the server says of an error, in PostgreSQL's protocol.
    fn refusal(code: &str, message: &str) -> Vec<u8> {
        let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
        let length = u32::try_from(4 + fields.len()).unwrap();
        [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
    }

    /// A server that refuses all connections with `code`. Returns the URL of a database on it, and the
    /// count of connections.
    async fn refusing(code: &'static str) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = listener.local_addr().unwrap();
        let url = format!("postgres://postgres:hunter2@{front}/cart?sslmode=disable");
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                socket.read_buf(&mut Vec::new()).await.unwrap();
                socket.write_all(&refusal(code, "not now")).await.unwrap();
            }
        });
        (url, count)
    }

    #[tokio::test]
    async fn what_time_does_not_mend_is_not_waited_for() {
        // A wrong password, a role and a database that do not exist.
        for code in ["28P01", "28000", "3D000"] {
            let (url, count) = refusing(code).await;
            let error = wait(&url, MINUTE, &CancellationToken::new()).await.unwrap_err();
            assert!(matches!(error, OpenError::Connect { .. }), "{error:?}");
            assert!(!format!("{error:?}").contains("hunter2"));
            assert_eq!(count.load(Ordering::SeqCst), 1, "{code}");
        }
    }

    #[tokio::test]
    async fn the_waiting_has_an_end() {
        let url = "postgres://u:hunter2@127.0.0.1:1/x";
        for limit in [Duration::ZERO, Duration::from_millis(250)] {
            let error = wait(url, limit, &CancellationToken::new()).await.unwrap_err();
            assert_eq!(error.to_string(), "cannot open the database 127.0.0.1:1/x");
        }
    }

    #[tokio::test]
    async fn a_process_that_is_told_to_stop_waits_no_longer() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let error = wait("postgres://127.0.0.1:1/x", MINUTE, &shutdown).await.unwrap_err();
        assert!(matches!(error, OpenError::Stopped { .. }), "{error:?}");
    }
}
