//! `docs/operations.md` says what the code says: every setting and every metric, both ways.
//!
//! Its tables of settings and metrics, and Prometheus's rules for its alarms, are written by this test:
//! where they differ, the failure shows them as they must be.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};
use kit_service::metrics::{self, Metric};
use tokio_util::sync::CancellationToken;

/// The programs of the documentation, the whole store in one process last.
fn programs() -> Vec<(&'static str, Command)> {
    let up = oxcart::Config::command().find_subcommand("up").unwrap().clone();
    vec![
        ("controller-svc", controller_svc::Config::command()),
        ("catalog-svc", catalog_svc::Config::command()),
        ("cart-svc", cart_svc::Config::command()),
        ("idp-stub", idp_stub::Config::command()),
        ("payment-stub", payment_stub::Config::command()),
        ("oxcart up", up),
    ]
}

/// A metric and who has it.
fn all_metrics() -> Vec<(&'static str, Metric)> {
    let all = metrics::METRICS.iter().chain(&kit_rpc::metrics::METRICS);
    let all = all.map(|metric| ("all", *metric));
    let databases = kit_database::metrics::METRICS.iter();
    let controller = controller_svc::app::metrics::METRICS.iter();
    let cart = cart_svc::app::metrics::METRICS.iter();
    all.chain(databases.map(|metric| ("all with a database", *metric)))
        .chain(controller.map(|metric| ("controller-svc", *metric)))
        .chain(cart.map(|metric| ("cart-svc", *metric)))
        .collect()
}

fn documentation() -> String {
    read("docs/operations.md")
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands between two comments of the documentation.
fn block<'a>(text: &'a str, name: &str) -> &'a str {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (_, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    rest.split_once(&end).unwrap_or_else(|| panic!("no {end}")).0
}

#[test]
fn every_setting_is_documented_as_the_programs_have_it() {
    let expected = settings();
    let text = documentation();
    assert!(block(&text, "settings") == expected, "the settings must read:\n{expected}");
}

#[test]
fn every_metric_is_documented_as_the_programs_have_it() {
    let expected = metrics_table();
    let text = documentation();
    assert!(block(&text, "metrics") == expected, "the metrics must read:\n{expected}");
}

#[test]
fn the_text_names_no_setting_and_no_metric_that_does_not_exist() {
    let text = documentation();
    let settings: BTreeSet<String> = programs()
        .iter()
        .flat_map(|(_, program)| program.get_arguments().flat_map(names).collect::<Vec<_>>())
        .collect();
    let metrics: BTreeSet<&str> = all_metrics().iter().map(|(_, metric)| metric.name).collect();
    let prefixes: BTreeSet<&str> =
        metrics.iter().map(|name| name.split_once('_').unwrap().0).collect();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    for word in text.split(|c| !is_part(c)) {
        if word.starts_with("OXCART_") {
            assert!(settings.contains(word), "{word} is no setting");
        }
        let is_crate = word.ends_with("_svc");
        let is_metric = word.split_once('_').is_some_and(|(first, _)| prefixes.contains(first));
        if is_metric && !is_crate {
            let endings = ["", "_count", "_sum", "_bucket"];
            let is_known = |end| word.strip_suffix(end).is_some_and(|name| metrics.contains(name));
            assert!(endings.into_iter().any(is_known), "{word} is no metric");
        }
    }
}

#[test]
fn every_alarm_of_the_text_has_something_to_do() {
    let text = documentation();
    let titles = text.lines().filter_map(|line| line.strip_prefix("### "));
    let anchors: Vec<_> = titles.map(anchor).collect();
    let alarms = alarms(&text);
    assert!(alarms.len() > 5);
    for Alarm { what_to_do, .. } in alarms {
        assert!(anchors.iter().any(|anchor| anchor == what_to_do), "{what_to_do} of {anchors:?}");
    }
}

#[test]
fn prometheus_has_the_alarms_of_the_text() {
    let file = "deploy/observability/alarms.yml";
    let mut expected = RULES_HEAD.to_owned();
    for alarm in alarms(&documentation()) {
        alarm.rule(&mut expected);
    }
    assert!(read(file) == expected, "{file} must read:\n{expected}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_running_store_shows_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for more in [&["--seed=1"][..], &["--purchase"]] {
        let args = [&["oxcart", "demo", "--data-dir", data], more].concat();
        let command = oxcart::Config::try_parse_from(args).unwrap().command;
        oxcart::run(command, CancellationToken::new(), &mut Vec::new()).await.unwrap();
    }
    let text = metrics::text();
    let known: BTreeSet<&str> = all_metrics().iter().map(|(_, metric)| metric.name).collect();
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let shown: BTreeSet<&str> = kinds.map(|line| line.split(' ').next().unwrap()).collect();
    let unknown: Vec<_> = shown.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let expected = [
        "rpc_server_duration_seconds",
        "rpc_client_duration_seconds",
        "saga_run_duration_seconds",
        "saga_alarms_total",
        "cart_refused_outcomes_total",
    ];
    for name in expected {
        assert!(shown.contains(name), "{name}: {shown:?}");
    }
    for personal in ["demo", "tok_visa", "password"] {
        assert!(!text.contains(personal), "{personal}: {text}");
    }
}

