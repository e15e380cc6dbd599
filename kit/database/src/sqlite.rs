//! SQLite: one file, one process, one writer at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    path::Path,
    str::FromStr as _,
    sync::Arc,
    time::Duration,
};

use log::LevelFilter;
use sqlx::{
    Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::OpenError;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// An open SQLite file. Begin every writing transaction with
/// `write.begin_with("begin immediate")`: one that starts by reading fails when it comes to write.
#[derive(Debug, Clone)]
pub struct Sqlite {
    /// Reads only, several at once, beside the writer.
    pub read: SqlitePool,
    /// The one connection that writes.
    pub write: SqlitePool,
    /// Keeps other processes out for as long as any clone lives.
    _lock: Arc<File>,
}

impl Sqlite {
    pub(super) async fn open(url: &str, max_connections: u32) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::from_str(url).map_err(OpenError::InvalidUrl)?;
        let path = options.get_filename().to_owned();
        let lock = lock_file(&path)?;
        check_writable(&path)?;
        let failed = |source| OpenError::Connect { name: path.display().to_string(), source };

        // FULL: with NORMAL a power failure loses acknowledged commits in WAL mode.
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("temp_store", "memory")
            .pragma("cache_size", "-16000")
            .pragma("mmap_size", "268435456")
            .pragma("journal_size_limit", "67108864");
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .acquire_time_level(LevelFilter::Debug)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let write = pool()
            .max_connections(1)
            .after_release(|connection, _| Box::pin(is_outside_transaction(connection)))
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        let readers = options.read_only(true);
        let read = pool()
            .max_connections(max_connections.min(4))
            .connect_with(readers)
            .await
            .map_err(failed)?;
        Ok(Self { read, write, _lock: Arc::new(lock) })
    }
}

/// Whether the connection may go back to the pool.
///
/// On a full disk and some other errors SQLite ends the transaction by itself. sqlx 0.9.0 then fails to
/// roll it back and believes for ever to be inside it, so that the one connection that writes would
/// never write again. The ping lets a rollback that is under way finish.
async fn is_outside_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    connection.ping().await?;
    let outside = !connection.is_in_transaction();
    if !outside {
        tracing::warn!("closing a database connection that was given back inside a transaction");
    }
    Ok(outside)
}

/// SQLite opens a file that may not be written for reading, without a word: the service would be ready
/// and refuse every change. Asked while nobody in this process has the file open, for closing it drops
/// the locks that SQLite holds.
fn check_writable(database: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).open(database) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(OpenError::Folder { path: database.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Locks a file beside the database. The system frees it when the process ends, however it ends.
fn lock_file(database: &Path) -> Result<File, OpenError> {
    let path = database.with_added_extension("lock");
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    if let Some(folder) = database.parent() {
        fs::create_dir_all(folder)
            .map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
    }
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: database.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_refused_at_the_start() {
        // A running program may not be written by anybody, not even by root, whom no mode stops.
        let program = env::current_exe().unwrap();
        let refused = check_writable(&program).unwrap_err().to_string();
        assert_eq!(refused, format!("cannot write {}", program.display()));
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("cart.sqlite3").display());
        Sqlite::open(&url, 1).await.unwrap();
        assert!(Sqlite::open(&url, 1).await.is_ok(), "one that is there is opened again");
    }
}
