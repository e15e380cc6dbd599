//! Lists that come a page at a time.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use futures_util::{Stream, future::BoxFuture};

use crate::{error::Error, shopper::Shopper};

/// What is asked for: a page's size, and `next_page_token` of the page before.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageRequest {
    pub page_size: i32,
    pub page_token: String,
}

/// What is answered, and the token of the next page; an empty one after the last page.
pub(crate) type Page<T> = (Vec<T>, String);

type Coming<T> = BoxFuture<'static, Result<Page<T>, Error>>;

/// A list of the store over all its pages. Each page is fetched when it is reached.
///
/// It is a [`Stream`]; [`Self::next`] and [`Self::all`] need no other crate.
///
/// ```no_run
/// # async fn list(alice: oxcart_client::Shopper) -> Result<(), oxcart_client::Error> {
/// let mut items = alice.items();
/// while let Some(item) = items.next().await {
///     println!("{}", item?.name);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Pages<T> {
    fetch: Box<dyn Fn(PageRequest) -> Coming<T> + Send>,
    /// The page to ask for next; none after the last.
    next: Option<PageRequest>,
    here: vec::IntoIter<T>,
    coming: Option<Coming<T>>,
}

impl<T> Pages<T> {
    /// The pages that `fetch` gets for `shopper`.
    pub(crate) fn new<F>(
        shopper: &Shopper,
        fetch: impl Fn(Shopper, PageRequest) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Page<T>, Error>> + Send + 'static,
    {
        let shopper = shopper.clone();
        Self {
            fetch: Box::new(move |page| Box::pin(fetch(shopper.clone(), page))),
            next: Some(PageRequest::default()),
            here: Vec::new().into_iter(),
            coming: None,
        }
    }

    /// Asks for so many at once: 0 is the store's own choice, and the store has a limit.
    #[must_use]
    pub fn page_size(mut self, page_size: u16) -> Self {
        if let Some(next) = &mut self.next {
            next.page_size = page_size.into();
        }
        self
    }

    /// The next one, or None after the last. An error is not the end: ask again for the page that
    /// failed.
    pub async fn next(&mut self) -> Option<Result<T, Error>>
    where
        T: Unpin,
    {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// All that are left.
    ///
    /// # Errors
    /// The first failure of a page.
    pub async fn all(mut self) -> Result<Vec<T>, Error>
    where
        T: Unpin,
    {
        let mut all = Vec::new();
        while let Some(one) = self.next().await {
            all.push(one?);
        }
        Ok(all)
    }
}

impl<T: Unpin> Stream for Pages<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(one) = self.here.next() {
                return Poll::Ready(Some(Ok(one)));
            }
            let Some(next) = self.next.clone() else { return Poll::Ready(None) };
            let mut coming = match self.coming.take() {
                Some(coming) => coming,
                None => (self.fetch)(next.clone()),
            };
            let Poll::Ready(page) = coming.as_mut().poll(context) else {
                self.coming = Some(coming);
                return Poll::Pending;
            };
            let (page, page_token) = match page {
                Ok(page) => page,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            // A token that leads to itself would be an endless loop.
            let is_last = page_token.is_empty() || page_token == next.page_token;
            self.here = page.into_iter();
            self.next = (!is_last).then_some(PageRequest { page_token, ..next });
        }
    }
}
