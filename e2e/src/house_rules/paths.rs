//! Which names a piece of code says, and which rooms of its crate it enters.

/// Whether `code` has `word` as a name of its own.
pub(super) fn names(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The first names behind `crate::` in `code`, wherever it is said, also inside `use crate::{…}`,
/// and behind the `super::`s that lead from a module `depth` levels below the crate's root to it.
pub(super) fn rooms(code: &str, depth: usize) -> Vec<String> {
    let mut found = first_names_after(code, "crate::");
    if depth > 0 {
        found.extend(first_names_after(code, &"super::".repeat(depth)));
    }
    found.sort();
    found.dedup();
    found
}

/// The first names behind each `prefix` in `code`, also inside of a group.
pub(super) fn first_names_after(code: &str, prefix: &str) -> Vec<String> {
    let starts = code.match_indices(prefix).filter(|(at, _)| {
        // `super::super::` is not the `super::` of a shorter way, nor is `mycrate::` `crate::`.
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$')
    });
    starts.flat_map(|(at, _)| first_names(&code[at + prefix.len()..])).collect()
}

/// `a` of `a::b`, `a` and `b` of `{a::x, b::{y, z}}`.
fn first_names(path: &str) -> Vec<String> {
    let path = path.trim_start();
    let Some(group) = path.strip_prefix('{') else { return first_name(path).into_iter().collect() };
    let (mut depth, mut start, mut names) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.extend(first_name(&group[start..at]));
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.extend(first_name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let path = path.trim_start();
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_no_part_of_another() {
        assert!(names("use tokio::time;", "tokio"));
        assert!(!names("use tokio_util::x; my_tokio();", "tokio"));
    }

    #[test]
    fn rooms_are_found_in_groups_and_by_way_of_super() {
        let code =
            "use crate::{app::Carts, domain::{Cart, store}, store};\nfn f() { crate::api::x() }";
        assert_eq!(rooms(code, 0), ["api", "app", "domain", "store"]);
        assert_eq!(rooms("use super::store::Store;", 1), ["store"]);
        assert_eq!(rooms("use super::super::store; use super::rows;", 2), ["store"]);
        assert_eq!(rooms("use super::rows;", 2), Vec::<String>::new());
        assert_eq!(rooms("use super::{app, domain};", 1), ["app", "domain"]);
    }
}
