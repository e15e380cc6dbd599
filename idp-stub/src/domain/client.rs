//! Programs that may ask for tokens.

use std::{fmt, str::FromStr};

use super::{ClientId, Scopes, SecretHash};

/// The longest redirect URI, in bytes.
pub const MAX_REDIRECT_URI_BYTES: usize = 512;

/// Why a redirect URI was refused. The text fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an absolute http or https URL without user, fragment or spaces, at most {MAX_REDIRECT_URI_BYTES} bytes"
)]
pub struct RedirectUriError;

/// Where a browser is sent with a code. Compared character by character, as RFC 9700 asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri(Box<str>);

impl RedirectUri {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port, as a Content-Security-Policy names a source.
    #[must_use]
    pub fn origin(&self) -> &str {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[authority..].find(['/', '?']).map_or(self.0.len(), |at| authority + at);
        &self.0[..end]
    }
}

impl FromStr for RedirectUri {
    type Err = RedirectUriError;

    fn from_str(text: &str) -> Result<Self, RedirectUriError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        // What may stand in an origin and nothing that a header would read otherwise.
        let is_host = !authority.is_empty()
            && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        let is_plain = text.len() <= MAX_REDIRECT_URI_BYTES
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b));
        if is_host && is_plain { Ok(Self(text.into())) } else { Err(RedirectUriError) }
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A program that asks for tokens, for itself or for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub id: ClientId,
    /// Of its secret. None: a public client, such as a page in a browser, which can keep none; it
    /// gets tokens for users only.
    pub secret_hash: Option<SecretHash>,
    /// What its own tokens may allow.
    pub scopes: Scopes,
    /// Where a browser may be sent with a code for it.
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether it may have any user's token without a password. For load tests.
    pub may_impersonate: bool,
}

impl Client {
    /// Its registered redirect URI that is exactly `text`.
    #[must_use]
    pub fn redirect_uri(&self, text: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|uri| uri.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_knows_its_origin() {
        for (text, origin) in [
            ("http://127.0.0.1:3000/callback?x=1", "http://127.0.0.1:3000"),
            ("https://shop.example", "https://shop.example"),
            ("http://[::1]:9/cb", "http://[::1]:9"),
        ] {
            assert_eq!(text.parse::<RedirectUri>().unwrap().origin(), origin);
        }
    }

    #[test]
    fn what_a_browser_might_read_otherwise_is_no_redirect_uri() {
        for text in [
            "",
            "/callback",
            "//evil.example/",
            "javascript:alert(1)",
            "http://",
            "http:///x",
            "http://user@host/",
            "http://host/#part",
            "http://host\\evil/",
            "http://a b/",
            "http://host/\r\nset-cookie:x",
            "http://host;/",
            &format!("http://host/{}", "x".repeat(600)),
        ] {
            assert_eq!(text.parse::<RedirectUri>(), Err(RedirectUriError), "{text}");
        }
    }
}
