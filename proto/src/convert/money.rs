//! Amounts of money.

use std::fmt::Display;

use oxcart_types::{Money, Price};

use crate::{BadFields, common};

impl From<Money> for common::Money {
    fn from(amount: Money) -> Self {
        Self {
            currency_code: amount.currency().code().to_owned(),
            minor_units: amount.minor_units(),
        }
    }
}

impl BadFields {
    /// Reads an amount of money that must be set.
    pub fn money(&mut self, path: &str, amount: Option<&common::Money>) -> Option<Money> {
        self.money_within(path, amount, Money::check_minor_units)
    }

    /// Reads an amount of money that must be set, and at least one minor unit.
    pub fn positive_money(&mut self, path: &str, amount: Option<&common::Money>) -> Option<Money> {
        self.money_within(path, amount, |minor_units| match minor_units {
            0 => Err("must be at least 1".to_owned()),
            _ => Money::check_minor_units(minor_units).map_err(|error| error.to_string()),
        })
    }

    fn money_within<E: Display>(
        &mut self,
        path: &str,
        amount: Option<&common::Money>,
        check: impl FnOnce(i64) -> Result<i64, E>,
    ) -> Option<Money> {
        let amount = self.required(path, amount)?;
        let currency = self.take(format!("{path}.currency_code"), amount.currency_code.parse());
        let path = format!("{path}.minor_units");
        let minor_units = self.take(path.clone(), check(amount.minor_units));
        self.take(path, Money::new(currency?, minor_units?))
    }

    /// Reads the price of one piece, which must be set.
    pub fn price(&mut self, path: &str, price: Option<&common::Money>) -> Option<Price> {
        let money = self.money(path, price)?;
        self.take(format!("{path}.minor_units"), Price::try_from(money))
    }
}
