//! Which failures leave no doubt that the server has not begun to process the call.

use std::{error::Error, iter};

use tonic::{ConnectError, transport};

/// Why a call was not processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The connection takes no more calls.
    Ended,
    /// The server refuses this call, and perhaps not the next.
    Refused,
}

/// Reads why the call that failed may be made again, whatever it does. None if a server may have seen
/// it.
pub(crate) fn unsent(failure: &transport::Error) -> Option<Unsent> {
    let outermost: &(dyn Error + 'static) = failure;
    iter::successors(Some(outermost), |cause| (*cause).source()).find_map(read)
}

fn read(cause: &(dyn Error + 'static)) -> Option<Unsent> {
    // hyper says "canceled" of a request that was still in its queue when the connection ended.
    let is_canceled = cause.downcast_ref().is_some_and(hyper::Error::is_canceled);
    if cause.is::<ConnectError>() || is_canceled {
        return Some(Unsent::Ended);
    }
    // RFC 9113, 8.7: the server has not looked at a stream that it refuses, nor at one that comes
    // after the last that its GOAWAY promises to finish.
    let failure: &h2::Error =
        cause.downcast_ref().filter(|failure: &&h2::Error| failure.is_remote())?;
    if failure.is_go_away() {
        return Some(Unsent::Ended);
    }
    let is_refused = failure.is_reset() && failure.reason() == Some(h2::Reason::REFUSED_STREAM);
    is_refused.then_some(Unsent::Refused)
}
