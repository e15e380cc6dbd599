//! What is printed at the end.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use hdrhistogram::Histogram;

use crate::{
    config::Operation,
    load::Figures,
    replay::{Audit, Summary},
};

/// Differences that are printed; of the others the number is.
const DIFFERENCES_SHOWN: usize = 50;

/// Writes what a replay came to.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_replay(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let Summary { imported, audit, time, totals } = summary;
    let seconds = time.as_secs_f64();
    let bought_now = audit.purchases.saturating_sub(audit.bought_before);
    let per_second = if seconds > 0.0 { float(bought_now) / seconds } else { 0.0 };
    writeln!(
        out,
        "catalogue   {} items new, {} changed, {} as they were",
        count(imported.created_count),
        count(imported.updated_count),
        count(imported.unchanged_count)
    )?;
    writeln!(
        out,
        "purchases   {}, of them {} bought before this run",
        count(audit.purchases),
        count(audit.bought_before)
    )?;
    writeln!(out, "lines       {}, {} pieces", count(audit.lines), count(audit.units))?;
    writeln!(out, "sum         {}", audit.sum)?;
    write_trouble(out, audit)?;
    writeln!(out, "time        {seconds:.1} s, {per_second:.1} purchases/s")?;
    write_differences(out, audit, &totals.display().to_string())
}

fn write_trouble(out: &mut impl Write, audit: &Audit) -> io::Result<()> {
    if audit.declined > 0 {
        writeln!(out, "declined    {} first charges, then paid", count(audit.declined))?;
    }
    if audit.unanswered > 0 {
        writeln!(out, "unanswered  {} charges, found paid", count(audit.unanswered))?;
    }
    if audit.decided_later > 0 {
        writeln!(out, "undecided   {} checkouts, decided later", count(audit.decided_later))?;
    }
    if audit.cancelled > 0 {
        writeln!(out, "cancelled   {} checkouts, then tried again", count(audit.cancelled))?;
    }
    Ok(())
}

fn write_differences(out: &mut impl Write, audit: &Audit, totals: &str) -> io::Result<()> {
    if audit.differences.is_empty() {
        return writeln!(out, "Every purchase, line and total and the sum are as in {totals}.");
    }
    for difference in audit.differences.iter().take(DIFFERENCES_SHOWN) {
        writeln!(out, "DIFFERENT   {difference}")?;
    }
    let more = audit.differences.len().saturating_sub(DIFFERENCES_SHOWN);
    if more > 0 {
        writeln!(out, "DIFFERENT   and {} more", count(more))?;
    }
    writeln!(out, "Not all is as in {totals}: {} differences.", count(audit.differences.len()))
}

/// Writes how fast the store was.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_load(out: &mut impl Write, figures: &Figures) -> io::Result<()> {
    let Figures { operation, users, length, tally } = figures;
    let seconds = length.as_secs_f64();
    writeln!(out, "{}: {users} users for {seconds:.0} s", name(*operation))?;
    writeln!(
        out,
        "{:<14} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9}",
        "", "calls", "calls/s", "p50 ms", "p95 ms", "p99 ms", "max ms"
    )?;
    for (rpc, times) in &tally.times {
        write_times(out, rpc, times, seconds)?;
    }
    if let Some(all) = tally.all().filter(|_| tally.times.len() > 1) {
        write_times(out, "all", &all, seconds)?;
    }
    if tally.undecided > 0 {
        writeln!(out, "undecided      {:>10}", count(tally.undecided))?;
    }
    if tally.errors.is_empty() {
        return writeln!(out, "errors         {:>10}", "none");
    }
    for (error, number) in &tally.errors {
        writeln!(out, "errors         {:>10} {error}", count(*number))?;
    }
    Ok(())
}

fn write_times(
    out: &mut impl Write,
    name: &str,
    times: &Histogram<u64>,
    seconds: f64,
) -> io::Result<()> {
    let mut row = format!("{name:<14} {:>10}", count(times.len()));
    let _ = write!(row, " {:>10.1}", float(times.len()) / seconds);
    let at = |quantile| times.value_at_quantile(quantile);
    for micros in [at(0.5), at(0.95), at(0.99), times.max()] {
        let _ = write!(row, " {:>9.2}", float(micros) / 1000.0);
    }
    writeln!(out, "{row}")
}

const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Update => "update",
        Operation::Checkout => "checkout",
        Operation::SignIn => "sign-in",
    }
}

/// Exact below 2^32 and the nearest above: figures are not printed to more digits.
fn float(number: impl TryInto<u32>) -> f64 {
    f64::from(number.try_into().unwrap_or(u32::MAX))
}

/// With thousands separated. Nothing that is counted here is negative.
fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or_default().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
