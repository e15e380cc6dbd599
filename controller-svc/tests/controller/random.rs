//! Many shoppers, many controllers, a network that loses, delays and repeats: whatever happens, the
//! invariants hold once it is quiet.

use std::collections::BTreeMap;

use controller_svc::{
    app::{Error, checkout::Purchase},
    clients::{CallError, PaymentToken, Shopper},
    domain::checkout::Checkout,
};
use futures_util::future::join_all;
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartId, CheckoutId, CheckoutState, RequestId, UserId,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::world::{Controller, World, config, gbp, impatient, line, price_of, shopper, sku};

const SEEDS: u64 = 100;
const CLIENTS: u64 = 6;
const REQUESTS_PER_CLIENT: u64 = 4;
const REPETITIONS: u32 = 4;
const TOKENS: [&str; 5] = ["tok_visa", "tok_visa", "tok_declined", "tok_slow", "tok_slow_declined"];

/// What a client was told about one of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Checkout(CheckoutId, CheckoutState),
    /// Final: nothing will ever be charged for it.
    Refused(String),
}

type Diary = Vec<(UserId, RequestId, Told)>;

fn told(answer: Result<Checkout, Error>) -> Option<Told> {
    match answer {
        Ok(checkout) => Some(Told::Checkout(checkout.id, checkout.state)),
        Err(
            Error::Call(CallError::Unknown { .. } | CallError::Broken { .. })
            | Error::Overloaded { .. },
        ) => None,
        Err(refused) => Some(Told::Refused(refused.to_string())),
    }
}

/// One client: several purchases one after the other, each repeated until it is told the end.
async fn client(
    seed: u64,
    shopper: Shopper,
    carts: Vec<CartId>,
    controllers: &[Controller],
) -> Diary {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut diary = Diary::new();
    for number in 0..REQUESTS_PER_CLIENT {
        let request: RequestId = format!("r-{seed}-{number}").parse().unwrap();
        let purchase = Purchase {
            request: request.clone(),
            cart: carts[rng.random_range(0..carts.len())],
            expected_version: None,
            expected_total: rng.random_bool(0.3).then(|| gbp(757)),
            token: PaymentToken(TOKENS[rng.random_range(0..TOKENS.len())].to_owned()),
        };
        for _ in 0..REPETITIONS {
            let controller = &controllers[rng.random_range(0..controllers.len())];
            let answer = controller.app.checkouts.purchase(&shopper, purchase.clone()).await;
            let Some(told) = told(answer) else { continue };
            let is_end = !matches!(told, Told::Checkout(_, CheckoutState::Pending));
            diary.push((shopper.id.clone(), request.clone(), told));
            if is_end {
                break;
            }
        }
    }
    diary
}

/// Everybody else: late messages, the processor, the clock, recovery, prices and other windows of
/// the same shopper.
async fn weather(seed: u64, world: &World, controllers: &[Controller], carts: &[(UserId, CartId)]) {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xdead_beef);
    for _ in 0..60 {
        match rng.random_range(0..7) {
            0 | 1 => world.fakes.deliver_late(Some(rng.random_range(0..100))),
            2 => world.fakes.books().settle(),
            3 => world.fakes.books().now_ms += rng.random_range(0..20_000),
            4 => {
                let chosen = &controllers[rng.random_range(0..controllers.len())];
                chosen.recovery.round().await;
            }
            5 => {
                let price = price_of("GBP", rng.random_range(1..3));
                world.fakes.books().items.get_mut(&sku("B")).unwrap().price = price;
            }
            _ => {
                let (owner, cart) = &carts[rng.random_range(0..carts.len())];
                let lines = [line("A", rng.random_range(1..5)), line("B", 7)];
                // A cart that is frozen or purchased refuses, which is part of the test.
                let _ = world.fakes.books().update(
                    owner,
                    *cart,
                    Some(&lines),
                    &CartDetailsPatch::KEEP,
                    None,
                );
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn run(seed: u64) {
    let world = World::new();
    let mut rng = StdRng::seed_from_u64(seed);
    let shoppers = [shopper("alice"), shopper("bob")];
    let mut carts: Vec<(UserId, CartId)> = vec![(world.alice.id.clone(), world.cart)];
    for shopper in &shoppers {
        for _ in 0..5 {
            let lines = [line("A", 3), line("B", 7)];
            let cart = world
                .fakes
                .books()
                .create(&shopper.id, None, &lines, &CartDetails::default())
                .unwrap();
            carts.push((shopper.id.clone(), cart.id));
        }
    }
    let controllers = [
        world.controller(seed, pace_of(seed)),
        world.controller(seed + 1, pace_of(seed)),
        world.controller(seed + 2, impatient()),
    ];
    world.fakes.fail_by_chance(seed, [0.05, 0.3, 0.6][rng.random_range(0..3)]);

    let clients = (0..CLIENTS).map(|n| {
        let shopper = shoppers[usize::try_from(n).unwrap() % shoppers.len()].clone();
        let own = carts.iter().filter(|(owner, _)| *owner == shopper.id).map(|(_, id)| *id);
        client(seed * 100 + n, shopper.clone(), own.collect(), &controllers)
    });
    let (diaries, ()) =
        tokio::join!(join_all(clients), weather(seed, &world, &controllers, &carts));

    // Quiet: the network is whole again, what was late arrives, recovery does the rest.
    world.fakes.fail_by_chance(seed, 0.0);
    for controller in &controllers {
        controller.app.checkouts.driver().drain().await;
    }
    world.fakes.deliver_late(None);
    world.fakes.books().settle();
    world.recover().await;
    let books = world.fakes.books();
    assert!(books.checkouts.values().all(|row| row.checkout.is_decided()), "L1");
    books.check();
    drop(books);
    check_diaries(&world, diaries.into_iter().flatten());
}

/// A patient controller would poll a slow payment for longer than the test lasts.
fn pace_of(seed: u64) -> controller_svc::app::checkout::DriverConfig {
    let time_budget = std::time::Duration::from_millis(10 + seed % 30);
    controller_svc::app::checkout::DriverConfig { time_budget, ..config() }
}

/// What clients were told is so for ever.
fn check_diaries(world: &World, diary: impl Iterator<Item = (UserId, RequestId, Told)>) {
    let books = world.fakes.books();
    let mut ids = BTreeMap::new();
    for (owner, request, told) in diary {
        let rows = books.checkouts.values();
        let row = rows.map(|row| &row.checkout);
        let row =
            row.clone().find(|checkout| checkout.owner == owner && checkout.request == request);
        let captures = row.map_or(0, |row| books.payments.get(&row.id).map_or(0, |p| p.captures));
        match told {
            Told::Refused(why) => assert_eq!(captures, 0, "I5: {request:?} was told {why}"),
            Told::Checkout(id, state) => {
                let row = row.unwrap();
                assert_eq!(*ids.entry((owner, request)).or_insert(id), id, "I7");
                assert_eq!(row.id, id, "I7");
                assert!(state == CheckoutState::Pending || state == row.state, "I5, I7: {id}");
            }
        }
    }
}

#[test]
fn the_invariants_hold_whatever_is_lost_late_or_repeated() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..SEEDS {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(run(seed));
        }));
        if let Err(panic) = caught {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
