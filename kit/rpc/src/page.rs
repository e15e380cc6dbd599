//! Pages of lists, as AIP-158 has them.
//!
//! A page token holds where the last page ended, bound to the query it belongs to by a digest. It
//! grants nothing: whoever forges one sees no more than his own query shows anyway.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oxcart_proto::BadFields;
use ring::digest;

/// Rows of a page whose request names no size.
pub const DEFAULT_PAGE_SIZE: u32 = 50;

/// Rows that a page has at most, whatever the request says.
pub const MAX_PAGE_SIZE: u32 = 200;

const MAX_TOKEN_BYTES: usize = 1_024;
const DIGEST_BYTES: usize = 8;

/// A page that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many rows, from 1 to [`MAX_PAGE_SIZE`].
    pub size: u32,
    /// The cursor that [`next_token`] was given for the page before; none for the first page.
    pub after: Option<String>,
}

impl Page {
    /// Reads `page_size` and `page_token` of a request. `query` names the list and everything that
    /// selects its rows: a token of another query is refused.
    pub fn read(
        page_size: i32,
        page_token: &str,
        query: &str,
        bad: &mut BadFields,
    ) -> Option<Self> {
        let size = bad.take("page_size", read_size(page_size));
        let after = bad.take("page_token", read_token(query, page_token));
        Some(Self { size: size?, after: after? })
    }
}

/// Makes the token for the page that starts behind `cursor`.
#[must_use]
pub fn next_token(query: &str, cursor: &str) -> String {
    let mut token = seal(query, cursor).to_vec();
    token.extend_from_slice(cursor.as_bytes());
    URL_SAFE_NO_PAD.encode(token)
}

struct NegativeSize;

impl fmt::Display for NegativeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must not be negative")
    }
}

fn read_size(page_size: i32) -> Result<u32, NegativeSize> {
    match u32::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(NegativeSize),
    }
}

struct ForeignToken;

impl fmt::Display for ForeignToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be empty or the next_page_token of the same query")
    }
}

fn read_token(query: &str, token: &str) -> Result<Option<String>, ForeignToken> {
    if token.is_empty() {
        return Ok(None);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(ForeignToken);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| ForeignToken)?;
    let (digest, cursor) = bytes.split_at_checked(DIGEST_BYTES).ok_or(ForeignToken)?;
    let cursor = std::str::from_utf8(cursor).map_err(|_| ForeignToken)?;
    if digest == seal(query, cursor) { Ok(Some(cursor.to_owned())) } else { Err(ForeignToken) }
}

fn seal(query: &str, cursor: &str) -> [u8; DIGEST_BYTES] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&query.len().to_be_bytes());
    context.update(query.as_bytes());
    context.update(cursor.as_bytes());
    let mut short = [0; DIGEST_BYTES];
    short.copy_from_slice(&context.finish().as_ref()[..DIGEST_BYTES]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(size: i32, token: &str, query: &str) -> Option<Page> {
        Page::read(size, token, query, &mut BadFields::default())
    }

    #[test]
    fn sizes_are_bounded() {
        let size = |n| read(n, "", "q").map(|page| page.size);
        assert_eq!(
            (size(0), size(7), size(i32::MAX), size(-1)),
            (Some(50), Some(7), Some(200), None)
        );
    }

    #[test]
    fn a_token_reads_back_for_its_own_query_alone() {
        let token = next_token("items", "85123A");
        assert_eq!(read(0, &token, "items").unwrap().after.as_deref(), Some("85123A"));
        assert_eq!(read(0, &token, "search cats"), None);
    }

    #[test]
    fn a_tampered_token_is_refused() {
        let token = next_token("items", "85123A");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(read(0, std::str::from_utf8(&changed).unwrap(), "items"), None, "byte {at}");
        }
        for rubbish in ["x", "é", "AAAA", &"A".repeat(10_000_000)] {
            assert_eq!(read(0, rubbish, "items"), None);
        }
    }
}
