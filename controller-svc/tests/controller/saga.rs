//! What a purchase does while every service answers.

use std::time::Duration;

use controller_svc::{
    app::{
        Error,
        checkout::{DriverConfig, Purchase},
        error::Conflict,
    },
    clients::{CheckoutName, Mark, PaymentToken},
    domain::cart::{PricingError, quote},
};
use oxcart_proto::Reason;
use oxcart_types::{
    CartDetailsPatch, CartState, CheckoutFailure, CheckoutState, DeclineReason, Version,
};

use super::{
    services::{Call, Fault},
    world::{World, config, gbp, impatient, is_paid, line, price_of, shopper, sku},
};

fn reason(error: &Error) -> Option<Reason> {
    match error {
        Error::Call(call) => call.reason(),
        _ => None,
    }
}

/// Waits for a condition that another task brings about.
pub async fn eventually(is_so: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came about");
}

#[tokio::test]
async fn a_purchase_is_charged_once_and_closes_the_cart() {
    let world = World::new();
    let checkout = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert!(is_paid(&checkout));
    assert_eq!((checkout.total, world.state()), (gbp(757), CartState::Paid));
    assert_eq!(world.fakes.books().captures(), 1);
    world.fakes.books().check();
}

#[tokio::test]
async fn the_same_request_id_gives_the_same_answer_and_charges_once() {
    let world = World::new();
    let first = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    for seed in 2..5 {
        let again = world.controller(seed, config()).buy(&world, "r1", "tok_visa").await.unwrap();
        assert_eq!((again.id, again.state), (first.id, first.state.clone()));
    }
    assert_eq!(world.fakes.made(Call::Charge), 1);
    assert_eq!(world.fakes.books().captures(), 1);
}

#[tokio::test]
async fn a_declined_card_leaves_the_cart_usable() {
    let world = World::new();
    let controller = world.controller(1, config());
    let declined = controller.buy(&world, "r1", "tok_declined").await.unwrap();
    let why = CheckoutFailure::Declined(DeclineReason::Generic);
    assert_eq!((declined.state, world.state()), (CheckoutState::Failed(why), CartState::Open));
    let lines = [line("A", 1)];
    let update = controller.app.carts.update(
        &world.alice,
        world.cart,
        Some(&lines),
        &CartDetailsPatch::KEEP,
        None,
    );
    assert_eq!(update.await.unwrap().total, Some(gbp(250)));
    assert!(is_paid(&controller.buy(&world, "r2", "tok_visa").await.unwrap()));
    world.fakes.books().check();
}

#[tokio::test]
async fn a_decline_stays_the_answer_of_its_request_id() {
    let world = World::new();
    let controller = world.controller(1, config());
    let first = controller.buy(&world, "r1", "tok_declined").await.unwrap();
    let version = world.cart_now().version;
    let again = controller.buy(&world, "r1", "tok_declined").await.unwrap();
    assert_eq!((again.id, again.state), (first.id, first.state));
    assert_eq!((world.fakes.made(Call::Charge), world.cart_now().version), (1, version));
}

#[tokio::test]
async fn a_request_id_is_not_taken_for_another_purchase() {
    let world = World::new();
    let controller = world.controller(1, config());
    controller.buy(&world, "r1", "tok_visa").await.unwrap();
    let good = world.purchase("r1", "tok_visa");
    let others = [
        Purchase { token: PaymentToken("tok_other".into()), ..good.clone() },
        Purchase { expected_total: Some(gbp(757)), ..good.clone() },
        Purchase { cart: uuid::Uuid::from_u128(77).into(), ..good.clone() },
    ];
    for other in others {
        let refused = controller.app.checkouts.purchase(&world.alice, other).await.unwrap_err();
        assert!(matches!(refused, Error::RequestIdReused { .. }), "{refused:?}");
    }
    let newer_etag = Purchase { expected_version: Some(Version::from(9)), ..good };
    let same = controller.app.checkouts.purchase(&world.alice, newer_etag).await.unwrap();
    assert!(is_paid(&same));
}

