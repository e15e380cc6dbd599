//! Why a call got no response.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{error, iter};

use tonic::{Status, TimeoutExpired, transport};

/// Why a call got no response from the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address could be reached, or none takes calls: the call was not processed.
    #[error("{0}")]
    Unreachable(String),
    /// The time was over before a response arrived. The server may have processed the call.
    #[error("deadline exceeded before a response arrived")]
    DeadlineExceeded,
    /// The transport failed. The server may have processed the call.
    #[error("the transport failed")]
    Transport(#[source] transport::Error),
}

impl Error {
    /// tonic calls its own timer's end CANCELLED; every other failure keeps the code it gives.
    pub(crate) fn transport(failure: transport::Error) -> Self {
        let outermost: &(dyn error::Error + 'static) = &failure;
        let mut causes = iter::successors(Some(outermost), |cause| (*cause).source());
        if causes.any(<dyn error::Error>::is::<TimeoutExpired>) {
            return Self::DeadlineExceeded;
        }
        Self::Transport(failure)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable(message) => Self::unavailable(message),
            Error::DeadlineExceeded => Self::deadline_exceeded(error.to_string()),
            Error::Transport(failure) => Self::from_error(Box::new(failure)),
        }
    }
}

/// Why a service's URL is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{url} must read http://HOST:PORT or https://HOST:PORT")]
pub struct InvalidUrl {
    pub(crate) url: String,
}

/// An error and its causes, from the outside in, in one line.
pub(crate) fn chain(error: &(dyn error::Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
