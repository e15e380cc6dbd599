//! Carts: one however often it is created, and changes whose answers are lost.

use oxcart_client::{Contents, Line, Reason, line};

use crate::fake::{Fake, Fault};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test]
async fn a_cart_is_created_once_however_often_its_answer_is_lost() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    fake.script("CreateCart", [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer]);
    let cart = alice.create_cart([line("A", 1)]).await.unwrap();
    assert_eq!(fake.state().carts.keys().collect::<Vec<_>>(), [&cart.cart_id]);
    assert_eq!(alice.carts().all().await.unwrap(), [cart]);
}

#[tokio::test]
async fn a_cart_that_is_named_by_its_id_is_changed_whatever_it_is() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    alice.create_cart_as(ID, [line("A", 1)]).await.unwrap();
    fake.script("UpdateCart", [Fault::LoseAnswer, Fault::LoseRequest]);
    let cart = alice.update_cart(ID, [line("A", 2)]).await.unwrap();
    assert_eq!(cart.lines[0].quantity, 2);
    assert_eq!((fake.count("UpdateCart"), fake.count("GetCart")), (3, 0));
}

#[tokio::test]
async fn a_cart_that_was_read_is_changed_only_if_it_is_still_the_same() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let seen = alice.create_cart_as(ID, [line("A", 1)]).await.unwrap();
    fake.change_elsewhere(ID, &[line("A", 5)]);
    let error = alice.set_item(&seen, line("A", 2)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CartStale));
    let now = error.call().unwrap().cart().unwrap();
    assert_eq!(now.lines[0].quantity, 5);
    assert_eq!(alice.set_item(&now, line("A", 2)).await.unwrap().lines[0].quantity, 2);
    assert_eq!(fake.count("GetCart"), 0);
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_found_in_the_cart() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let seen = alice.create_cart_as(ID, [line("A", 1)]).await.unwrap();
    fake.script("SetItem", [Fault::LoseAnswer]);
    let cart = alice.set_item(&seen, line("A", 2)).await.unwrap();
    assert_eq!((cart.lines[0].quantity, fake.count("SetItem")), (2, 1));
    fake.script("UpdateCart", [Fault::LoseAnswer]);
    let cart = alice.update_cart(&cart, [line("B", 1), line("A", 3)]).await.unwrap();
    assert_eq!((cart.lines.len(), fake.count("UpdateCart")), (2, 1));
    fake.script("SetItem", [Fault::LoseAnswer]);
    let cart = alice.set_item(&cart, line("A", 0)).await.unwrap();
    assert_eq!((cart.lines.len(), fake.count("SetItem")), (1, 2));
}

#[tokio::test]
async fn a_note_is_part_of_what_a_lost_change_wanted() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let seen = alice.create_cart_as(ID, [line("A", 1)]).await.unwrap();
    fake.script("UpdateCart", [Fault::LoseAnswer]);
    let wanted = Contents::from([line("A", 1)]).with_note("For Ada");
    assert_eq!(alice.update_cart(&seen, wanted.clone()).await.unwrap().note, "For Ada");
    assert_eq!(fake.count("UpdateCart"), 1);
    // Another's change to the same lines without the note is not this one.
    let seen = alice.get_cart(ID).await.unwrap();
    fake.change_elsewhere(ID, &[line("A", 1)]);
    fake.script("UpdateCart", [Fault::LoseRequest]);
    let error = alice.update_cart(&seen, wanted).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CartStale));
}

#[tokio::test]
async fn a_change_that_was_not_heard_is_made_again() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let seen = alice.create_cart_as(ID, [line("A", 1)]).await.unwrap();
    fake.script("UpdateCart", [Fault::LoseRequest, Fault::LoseRequest]);
    let cart = alice.update_cart(&seen, [line("A", 2)]).await.unwrap();
    assert_eq!((cart.lines[0].quantity, fake.count("UpdateCart")), (2, 3));
}

#[tokio::test]
async fn a_lost_change_after_which_another_came_is_stale() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let seen = alice.create_cart_as(ID, [line("A", 1)]).await.unwrap();
    fake.change_elsewhere(ID, &[line("A", 5)]);
    fake.script("UpdateCart", [Fault::LoseRequest]);
    let error = alice.update_cart(&seen, [line("A", 2)]).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CartStale));
    assert_eq!(alice.get_cart(ID).await.unwrap().lines[0].quantity, 5);
}

#[tokio::test]
async fn a_deleted_cart_is_deleted_whether_or_not_the_answer_arrives() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    for (fault, calls) in [(Fault::LoseAnswer, 1), (Fault::LoseRequest, 2)] {
        let cart = alice.create_cart(Vec::<Line>::new()).await.unwrap();
        let before = fake.count("DeleteCart");
        fake.script("DeleteCart", [fault]);
        alice.delete_cart(&cart).await.unwrap();
        assert_eq!(fake.count("DeleteCart"), before + calls);
        assert_eq!(fake.state().carts.len(), 0);
    }
    let error = alice.delete_cart(ID).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CartNotFound));
}

#[tokio::test]
async fn a_change_that_is_tried_once_is_not_read_after() {
    let fake = Fake::start().await;
    let alice = fake.alice().await.without_retries();
    let seen = alice.create_cart_as(ID, [line("A", 1)]).await.unwrap();
    fake.script("SetItem", [Fault::LoseAnswer]);
    assert!(alice.set_item(&seen, line("A", 2)).await.unwrap_err().is_retriable());
    assert_eq!(fake.count("GetCart"), 0);
}
