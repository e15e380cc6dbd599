//! What the services behind the controller would have in their databases, and whether it adds up.

use std::{collections::BTreeMap, time::Duration};

use controller_svc::{
    clients::{CallError, Charge, CheckoutName, Mark, PageRequest, Paged, Refused},
    domain::{
        cart::Cart,
        checkout::{Capture, Checkout, Payment},
        item::Items,
    },
};
use oxcart_proto::Reason;
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, CartState, CheckoutFailure, CheckoutId,
    CheckoutState, DeclineReason, Item, Line, Money, PaymentId, Quote, Sku, UserId, Version,
};
use time::OffsetDateTime;

/// As long as in the cart service, in milliseconds of the books' own clock.
const CHARGE_WINDOW_MS: u64 = 8_000;
const FIRST_LEASE_MS: u64 = 15_000;

pub struct CheckoutRow {
    pub checkout: Checkout,
    pub quote: Quote,
    pub marked_at_version: Version,
    charge_until_ms: u64,
    lease_until_ms: u64,
    /// States in the order in which they were reached.
    pub history: Vec<CheckoutState>,
}

pub struct PaymentRow {
    pub payment: Payment,
    amount: Option<Money>,
    /// What the processor will say about a payment that it has not decided yet.
    verdict: Payment,
    /// How often money was taken.
    pub captures: u32,
}

/// The records of all services.
#[derive(Default)]
pub struct Books {
    pub items: BTreeMap<Sku, Item>,
    pub carts: BTreeMap<(UserId, CartId), Cart>,
    pub checkouts: BTreeMap<(UserId, CheckoutId), CheckoutRow>,
    pub payments: BTreeMap<CheckoutId, PaymentRow>,
    /// The cart database's clock.
    pub now_ms: u64,
    /// Refused confirmations and unmarks: each would wake somebody up.
    pub contradictions: Vec<String>,
    ids: u128,
}

pub fn refused(reason: Reason, cart: Option<&Cart>) -> CallError {
    CallError::Refused {
        service: "a fake",
        refused: Box::new(Refused {
            reason,
            message: format!("refused: {}", reason.wire_name()),
            metadata: [("limit".to_owned(), "7".to_owned())].into(),
            fields: vec![("some.field".to_owned(), "is wrong".to_owned())],
            retry_after: None,
            cart: cart.cloned(),
        }),
    }
}

type Answer<T> = Result<T, CallError>;

/// The catalogue and the carts.
impl Books {
    fn new_id(&mut self) -> uuid::Uuid {
        self.ids += 1;
        uuid::Uuid::from_u128(self.ids)
    }

    pub fn descriptions(&self, skus: &[Sku]) -> Items {
        skus.iter().filter_map(|sku| self.items.get(sku)).cloned().collect()
    }

    pub fn list(&self) -> Paged<Item> {
        Paged { entries: self.items.values().cloned().collect(), next_page_token: "more".into() }
    }

    pub fn create(
        &mut self,
        user: &UserId,
        id: Option<CartId>,
        lines: &[Line],
        details: &CartDetails,
    ) -> Answer<Cart> {
        let id = id.unwrap_or_else(|| self.new_id().into());
        if let Some(there) = self.carts.get(&(user.clone(), id)) {
            let same = there.lines == lines
                && there.details == *details
                && there.version == Version::FIRST;
            return if same {
                Ok(there.clone())
            } else {
                Err(refused(Reason::CartExists, Some(there)))
            };
        }
        let cart = Cart {
            id,
            state: CartState::Open,
            checkout: None,
            lines: lines.to_vec(),
            details: details.clone(),
            version: Version::FIRST,
            quote: None,
            purchased_at: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        };
        self.carts.insert((user.clone(), id), cart.clone());
        Ok(cart)
    }

    pub fn get(&self, user: &UserId, id: CartId) -> Answer<Cart> {
        let cart = self.carts.get(&(user.clone(), id)).cloned();
        cart.ok_or_else(|| refused(Reason::CartNotFound, None))
    }

