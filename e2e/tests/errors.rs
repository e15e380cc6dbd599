//! The table of errors in the docs says what the contract and the code say.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{collections::BTreeMap, fs, path::Path};

use oxcart_proto::{FILE_DESCRIPTOR_SET, common::ErrorReason};
use oxcart_types::DeclineReason;
use prost::Message as _;
use prost_types::FileDescriptorSet;

const PREFIX: &str = "ERROR_REASON_";

/// Reason and code.
type Codes = BTreeMap<String, String>;

#[test]
fn the_documented_errors_are_those_of_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("docs/errors.md: {error}"));
    assert_eq!(documented(&text), contract());
}

#[test]
fn each_reason_has_the_code_that_its_comment_names() {
    for (name, code) in contract() {
        let reason = ErrorReason::from_wire_name(&name).unwrap();
        assert_eq!(canonical_name(reason), code, "{name}");
    }
}

#[test]
fn the_documented_decline_reasons_are_those_of_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("docs/errors.md: {error}"));
    let rows = text.lines().map(cells).skip_while(|cells| cells[0] != "decline reason");
    let rows = rows.skip(2).take_while(|cells| cells.len() == 3);
    let documented: Vec<String> = rows.map(|cells| cells[0].clone()).collect();
    let known: Vec<&str> = DeclineReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(documented, known);
}

/// Rows of the first table whose first two columns are `reason` and `code`.
fn documented(text: &str) -> Codes {
    let mut rows = text.lines().map(cells).skip_while(|cells| {
        !matches!(cells.as_slice(), [reason, code, ..] if reason == "reason" && code == "code")
    });
    assert!(rows.next().is_some(), "docs/errors.md has no table of reason | code | …");
    let rows = rows.skip(1).take_while(|cells| cells.len() > 1);
    let mut codes = Codes::new();
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let earlier = codes.insert(row[0].clone(), row[1].clone());
        assert_eq!(earlier, None, "{} stands there twice", row[0]);
    }
    codes
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

/// Each reason of the contract with the code that its comment gives in brackets.
fn contract() -> Codes {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let file =
        files.iter().find(|file| file.name().ends_with("type/v1/error_reason.proto")).unwrap();
    let comments: BTreeMap<&[i32], &str> = file
        .source_code_info
        .iter()
        .flat_map(|info| &info.location)
        .map(|location| (location.path.as_slice(), location.leading_comments()))
        .collect();
    let values = file.enum_type[0].value.iter().enumerate().skip(1);
    let codes: Codes = values
        .map(|(index, value)| {
            // enum_type 0, value `index`.
            let path = [5, 0, 2, i32::try_from(index).unwrap()];
            let comment = comments.get(path.as_slice()).copied().unwrap_or_default();
            let code = comment.trim().strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let name = value.name().strip_prefix(PREFIX).unwrap();
            let Some((code, _)) = code else { panic!("{name} names no [CODE]: {comment}") };
            (name.to_owned(), code.to_owned())
        })
        .collect();
    assert!(codes.len() > 20, "{codes:?}");
    codes
}

/// `InvalidArgument` as gRPC writes it: `INVALID_ARGUMENT`.
fn canonical_name(reason: ErrorReason) -> String {
    let mut name = String::new();
    for c in format!("{:?}", reason.code()).chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[test]
fn a_table_that_says_otherwise_is_found() {
    let table = "# Errors\n\n| reason | code | meaning | retry |\n|---|---|---|---|\n| `CART_STALE` | `ABORTED` | old | read |\n\ntext | more\n";
    let codes = documented(table);
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [("CART_STALE".into(), "ABORTED".into())]);
}
