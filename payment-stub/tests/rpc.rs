//! The service over a real channel, with real tokens, on a real file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{path::Path, time::Duration};

use clap::Parser as _;
use kit_rpc::service::{RunError, Service as _};
use kit_service::Env;
use kit_testing::TestIssuer;
use oxcart_proto::{
    Reason,
    common::{DeclineReason, Money},
    error,
    payment::{
        Card, ChargeRequest, GetPaymentRequest, ListPaymentsRequest, Payment, PaymentState,
        RefundRequest, ResolveRequest, TokenizeRequest,
        payment_service_client::PaymentServiceClient,
    },
};
use payment_stub::{Config, domain::scenario};
use prost_types::Timestamp;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, transport::Channel};

const ALL_SCOPES: [&str; 4] =
    ["payment:tokenize", "payment:charge", "payment:read", "payment:refund"];

/// A running payment service and someone who may do everything.
struct Service {
    client: PaymentServiceClient<Channel>,
    issuer: TestIssuer,
    token: String,
    folder: TempDir,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Service {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[]).await
    }

    /// Starts on the database in `folder`.
    async fn start_in(folder: TempDir, flags: &[&str]) -> Self {
        let issuer = TestIssuer::start().await;
        let url = format!("sqlite:{}", database(folder.path()).display());
        let defaults = ["payment-stub", "--sweep-ms", "50", "--database-url", &url];
        let mut config = Config::parse_from(defaults.iter().chain(flags));
        config.auth = issuer.args();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let serve = config.serve(listener, shutdown.clone(), Env::system());
        let task = tokio::spawn(serve);
        let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
        let client = PaymentServiceClient::new(channel);
        let token = issuer.service_token("tester", &ALL_SCOPES);
        Self { client, issuer, token, folder, shutdown, task }
    }

    /// Shuts down, and starts again on the same database.
    async fn restart(self, flags: &[&str]) -> Self {
        let folder = self.stop().await;
        Self::start_in(folder, flags).await
    }

    async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        drop(self.client);
        tokio::time::timeout(Duration::from_secs(30), self.task).await.unwrap().unwrap().unwrap();
        self.folder
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        signed_with(&self.token, message)
    }

    async fn charge(&mut self, key: &str, token: &str) -> Result<Payment, Status> {
        let request = self.signed(charge(key, token));
        let response = self.client.charge(request).await?;
        Ok(response.into_inner().payment.unwrap())
    }

    async fn resolve(&mut self, key: &str) -> Payment {
        let request = self.signed(ResolveRequest { key: key.into() });
        self.client.resolve(request).await.unwrap().into_inner().payment.unwrap()
    }

    async fn get(&mut self, key: &str) -> Result<Payment, Status> {
        let request = self.signed(GetPaymentRequest { key: key.into() });
        Ok(self.client.get_payment(request).await?.into_inner().payment.unwrap())
    }

    async fn refund(&mut self, key: &str) -> Result<Payment, Status> {
        let request = self.signed(RefundRequest { key: key.into() });
        Ok(self.client.refund(request).await?.into_inner().payment.unwrap())
    }

    /// The token of the card `number`, and its last four digits.
    async fn tokenize(&mut self, number: &str) -> (String, String) {
        let request = self.signed(TokenizeRequest { card: Some(card(number)) });
        let response = self.client.tokenize(request).await.unwrap().into_inner();
        (response.payment_token, response.last_four)
    }

    async fn list(
        &mut self,
        request: ListPaymentsRequest,
    ) -> Result<(Vec<Payment>, String), Status> {
        let request = self.signed(request);
        let response = self.client.list_payments(request).await?.into_inner();
        Ok((response.payments, response.next_page_token))
    }
}

fn database(folder: &Path) -> std::path::PathBuf {
    folder.join("payment.sqlite3")
}

fn signed_with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn card(number: &str) -> Card {
    Card { number: number.into(), expiry_month: 12, expiry_year: 2099, cvc: "123".into() }
}

fn charge(key: &str, token: &str) -> ChargeRequest {
    ChargeRequest {
        key: key.into(),
        amount: Some(Money { currency_code: "GBP".into(), minor_units: 1_250 }),
        payment_token: token.into(),
        not_after: None,
    }
}

fn reason(status: &Status) -> Option<Reason> {
    error::info(status).map(|info| info.reason)
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(
        (status.code(), reason(status)),
        (Code::InvalidArgument, Some(Reason::FieldInvalid))
    );
    error::bad_fields(status).into_iter().map(|(field, _)| field).collect()
}

