//! One purchase: a cart is made, filled and paid, from wherever an earlier run left it.

use oxcart_client::{
    Cart, CartState, Error, Line, Money, Outcome, Purchase as Request, Reason, Shopper, line,
};

use super::plan::{Answer, Planned};

/// The test card that pays.
const TOKEN_PAYS: &str = "tok_visa";
/// The test card that is declined.
const TOKEN_DECLINED: &str = "tok_declined";
/// The test card that pays, but the processor's first answer is lost.
const TOKEN_REPLY_LOST: &str = "tok_reply_lost";
/// The test card that pays, but the processor never answers a charge.
const TOKEN_NO_REPLY: &str = "tok_no_reply";

/// Looks at a cart after which its purchase is given up: each is followed by a try to pay or by a
/// wait for a decision, and a store that works needs two or three.
const MAX_ROUNDS: u32 = 10;

/// How a purchase went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bought {
    /// What the checkout came to, by its own answer. None if the purchase was there before this run.
    pub total: Option<Money>,
    /// Whether a first charge was declined, as it should be.
    pub was_declined: bool,
    /// Whether it was paid by a charge whose answer was lost, once or for good.
    pub was_unanswered: bool,
    /// Checkouts that were undecided when their call ended.
    pub decided_later: usize,
    /// Checkouts that were cancelled and tried again.
    pub cancelled: usize,
}

/// Why something was not bought.
#[derive(Debug, thiserror::Error)]
pub enum PurchaseError {
    /// The store refused.
    #[error(transparent)]
    Call(#[from] Error),
    /// The charge that should be declined was not.
    #[error("a card that is to be declined was charged, checkout {checkout_id}")]
    NotDeclined {
        /// The checkout.
        checkout_id: String,
    },
    /// The charge that should be paid was declined.
    #[error("a good card was declined, checkout {checkout_id}")]
    Declined {
        /// The checkout.
        checkout_id: String,
    },
    /// The declined charge has not left the cart as it was.
    #[error("a declined card left the cart {state:?} with {lines} of its {expected} lines")]
    NotUsable {
        /// The cart's state.
        state: CartState,
        /// How many lines it has.
        lines: usize,
        /// How many it should have.
        expected: usize,
    },
    /// The cart is neither paid nor can it be.
    #[error("still not paid after {MAX_ROUNDS} rounds")]
    NotPaid,
}

/// Buys what is planned, or finds that it is bought.
///
/// # Errors
/// See [`PurchaseError`]; a later run may try again.
pub async fn buy(shopper: &Shopper, planned: &Planned) -> Result<Bought, PurchaseError> {
    let mut purchase = Purchase { shopper, planned, bought: Bought::default(), attempt: 0 };
    let mut cart = purchase.cart().await?;
    for _ in 0..MAX_ROUNDS {
        match cart.state() {
            CartState::Paid => return Ok(purchase.bought),
            CartState::Pending => {
                shopper.outcome(&cart.checkout_id).await?;
            }
            CartState::Open | CartState::Unspecified => {
                if purchase.fill_and_pay().await? {
                    return Ok(purchase.bought);
                }
            }
        }
        cart = shopper.get_cart(&planned.cart_id).await?;
    }
    Err(PurchaseError::NotPaid)
}

struct Purchase<'a> {
    shopper: &'a Shopper,
    planned: &'a Planned,
    bought: Bought,
    attempt: u32,
}

impl Purchase<'_> {
    /// Creates the cart, or finds the one that is there.
    async fn cart(&self) -> Result<Cart, Error> {
        match self.shopper.create_cart_as(&self.planned.cart_id, []).await {
            Err(error) if error.reason() == Some(Reason::CartExists) => {
                self.shopper.get_cart(&self.planned.cart_id).await
            }
            created => created,
        }
    }

    /// Says whether the cart is paid now. If not, another look at the cart shows why.
    async fn fill_and_pay(&mut self) -> Result<bool, PurchaseError> {
        let filled = self.shopper.update_cart(&self.planned.cart_id, self.lines()).await;
        if unless_closed(filled)?.is_none() {
            return Ok(false);
        }
        if self.planned.is_declined_first && !self.bought.was_declined {
            return self.be_declined().await.map(|()| false);
        }
        self.pay().await
    }

    /// Tries a card that is declined, and looks whether the cart is still good.
    async fn be_declined(&mut self) -> Result<(), PurchaseError> {
        let request_id = self.planned.declined_request_id();
        match self.check_out(request_id, TOKEN_DECLINED).await? {
            None => return Ok(()),
            Some(Outcome::Declined { .. }) => {}
            // Too slow to be charged in time: no decline, and as good for what is tested.
            Some(Outcome::Cancelled(_)) => self.bought.cancelled += 1,
            Some(Outcome::Paid(checkout)) => {
                return Err(PurchaseError::NotDeclined { checkout_id: checkout.checkout_id });
            }
        }
        self.bought.was_declined = true;
        let cart = self.shopper.get_cart(&self.planned.cart_id).await?;
        check_usable(&cart, self.planned.purchase.lines.len())
    }

    async fn pay(&mut self) -> Result<bool, PurchaseError> {
        self.attempt += 1;
        let request_id = self.planned.request_id(self.attempt);
        let token = match self.planned.answer {
            Answer::Arrives => TOKEN_PAYS,
            Answer::LostOnce => TOKEN_REPLY_LOST,
            Answer::NeverComes => TOKEN_NO_REPLY,
        };
        match self.check_out(request_id, token).await? {
            Some(Outcome::Paid(checkout)) => {
                self.bought.was_unanswered = self.planned.answer != Answer::Arrives;
                self.bought.total = checkout.total;
                Ok(true)
            }
            Some(Outcome::Declined { checkout, .. }) => {
                Err(PurchaseError::Declined { checkout_id: checkout.checkout_id })
            }
            Some(Outcome::Cancelled(_)) => {
                self.bought.cancelled += 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    /// Checks out and waits for the decision. None: this request will never be one's purchase.
    async fn check_out(
        &mut self,
        request_id: String,
        token: &str,
    ) -> Result<Option<Outcome>, PurchaseError> {
        let request =
            Request::of_whatever(&self.planned.cart_id, token).with_request_id(request_id);
        let answer = self.shopper.begin_checkout(&request).await.map_err(Error::from);
        let Some(checkout) = unless_closed(answer)? else {
            return Ok(None);
        };
        let checkout_id = checkout.checkout_id.clone();
        if let Some(outcome) = Outcome::of(checkout) {
            return Ok(Some(outcome));
        }
        self.bought.decided_later += 1;
        Ok(Some(self.shopper.outcome(checkout_id).await?))
    }

    fn lines(&self) -> Vec<Line> {
        let lines = self.planned.purchase.lines.iter();
        lines.map(|ordered| line(ordered.sku.as_str(), ordered.quantity.get())).collect()
    }
}

/// The refusals that only say that an earlier run was here first: another look at the cart tells.
fn unless_closed<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match error.reason() {
            Some(
                Reason::CartClosed
                | Reason::CartStale
                | Reason::CheckoutInProgress
                | Reason::RequestIdReused,
            ) => Ok(None),
            _ => Err(error),
        },
    }
}

fn check_usable(cart: &Cart, expected: usize) -> Result<(), PurchaseError> {
    let (state, lines) = (cart.state(), cart.lines.len());
    if state == CartState::Open && lines == expected {
        return Ok(());
    }
    Err(PurchaseError::NotUsable { state, lines, expected })
}
