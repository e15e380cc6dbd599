//! Measures how fast the store answers: so many users, each with one call at a time, for so long.
//!
//! Unless asked to, it repeats nothing while measuring, so every failed call shows as one. Deliberately
//! absent: the store's own view of its speed, and its memory.

mod figures;
mod worker;

use std::{
    io::{self, Write as _},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use oxcart_types::UserId;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{self, Instant},
};

pub use self::figures::{Figures, Tally};
use self::worker::{Login, Window, Worker};
use crate::{Error, config::LoadArgs, store::Store};

/// What is said when calls begin to count.
const MEASURING: &str = "measuring";

/// Items that the calls are about: the largest page there is.
const ITEMS: u16 = 200;

/// Users that are made ready at once.
const PREPARED_AT_ONCE: usize = 8;

/// Makes users and carts ready, then measures: until the time is over, or SIGTERM comes.
///
/// # Errors
/// If nothing could be measured: no store, no items, a user that cannot be made ready.
pub async fn run(args: &LoadArgs) -> Result<Figures, Error> {
    let store = Store::find(&args.store).await?;
    let workers = prepare(&store, args).await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let window = Window::new(
        Instant::now() + Duration::from_secs(args.warmup_seconds),
        Duration::from_secs(args.seconds),
    );
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn(worker.run(window.clone()));
    }
    let mut begins = pin!(time::sleep_until(window.begins_at()).fuse());
    let mut tally = Tally::default();
    loop {
        tokio::select! {
            // For whoever waits to disturb it. Where standard error is closed nobody does.
            () = &mut begins => { writeln!(io::stderr(), "{MEASURING}").ok(); }
            done = running.join_next() => match done {
                Some(done) => tally.add(done?),
                None => break,
            },
            _ = terminate.recv() => window.cut(),
        }
    }
    Ok(Figures { operation: args.op, users: args.concurrency, length: window.length(), tally })
}

async fn prepare(store: &Store, args: &LoadArgs) -> Result<Vec<Worker>, Error> {
    let listed = store.shopper(&user(0)?, 0).items().page_size(ITEMS);
    let items: Vec<_> = listed.take(ITEMS.into()).try_collect().await?;
    let items = Arc::new(items);
    if items.is_empty() {
        return Err(Error::EmptyCatalogue);
    }
    let workers = stream::iter(0..usize::from(args.concurrency)).map(|index| {
        let items = Arc::clone(&items);
        async move {
            let user = user(index)?;
            let shopper = store.shopper(&user, index);
            let login = Login {
                client: store.client(index).clone(),
                username: args.username.clone(),
                password: args.password.clone(),
            };
            let worker = Worker::prepare(shopper, user, login, args.op, items, index).await?;
            Ok::<_, Error>(if args.repeat { worker } else { worker.impatient() })
        }
    });
    workers.buffer_unordered(PREPARED_AT_ONCE).try_collect().await
}

/// The user of a worker, the same in every run.
fn user(index: usize) -> Result<UserId, Error> {
    format!("load-{index:04}").parse().map_err(|_| Error::EmptyCatalogue)
}
