//! Reading the fields of a message, so that one answer names every bad one.

use std::fmt::Display;

use tonic::Status;

use crate::error::{Reason, Refusal};

/// Collects what is wrong with the fields of a request, so that one answer names them all.
#[derive(Debug, Default)]
pub struct BadFields(Vec<(String, String)>);

impl BadFields {
    /// Takes the value of `field`, or notes why it has none.
    pub fn take<T>(
        &mut self,
        field: impl Into<String>,
        parsed: Result<T, impl Display>,
    ) -> Option<T> {
        parsed.map_err(|error| self.push(field, error)).ok()
    }

    /// Notes what is wrong with `field`.
    pub fn push(&mut self, field: impl Into<String>, description: impl Display) {
        self.0.push((field.into(), description.to_string()));
    }

    /// Takes a value that must be set, or notes that `field` is not.
    pub fn required<T>(&mut self, field: impl Into<String>, value: Option<T>) -> Option<T> {
        self.take(field, value.ok_or("must be set"))
    }

    /// The fields with something wrong, in the order in which they were noted.
    #[must_use]
    pub fn paths(&self) -> Vec<&str> {
        self.0.iter().map(|(field, _)| field.as_str()).collect()
    }

    /// The first bad field and what is wrong with it, in one sentence; `None` if nothing is wrong.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        self.0.first().map(|(field, description)| format!("{field} {description}"))
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes on only if nothing is wrong so far.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (`FIELD_INVALID`) with all bad fields.
    pub fn check(self) -> Result<(), Status> {
        if self.is_empty() { Ok(()) } else { Err(self.into_status()) }
    }

    /// The value that was read, if nothing was wrong with any field.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (`FIELD_INVALID`) with all bad fields.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Status> {
        match value {
            Some(value) => self.check().map(|()| value),
            None => Err(self.into_status()),
        }
    }

    /// INVALID_ARGUMENT (`FIELD_INVALID`) with all bad fields.
    #[must_use]
    pub fn into_status(self) -> Status {
        let message = match self.0.as_slice() {
            [] => "the request is invalid".to_owned(),
            [(field, description)] => format!("{field} {description}"),
            [(field, description), rest @ ..] => {
                format!("{field} {description} (and {} more)", rest.len())
            }
        };
        let refusal = Refusal::new(Reason::FieldInvalid, message);
        self.0
            .into_iter()
            .fold(refusal, |r, (field, description)| r.field(field, description))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{MAX_DETAILS_BYTES, MAX_TEXT_BYTES, bad_fields, info};

    #[test]
    fn every_bad_field_is_named_in_one_answer() {
        let mut bad = BadFields::default();
        assert_eq!(bad.take("a", "1".parse::<u8>()), Some(1));
        assert_eq!(bad.take("b", "x".parse::<u8>()), None);
        bad.push("c", "must be short");
        let status = bad.into_status();
        let fields: Vec<_> = bad_fields(&status).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["b", "c"]);
        assert_eq!(info(&status).unwrap().reason, Reason::FieldInvalid);
    }

    #[test]
    fn a_huge_input_makes_a_small_error() {
        let mut bad = BadFields::default();
        for index in 0..100_000 {
            bad.push(format!("lines[{index}]"), "é".repeat(1_000));
        }
        let status = bad.into_status();
        assert!(status.details().len() <= MAX_DETAILS_BYTES);
        assert!(bad_fields(&status).len() > 5);
        assert!(status.message().len() <= MAX_TEXT_BYTES + 3);
    }
}