#[tokio::test]
async fn a_card_is_exchanged_charged_and_given_back() {
    let mut service = Service::start().await;
    let (token, last_four) = service.tokenize("4242 4242 4242 4242").await;
    assert_eq!(last_four, "4242");
    let paid = service.charge("k", &token).await.unwrap();
    assert_eq!((paid.key.as_str(), paid.state()), ("k", PaymentState::Captured));
    assert_eq!(paid.amount.as_ref().unwrap().minor_units, 1_250);
    assert!(!paid.payment_id.is_empty() && paid.refund_time.is_none());
    assert_eq!(service.charge("k", &token).await.unwrap(), paid);
    assert_eq!(service.resolve("k").await, paid);
    assert_eq!(service.get("k").await.unwrap(), paid);

    let refunded = service.refund("k").await.unwrap();
    assert!(refunded.refund_time.is_some());
    assert_eq!(refunded.state(), PaymentState::Captured);
    assert_eq!(service.refund("k").await.unwrap(), refunded);
    let (listed, next) = service.list(ListPaymentsRequest::default()).await.unwrap();
    assert_eq!((listed, next.as_str()), (vec![refunded], ""));
    service.stop().await;
}

#[tokio::test]
async fn every_test_card_and_token_does_what_the_table_says() {
    let mut service = Service::start().await;
    let mut seen = Vec::new();
    for known in scenario::TEST_CARDS {
        let (token, _) = service.tokenize(known.number).await;
        let payment = service.charge(known.number, &token).await.unwrap();
        seen.push((payment, known.verdict));
    }
    let calm = |token: &&scenario::TestToken| token.scenario.trouble == scenario::Trouble::None;
    for known in scenario::TEST_TOKENS.iter().filter(calm) {
        let payment = service.charge(known.name, known.name).await.unwrap();
        seen.push((payment, known.scenario.verdict));
    }
    for (payment, verdict) in seen {
        let expected = match verdict {
            scenario::Verdict::Paid => (PaymentState::Captured, "UNSPECIFIED"),
            scenario::Verdict::Declined(reason) => (PaymentState::Declined, reason.as_str()),
        };
        let name = payment.decline_reason().as_str_name().trim_start_matches("DECLINE_REASON_");
        assert_eq!((payment.state(), name), expected, "{}", payment.key);
    }
    let unknown = service.charge("unknown", "tok_of_another_shop").await.unwrap();
    assert_eq!(unknown.decline_reason(), DeclineReason::UnknownToken);
    service.stop().await;
}

#[tokio::test]
async fn every_bad_field_of_a_card_is_named_and_nothing_of_it_repeated() {
    let mut service = Service::start().await;
    let bad = |number: &str, month, year, cvc: &str| Card {
        number: number.into(),
        expiry_month: month,
        expiry_year: year,
        cvc: cvc.into(),
    };
    for (card, expected) in [
        (None, vec!["card"]),
        (
            Some(Card::default()),
            vec!["card.number", "card.expiry_month", "card.expiry_year", "card.cvc"],
        ),
        (
            Some(bad("4242424242424241", 13, 30, "12x")),
            vec!["card.number", "card.expiry_month", "card.expiry_year", "card.cvc"],
        ),
        (Some(bad("4242424242424242", 1, 2020, "123")), vec!["card.expiry_year"]),
        (
            Some(bad("4242424242424242", -1, i32::MAX, "123")),
            vec!["card.expiry_month", "card.expiry_year"],
        ),
    ] {
        let request = service.signed(TokenizeRequest { card });
        let refused = service.client.tokenize(request).await.unwrap_err();
        assert_eq!(fields(&refused), expected);
        let said = format!("{refused:?}");
        assert!(!said.contains("42424242") && !said.contains("12x"), "{said}");
    }
    service.stop().await;
}

#[tokio::test]
async fn every_bad_field_of_a_charge_is_named() {
    let mut service = Service::start().await;
    let amount = |code: &str, minor_units| Some(Money { currency_code: code.into(), minor_units });
    let good = charge("k", "tok_visa");
    let odd_time = Some(Timestamp { seconds: i64::MAX, nanos: -1 });
    for (request, expected) in [
        (ChargeRequest::default(), vec!["key", "amount", "payment_token"]),
        (
            ChargeRequest { amount: amount("gbp", 0), not_after: odd_time, ..good.clone() },
            vec!["amount.currency_code", "amount.minor_units", "not_after"],
        ),
        (ChargeRequest { amount: amount("GBP", -1), ..good.clone() }, vec!["amount.minor_units"]),
        (
            ChargeRequest { amount: amount("GBP", i64::MAX), ..good.clone() },
            vec!["amount.minor_units"],
        ),
        (ChargeRequest { key: "a/b".into(), ..good.clone() }, vec!["key"]),
        (ChargeRequest { payment_token: "x".repeat(256), ..good.clone() }, vec!["payment_token"]),
        (ChargeRequest { payment_token: "a\0b".into(), ..good.clone() }, vec!["payment_token"]),
    ] {
        let request = service.signed(request);
        let refused = service.client.charge(request).await.unwrap_err();
        assert_eq!(fields(&refused), expected);
    }
    assert_eq!(reason(&service.get("k").await.unwrap_err()), Some(Reason::PaymentNotFound));
    service.stop().await;
}