#[tokio::test]
async fn a_changed_price_is_told_before_anything_happens() {
    let world = World::new();
    let controller = world.controller(1, config());
    let purchase = Purchase { expected_total: Some(gbp(757)), ..world.purchase("r1", "tok_visa") };
    world.fakes.books().items.get_mut(&sku("B")).unwrap().price = price_of("GBP", 2);
    let refused = controller.app.checkouts.purchase(&world.alice, purchase.clone()).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::PriceChanged { total } if total == gbp(764)), "{refused:?}");
    assert_eq!((world.state(), world.fakes.made(Call::Mark)), (CartState::Open, 0));
    let accepted = Purchase { expected_total: Some(gbp(764)), ..world.purchase("r2", "tok_visa") };
    let paid = controller.app.checkouts.purchase(&world.alice, accepted).await.unwrap();
    assert_eq!((is_paid(&paid), paid.total), (true, gbp(764)));
}

#[tokio::test]
async fn a_cart_that_cannot_be_paid_is_refused_with_its_reason() {
    let world = World::new();
    let controller = world.controller(1, config());
    let mut request = 0;
    for (lines, expected) in [
        (vec![], PricingError::Empty),
        (vec![line("FREE", 1)], PricingError::NothingToPay),
        (
            vec![line("A", 1), line("GONE", 1)],
            PricingError::Unavailable { skus: vec![sku("GONE")] },
        ),
    ] {
        let set = world.fakes.books().update(
            &world.alice.id,
            world.cart,
            Some(&lines),
            &CartDetailsPatch::KEEP,
            None,
        );
        set.unwrap();
        request += 1;
        let refused = controller.buy(&world, &format!("r{request}"), "tok_visa").await.unwrap_err();
        assert!(matches!(&refused, Error::Pricing(why) if *why == expected), "{refused:?}");
    }
    assert_eq!(world.fakes.made(Call::Mark), 0);
}

#[tokio::test]
async fn an_etag_out_of_date_is_refused_with_the_cart() {
    let world = World::new();
    let stale =
        Purchase { expected_version: Some(Version::from(7)), ..world.purchase("r1", "tok_visa") };
    let controller = world.controller(1, config());
    let refused = controller.app.checkouts.purchase(&world.alice, stale).await.unwrap_err();
    let Error::Conflict { conflict: Conflict::Stale, cart } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((cart.total, world.state()), (Some(gbp(757)), CartState::Open));
}

#[tokio::test]
async fn a_cart_that_changes_meanwhile_is_priced_anew() {
    let world = World::new();
    let (user, cart) = (world.alice.id.clone(), world.cart);
    world.fakes.intrude(Call::Mark, move |books| {
        books.update(&user, cart, Some(&[line("A", 1)]), &CartDetailsPatch::KEEP, None).unwrap();
    });
    let paid = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!((is_paid(&paid), paid.total), (true, gbp(250)));
}

#[tokio::test]
async fn a_twin_that_was_quicker_is_joined() {
    let world = World::new();
    let purchase = world.purchase("r1", "tok_visa");
    let cart = world.cart_now();
    let items = world.fakes.books().descriptions(&[sku("A"), sku("B")]);
    let mark = Mark {
        request: purchase.request,
        fingerprint: controller_svc::domain::fingerprint::fingerprint(world.cart, None, "tok_visa"),
        cart: world.cart,
        version: cart.version,
        quote: quote(&cart.lines, &items).unwrap(),
    };
    let user = world.alice.id.clone();
    world.fakes.intrude(Call::Cart, move |books| {
        books.mark(&user, &mark).unwrap();
    });
    let joined = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert!(is_paid(&joined));
    assert_eq!(world.fakes.books().checkouts.len(), 1);
}

#[tokio::test]
async fn two_checkouts_of_one_cart_have_one_winner() {
    let world = World::new();
    let (one, other) = (world.controller(1, config()), world.controller(2, config()));
    let (first, second) =
        tokio::join!(one.buy(&world, "r1", "tok_visa"), other.buy(&world, "r2", "tok_visa"));
    let (winner, loser) = if first.is_ok() { (first, second) } else { (second, first) };
    assert!(is_paid(&winner.unwrap()));
    let refused = loser.unwrap_err();
    let in_progress = matches!(
        refused,
        Error::Conflict { conflict: Conflict::CheckoutInProgress, .. }
            | Error::CartClosed { state: CartState::Paid, checkout: Some(_) }
    );
    assert!(in_progress || reason(&refused) == Some(Reason::CartClosed), "{refused:?}");
    assert_eq!(world.fakes.books().captures(), 1);
    world.fakes.books().check();
}

