//! The files of a replay, read whole and checked before anything is bought: every refusal names the
//! file and the line.

mod purchases;
mod table;
mod totals;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

pub use purchases::{Purchase, read_purchases};
pub use totals::{Totals, TotalsFile, read_totals};

/// The largest file that is read, in bytes, unpacked.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// The most purchases in a file.
const MAX_PURCHASES: usize = 1_000_000;

/// What every gzip file begins with. The content decides, not the name.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or unpacked.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is larger than anything that makes sense here.
    #[error("{} is longer than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The first line does not name a column that is needed.
    #[error("{}, line 1: there is no column {column}", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A row is wrong.
    #[error("{}, line {line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// From 1, which is the header.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// It has no rows.
    #[error("{} has no rows", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a whole file, unpacked if it is gzipped.
///
/// # Errors
/// [`FileError::Unreadable`], [`FileError::TooLarge`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let mut packed = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    read_limited(file, path, &mut packed)?;
    if !packed.starts_with(&GZIP_MAGIC) {
        return Ok(packed);
    }
    let mut unpacked = Vec::new();
    read_limited(MultiGzDecoder::new(packed.as_slice()), path, &mut unpacked)?;
    Ok(unpacked)
}

fn read_limited(from: impl Read, path: &Path, into: &mut Vec<u8>) -> Result<(), FileError> {
    let read = from.take(MAX_FILE_BYTES + 1).read_to_end(into);
    let bytes = read.map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?;
    if bytes as u64 > MAX_FILE_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_gzipped_file_reads_like_a_plain_one() {
        for bytes in [b"a,b\n1,2\n".to_vec(), Vec::new()] {
            assert_eq!(read_bytes(file(&bytes).path()).unwrap(), bytes);
            assert_eq!(read_bytes(file(&gzipped(&bytes)).path()).unwrap(), bytes);
        }
    }

    #[test]
    fn a_truncated_archive_is_refused_by_name() {
        let whole = gzipped(b"invoice,customer\n");
        let broken = file(&whole[..whole.len() - 4]);
        let error = read_bytes(broken.path()).unwrap_err();
        assert!(error.to_string().contains(broken.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_missing_file_is_refused_by_name() {
        let error = read_bytes(Path::new("no/such/file.csv")).unwrap_err();
        assert_eq!(error.to_string(), "no/such/file.csv cannot be read");
    }
}
