//! How far a checkout has come, and what identifies the request that started it.

use std::fmt;

use crate::{DeclineReason, PaymentId, UnknownWord};

/// Why a checkout failed. Nothing was charged, and nothing will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckoutFailure {
    /// The payment processor refused the payment.
    Declined(DeclineReason),
    /// The payment was cancelled before it was captured, and can never be captured.
    Cancelled,
}

impl CheckoutFailure {
    /// Its one spelling in databases and logs, without the reason of a decline.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declined(_) => "DECLINED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Why the payment was declined, if it was.
    #[must_use]
    pub const fn decline_reason(self) -> Option<DeclineReason> {
        match self {
            Self::Declined(reason) => Some(reason),
            Self::Cancelled => None,
        }
    }

    /// Reads what [`Self::as_str`] and [`Self::decline_reason`] wrote.
    ///
    /// # Errors
    /// [`UnknownWord`]: for another word, for a decline without a reason and for a reason without a
    /// decline.
    pub fn from_parts(word: &str, reason: Option<DeclineReason>) -> Result<Self, UnknownWord> {
        match (word, reason) {
            ("DECLINED", Some(reason)) => Ok(Self::Declined(reason)),
            ("CANCELLED", None) => Ok(Self::Cancelled),
            _ => Err(UnknownWord { kind: "CheckoutFailure" }),
        }
    }
}

/// Such as `DECLINED LOST_CARD`.
impl fmt::Display for CheckoutFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        self.decline_reason().map_or(Ok(()), |reason| write!(f, " {reason}"))
    }
}

/// How far a checkout has come. It leaves `Pending` once and never changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckoutState {
    /// The outcome of the payment is not known yet.
    Pending,
    /// The payment was captured and the cart is purchased.
    Paid {
        /// The processor's name for the payment.
        payment_id: PaymentId,
    },
    /// Nothing was charged and the cart is open again.
    Failed(CheckoutFailure),
}

impl CheckoutState {
    /// Its one spelling in databases and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid { .. } => "PAID",
            Self::Failed(_) => "FAILED",
        }
    }

    /// Whether it never changes again.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        *self != Self::Pending
    }
}

/// Digest of what a client asked for under one request id: a SHA-256, so that the id cannot be used
/// again for something else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// A digest that is not a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 bytes")]
pub struct FingerprintError;

impl Fingerprint {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl TryFrom<&[u8]> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(bytes: &[u8]) -> Result<Self, FingerprintError> {
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }
}

/// Shows nothing: from the digest of a short payment token the token could be guessed.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_reads_back_from_its_words() {
        let declined = DeclineReason::ALL.iter().copied().map(CheckoutFailure::Declined);
        for failure in declined.chain([CheckoutFailure::Cancelled]) {
            let read = CheckoutFailure::from_parts(failure.as_str(), failure.decline_reason());
            assert_eq!(read, Ok(failure));
        }
        for (word, reason) in [
            ("DECLINED", None),
            ("CANCELLED", Some(DeclineReason::Generic)),
            ("declined", Some(DeclineReason::Generic)),
        ] {
            assert!(CheckoutFailure::from_parts(word, reason).is_err(), "{word}");
        }
    }

    #[test]
    fn a_fingerprint_is_32_bytes_and_shows_none_of_them() {
        let fingerprint = Fingerprint::from([7; 32]);
        assert_eq!(Fingerprint::try_from([7; 32].as_slice()), Ok(fingerprint));
        assert_eq!(Fingerprint::try_from([7; 31].as_slice()), Err(FingerprintError));
        assert_eq!(format!("{fingerprint:?}"), "Fingerprint(…)");
    }
}