#[tokio::test]
async fn one_request_on_two_controllers_is_charged_once() {
    let world = World::new();
    let (one, other) = (world.controller(1, config()), world.controller(2, config()));
    let (first, second) =
        tokio::join!(one.buy(&world, "r1", "tok_visa"), other.buy(&world, "r1", "tok_visa"));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.id, is_paid(&first)), (second.id, is_paid(&second)));
    assert_eq!(world.fakes.books().captures(), 1);
    world.fakes.books().check();
}

#[tokio::test]
async fn a_purchase_runs_on_when_its_client_has_gone() {
    let world = World::new();
    let controller = world.controller(1, config());
    let (checkouts, alice) = (controller.app.checkouts.clone(), world.alice.clone());
    let purchase = world.purchase("r1", "tok_visa");
    let handler = tokio::spawn(async move { checkouts.purchase(&alice, purchase).await });
    world.fakes.until_made(Call::Charge, 1).await;
    handler.abort();
    eventually(|| world.state() == CartState::Paid).await;
    world.fakes.books().check();
}

#[tokio::test]
async fn draining_waits_for_purchases_under_way() {
    let world = World::new();
    let controller =
        world.controller(1, DriverConfig { answer_within: Duration::ZERO, ..config() });
    world.fakes.fail_next(Call::Charge, Fault::HangsBefore);
    let pending = controller.buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!(pending.state, CheckoutState::Pending);
    controller.app.checkouts.driver().drain().await;
    assert_eq!(world.state(), CartState::Paid);
}

#[tokio::test]
async fn a_controller_that_is_full_refuses_before_the_mark() {
    let world = World::new();
    let controller = world.controller(1, DriverConfig { max_attempts: 0, ..config() });
    let refused = controller.buy(&world, "r1", "tok_visa").await.unwrap_err();
    assert!(matches!(refused, Error::Overloaded { .. }), "{refused:?}");
    assert_eq!((world.fakes.made(Call::Mark), world.state()), (0, CartState::Open));
}

#[tokio::test]
async fn somebody_elses_cart_and_checkout_do_not_exist() {
    let world = World::new();
    let controller = world.controller(1, config());
    let mallory = shopper("mallory");
    let purchase = world.purchase("r1", "tok_visa");
    let refused = controller.app.checkouts.purchase(&mallory, purchase).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::CartNotFound));
    let paid = controller.buy(&world, "r1", "tok_visa").await.unwrap();
    let refused = controller.app.checkouts.get(&mallory, &CheckoutName::Id(paid.id)).await;
    assert_eq!(reason(&refused.unwrap_err()), Some(Reason::CheckoutNotFound));
}

#[tokio::test]
async fn a_purchased_cart_is_not_purchased_again() {
    let world = World::new();
    let controller = world.controller(1, config());
    controller.buy(&world, "r1", "tok_visa").await.unwrap();
    let refused = controller.buy(&world, "r2", "tok_visa").await.unwrap_err();
    assert!(
        matches!(refused, Error::CartClosed { state: CartState::Paid, checkout: Some(_) }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_watch_tells_the_start_and_the_end() {
    let world = World::new();
    let controller =
        world.controller(1, DriverConfig { answer_within: Duration::ZERO, ..config() });
    world.fakes.fail_next(Call::Charge, Fault::HangsBefore);
    let pending = controller.buy(&world, "r1", "tok_visa").await.unwrap();
    let name = CheckoutName::Id(pending.id);
    let mut watch = controller.app.checkouts.watch(world.alice.clone(), name).await.unwrap();
    let first = watch.changed().await.unwrap().unwrap();
    assert_eq!(first.state, CheckoutState::Pending);
    assert!(is_paid(&watch.changed().await.unwrap().unwrap()));
    assert_eq!(watch.changed().await.unwrap(), None);
}

#[tokio::test]
async fn a_watch_sees_what_another_controller_decides() {
    let world = World::new();
    let pending = world.controller(1, impatient()).buy(&world, "r1", "tok_slow").await.unwrap();
    let watching = world.controller(2, config());
    let name = CheckoutName::Id(pending.id);
    let mut watch = watching.app.checkouts.watch(world.alice.clone(), name).await.unwrap();
    assert_eq!(watch.changed().await.unwrap().unwrap().state, CheckoutState::Pending);
    world.fakes.books().settle();
    world.recover().await;
    assert!(is_paid(&watch.changed().await.unwrap().unwrap()));
}
