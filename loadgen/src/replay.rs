//! Replays what the customers of a real shop bought, several customers at once, each one's
//! purchases in the order of time, and holds every total against the file.
//!
//! Every id is made from the file's own names. So a replay that was interrupted finds what it did,
//! and goes on from there: it keeps no notes of its own.

mod audit;
mod plan;
mod purchase;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use oxcart_client::{ImportItemsResponse, Shopper};
use tokio::time::Instant;

pub use self::audit::Audit;
use self::{
    audit::Visit,
    plan::{Customer, Plan},
};
use crate::{
    Error,
    config::ReplayArgs,
    files::{read_bytes, read_purchases, read_totals},
    store::Store,
};

/// Failed purchases after which no more are begun: the store is in trouble, and more of the same
/// tells nothing new.
const MAX_FAILURES: usize = 50;

/// Purchases that are asked for at once.
const CARTS_PER_PAGE: u16 = 20;

/// What a replay did and found.
#[derive(Debug)]
pub struct Summary {
    /// What the import of the catalogue did.
    pub imported: ImportItemsResponse,
    /// What the purchases came to.
    pub audit: Audit,
    /// How long the buying took.
    pub time: Duration,
    /// The file that everything was compared with.
    pub totals: PathBuf,
}

/// Buys everything and compares.
///
/// # Errors
/// If there is nothing to compare: a bad file, no store, no import.
pub async fn run(args: &ReplayArgs) -> Result<Summary, Error> {
    let catalogue = read_bytes(&args.catalog)?;
    let plan = Plan::new(read_purchases(&args.purchases)?, read_totals(&args.totals)?, args);
    let store = Store::find(&args.store).await?;
    let imported = store.admin().import(catalogue, plan.currency.code()).await?;

    let concurrency = usize::from(args.concurrency);
    let begun_at = Instant::now();
    let visits = shop(&store, &plan, concurrency).await?;
    let time = begun_at.elapsed();
    let visits = read_back(&store, visits, concurrency).await?;
    let audit = audit::compare(&plan, &visits);
    Ok(Summary { imported, audit, time, totals: args.totals.clone() })
}

/// Has every customer buy, `concurrency` of them at a time.
async fn shop(
    store: &Store,
    plan: &Plan,
    concurrency: usize,
) -> Result<Vec<Visit>, tokio::task::JoinError> {
    let failures = Arc::new(AtomicUsize::new(0));
    let progress = progress("purchases", plan.purchases());
    let customers = plan.customers.iter().cloned().enumerate();
    let visits = stream::iter(customers).map(|(index, customer)| {
        let shopper = store.shopper(&customer.user, index);
        tokio::spawn(visit(shopper, customer, Arc::clone(&failures), progress.clone()))
    });
    let visits = visits.buffer_unordered(concurrency).try_collect().await;
    progress.finish_and_clear();
    visits
}

/// Makes one customer's purchases.
async fn visit(
    shopper: Shopper,
    customer: Customer,
    failures: Arc<AtomicUsize>,
    progress: ProgressBar,
) -> Visit {
    let mut visit = Visit { customer, results: Vec::new(), carts: Ok(Vec::new()) };
    for planned in &visit.customer.purchases {
        let result = if failures.load(Ordering::Relaxed) < MAX_FAILURES {
            purchase::buy(&shopper, planned).await.map_err(|error| error.to_string())
        } else {
            Err(format!("not tried after {MAX_FAILURES} others failed"))
        };
        if result.is_err() {
            failures.fetch_add(1, Ordering::Relaxed);
        }
        visit.results.push(result);
        progress.inc(1);
    }
    visit
}

/// Reads every customer's purchases from the store, which alone knows what was bought.
async fn read_back(
    store: &Store,
    visits: Vec<Visit>,
    concurrency: usize,
) -> Result<Vec<Visit>, tokio::task::JoinError> {
    let progress = progress("customers checked", visits.len());
    let visits = stream::iter(visits.into_iter().enumerate()).map(|(index, mut visit)| {
        let shopper = store.shopper(&visit.customer.user, index);
        let progress = progress.clone();
        tokio::spawn(async move {
            let purchases = shopper.purchases().page_size(CARTS_PER_PAGE);
            visit.carts = purchases.all().await.map_err(|error| error.to_string());
            progress.inc(1);
            visit
        })
    });
    let visits = visits.buffer_unordered(concurrency).try_collect().await;
    progress.finish_and_clear();
    visits
}

/// A bar on standard error, which hides itself if that is no terminal.
fn progress(what: &'static str, count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64).with_message(what);
    let template = "{bar:40} {pos}/{len} {msg}, {per_sec}, {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
