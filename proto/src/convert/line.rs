//! Lines of carts, with and without their prices.

use std::fmt::Display;

use oxcart_types::{Line, PricedLine, Quantity, Sku, Version};

use super::DetailsPatchFields;
use crate::{BadFields, cart, common, controller};

impl From<&Line> for common::Line {
    fn from(line: &Line) -> Self {
        Self { sku: line.sku.to_string(), quantity: Some(line.quantity.get()) }
    }
}

/// At the price of a quote: for sale, and without a description.
impl From<&PricedLine> for common::PricedLine {
    fn from(line: &PricedLine) -> Self {
        Self {
            sku: line.sku.to_string(),
            name: line.name.to_string(),
            description: String::new(),
            quantity: line.quantity.get(),
            unit_price: Some(line.unit_price.into()),
            line_total: Some(line.line_total.into()),
            unavailable: false,
        }
    }
}

impl BadFields {
    /// Reads a line.
    pub fn line(&mut self, path: &str, line: &common::Line) -> Option<Line> {
        let sku = self.take(format!("{path}.sku"), line.sku.parse());
        let quantity = self.quantity(path, line, Quantity::try_from);
        Some(Line { sku: sku?, quantity: quantity? })
    }

    /// Reads a line of a request that changes a cart: with a quantity of 0 it is to be removed.
    pub fn line_change<E: Display>(
        &mut self,
        path: &str,
        line: &common::Line,
        parse: impl FnOnce(i32) -> Result<Quantity, E>,
    ) -> Option<(Sku, Option<Quantity>)> {
        let sku = self.take(format!("{path}.sku"), line.sku.parse());
        let quantity = match line.quantity {
            Some(0) => Some(None),
            _ => self.quantity(path, line, |pieces| {
                parse(pieces).map(Some).map_err(|error| format!("{error}, or 0 to remove it"))
            }),
        };
        sku.zip(quantity)
    }

    fn quantity<T, E: Display>(
        &mut self,
        path: &str,
        line: &common::Line,
        parse: impl FnOnce(i32) -> Result<T, E>,
    ) -> Option<T> {
        let path = format!("{path}.quantity");
        let pieces = self.required(path.clone(), line.quantity)?;
        self.take(path, parse(pieces))
    }

    /// Reads a line with its price. One that is unavailable has none and is refused.
    pub fn priced_line(&mut self, path: &str, line: &common::PricedLine) -> Option<PricedLine> {
        let at = |field: &str| format!("{path}.{field}");
        let sku = self.take(at("sku"), line.sku.parse());
        let quantity = self.take(at("quantity"), Quantity::try_from(line.quantity));
        let unit_price = self.money(&at("unit_price"), line.unit_price.as_ref());
        let line_total = self.money(&at("line_total"), line.line_total.as_ref());
        if line.unavailable {
            self.push(at("unavailable"), "must be false: what is not for sale has no price");
        }
        let name = self.take(at("name"), line.name.parse());
        Some(PricedLine {
            sku: sku?,
            name: name?,
            quantity: quantity?,
            unit_price: unit_price?,
            line_total: line_total?,
        })
    }

    /// Reads several lines with their prices.
    pub fn priced_lines(
        &mut self,
        path: &str,
        lines: &[common::PricedLine],
    ) -> Option<Vec<PricedLine>> {
        let read = |(index, line)| self.priced_line(&format!("{path}[{index}]"), line);
        // Every line is read before the first bad one ends it.
        let lines: Vec<_> = lines.iter().enumerate().map(read).collect();
        lines.into_iter().collect()
    }

    /// Reads an etag that may be empty: then the caller names no version.
    pub fn optional_etag(&mut self, path: &str, etag: &str) -> Option<Option<Version>> {
        match etag {
            "" => Some(None),
            _ => self.take(path, Version::from_etag(etag).map(Some)),
        }
    }

    /// The lines that replace those of a cart; none if the contents stay as they are. Notes a request
    /// that changes nothing, and one that can be read in two ways.
    pub fn replaced_lines<'a>(
        &mut self,
        request: impl Into<ContentsFields<'a>>,
    ) -> Option<&'a [common::Line]> {
        let ContentsFields { lines, remove_all_lines, changes_details } = request.into();
        match (lines.is_empty(), remove_all_lines) {
            (false, true) => {
                self.push("remove_all_lines", "must be false where there are lines");
                None
            }
            (true, false) if !changes_details => {
                self.push("lines", "must have a line; to empty the cart set remove_all_lines");
                None
            }
            (true, false) => None,
            _ => Some(lines),
        }
    }
}

/// The fields of a request that replace the contents of a cart.
#[derive(Debug, Clone, Copy)]
pub struct ContentsFields<'a> {
    lines: &'a [common::Line],
    remove_all_lines: bool,
    changes_details: bool,
}

impl<'a> From<&'a cart::UpdateCartRequest> for ContentsFields<'a> {
    fn from(request: &'a cart::UpdateCartRequest) -> Self {
        Self {
            lines: &request.lines,
            remove_all_lines: request.remove_all_lines,
            changes_details: !DetailsPatchFields::from(request).is_empty(),
        }
    }
}

impl<'a> From<&'a controller::UpdateCartRequest> for ContentsFields<'a> {
    fn from(request: &'a controller::UpdateCartRequest) -> Self {
        Self {
            lines: &request.lines,
            remove_all_lines: request.remove_all_lines,
            changes_details: !DetailsPatchFields::from(request).is_empty(),
        }
    }
}