    pub fn list_carts(
        &self,
        user: &UserId,
        filter: CartFilter,
        page: &PageRequest,
    ) -> Answer<Paged<Cart>> {
        if page.size < 0 || page.token == "rubbish" {
            return Err(refused(Reason::FieldInvalid, None));
        }
        let wanted = |cart: &Cart| filter.selects(cart.state);
        let own = self.carts.iter().filter(|((owner, _), cart)| owner == user && wanted(cart));
        let entries = own.map(|(_, cart)| cart.clone()).collect();
        Ok(Paged { entries, next_page_token: String::new() })
    }

    /// A cart that may change, if the client has seen its present version.
    fn open(
        &mut self,
        user: &UserId,
        id: CartId,
        expected_version: Option<Version>,
    ) -> Answer<&mut Cart> {
        let cart = self.carts.get_mut(&(user.clone(), id));
        let cart = cart.ok_or_else(|| refused(Reason::CartNotFound, None))?;
        if cart.state != CartState::Open {
            return Err(refused(Reason::CartClosed, None));
        }
        if expected_version.is_some_and(|expected| expected != cart.version) {
            return Err(refused(Reason::CartStale, Some(cart)));
        }
        Ok(cart)
    }

    pub fn update(
        &mut self,
        user: &UserId,
        id: CartId,
        lines: Option<&[Line]>,
        patch: &CartDetailsPatch,
        expected_version: Option<Version>,
    ) -> Answer<Cart> {
        let cart = self.open(user, id, expected_version)?;
        if let Some(lines) = lines {
            cart.lines = lines.to_vec();
        }
        cart.details = patch.applied_to(&cart.details);
        cart.version = cart.version.next();
        Ok(cart.clone())
    }

    pub fn set_item(
        &mut self,
        user: &UserId,
        id: CartId,
        sku: &Sku,
        pieces: i32,
        expected_version: Option<Version>,
    ) -> Answer<Cart> {
        let cart = self.open(user, id, expected_version)?;
        match pieces.try_into() {
            Ok(quantity) => cart.lines = cart.lines_with(sku, quantity),
            Err(_) => cart.lines.retain(|line| line.sku != *sku),
        }
        cart.version = cart.version.next();
        Ok(cart.clone())
    }

    pub fn delete(
        &mut self,
        user: &UserId,
        id: CartId,
        expected_version: Option<Version>,
    ) -> Answer<()> {
        self.open(user, id, expected_version)?;
        self.carts.remove(&(user.clone(), id));
        Ok(())
    }
}

/// The records of checkouts.
impl Books {
    fn row_of_request(&self, user: &UserId, mark: &Mark) -> Option<&CheckoutRow> {
        let of_user = self.checkouts.iter().filter(|((owner, _), _)| owner == user);
        of_user.map(|(_, row)| row).find(|row| row.checkout.request == mark.request)
    }

    fn as_read(&self, row: &CheckoutRow) -> Checkout {
        let left = row.charge_until_ms.saturating_sub(self.now_ms);
        let left = if row.checkout.is_decided() { 0 } else { left };
        Checkout { charge_window: Duration::from_millis(left), ..row.checkout.clone() }
    }

    pub fn mark(&mut self, user: &UserId, mark: &Mark) -> Answer<Checkout> {
        if let Some(row) = self.row_of_request(user, mark) {
            let same = row.checkout.fingerprint == mark.fingerprint;
            return if same {
                Ok(self.as_read(row))
            } else {
                Err(refused(Reason::RequestIdReused, None))
            };
        }
        let id = CheckoutId::from(self.new_id());
        let now = self.now_ms;
        let cart = self.carts.get_mut(&(user.clone(), mark.cart));
        let cart = cart.ok_or_else(|| refused(Reason::CartNotFound, None))?;
        match cart.state {
            CartState::Paid => return Err(refused(Reason::CartClosed, None)),
            CartState::Pending => return Err(refused(Reason::CheckoutInProgress, Some(cart))),
            CartState::Open if cart.version != mark.version => {
                return Err(refused(Reason::CartStale, Some(cart)));
            }
            CartState::Open => {}
        }
        let quoted = mark.quote.lines().iter().map(|line| (&line.sku, line.quantity));
        assert!(
            quoted.eq(cart.lines.iter().map(|line| (&line.sku, line.quantity))),
            "quoted another cart"
        );
        cart.state = CartState::Pending;
        cart.checkout = Some(id);
        cart.quote = Some(mark.quote.clone());
        cart.version = cart.version.next();
        let row = CheckoutRow {
            checkout: Checkout {
                id,
                owner: user.clone(),
                cart: mark.cart,
                request: mark.request.clone(),
                fingerprint: mark.fingerprint,
                total: mark.quote.total(),
                state: CheckoutState::Pending,
                charge_window: Duration::ZERO,
                attempts: 0,
                created_at: OffsetDateTime::UNIX_EPOCH,
                updated_at: OffsetDateTime::UNIX_EPOCH,
            },
            quote: mark.quote.clone(),
            marked_at_version: cart.version,
            charge_until_ms: now + CHARGE_WINDOW_MS,
            lease_until_ms: now + FIRST_LEASE_MS,
            history: vec![CheckoutState::Pending],
        };
        let checkout = self.as_read(&row);
        self.checkouts.insert((user.clone(), id), row);
        Ok(checkout)
    }

