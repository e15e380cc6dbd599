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
    /// What becomes of the processor's answer to the charge.
    pub answer: Answer,
}

/// What becomes of the payment processor's answer to a charge that is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The store gets it.
    Arrives,
    /// The first one is lost.
    LostOnce,
    /// No charge is ever answered.
    NeverComes,
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
            is_declined_first: is_nth(index, args.decline_every, 1),
            answer: Answer::of_nth(index, args),
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

impl Answer {
    /// Each trouble begins elsewhere in its round, so that the same N hits different purchases.
    fn of_nth(index: usize, args: &ReplayArgs) -> Self {
        if is_nth(index, args.never_answered_every, 4) {
            Self::NeverComes
        } else if is_nth(index, args.unanswered_every, 2) {
            Self::LostOnce
        } else {
            Self::Arrives
        }
    }
}

/// The same for the same customer and invoice, in every run.
fn cart_id(purchase: &Purchase) -> String {
    let name = format!("{}\n{}", purchase.customer.as_str(), purchase.invoice);
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// Whether `index` is the last of a round of `every`, all rounds moved forward by a `share`th of one.
fn is_nth(index: usize, every: Option<NonZeroUsize>, share: usize) -> bool {
    every.is_some_and(|every| (index + 1 + every.get() / share).is_multiple_of(every.get()))
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

#[cfg(test)]
mod tests {
    use oxcart_types::Line;
    use time::{OffsetDateTime, macros::datetime};

    use super::*;
    use crate::config::{Command, Config};

    fn args(flags: &[&str]) -> ReplayArgs {
        use clap::Parser as _;
        let always = ["loadgen", "replay", "--catalog", "c", "--purchases", "p", "--totals", "t"];
        match Config::parse_from(always.iter().chain(flags)).command {
            Command::Replay(args) => args,
            Command::Load(_) => unreachable!("the arguments say replay"),
        }
    }

    fn purchase(invoice: &str, customer: &str, at: OffsetDateTime) -> Purchase {
        let line = Line { sku: "A".parse().unwrap(), quantity: 1.try_into().unwrap() };
        let customer = customer.parse().unwrap();
        Purchase { invoice: invoice.to_owned(), customer, at, lines: vec![line] }
    }

    fn plan(flags: &[&str]) -> Plan {
        let purchases = vec![
            purchase("3", "bob", datetime!(2010-12-03 0:00 UTC)),
            purchase("2", "alice", datetime!(2010-12-02 0:00 UTC)),
            purchase("1", "bob", datetime!(2010-12-01 0:00 UTC)),
            purchase("4", "alice", datetime!(2010-12-04 0:00 UTC)),
        ];
        let totals = ["1", "2", "3", "4", "9"].map(|invoice| {
            let currency = "GBP".parse().unwrap();
            let total = oxcart_types::Money::new(currency, 1).unwrap();
            let customer = "bob".parse().unwrap();
            (invoice.to_owned(), Totals { customer, lines: 1, units: 1, total })
        });
        let totals = TotalsFile { currency: "GBP".parse().unwrap(), by_invoice: totals.into() };
        Plan::new(purchases, totals, &args(flags))
    }

    fn which(plan: &Plan, is_wanted: impl Fn(&Planned) -> bool) -> Vec<&str> {
        let planned = plan.customers.iter().flat_map(|customer| &customer.purchases);
        let wanted = planned.filter(|planned| is_wanted(planned));
        wanted.map(|planned| planned.purchase.invoice.as_str()).collect()
    }

    #[test]
    fn each_customer_buys_in_the_order_of_time() {
        let plan = plan(&[]);
        assert_eq!(plan.customers[0].user.as_str(), "bob");
        assert_eq!(which(&plan, |_| true), ["1", "3", "2", "4"]);
        assert_eq!(plan.unexplained, ["9"]);
        assert_eq!(plan.totals.len(), 4);
    }

    #[test]
    fn a_cart_has_the_same_id_in_every_run() {
        let (first, second) = (plan(&[]), plan(&["--limit", "1", "--decline-every", "1"]));
        let cart_id = |plan: &Plan, at: usize| plan.customers[0].purchases[at].cart_id.clone();
        assert_eq!(cart_id(&first, 1), cart_id(&second, 0));
        // Written down, so that an upgrade between two runs changes nothing either.
        assert_eq!(cart_id(&first, 1), "2f4bb085-2740-5230-9f44-dab8415cf591");
        assert_eq!(first.known_carts, second.known_carts);
        assert_eq!(first.known_carts.len(), 4);
    }

    #[test]
    fn request_ids_are_short_enough() {
        let at = datetime!(2010-12-03 0:00 UTC);
        let longest = purchase(&"x".repeat(40), "bob", at);
        let planned = Planned::new(0, longest, &args(&[]));
        for id in [planned.request_id(1), planned.request_id(1000), planned.declined_request_id()] {
            assert!(id.parse::<oxcart_types::RequestId>().is_ok(), "{id}");
        }
    }

    #[test]
    fn every_nth_purchase_of_the_file_has_trouble() {
        let plan = plan(&["--decline-every", "2", "--unanswered-every", "2"]);
        assert_eq!(which(&plan, |planned| planned.is_declined_first), ["2", "4"]);
        assert_eq!(which(&plan, |planned| planned.answer == Answer::LostOnce), ["1", "3"]);
    }

    #[test]
    fn the_troubles_of_each_tenth_do_not_meet() {
        let every_tenth =
            ["--decline-every", "10", "--unanswered-every", "10", "--never-answered-every", "10"];
        let args = args(&every_tenth);
        let at = datetime!(2010-12-03 0:00 UTC);
        let planned: Vec<_> =
            (0..20).map(|index| Planned::new(index, purchase("1", "bob", at), &args)).collect();
        let count = |is_wanted: fn(&&Planned) -> bool| planned.iter().filter(is_wanted).count();
        assert_eq!(count(|planned| planned.is_declined_first), 2);
        assert_eq!(count(|planned| planned.answer == Answer::LostOnce), 2);
        assert_eq!(count(|planned| planned.answer == Answer::NeverComes), 2);
        let troubled =
            |planned: &&Planned| planned.is_declined_first || planned.answer != Answer::Arrives;
        assert_eq!(count(troubled), 6);
    }

    #[test]
    fn a_limit_takes_the_first_of_the_file() {
        let plan = plan(&["--limit", "2"]);
        assert_eq!(which(&plan, |_| true), ["3", "2"]);
        assert_eq!((plan.purchases(), plan.totals.len()), (2, 2));
    }
}