#[tokio::test]
async fn each_rpc_asks_for_its_scope() {
    let mut service = Service::start().await;
    let user = service.issuer.user_token("alice");
    for missing in ALL_SCOPES {
        let others: Vec<_> = ALL_SCOPES.into_iter().filter(|scope| *scope != missing).collect();
        let weak = service.issuer.service_token("tester", &others);
        let key = || "k".to_owned();
        for (token, expected) in [
            (Some(&weak), Reason::ScopeMissing),
            (Some(&user), Reason::SignInRequired),
            (None, Reason::SignInRequired),
        ] {
            macro_rules! refused {
                ($rpc:ident, $message:expr) => {{
                    let message = $message;
                    let request = match token {
                        Some(token) => signed_with(token, message),
                        None => Request::new(message),
                    };
                    service.client.$rpc(request).await.map(drop).unwrap_err()
                }};
            }
            let refusals = match missing {
                "payment:tokenize" => {
                    vec![refused!(tokenize, TokenizeRequest { card: Some(card("4242")) })]
                }
                "payment:charge" => vec![
                    refused!(charge, charge("k", "tok_visa")),
                    refused!(resolve, ResolveRequest { key: key() }),
                ],
                "payment:read" => vec![
                    refused!(get_payment, GetPaymentRequest { key: key() }),
                    refused!(list_payments, ListPaymentsRequest::default()),
                ],
                _ => vec![refused!(refund, RefundRequest { key: key() })],
            };
            for refusal in refusals {
                assert_eq!(reason(&refusal), Some(expected), "{missing}: {refusal:?}");
            }
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn refusals_carry_their_reason_and_the_key() {
    let mut service = Service::start().await;
    service.charge("k", "tok_declined").await.unwrap();
    let other = ChargeRequest {
        amount: Some(Money { currency_code: "EUR".into(), minor_units: 1_250 }),
        ..charge("k", "tok_declined")
    };
    let request = service.signed(other);
    let reused = service.client.charge(request).await.unwrap_err();
    let unknown = service.get("unknown").await.unwrap_err();
    let unrefundable = service.refund("k").await.unwrap_err();
    for (status, code, expected, key) in [
        (reused, Code::AlreadyExists, Reason::PaymentKeyReused, "k"),
        (unknown, Code::NotFound, Reason::PaymentNotFound, "unknown"),
        (unrefundable, Code::FailedPrecondition, Reason::PaymentNotCaptured, "k"),
    ] {
        let info = error::info(&status).unwrap();
        assert_eq!((status.code(), info.reason), (code, expected));
        assert_eq!(info.metadata["key"], key);
    }
    service.stop().await;
}

#[tokio::test]
async fn scripted_trouble_looks_like_real_trouble() {
    let mut service = Service::start().await;
    let lost = service.charge("lost", "tok_reply_lost").await.unwrap_err();
    assert_eq!((lost.code(), reason(&lost)), (Code::Unavailable, None));
    assert_eq!(service.resolve("lost").await.state(), PaymentState::Captured);

    let failed = service.charge("failed", "tok_error_after_capture").await.unwrap_err();
    assert_eq!((failed.code(), reason(&failed)), (Code::Internal, Some(Reason::Internal)));
    assert_eq!(service.resolve("failed").await.state(), PaymentState::Captured);

    let away = service.charge("away", "tok_unavailable_1").await.unwrap_err();
    assert_eq!((away.code(), reason(&away)), (Code::Unavailable, Some(Reason::Unavailable)));
    assert!(error::retry_delay(&away).is_some());
    assert_eq!(service.resolve("away").await.state(), PaymentState::Cancelled);
    let cancelled = service.charge("away", "tok_unavailable_1").await.unwrap();
    assert_eq!(cancelled.state(), PaymentState::Cancelled);
    service.stop().await;
}

#[tokio::test]
async fn a_call_that_is_never_answered_ends_at_its_deadline_and_was_paid() {
    let mut service = Service::start().await;
    let mut request = service.signed(charge("k", "tok_no_reply"));
    request.set_timeout(Duration::from_millis(500));
    let unanswered = service.client.charge(request).await.unwrap_err();
    assert!(
        matches!(unanswered.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{unanswered:?}"
    );
    assert_eq!(service.resolve("k").await.state(), PaymentState::Captured);
    service.stop().await;
}

#[tokio::test]
async fn an_undecided_charge_is_answered_within_the_callers_deadline() {
    let mut service =
        Service::start_in(tempfile::tempdir().unwrap(), &["--slow-ms", "60000"]).await;
    let mut request = service.signed(charge("k", "tok_slow"));
    request.set_timeout(Duration::from_millis(1_500));
    let payment = service.client.charge(request).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(payment.state(), PaymentState::Processing);
    assert_eq!(service.resolve("k").await.state(), PaymentState::Processing);
    service.stop().await;
}

#[tokio::test]
async fn a_slow_charge_is_waited_for() {
    let mut service = Service::start_in(tempfile::tempdir().unwrap(), &["--slow-ms", "300"]).await;
    let paid = service.charge("k", "tok_slow").await.unwrap();
    assert_eq!(paid.state(), PaymentState::Captured);
    service.stop().await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_stops_nothing() {
    let mut service = Service::start_in(tempfile::tempdir().unwrap(), &["--slow-ms", "300"]).await;
    let request = service.signed(charge("k", "tok_slow"));
    let mut client = service.client.clone();
    let call = tokio::spawn(async move { client.charge(request).await });
    while service.get("k").await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    call.abort();
    settled(&mut service, "k").await;
    service.stop().await;
}

#[tokio::test]
async fn what_a_process_leaves_undecided_the_next_one_decides() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--late-ms", "1500", "--charge-wait-ms", "0"];
    let mut service = Service::start_in(folder, &flags).await;
    let charged = service.charge("k", "tok_late").await.unwrap();
    assert_eq!(charged.state(), PaymentState::Processing);
    service.resolve("tombstone").await;
    let mut service = service.restart(&flags).await;
    settled(&mut service, "k").await;
    let cancelled = service.charge("tombstone", "tok_visa").await.unwrap();
    assert_eq!(cancelled.state(), PaymentState::Cancelled);
    service.stop().await;
}

/// Waits until `key` is captured.
async fn settled(service: &mut Service, key: &str) {
    let captured = async {
        while service.get(key).await.unwrap().state() != PaymentState::Captured {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), captured).await.unwrap();
}

#[tokio::test]
async fn pages_go_through_all_payments_and_refuse_tokens_of_other_lists() {
    let mut service = Service::start().await;
    let keys: Vec<_> = (0..7).map(|number| format!("k{number}")).collect();
    for key in &keys {
        service.charge(key, "tok_visa").await.unwrap();
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListPaymentsRequest { page_size: 3, page_token, ..Default::default() };
        let (payments, next) = service.list(request).await.unwrap();
        seen.extend(payments.into_iter().map(|payment| payment.key));
        if next.is_empty() {
            break;
        }
        page_token = next;
    }
    assert_eq!(seen, keys);

    let first = ListPaymentsRequest { page_size: 3, ..Default::default() };
    let (_, page_token) = service.list(first).await.unwrap();
    let end = |seconds| Some(Timestamp { seconds, nanos: 0 });
    for (request, expected) in [
        (
            ListPaymentsRequest {
                page_token: page_token.clone(),
                end_time: end(4_000_000_000),
                ..Default::default()
            },
            vec!["page_token"],
        ),
        (
            ListPaymentsRequest { page_token: format!("A{page_token}"), ..Default::default() },
            vec!["page_token"],
        ),
        (
            ListPaymentsRequest { page_size: -1, page_token: "?".into(), ..Default::default() },
            vec!["page_size", "page_token"],
        ),
        (
            ListPaymentsRequest { start_time: end(2), end_time: end(1), ..Default::default() },
            vec!["end_time"],
        ),
    ] {
        assert_eq!(fields(&service.list(request).await.unwrap_err()), expected);
    }
    let none = ListPaymentsRequest { end_time: end(1), ..Default::default() };
    assert_eq!(service.list(none).await.unwrap(), (Vec::new(), String::new()));
    service.stop().await;
}

#[tokio::test]
async fn no_card_number_reaches_the_database() {
    let mut service = Service::start().await;
    for known in scenario::TEST_CARDS {
        let (token, _) = service.tokenize(known.number).await;
        service.charge(&format!("k_{}", &known.number[6..]), &token).await.unwrap();
    }
    let folder = service.stop().await;
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("acquirer_card") && holds("MASTERCARD"));
    for known in scenario::TEST_CARDS {
        assert!(!holds(known.number), "{}", known.number);
    }
}
