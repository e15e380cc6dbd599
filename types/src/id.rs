//! Names of things, each a type of its own, so that a cart's cannot be passed for a checkout's.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::text::bounded_text;

/// The longest [`UserId`], in bytes: OpenID Connect limits `sub` to 255 ASCII characters.
pub const MAX_USER_ID_BYTES: usize = 255;

const MAX_SKU_CHARS: usize = 64;
const MAX_REQUEST_ID_CHARS: usize = 64;
const MAX_PAYMENT_ID_CHARS: usize = 255;

/// Why a name was refused. The text fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It is no UUID.
    #[error("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
    NotUuid,
    /// It is no SKU.
    #[error(
        "must be 1 to {MAX_SKU_CHARS} characters, none of them a control character, no space at either end"
    )]
    NotSku,
    /// It is no user's id.
    #[error("must be 1 to {MAX_USER_ID_BYTES} bytes, none of them a control character")]
    NotUserId,
    /// It is no request id.
    #[error("must be 1 to {MAX_REQUEST_ID_CHARS} of A-Z a-z 0-9 _ -")]
    NotRequestId,
    /// It is no payment id.
    #[error("must be 1 to {MAX_PAYMENT_ID_CHARS} visible ASCII characters")]
    NotPaymentId,
    /// It was not made by this service.
    #[error("must be empty or an etag as the service gave it out")]
    NotEtag,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The UUID itself, for a database.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Reads the hyphenated form and no other, so that one thing has one name.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
                let uuid = hyphenated.then(|| Uuid::try_parse(text).ok()).flatten();
                uuid.map(Self).ok_or(IdError::NotUuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// Names a cart among those of its owner.
    CartId
}

uuid_id! {
    /// Names a checkout, and is the key of its payment.
    CheckoutId
}

bounded_text! {
    /// Stock keeping unit: names an item for sale. Case matters.
    Sku, IdError, IdError::NotSku, |text| {
        // Four bytes a character at most: a huge text is refused without counting it.
        !text.is_empty()
            && text.len() <= 4 * MAX_SKU_CHARS
            && text.chars().count() <= MAX_SKU_CHARS
            && text.trim() == text
            && !text.chars().any(char::is_control)
    }
}

bounded_text! {
    /// Names a user: `sub` of a token of the configured issuer.
    UserId, IdError, IdError::NotUserId, |text| {
        !text.is_empty() && text.len() <= MAX_USER_ID_BYTES && !text.chars().any(char::is_control)
    }
}

bounded_text! {
    /// A client's name for one purchase, so that repeating it purchases once.
    RequestId, IdError, IdError::NotRequestId, |text| {
        !text.is_empty()
            && text.len() <= MAX_REQUEST_ID_CHARS
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    }
}

bounded_text! {
    /// The payment processor's name for a captured payment.
    PaymentId, IdError, IdError::NotPaymentId, |text| {
        !text.is_empty()
            && text.len() <= MAX_PAYMENT_ID_CHARS
            && text.bytes().all(|b| b.is_ascii_graphic())
    }
}

/// Counts the changes of a cart, from 1 or higher. Shown to clients as an opaque etag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(i64);

impl Version {
    /// The lowest there is. A new cart may begin higher.
    pub const FIRST: Self = Self(1);

    /// The number, for a database.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The version after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As it is shown to clients.
    #[must_use]
    pub fn to_etag(self) -> String {
        format!("v{}", self.0)
    }

    /// Reads what [`Self::to_etag`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`IdError::NotEtag`].
    pub fn from_etag(etag: &str) -> Result<Self, IdError> {
        let digits = etag.strip_prefix('v').filter(|digits| digits.len() <= 18);
        let number = digits.and_then(|digits| digits.parse().ok()).map(Self);
        number.filter(|version| version.0 >= 1 && version.to_etag() == etag).ok_or(IdError::NotEtag)
    }
}

impl From<i64> for Version {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skus_of_real_shops_are_taken() {
        for sku in ["85123A", "POST", "BANK CHARGES", "gift_0001_20", "é", &"x".repeat(64)] {
            assert_eq!(sku.parse::<Sku>().unwrap().as_str(), sku);
        }
    }

    #[test]
    fn what_is_no_sku_is_refused() {
        for text in
            ["", " ", " A", "A ", "A\u{0}B", "A\nB", &"x".repeat(65), &"é".repeat(10_000_000)]
        {
            assert_eq!(text.parse::<Sku>(), Err(IdError::NotSku));
        }
    }

    #[test]
    fn a_uuid_has_one_spelling_in_length() {
        let text = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(text.parse::<CartId>().unwrap().to_string(), text);
        assert_eq!(text.to_uppercase().parse::<CartId>().unwrap().to_string(), text);
        for wrong in ["", "1", &text.replace('-', ""), &format!("{{{text}}}"), &format!("{text} ")]
        {
            assert_eq!(wrong.parse::<CartId>(), Err(IdError::NotUuid), "{wrong}");
        }
    }

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert!("first-try_2".parse::<RequestId>().is_ok());
        for wrong in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert_eq!(wrong.parse::<RequestId>(), Err(IdError::NotRequestId), "{wrong}");
        }
    }

    #[test]
    fn an_etag_reads_back_and_rubbish_does_not() {
        assert_eq!(Version::from_etag(&Version::FIRST.next().to_etag()), Ok(Version(2)));
        for wrong in ["", "2", "v", "v0", "v-1", "v+1", "v01", "v9999999999999999999", "w2", "v2 "]
        {
            assert_eq!(Version::from_etag(wrong), Err(IdError::NotEtag), "{wrong}");
        }
    }
}