    pub fn checkout(&self, user: &UserId, name: &CheckoutName) -> Answer<Checkout> {
        let named = |row: &&CheckoutRow| match name {
            CheckoutName::Id(id) => row.checkout.id == *id,
            CheckoutName::Request(request) => row.checkout.request == *request,
        };
        let of_user = self.checkouts.iter().filter(|((owner, _), _)| owner == user);
        let row = of_user.map(|(_, row)| row).find(named);
        Ok(self.as_read(row.ok_or_else(|| refused(Reason::CheckoutNotFound, None))?))
    }

    /// Ends a checkout, or says that it has ended this way before.
    fn decide(
        &mut self,
        owner: &UserId,
        id: CheckoutId,
        state: CheckoutState,
        amount: Option<Money>,
    ) -> Answer<Checkout> {
        let key = (owner.clone(), id);
        let row = self.checkouts.get_mut(&key);
        let row = row.ok_or_else(|| refused(Reason::CheckoutNotFound, None))?;
        if row.checkout.state == state {
            return Ok(row.checkout.clone());
        }
        let cart = self.carts.get_mut(&(owner.clone(), row.checkout.cart));
        let cart = cart.filter(|cart| cart.checkout == Some(id));
        let (Some(cart), false) = (cart, row.checkout.is_decided()) else {
            self.contradictions.push(format!("{id} to {state:?}"));
            return Err(refused(Reason::CheckoutContradicted, None));
        };
        if amount.is_some_and(|amount| amount != row.checkout.total) {
            self.contradictions.push(format!("{id} paid with {amount:?}"));
            return Err(refused(Reason::CheckoutContradicted, None));
        }
        cart.version = cart.version.next();
        if let CheckoutState::Paid { .. } = &state {
            cart.state = CartState::Paid;
            cart.purchased_at = Some(cart.updated_at);
        } else {
            cart.state = CartState::Open;
            cart.checkout = None;
            cart.quote = None;
        }
        row.history.push(state.clone());
        row.checkout.state = state;
        Ok(row.checkout.clone())
    }

    pub fn confirm(
        &mut self,
        owner: &UserId,
        id: CheckoutId,
        capture: &Capture,
    ) -> Answer<Checkout> {
        self.decide(
            owner,
            id,
            CheckoutState::Paid { payment_id: capture.payment.clone() },
            Some(capture.amount),
        )
    }

    pub fn unmark(
        &mut self,
        owner: &UserId,
        id: CheckoutId,
        failure: CheckoutFailure,
    ) -> Answer<Checkout> {
        self.decide(owner, id, CheckoutState::Failed(failure), None)
    }

    pub fn lease_overdue(&mut self, limit: u32) -> Vec<Checkout> {
        let now = self.now_ms;
        let overdue = self
            .checkouts
            .values_mut()
            .filter(|row| !row.checkout.is_decided() && row.lease_until_ms < now);
        let mut leased = Vec::new();
        for row in overdue.take(limit as usize) {
            row.checkout.attempts += 1;
            row.lease_until_ms = now + 1_000;
            leased.push(row.checkout.clone());
        }
        leased
    }
}

