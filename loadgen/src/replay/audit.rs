//! Holds what was bought against what the file says. Pure.

use std::collections::{BTreeMap, HashMap};

use oxcart_client::{self as client, Cart};
use oxcart_types::{Currency, Money};

use super::{
    plan::{Customer, Plan, Planned},
    purchase::Bought,
};
use crate::files::Totals;

/// One customer's purchases, as they went and as the store lists them afterwards.
#[derive(Debug)]
pub struct Visit {
    /// Who, and what was planned.
    pub customer: Customer,
    /// How each purchase went, in the order of the plan; else why it did not.
    pub results: Vec<Result<Bought, String>>,
    /// The carts that the store lists as purchased; else why it does not.
    pub carts: Result<Vec<Cart>, String>,
}

/// What all purchases came to.
#[derive(Debug)]
pub struct Audit {
    /// Purchases of the plan that the store lists.
    pub purchases: usize,
    /// How many of them were there before this run.
    pub bought_before: usize,
    /// Their lines together.
    pub lines: i64,
    /// The pieces of all lines together.
    pub units: i64,
    /// What they cost together, by what the store lists.
    pub sum: Money,
    /// First charges that were declined.
    pub declined: usize,
    /// Purchases that were paid by a charge whose answer was lost, once or for good.
    pub unanswered: usize,
    /// Checkouts that were undecided when their call ended, and were decided later.
    pub decided_later: usize,
    /// Checkouts that were cancelled and tried again.
    pub cancelled: usize,
    /// What is not as the file says, a sentence each. Empty if all is well.
    pub differences: Vec<String>,
}

/// Compares each purchase, and the sum.
pub fn compare(plan: &Plan, visits: &[Visit]) -> Audit {
    let mut audit = Audit::nothing(plan.currency);
    for visit in visits {
        audit.add_results(plan, visit);
        audit.add_carts(plan, visit);
    }
    let unexplained = plan.unexplained.iter();
    audit.differences.extend(
        unexplained.map(|invoice| format!("invoice {invoice}: has totals, but no purchase")),
    );
    audit.compare_sum(plan);
    audit
}

impl Audit {
    const fn nothing(currency: Currency) -> Self {
        Self {
            purchases: 0,
            bought_before: 0,
            lines: 0,
            units: 0,
            sum: Money::zero(currency),
            declined: 0,
            unanswered: 0,
            decided_later: 0,
            cancelled: 0,
            differences: Vec::new(),
        }
    }

    /// How each purchase went, by the answers that its customer got.
    fn add_results(&mut self, plan: &Plan, visit: &Visit) {
        for (planned, result) in visit.customer.purchases.iter().zip(&visit.results) {
            let invoice = &planned.purchase.invoice;
            match result {
                Err(problem) => self.differ(invoice, problem),
                Ok(bought) => {
                    self.count(bought);
                    let Some(paid) = &bought.total else { continue };
                    let expected = plan.totals.get(invoice).map(|totals| totals.total);
                    if expected.is_some() && amount(Some(paid)) != expected {
                        let expected = shown(expected);
                        let paid = shown(amount(Some(paid)));
                        self.differ(invoice, format!("paid {paid}, the file says {expected}"));
                    }
                }
            }
        }
    }

    fn count(&mut self, bought: &Bought) {
        self.bought_before += usize::from(bought.total.is_none());
        self.declined += usize::from(bought.was_declined);
        self.unanswered += usize::from(bought.was_unanswered);
        self.decided_later += bought.decided_later;
        self.cancelled += bought.cancelled;
    }

