//! What becomes of a payment.

use time::OffsetDateTime;

use crate::{PaymentId, word::closed_word};

closed_word! {
    /// Why a payment processor refused a payment.
    DeclineReason {
        /// The issuer gave no reason.
        Generic = "GENERIC",
        /// There is not enough money in the account.
        InsufficientFunds = "INSUFFICIENT_FUNDS",
        /// The card was reported lost.
        LostCard = "LOST_CARD",
        /// The card was reported stolen.
        StolenCard = "STOLEN_CARD",
        /// The card has expired.
        ExpiredCard = "EXPIRED_CARD",
        /// The processor could not handle the card.
        ProcessingError = "PROCESSING_ERROR",
        /// The payment token is unknown to the processor.
        UnknownToken = "UNKNOWN_TOKEN",
    }
}

/// How far a payment has come. Every state but `Processing` is terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentState {
    /// The processor has not answered yet. The only state that changes.
    Processing,
    /// The money was taken.
    Captured {
        /// The processor's name for the payment.
        payment_id: PaymentId,
        /// When it was refunded, if it was.
        refunded_at: Option<OffsetDateTime>,
    },
    /// The processor refused. Nothing was taken.
    Declined(DeclineReason),
    /// Never started, and never will be.
    Cancelled,
}

impl PaymentState {
    /// Its one spelling in databases and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Processing => "PROCESSING",
            Self::Captured { .. } => "CAPTURED",
            Self::Declined(_) => "DECLINED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether it never changes again, but for the note that it was refunded.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        *self != Self::Processing
    }
}
