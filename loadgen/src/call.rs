//! What becomes of a call: what an error says, and whether and when to repeat the call.
//!
//! Deliberately absent: which calls may be repeated. All that this crate makes may, but a deletion
//! may then be told that there is nothing to delete.

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use oxcart_proto::{common::ErrorReason, reason::DOMAIN};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The pause before the second try. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two tries, also if the service asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Tries of a call whose service has a fault: the fault may be over, but is more likely a bug.
const TRIES_OF_A_FAULT: u32 = 3;

/// How many bad fields an error's text names.
const FIELDS_SHOWN: usize = 5;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{rpc} failed, {}", describe(status))]
pub struct CallError {
    rpc: &'static str,
    status: Status,
}

impl CallError {
    /// The failure of a call of `rpc`.
    pub(crate) const fn new(rpc: &'static str, status: Status) -> Self {
        Self { rpc, status }
    }

    /// An answer without what the contract says it has.
    pub(crate) fn incomplete(rpc: &'static str, missing: &str) -> Self {
        Self::new(rpc, Status::data_loss(format!("the answer has no {missing}")))
    }

    /// Why the store refused; none if a transport made the error, so nobody knows what happened.
    pub(crate) fn reason(&self) -> Option<ErrorReason> {
        reason(&self.status)
    }

    /// A value of the error's metadata.
    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        let info = self.status.get_details_error_info()?;
        info.metadata.get(key).cloned()
    }

    /// Whether the token was refused, so that another one may help.
    pub(crate) fn is_token_refused(&self) -> bool {
        matches!(self.reason(), Some(ErrorReason::TokenInvalid | ErrorReason::SignInRequired))
    }

    /// A short name to count errors by.
    pub(crate) fn label(&self) -> String {
        let named = self.reason().map(|reason| reason.wire_name().to_owned());
        named.unwrap_or_else(|| format!("transport: {:?}", self.status.code()))
    }

    fn is_worth_repeating(&self) -> bool {
        match self.reason() {
            Some(reason) => matches!(
                reason,
                ErrorReason::Overloaded
                    | ErrorReason::Unavailable
                    | ErrorReason::DeadlineExceeded
                    | ErrorReason::Internal
            ),
            None => matches!(
                self.status.code(),
                Code::Aborted
                    | Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::Internal
                    | Code::ResourceExhausted
                    | Code::Unavailable
                    | Code::Unknown
            ),
        }
    }
}

/// The tries of one call.
pub(crate) struct Tries {
    most: u32,
    made: u32,
    pause: Duration,
    salt: u64,
}

impl Tries {
    /// At most `count` tries. `salt` spreads the pauses of different callers.
    pub(crate) fn new(count: u32, salt: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        Self { most: count, made: 0, pause: FIRST_PAUSE, salt: hasher.finish() }
    }

    /// Waits until the call may be repeated, or gives the error back if it should not be.
    pub(crate) async fn pause_or_give_up(&mut self, error: CallError) -> Result<(), CallError> {
        if !self.allow_another(&error) {
            return Err(error);
        }
        tokio::time::sleep(self.next_pause(retry_delay(&error.status))).await;
        Ok(())
    }

    fn allow_another(&mut self, error: &CallError) -> bool {
        self.made += 1;
        let is_fault = error.reason() == Some(ErrorReason::Internal);
        let most = if is_fault { self.most.min(TRIES_OF_A_FAULT) } else { self.most };
        self.made < most && error.is_worth_repeating()
    }

    /// Between half of the pause and all of it, but never less than the service asked for.
    fn next_pause(&mut self, asked: Option<Duration>) -> Duration {
        self.salt = self.salt.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let share = u32::try_from(self.salt >> 32).unwrap_or(u32::MAX);
        let spread = 0.5 + 0.5 * f64::from(share) / f64::from(u32::MAX);
        let pause = self.pause.mul_f64(spread).max(asked.unwrap_or_default());
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        pause.min(LONGEST_PAUSE)
    }
}

fn reason(status: &Status) -> Option<ErrorReason> {
    let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN)?;
    ErrorReason::from_wire_name(&info.reason)
}

fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

fn describe(status: &Status) -> String {
    let mut text = reason(status).map_or_else(
        || format!("{:?} without a reason: {}", status.code(), status.message()),
        |reason| format!("{}: {}", reason.wire_name(), status.message()),
    );
    let details = status.get_error_details();
    for violation in bad_fields(&details).take(FIELDS_SHOWN) {
        let _ = write!(text, "; {violation}");
    }
    let more = bad_fields(&details).count().saturating_sub(FIELDS_SHOWN);
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text
}

fn bad_fields(details: &ErrorDetails) -> impl Iterator<Item = String> {
    let fields = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    fields.map(|bad| format!("{} {}", bad.field, bad.description))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn refusal(reason: ErrorReason, details: ErrorDetails) -> CallError {
        let mut details = details;
        details.set_error_info(reason.wire_name(), DOMAIN, HashMap::new());
        let status = Status::with_error_details(reason.code(), "it is so", details);
        CallError::new("GetCart", status)
    }

    #[test]
    fn an_error_is_told_with_its_reason_and_fields() {
        let mut details = ErrorDetails::new();
        for line in 1..=7 {
            details.add_bad_request_violation(format!("line {line}"), "must be good");
        }
        let text = refusal(ErrorReason::FieldInvalid, details).to_string();
        let told = "GetCart failed, FIELD_INVALID: it is so; line 1 must be good;";
        assert!(text.starts_with(told) && text.ends_with("; and 2 more"), "{text}");
    }

    #[test]
    fn only_what_may_be_otherwise_next_time_is_repeated() {
        let repeated = |reason| refusal(reason, ErrorDetails::new()).is_worth_repeating();
        assert!(repeated(ErrorReason::Overloaded) && repeated(ErrorReason::Unavailable));
        assert!(!repeated(ErrorReason::CartClosed) && !repeated(ErrorReason::TooManyCarts));
        let transport =
            |code| CallError::new("GetCart", Status::new(code, "")).is_worth_repeating();
        assert!(transport(Code::Unknown) && transport(Code::Cancelled));
        assert!(!transport(Code::Unimplemented));
    }

    #[test]
    fn a_call_is_tried_so_often_and_a_fault_less_often() {
        for (reason, expected) in [(ErrorReason::Unavailable, 12), (ErrorReason::Internal, 3)] {
            let (mut tries, mut made) = (Tries::new(12, "alice"), 1);
            while tries.allow_another(&refusal(reason, ErrorDetails::new())) {
                made += 1;
            }
            assert_eq!(made, expected, "{reason:?}");
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded_and_heed_the_service() {
        let mut tries = Tries::new(20, "alice");
        assert!(tries.next_pause(None) <= FIRST_PAUSE);
        assert!(tries.next_pause(Some(Duration::from_secs(2))) >= Duration::from_secs(2));
        assert_eq!(tries.next_pause(Some(Duration::from_hours(1))), LONGEST_PAUSE);
        for _ in 0..20 {
            assert!(tries.next_pause(None) <= LONGEST_PAUSE);
        }
    }
}
