//! A cart and its transitions.

use oxcart_types::{
    CartDetails, CartDetailsPatch, CartId, CartState, CheckoutId, Quantity, Quote, Sku, UserId,
    Version,
};
use time::OffsetDateTime;

use super::{Checkout, Limits, Lines};

/// Which checkout holds a cart, if one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// None: the cart is open.
    Free,
    /// One that is not decided yet.
    Pending(CheckoutId),
    /// The one that purchased it.
    Paid(CheckoutId),
}

impl Hold {
    /// The state that goes with it.
    #[must_use]
    pub const fn state(self) -> CartState {
        match self {
            Self::Free => CartState::Open,
            Self::Pending(_) => CartState::Pending,
            Self::Paid(_) => CartState::Paid,
        }
    }

    /// The checkout that holds the cart.
    #[must_use]
    pub const fn checkout(self) -> Option<CheckoutId> {
        match self {
            Self::Free => None,
            Self::Pending(checkout) | Self::Paid(checkout) => Some(checkout),
        }
    }
}

/// What a user means to buy, or bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// Whose it is.
    pub owner: UserId,
    /// Its name among the owner's carts.
    pub id: CartId,
    /// The checkout that holds it.
    pub hold: Hold,
    /// Grows with every change.
    pub version: Version,
    /// What it holds.
    pub lines: Lines,
    /// What its owner wrote on it.
    pub details: CartDetails,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
    /// The contents at the prices of the checkout that holds it. None if it is open.
    pub quote: Option<Quote>,
}

/// Why a cart does not do what was asked. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not open.
    #[error("cart {cart} is {state} and accepts no changes")]
    Closed {
        /// The cart.
        cart: CartId,
        /// Pending or paid.
        state: CartState,
        /// The checkout that holds it.
        checkout: CheckoutId,
    },
    /// It has changed since the caller read it.
    #[error("cart {} has changed since it was read", now.id)]
    Stale {
        /// As it is now.
        now: Box<Cart>,
    },
    /// It has no room for one more line.
    #[error("cart {cart} has as many lines as it may have")]
    Full {
        /// The cart.
        cart: CartId,
        /// How many lines it may have.
        limit: usize,
    },
    /// Another checkout has frozen it.
    #[error("another checkout holds cart {}", now.id)]
    Held {
        /// As it is now.
        now: Box<Cart>,
    },
    /// There is nothing in it to check out.
    #[error("cart {cart} is empty")]
    Empty {
        /// The cart.
        cart: CartId,
    },
    /// What is in it costs nothing.
    #[error("cart {cart} costs nothing, so there is nothing to pay")]
    NothingToPay {
        /// The cart.
        cart: CartId,
    },
    /// The prices that came with the checkout are not for the contents of this version.
    #[error("must be the lines of cart {cart} in their order")]
    OtherLines {
        /// The cart.
        cart: CartId,
    },
}

impl Cart {
    /// A new, open cart.
    ///
    /// Versions start at the time of creation in microseconds, not at 1: a cart that is deleted and
    /// created again under the same id must not answer to the etags of the first, or a refused
    /// checkout of the first that is delivered late would freeze the second.
    #[must_use]
    pub fn create(
        owner: UserId,
        id: CartId,
        lines: Lines,
        details: CartDetails,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            owner,
            id,
            hold: Hold::Free,
            version: first_version(now),
            lines,
            details,
            created_at: now,
            updated_at: now,
            quote: None,
        }
    }

    /// Whether it is still what creating it with these contents made.
    #[must_use]
    pub fn is_as_created_with(&self, lines: &Lines, details: &CartDetails) -> bool {
        let is_first = self.version == first_version(self.created_at);
        is_first && self.lines == *lines && self.details == *details
    }

    /// Replaces the lines if there are others, and changes the details as `patch` says.
    ///
    /// # Errors
    /// [`Refused::Closed`], [`Refused::Stale`].
    pub fn update(
        &self,
        expected_version: Option<Version>,
        lines: Option<Lines>,
        patch: &CartDetailsPatch,
        now: OffsetDateTime,
    ) -> Result<Self, Refused> {
        self.check_open(expected_version)?;
        let lines = lines.unwrap_or_else(|| self.lines.clone());
        Ok(self.with_contents(lines, patch.applied_to(&self.details), now))
    }

    /// Sets how many of one item it holds; `None` removes the item.
    ///
    /// # Errors
    /// [`Refused::Closed`], [`Refused::Stale`], [`Refused::Full`].
    pub fn set_item(
        &self,
        expected_version: Option<Version>,
        sku: &Sku,
        quantity: Option<Quantity>,
        limits: &Limits,
        now: OffsetDateTime,
    ) -> Result<Self, Refused> {
        self.check_open(expected_version)?;
        let limit = limits.max_lines;
        let lines = self.lines.with(sku, quantity, limit);
        let lines = lines.ok_or(Refused::Full { cart: self.id, limit })?;
        Ok(self.with_contents(lines, self.details.clone(), now))
    }

    /// Checks that it may change or be deleted, and is still at `expected_version` if the caller
    /// names one.
    ///
    /// # Errors
    /// [`Refused::Closed`], [`Refused::Stale`].
    pub fn check_open(&self, expected_version: Option<Version>) -> Result<(), Refused> {
        if let Some(checkout) = self.hold.checkout() {
            return Err(Refused::Closed { cart: self.id, state: self.hold.state(), checkout });
        }
        if expected_version.is_some_and(|expected| expected != self.version) {
            return Err(Refused::Stale { now: Box::new(self.clone()) });
        }
        Ok(())
    }

    /// When it was purchased. A purchased cart does not change again.
    #[must_use]
    pub fn purchased_at(&self) -> Option<OffsetDateTime> {
        matches!(self.hold, Hold::Paid(_)).then_some(self.updated_at)
    }

    /// The next version, held by `checkout` in the way that `hold` makes of its id.
    pub(super) fn held_by(
        &self,
        checkout: &Checkout,
        hold: impl FnOnce(CheckoutId) -> Hold,
        now: OffsetDateTime,
    ) -> Self {
        let quote = Some(checkout.quote.clone());
        self.changed_hold(hold(checkout.id), quote, now)
    }

    /// The next version, open again.
    pub(super) fn released(&self, now: OffsetDateTime) -> Self {
        self.changed_hold(Hold::Free, None, now)
    }

    fn changed_hold(&self, hold: Hold, quote: Option<Quote>, now: OffsetDateTime) -> Self {
        Self { hold, quote, version: self.version.next(), updated_at: now, ..self.clone() }
    }

    /// The next version with other contents, or the same one if they are the same: an absolute write
    /// that repeats what is there is no change.
    fn with_contents(&self, lines: Lines, details: CartDetails, now: OffsetDateTime) -> Self {
        if lines == self.lines && details == self.details {
            return self.clone();
        }
        Self { lines, details, version: self.version.next(), updated_at: now, ..self.clone() }
    }
}

