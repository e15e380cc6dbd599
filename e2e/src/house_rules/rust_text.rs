//! Just enough of Rust's grammar to tell code from comments and strings, and tests from the rest.

/// A source, taken apart. Everything keeps its order.
pub(super) struct RustText {
    /// The code, with a space for each comment and `""` for each literal.
    pub(super) code: String,
    /// What the string literals say, escapes as written.
    pub(super) strings: Vec<String>,
}

impl RustText {
    /// Takes `source` apart.
    pub(super) fn parse(source: &str) -> Self {
        let mut text = Self { code: String::new(), strings: Vec::new() };
        let mut rest = source;
        while !rest.is_empty() {
            rest = text.step(rest);
        }
        text
    }

    /// Takes the next piece and returns what is left.
    fn step<'a>(&mut self, rest: &'a str) -> &'a str {
        if rest.starts_with("//") {
            self.code.push(' ');
            return &rest[rest.find('\n').unwrap_or(rest.len())..];
        }
        if rest.starts_with("/*") {
            self.code.push(' ');
            return after_block_comment(rest);
        }
        if let Some((literal, left)) = string_literal(rest, self.code.chars().next_back()) {
            self.code.push_str("\"\"");
            self.strings.push(literal.to_owned());
            return left;
        }
        if let Some(left) = after_char_literal(rest) {
            self.code.push_str("\"\"");
            return left;
        }
        let mut chars = rest.chars();
        self.code.extend(chars.next());
        chars.as_str()
    }
}

fn after_block_comment(rest: &str) -> &str {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return &rest[at..];
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    ""
}

/// The string that `rest` begins with, with or without the prefixes `b`, `c` and `r`.
fn string_literal(rest: &str, before: Option<char>) -> Option<(&str, &str)> {
    let is_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = rest.find('"').filter(|at| *at <= 40)?;
    let marks = &rest[..prefix];
    if is_name && !marks.is_empty() {
        return None;
    }
    let hashes = marks.trim_start_matches(['b', 'c']).strip_prefix('r');
    match hashes {
        Some(hashes) if hashes.bytes().all(|b| b == b'#') => {
            let body = &rest[prefix + 1..];
            let end = body.find(&format!("\"{hashes}"))?;
            Some((&body[..end], &body[end + 1 + hashes.len()..]))
        }
        None if matches!(marks, "" | "b" | "c") => {
            let body = &rest[prefix + 1..];
            let end = end_of_escaped(body)?;
            Some((&body[..end], &body[end + 1..]))
        }
        _ => None,
    }
}

fn end_of_escaped(body: &str) -> Option<usize> {
    let mut escaped = false;
    body.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// A quote begins a character only if another closes it; otherwise it is a lifetime.
fn after_char_literal(rest: &str) -> Option<&str> {
    let body = rest.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let end = escape.char_indices().skip(1).find(|(_, c)| *c == '\'')?.0;
        return Some(&escape[end + 1..]);
    }
    let mut chars = body.chars();
    chars.next()?;
    chars.as_str().strip_prefix('\'')
}

/// `code` without the items that are compiled for tests alone.
pub(super) fn without_tests(source: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        rest = after_item(&rest[at + MARK.len()..]);
    }
    kept.push_str(rest);
    kept
}

/// What follows the first item of `source`: behind its `;`, or behind its closing brace.
fn after_item(source: &str) -> &str {
    let mut depth = 0_usize;
    let mut rest = source;
    let mut scratch = RustText { code: String::new(), strings: Vec::new() };
    while !rest.is_empty() {
        let before = scratch.code.len();
        rest = scratch.step(rest);
        match &scratch.code[before..] {
            "{" => depth += 1,
            "}" if depth <= 1 => return rest,
            "}" => depth -= 1,
            ";" if depth == 0 => return rest,
            _ => {}
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = RustText::parse(
            "use a; // tokio\n/* sqlx /* nested */ tonic */ f(\"to\\\"kio\", r#\"raw \"q\" \"#, b\"x\");",
        );
        assert!(!text.code.contains("tokio") && !text.code.contains("sqlx"), "{}", text.code);
        assert!(text.code.contains("use a;") && text.code.contains("f(\"\", \"\", \"\");"));
        assert_eq!(text.strings, ["to\\\"kio", "raw \"q\" ", "x"]);
    }

    #[test]
    fn a_quote_may_be_a_character_or_a_lifetime() {
        let text =
            RustText::parse("fn f<'a>(x: &'a str) -> char { ['\"', '\\'', 'x', '\\u{1F600}']; x }");
        assert!(text.strings.is_empty(), "{:?}", text.strings);
        assert!(text.code.contains("<'a>(x: &'a str)"), "{}", text.code);
    }

    #[test]
    fn tests_do_not_count() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { \"}\"; sqlx } }\nfn c() {}\n#[cfg(test)]\nuse tokio;\nfn d() {}";
        let kept = without_tests(code);
        assert!(!kept.contains("sqlx") && !kept.contains("tokio"), "{kept}");
        assert!(kept.contains("fn a") && kept.contains("fn c") && kept.contains("fn d"), "{kept}");
    }
}
