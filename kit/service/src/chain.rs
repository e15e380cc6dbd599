//! An error with its causes.

use std::{error::Error, iter};

/// An error and its causes, from the outside in, in one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