/// The payments.
impl Books {
    pub fn charge(&mut self, charge: &Charge) -> Answer<Payment> {
        if let Some(row) = self.payments.get(&charge.key) {
            let same = row.amount.is_none_or(|amount| amount == charge.amount);
            return if same {
                Ok(row.payment.clone())
            } else {
                Err(refused(Reason::PaymentKeyReused, None))
            };
        }
        let payment: PaymentId = format!("pay-{}", charge.key).parse().unwrap();
        let paid = Payment::Captured(Capture { payment, amount: charge.amount });
        let (payment, verdict) = match charge.token.0.as_str() {
            "tok_declined" => (Payment::Declined(DeclineReason::Generic), Payment::Processing),
            "tok_slow" => (Payment::Processing, paid),
            "tok_slow_declined" => (Payment::Processing, Payment::Declined(DeclineReason::Generic)),
            "tok_malformed" => return Err(refused(Reason::FieldInvalid, None)),
            _ => (paid, Payment::Processing),
        };
        let captures = u32::from(matches!(payment, Payment::Captured(_)));
        let row = PaymentRow { payment, amount: Some(charge.amount), verdict, captures };
        let answer = row.payment.clone();
        self.payments.insert(charge.key, row);
        Ok(answer)
    }

    pub fn resolve(&mut self, key: CheckoutId) -> Payment {
        let tombstone = || PaymentRow {
            payment: Payment::Cancelled,
            amount: None,
            verdict: Payment::Processing,
            captures: 0,
        };
        self.payments.entry(key).or_insert_with(tombstone).payment.clone()
    }

    /// The processor answers about every payment that it has not decided yet.
    pub fn settle(&mut self) {
        for row in self.payments.values_mut().filter(|row| row.payment == Payment::Processing) {
            row.captures += u32::from(matches!(row.verdict, Payment::Captured(_)));
            row.payment = row.verdict.clone();
        }
    }
}

/// Whether it all adds up: the invariants of the protocol, by their names.
impl Books {
    pub fn check(&self) {
        for ((owner, id), row) in &self.checkouts {
            let captures = self.payments.get(id).map_or(0, |payment| payment.captures);
            let cart = &self.carts[&(owner.clone(), row.checkout.cart)];
            let holds = cart.checkout == Some(*id);
            assert!(captures <= 1, "I1: {id} captured {captures} times");
            if let CheckoutState::Paid { .. } = &row.checkout.state {
                assert_eq!(captures, 1, "I2: {id} is paid");
                let Payment::Captured(capture) = &self.payments[id].payment else { panic!("I2") };
                let lines = row.quote.lines().iter().map(|line| line.line_total);
                let sum: i64 = lines.map(Money::minor_units).sum();
                assert_eq!(
                    (capture.amount, sum),
                    (row.checkout.total, capture.amount.minor_units()),
                    "I2"
                );
                let version = row.marked_at_version.next();
                assert_eq!(
                    (cart.version, cart.quote.as_ref()),
                    (version, Some(&row.quote)),
                    "I4: {id}"
                );
            }
            let is_failed = matches!(row.checkout.state, CheckoutState::Failed(_));
            assert!(captures == 0 || !is_failed, "I3: {id} was captured and has failed");
            assert_eq!(holds, !is_failed, "I6: {id} and its cart");
            assert!(row.history.len() <= 2, "I6: {id} went {:?}", row.history);
        }
        for ((owner, id), cart) in &self.carts {
            let of_cart =
                |row: &&CheckoutRow| row.checkout.owner == *owner && row.checkout.cart == *id;
            let holding = self.checkouts.values().filter(of_cart);
            let state = |row: &CheckoutRow| match row.checkout.state {
                CheckoutState::Pending => Some(CartState::Pending),
                CheckoutState::Paid { .. } => Some(CartState::Paid),
                CheckoutState::Failed(_) => None,
            };
            let holding: Vec<_> = holding.filter_map(state).collect();
            let expected = if cart.state == CartState::Open { vec![] } else { vec![cart.state] };
            assert_eq!(holding, expected, "I6: cart {id}");
        }
        assert_eq!(self.contradictions, Vec::<String>::new(), "L3");
    }

    /// How often money was taken, over all payments.
    pub fn captures(&self) -> u32 {
        self.payments.values().map(|row| row.captures).sum()
    }
}
