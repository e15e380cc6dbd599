//! What is to be bought, by whom, in which order, under which ids. Pure.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroUsize,
};

use oxcart_types::{Currency, UserId};
use uuid::Uuid;

use crate::{
    config::ReplayArgs,
    files::{Purchase, Totals, TotalsFile},
};

/// The namespace of this program's cart ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x5ba1_49e7_03a4_5c36_9d10_0c1f_66c7_4e2b);

/// Everything that is to be bought.
#[derive(Debug)]
pub struct Plan {
    /// In the order of their first purchases in the file.
    pub customers: Vec<Customer>,
    /// What the purchases must come to, by invoice.
    pub totals: BTreeMap<String, Totals>,
    /// The cart of every purchase in the file, also of those beyond the limit.
    pub known_carts: HashSet<String>,
    /// Invoices of the totals that no purchase has.
    pub unexplained: Vec<String>,
    /// What the totals are counted in.
    pub currency: Currency,
}

/// What one customer buys.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Who.
    pub user: UserId,
    /// In the order of time.
    pub purchases: Vec<Planned>,
}

/// One purchase and how it goes.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What is bought.
    pub purchase: Purchase,
    /// The cart that it is bought in.
    pub cart_id: String,
    /// Whether a first charge is declined.
    pub is_declined_first: bool,
    /// Whether the answer to the charge is lost.
    pub is_unanswered: bool,
}

impl Plan {
    /// Plans the purchases of a file, up to the limit that `args` sets.
    pub fn new(purchases: Vec<Purchase>, totals: TotalsFile, args: &ReplayArgs) -> Self {
        let TotalsFile { currency, by_invoice: mut totals } = totals;
        let known_carts = purchases.iter().map(cart_id).collect();
        let invoices: HashSet<_> =
            purchases.iter().map(|purchase| purchase.invoice.clone()).collect();
        let unexplained =
            totals.keys().filter(|invoice| !invoices.contains(*invoice)).cloned().collect();
        let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
        let planned = purchases.into_iter().take(limit).enumerate();
        let planned: Vec<_> =
            planned.map(|(index, purchase)| Planned::new(index, purchase, args)).collect();
        let wanted: HashSet<_> = planned.iter().map(|planned| &planned.purchase.invoice).collect();
        totals.retain(|invoice, _| wanted.contains(invoice));
        Self { customers: by_customer(planned), totals, known_carts, unexplained, currency }
    }

    /// How many purchases there are.
    pub fn purchases(&self) -> usize {
        self.customers.iter().map(|customer| customer.purchases.len()).sum()
    }
}

impl Planned {
    fn new(index: usize, purchase: Purchase, args: &ReplayArgs) -> Self {
        Self {
            cart_id: cart_id(&purchase),
            purchase,
            is_declined_first: is_nth(index, args.decline_every, 0),
            // From the middle of each round, so that the same N for both hits different purchases.
            is_unanswered: is_nth(
                index,
                args.unanswered_every,
                args.unanswered_every.map_or(0, |every| every.get() / 2),
            ),
        }
    }

    /// The name of the `attempt`th try to pay, from 1.
    pub fn request_id(&self, attempt: u32) -> String {
        let invoice = &self.purchase.invoice;
        if attempt == 1 {
            format!("replay-{invoice}")
        } else {
            format!("replay-{invoice}-{attempt}")
        }
    }

    /// The name of the charge that is to be declined.
    pub fn declined_request_id(&self) -> String {
        format!("replay-{}-declined", self.purchase.invoice)
    }
}

/// The same for the same customer and invoice, in every run.
fn cart_id(purchase: &Purchase) -> String {
    let name = format!("{}\n{}", purchase.customer.as_str(), purchase.invoice);
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

fn is_nth(index: usize, every: Option<NonZeroUsize>, offset: usize) -> bool {
    every.is_some_and(|every| (index + 1 + offset).is_multiple_of(every.get()))
}

fn by_customer(planned: Vec<Planned>) -> Vec<Customer> {
    let mut customers: Vec<Customer> = Vec::new();
    let mut places = HashMap::new();
    for planned in planned {
        let user = planned.purchase.customer.clone();
        let place = *places.entry(user.clone()).or_insert_with(|| {
            customers.push(Customer { user, purchases: Vec::new() });
            customers.len() - 1
        });
        customers[place].purchases.push(planned);
    }
    for customer in &mut customers {
        customer.purchases.sort_by_key(|planned| planned.purchase.at);
    }
    customers
}