    /// What the store lists as purchased afterwards.
    fn add_carts(&mut self, plan: &Plan, visit: &Visit) {
        let user = visit.customer.user.as_str();
        let carts = match &visit.carts {
            Ok(carts) => carts,
            Err(problem) => {
                let text = format!("customer {user}: purchases cannot be read: {problem}");
                self.differences.push(text);
                return;
            }
        };
        let mut listed: HashMap<&str, Vec<&Cart>> = HashMap::new();
        for cart in carts {
            listed.entry(&cart.cart_id).or_default().push(cart);
        }
        for planned in &visit.customer.purchases {
            let found = listed.remove(planned.cart_id.as_str()).unwrap_or_default();
            self.add_cart(plan, planned, &found);
        }
        for cart_id in listed.keys().filter(|cart_id| !plan.known_carts.contains(**cart_id)) {
            let text =
                format!("customer {user}: purchased cart {cart_id}, which no invoice asks for");
            self.differences.push(text);
        }
    }

    fn add_cart(&mut self, plan: &Plan, planned: &Planned, found: &[&Cart]) {
        let invoice = &planned.purchase.invoice;
        let [cart] = found else {
            let text = format!("the store lists it as purchased {} times, not once", found.len());
            return self.differ(invoice, text);
        };
        let total = amount(cart.total.as_ref());
        let lines = i64::try_from(cart.lines.len()).unwrap_or(i64::MAX);
        let units = cart.lines.iter().map(|line| i64::from(line.quantity)).sum();
        self.purchases += 1;
        self.lines += lines;
        self.units += units;
        self.add_to_sum(invoice, total);
        if contents(cart) != wanted(planned) {
            self.differ(invoice, "the store lists other items or quantities than were ordered");
        }
        match plan.totals.get(invoice) {
            None => self.differ(invoice, "was bought, but the file has no totals for it"),
            Some(expected) => self.compare_cart(planned, expected, (lines, units, total)),
        }
    }

    fn compare_cart(
        &mut self,
        planned: &Planned,
        expected: &Totals,
        (lines, units, total): (i64, i64, Option<Money>),
    ) {
        let invoice = &planned.purchase.invoice;
        let customer = expected.customer.as_str();
        if expected.customer != planned.purchase.customer {
            let bought_by = planned.purchase.customer.as_str();
            self.differ(invoice, format!("bought by {bought_by}, the file says {customer}"));
        }
        if lines != expected.lines {
            self.differ(invoice, format!("has {lines} lines, the file says {}", expected.lines));
        }
        if units != expected.units {
            self.differ(invoice, format!("has {units} pieces, the file says {}", expected.units));
        }
        if total != Some(expected.total) {
            let total = shown(total);
            self.differ(invoice, format!("listed at {total}, the file says {}", expected.total));
        }
    }

    fn add_to_sum(&mut self, invoice: &str, total: Option<Money>) {
        match total.map(|total| self.sum.checked_add(total)) {
            Some(Ok(sum)) => self.sum = sum,
            Some(Err(problem)) => self.differ(invoice, format!("its total {problem}")),
            None => self.differ(invoice, "has no total that can be read"),
        }
    }

    fn compare_sum(&mut self, plan: &Plan) {
        let zero = Money::zero(plan.currency);
        let expected =
            plan.totals.values().try_fold(zero, |sum, totals| sum.checked_add(totals.total));
        if expected != Ok(self.sum) {
            let expected = expected.map_or_else(|error| error.to_string(), |sum| sum.to_string());
            self.differences.push(format!("the sum is {}, the file says {expected}", self.sum));
        }
    }

    fn differ(&mut self, invoice: &str, problem: impl AsRef<str>) {
        self.differences.push(format!("invoice {invoice}: {}", problem.as_ref()));
    }
}

fn amount(money: Option<&client::Money>) -> Option<Money> {
    money.and_then(|money| Money::from_parts(&money.currency_code, money.minor_units).ok())
}

fn shown(total: Option<Money>) -> String {
    total.map_or_else(|| "nothing".to_owned(), |total| total.to_string())
}

fn contents(cart: &Cart) -> BTreeMap<&str, i32> {
    cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect()
}