const RULES_HEAD: &str = "\
# The alarms of docs/operations.md for Prometheus, written by e2e/tests/operations.rs: change them there.
groups:
  - name: oxcart
    rules:
";

/// A row of the alarms.
struct Alarm<'a> {
    name: &'a str,
    /// In Prometheus's language.
    condition: String,
    /// How long it must hold, such as 30m.
    lasts: Option<String>,
    meaning: &'a str,
    /// The title that says so, as it is linked.
    what_to_do: &'a str,
}

fn alarms(text: &str) -> Vec<Alarm<'_>> {
    let alarm = |line| {
        let cells: Vec<&str> = str::trim(line).trim_matches('|').split(" | ").collect();
        let [name, condition, meaning, link] = cells[..] else { panic!("{line}") };
        assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{line}");
        let [_, condition, rest] = condition.split('`').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let lasts = rest
            .trim()
            .strip_prefix("for ")
            .map(|lasts| lasts.replace(" minutes", "m").replace(" minute", "m"));
        assert!(lasts.is_some() || rest.trim().is_empty(), "{line}");
        let what_to_do = link.rsplit_once("](#").unwrap().1.trim().trim_end_matches(')');
        // A bar ends a cell of a table, so it is escaped there.
        let condition = condition.replace("\\|", "|");
        Alarm { name: name.trim(), condition, lasts, meaning, what_to_do }
    };
    block(text, "alarms").lines().skip(2).map(alarm).collect()
}

impl Alarm<'_> {
    fn rule(&self, text: &mut String) {
        let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
        let name: String = self.name.split(' ').map(capital).collect();
        let quoted = |value: &str| format!("'{}'", value.replace('\'', "''"));
        writeln!(text, "      - alert: {name}").unwrap();
        writeln!(text, "        expr: {}", quoted(&self.condition)).unwrap();
        if let Some(lasts) = &self.lasts {
            writeln!(text, "        for: {lasts}").unwrap();
        }
        writeln!(text, "        annotations:").unwrap();
        writeln!(text, "          summary: {}", quoted(self.meaning)).unwrap();
        writeln!(text, "          runbook: docs/operations.md#{}", self.what_to_do).unwrap();
    }
}

/// The names of a setting.
fn names(arg: &Arg) -> Vec<String> {
    arg.get_env().map(|env| env.to_str().unwrap().to_owned()).into_iter().collect()
}

/// What stands in one row.
#[derive(PartialEq, Eq)]
struct Setting {
    flag: String,
    env: String,
    default: String,
    meaning: String,
}

impl Setting {
    fn of(arg: &Arg) -> Self {
        let value = arg.get_value_names().filter(|_| takes_value(arg));
        let value = value.map(|names| format!(" {}", names[0])).unwrap_or_default();
        let env = arg.get_env().map(|env| format!("`{}`", env.to_str().unwrap()));
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
        let default = match defaults.as_slice() {
            [] if arg.is_required_set() => "required".to_owned(),
            [] if takes_value(arg) => "none".to_owned(),
            [] => "off".to_owned(),
            _ if arg.is_hide_default_value_set() => "not shown".to_owned(),
            values => format!("`{}`", values.join(",")),
        };
        Self {
            flag: format!("`--{}{value}`", arg.get_long().unwrap()),
            env: env.unwrap_or_else(|| "none".to_owned()),
            default,
            meaning: arg.get_help().unwrap().to_string().replace('|', "\\|"),
        }
    }

    fn row(&self, text: &mut String) {
        let Self { flag, env, default, meaning } = self;
        writeln!(text, "| {flag} | {env} | {default} | {meaning} |").unwrap();
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

const HEAD: &str = "| flag | environment | default | meaning |\n|---|---|---|---|\n";

/// What several programs have in common first, then what each has for itself.
fn settings() -> String {
    let programs = programs();
    let mut found: Vec<(Setting, Vec<&str>)> = Vec::new();
    for (name, program) in &programs {
        let is_ours = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
        for setting in program.get_arguments().filter(is_ours).map(Setting::of) {
            match found.iter_mut().find(|(known, _)| *known == setting) {
                Some((_, users)) => users.push(name),
                None => found.push((setting, vec![name])),
            }
        }
    }
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for (_, users) in &found {
        if !groups.contains(users) {
            groups.push(users.clone());
        }
    }
    groups.sort_by_key(|users| std::cmp::Reverse(users.len()));
    let mut text = String::new();
    for users in groups {
        let title = if users.len() == programs.len() {
            "All programs".to_owned()
        } else {
            users.join(", ")
        };
        write!(text, "\n#### {title}\n\n{HEAD}").unwrap();
        found.iter().filter(|(_, of)| *of == users).for_each(|(row, _)| row.row(&mut text));
    }
    text + "\n"
}

fn metrics_table() -> String {
    let mut text =
        "\n| metric | type | labels | of | meaning |\n|---|---|---|---|---|\n".to_owned();
    for (users, Metric { name, kind, labels, help }) in all_metrics() {
        let kind = format!("{kind:?}").to_lowercase();
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
        writeln!(text, "| `{name}` | {kind} | {labels} | {users} | {help} |").unwrap();
    }
    text + "\n"
}

/// What a title is linked by.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}
