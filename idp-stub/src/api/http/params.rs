//! The parameters of a request, in its query or its body (`application/x-www-form-urlencoded`).

use std::fmt::Write as _;

use axum::http::{HeaderMap, header};

use super::error::OAuthError;

/// Parameters of one request, at most.
const MAX_PARAMS: usize = 50;

const FORM: &str = "application/x-www-form-urlencoded";

/// Parameters, each at most once. An empty one counts as absent, as RFC 6749 has it.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query or a body.
    pub(super) fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut params: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(OAuthError::invalid_request("a parameter is not valid UTF-8"));
            };
            if params.iter().any(|(known, _)| *known == name) {
                return Err(OAuthError::invalid_request("a parameter stands there twice"));
            }
            if params.len() >= MAX_PARAMS {
                return Err(OAuthError::invalid_request("there are too many parameters"));
            }
            params.push((name, value));
        }
        params.retain(|(_, value)| !value.is_empty());
        Ok(Self(params))
    }

    /// Reads the body of a form.
    pub(super) fn form(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case(FORM) {
            return Err(OAuthError::invalid_request(format!("the content-type must be {FORM}")));
        }
        let text = std::str::from_utf8(body);
        Self::parse(text.map_err(|_| OAuthError::invalid_request("the body is not UTF-8"))?)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(format!("{name} is missing")))
    }
}

/// Undoes the encoding of forms. None if the bytes are no UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Makes `text` fit for the value of a parameter.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_reads_back() {
        for text in ["", "a b+c", "http://h:1/?x=1&y=%20#é", "100%", "\"<>'\r\n"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        assert_eq!(decode("100%"), Some("100%".to_owned()));
        assert_eq!(decode("%zz%4"), Some("%zz%4".to_owned()));
        assert_eq!(decode("%ff"), None);
    }

    #[test]
    fn a_parameter_counts_once_and_not_at_all_if_empty() {
        let params = Params::parse("a=1&&b=&c").unwrap_or(Params(Vec::new()));
        assert_eq!((params.get("a"), params.get("b"), params.get("c")), (Some("1"), None, None));
        assert!(Params::parse("a=1&a=2").is_err());
        assert!(Params::parse("%61=1&a=2").is_err());
        assert!(Params::parse("a=%ff").is_err());
        let many: Vec<String> = (0..100).map(|n| format!("p{n}=1")).collect();
        assert!(Params::parse(&many.join("&")).is_err());
    }
}