fn wanted(planned: &Planned) -> BTreeMap<&str, i32> {
    let lines = planned.purchase.lines.iter();
    lines.map(|line| (line.sku.as_str(), line.quantity.get())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use oxcart_types::Line;
    use time::macros::datetime;

    use super::*;
    use crate::{files::Purchase, replay::plan::Answer};

    fn gbp(minor_units: i64) -> client::Money {
        client::Money { currency_code: "GBP".to_owned(), minor_units }
    }

    fn planned() -> Planned {
        let line = Line { sku: "A".parse().unwrap(), quantity: 3.try_into().unwrap() };
        let purchase = Purchase {
            invoice: "7".to_owned(),
            customer: "alice".parse().unwrap(),
            at: datetime!(2010-12-01 0:00 UTC),
            lines: vec![line],
        };
        let cart_id = "cart".to_owned();
        Planned { purchase, cart_id, is_declined_first: false, answer: Answer::Arrives }
    }

    fn plan() -> Plan {
        let total = amount(Some(&gbp(300))).unwrap();
        let totals = Totals { customer: "alice".parse().unwrap(), lines: 1, units: 3, total };
        let user = "alice".parse().unwrap();
        Plan {
            customers: vec![Customer { user, purchases: vec![planned()] }],
            totals: BTreeMap::from([("7".to_owned(), totals)]),
            known_carts: HashSet::from(["cart".to_owned(), "beyond the limit".to_owned()]),
            unexplained: Vec::new(),
            currency: "GBP".parse().unwrap(),
        }
    }

    fn cart(cart_id: &str) -> Cart {
        let line = client::PricedLine {
            sku: "A".to_owned(),
            quantity: 3,
            ..client::PricedLine::default()
        };
        Cart {
            cart_id: cart_id.to_owned(),
            lines: vec![line],
            total: Some(gbp(300)),
            ..Cart::default()
        }
    }

    fn differences(plan: &Plan, paid: Option<client::Money>, carts: Vec<Cart>) -> Vec<String> {
        let bought = Bought { total: paid, ..Bought::default() };
        let customer = plan.customers[0].clone();
        let visit = Visit { customer, results: vec![Ok(bought)], carts: Ok(carts) };
        compare(plan, &[visit]).differences
    }

    #[test]
    fn what_is_as_the_file_says_makes_no_difference() {
        let carts = vec![cart("cart"), cart("beyond the limit")];
        assert!(differences(&plan(), Some(gbp(300)), carts).is_empty());
        assert!(differences(&plan(), None, vec![cart("cart")]).is_empty());
    }

    #[test]
    fn a_purchase_must_be_listed_once() {
        for (carts, times) in [(vec![], 0), (vec![cart("cart"), cart("cart")], 2)] {
            let found = differences(&plan(), Some(gbp(300)), carts);
            let told =
                format!("invoice 7: the store lists it as purchased {times} times, not once");
            assert_eq!(found, [told, "the sum is GBP 0.00, the file says GBP 3.00".to_owned()]);
        }
    }

    #[test]
    fn other_contents_are_a_difference() {
        let mut other = cart("cart");
        other.lines[0].sku = "B".to_owned();
        let told = "invoice 7: the store lists other items or quantities than were ordered";
        assert_eq!(differences(&plan(), None, vec![other]), [told]);
    }

    #[test]
    fn another_currency_is_a_difference() {
        let yen = client::Money { currency_code: "JPY".to_owned(), minor_units: 300 };
        let mut other = cart("cart");
        other.total = Some(yen.clone());
        let found = differences(&plan(), Some(yen), vec![other]);
        assert!(found.contains(&"invoice 7: paid JPY 300, the file says GBP 3.00".to_owned()));
        assert!(found.contains(&"invoice 7: its total must be in GBP".to_owned()), "{found:?}");
    }

    #[test]
    fn invoices_without_a_partner_are_differences() {
        let mut plan = plan();
        plan.totals.clear();
        plan.unexplained.push("8".to_owned());
        let found = differences(&plan, None, vec![cart("cart")]);
        assert!(found.contains(&"invoice 8: has totals, but no purchase".to_owned()), "{found:?}");
        let told = "invoice 7: was bought, but the file has no totals for it";
        assert!(found.contains(&told.to_owned()), "{found:?}");
    }
}
