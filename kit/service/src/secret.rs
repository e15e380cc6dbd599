//! Secrets that are kept in files, as containers have them.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use secrecy::SecretString;

/// A longer file holds something else.
const LONGEST_BYTES: u64 = 64 * 1024;

/// Why a file gives no secret. What is in it is never told.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("--{flag} cannot read {path}")]
    Unreadable {
        /// The setting.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no secret.
    #[error("--{flag} finds no secret in {path}: it must hold text, 64 KiB at most")]
    Unusable {
        /// The setting.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// The text in the file at `path`, without one line end after it. `flag` is the setting that names
/// the file.
///
/// # Errors
/// [`SecretError`]; a file that is empty, is not text, or is longer than 64 KiB is refused.
pub fn read(flag: &'static str, path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |source| SecretError::Unreadable { flag, path: path.to_owned(), source };
    let unusable = || SecretError::Unusable { flag, path: path.to_owned() };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LONGEST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let is_too_long = u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST_BYTES);
    let text = String::from_utf8(bytes).map_err(|_| unusable())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    if secret.is_empty() || is_too_long {
        return Err(unusable());
    }
    Ok(secret.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::chain;

    fn read_bytes(bytes: &[u8]) -> Result<String, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, bytes).unwrap();
        read("client-secret-file", &path).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn one_line_end_does_not_belong_to_the_secret() {
        for (text, secret) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            (" two words\n\n", " two words\n"),
        ] {
            assert_eq!(read_bytes(text.as_bytes()).unwrap(), secret);
        }
    }

    #[test]
    fn the_longest_secret_is_64_kib() {
        assert_eq!(read_bytes(&vec![b'x'; 65_536]).unwrap().len(), 65_536);
        assert!(matches!(read_bytes(&vec![b'x'; 65_537]), Err(SecretError::Unusable { .. })));
    }

    #[test]
    fn an_error_names_the_setting_and_the_file_and_never_the_secret() {
        for bytes in [b"".as_slice(), b"\n", b"hunter2\xff"] {
            let error = read_bytes(bytes).unwrap_err();
            let text = format!("{} {error:?}", chain(&error));
            assert!(text.contains("--client-secret-file") && text.contains("/secret"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let missing = read("client-secret-file", Path::new("/nowhere/secret")).unwrap_err();
        assert!(
            chain(&missing).contains("--client-secret-file cannot read /nowhere/secret: No such")
        );
    }
}
