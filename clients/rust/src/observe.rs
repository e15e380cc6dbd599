//! What a program may watch of its calls: each try as it ends.

use std::{fmt, sync::Arc, time::Duration};

use crate::error::CallError;

/// One try of one call, as it has ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The method, for example `GetCart`.
    pub method: &'static str,
    /// Which try of its call it is, from 1.
    pub number: u32,
    /// How long it took.
    pub latency: Duration,
    /// How it failed, if it did.
    pub error: Option<&'a CallError>,
}

type Observe = dyn Fn(&Attempt<'_>) + Send + Sync;

/// Is told of every try of every call, from whichever task makes it.
#[derive(Clone)]
pub(crate) struct Observer(Option<Arc<Observe>>);

impl Observer {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    pub(crate) fn new(observe: impl Fn(&Attempt<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    pub(crate) fn observe(&self, attempt: &Attempt<'_>) {
        if let Some(observe) = &self.0 {
            observe(attempt);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}