fn first_version(created_at: OffsetDateTime) -> Version {
    let micros = created_at.unix_timestamp() * 1_000_000 + i64::from(created_at.microsecond());
    Version::from(micros.max(Version::FIRST.get()))
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use uuid::Uuid;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn lines(raw: &[(&str, i32)]) -> Lines {
        Lines::parse(raw, &Limits::default()).unwrap()
    }

    fn cart(raw: &[(&str, i32)]) -> Cart {
        let owner = "alice".parse().unwrap();
        let (id, now) = (Uuid::from_u128(1).into(), NOW + Duration::days(1));
        Cart::create(owner, id, lines(raw), CartDetails::default(), now)
    }

    #[test]
    fn a_change_makes_another_version_and_a_repeated_one_does_not() {
        let cart = cart(&[("A", 1)]);
        let changed =
            cart.update(None, Some(lines(&[("B", 2)])), &CartDetailsPatch::KEEP, NOW).unwrap();
        assert_eq!(changed.version, cart.version.next());
        let repeated =
            changed.update(None, Some(lines(&[("B", 2)])), &CartDetailsPatch::KEEP, NOW).unwrap();
        assert_eq!(repeated, changed);
    }

    #[test]
    fn a_stale_etag_is_refused_with_the_cart_as_it_is() {
        let old = cart(&[]);
        let cart =
            old.update(None, Some(lines(&[("B", 2)])), &CartDetailsPatch::KEEP, NOW).unwrap();
        let refused = cart
            .update(Some(old.version), Some(lines(&[])), &CartDetailsPatch::KEEP, NOW)
            .unwrap_err();
        assert_eq!(refused, Refused::Stale { now: Box::new(cart) });
    }

    #[test]
    fn a_frozen_cart_accepts_no_change_not_even_an_empty_one() {
        let checkout = Uuid::from_u128(2).into();
        for hold in [Hold::Pending(checkout), Hold::Paid(checkout)] {
            let cart = cart(&[("A", 1)]).changed_hold(hold, None, NOW);
            let refused = Refused::Closed { cart: cart.id, state: hold.state(), checkout };
            assert_eq!(cart.check_open(None), Err(refused.clone()));
            let same = cart.lines.clone();
            assert_eq!(
                cart.update(None, Some(same), &CartDetailsPatch::KEEP, NOW),
                Err(refused.clone())
            );
            let sku = "A".parse().unwrap();
            assert_eq!(cart.set_item(None, &sku, None, &Limits::default(), NOW), Err(refused));
        }
    }

    #[test]
    fn a_cart_created_again_answers_to_none_of_its_old_etags() {
        let first = cart(&[("A", 1)]);
        let again = Cart::create(
            first.owner.clone(),
            first.id,
            first.lines.clone(),
            CartDetails::default(),
            first.created_at + Duration::milliseconds(1),
        );
        assert!(first.is_as_created_with(&again.lines, &again.details));
        assert!(matches!(again.check_open(Some(first.version)), Err(Refused::Stale { .. })));
    }

    #[test]
    fn a_cart_that_was_changed_and_changed_back_is_not_as_created() {
        let created = cart(&[("A", 1)]);
        let changed = created.update(None, Some(lines(&[])), &CartDetailsPatch::KEEP, NOW).unwrap();
        let back = changed
            .update(None, Some(created.lines.clone()), &CartDetailsPatch::KEEP, NOW)
            .unwrap();
        assert!(created.is_as_created_with(&created.lines, &created.details));
        assert!(!back.is_as_created_with(&created.lines, &created.details));
    }

    #[test]
    fn a_note_stays_until_another_replaces_it() {
        let note = |text: &str| CartDetails { note: text.parse().unwrap() };
        let patch = |text: &str| CartDetailsPatch { note: Some(text.parse().unwrap()) };
        let cart = cart(&[("A", 1)]);
        let noted = cart.update(None, Some(cart.lines.clone()), &patch("For Ann"), NOW).unwrap();
        assert_eq!((&noted.details, noted.version), (&note("For Ann"), cart.version.next()));
        let changed = noted.update(None, Some(lines(&[])), &CartDetailsPatch::KEEP, NOW).unwrap();
        assert_eq!(changed.details, note("For Ann"));
        let removed = changed.update(None, Some(lines(&[])), &patch(""), NOW).unwrap();
        assert_eq!(removed.details, CartDetails::default());
    }
}
