//! One row of a file, read field by field.

use std::{borrow::Cow, str};

use super::{
    BadField, Fault,
    header::{Column, Header},
};
use crate::domain::csv::Record;

/// A row with as many fields as it should have, and what is wrong with them so far.
pub(super) struct Row<'a> {
    header: &'a Header,
    line: usize,
    fields: Vec<Cow<'a, [u8]>>,
    bad: Vec<BadField>,
}

impl<'a> Row<'a> {
    pub(super) fn new(header: &'a Header, record: Record<'a>) -> Result<Self, Vec<BadField>> {
        let line = record.line;
        let refused = |fault| vec![BadField::of_line(line, fault)];
        let fields = record.fields.map_err(|error| refused(error.into()))?;
        let (found, expected) = (fields.len(), header.width());
        if found != expected {
            return Err(refused(Fault::FieldCount { found, expected }));
        }
        Ok(Self { header, line, fields, bad: Vec::new() })
    }

    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// Parses the field of `column`, or notes why it cannot. A column that the file does not have
    /// reads as empty.
    pub(super) fn take<T>(
        &mut self,
        column: Column,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let bytes = self.header.position(column).map_or(&[][..], |at| &self.fields[at]);
        let parsed = str::from_utf8(bytes).map_err(|_| Fault::NotUtf8).and_then(parse);
        let note = |fault| {
            self.bad.push(BadField { line: self.line, column: Some(column.name()), fault });
        };
        parsed.map_err(note).ok()
    }

    pub(super) fn into_bad_fields(self) -> Vec<BadField> {
        self.bad
    }
}
