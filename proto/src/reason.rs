//! The canonical gRPC code of each [`ErrorReason`], and its name on the wire.

use tonic::Code;

use crate::common::ErrorReason;

/// The `google.rpc.ErrorInfo.domain` of every error that a service of this workspace makes.
pub const DOMAIN: &str = "oxcart";

const PREFIX: &str = "ERROR_REASON_";

impl ErrorReason {
    /// The reason as it stands in `google.rpc.ErrorInfo.reason`, for example `CART_STALE`.
    #[must_use]
    pub fn wire_name(self) -> &'static str {
        self.as_str_name().trim_start_matches(PREFIX)
    }

    /// The reason that `name` stands for, if this version of the contract knows it.
    #[must_use]
    pub fn from_wire_name(name: &str) -> Option<Self> {
        Self::from_str_name(&format!("{PREFIX}{name}"))
            .filter(|reason| *reason != Self::Unspecified)
    }

    /// The one canonical code that goes with the reason.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::FieldInvalid | Self::ItemUnknown | Self::RequestIdReused => Code::InvalidArgument,
            Self::SignInRequired
            | Self::TokenInvalid
            | Self::CredentialsWrong
            | Self::RefreshTokenInvalid => Code::Unauthenticated,
            Self::ScopeMissing => Code::PermissionDenied,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Overloaded | Self::TooManyCarts => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Unspecified | Self::Internal => Code::Internal,
            Self::ItemNotFound
            | Self::CartNotFound
            | Self::CheckoutNotFound
            | Self::PaymentNotFound => Code::NotFound,
            Self::ItemUnavailable
            | Self::CurrencyMixed
            | Self::CartClosed
            | Self::CartFull
            | Self::TotalTooLarge
            | Self::CartEmpty
            | Self::NothingToPay
            | Self::PriceChanged
            | Self::CheckoutContradicted
            | Self::PaymentNotCaptured => Code::FailedPrecondition,
            Self::CartStale | Self::CheckoutInProgress => Code::Aborted,
            Self::CartExists | Self::PaymentKeyReused => Code::AlreadyExists,
        }
    }
}
