//! Access tokens: renewed before they expire and when the store refuses one. Renewal is single-flight:
//! all tasks that need a token share one.

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

use crate::{
    call::{DEADLINE, TIME_BUDGET},
    error::Error,
};

/// What a source of tokens may fail with.
pub type SourceError = Box<dyn StdError + Send + Sync>;

/// The share of a token's life after which it is replaced, in percent.
const RENEW_AT_PERCENT: u32 = 80;

/// How long a call's renewal is tried. Short, because the call that needs it is repeated itself.
const RENEW_TIME_BUDGET: Duration = Duration::from_secs(2);

/// The pause after a token that is still good could not be replaced.
const RENEW_PAUSE: Duration = Duration::from_secs(10);

/// An access token and how long it is valid.
#[derive(Debug, Clone)]
pub struct Token {
    secret: SecretString,
    valid_for: Option<Duration>,
}

impl Token {
    /// A token that is used until the store refuses it.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self { secret: secret.into(), valid_for: None }
    }

    /// Has the token replaced after 80 % of `time` from now.
    #[must_use]
    pub fn valid_for(self, time: Duration) -> Self {
        Self { valid_for: Some(time), ..self }
    }
}

/// The access token of a user or a service, kept fresh. Clones share it: however many tasks need a new
/// token there is one renewal, and a task that is dropped meanwhile does not cancel it.
///
/// [`Client::sign_in`](crate::Client::sign_in) begins one. A program that gets its tokens elsewhere
/// makes its own:
///
/// ```no_run
/// use std::time::Duration;
/// use oxcart_client::{Client, Session, Token};
///
/// # async fn token_of_our_own_provider() -> Result<String, std::io::Error> { Ok(String::new()) }
/// # fn main() -> Result<(), oxcart_client::InvalidUrl> {
/// let session = Session::from_source(|| async {
///     let secret = token_of_our_own_provider().await?;
///     Ok(Token::new(secret).valid_for(Duration::from_secs(300)))
/// });
/// let shopper = Client::new("http://127.0.0.1:8080")?.shopper(session);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    held: RwLock<Held>,
}

/// A renewal that is under way. All that need it share what comes of it.
type Renewal = Shared<BoxFuture<'static, Renewed>>;

/// None if there never is another token.
type Renewed = Result<Option<Arc<HeldToken>>, Error>;

/// What a session has at the moment.
#[derive(Default)]
struct Held {
    token: Option<Arc<HeldToken>>,
    /// When to replace it. None where that is unknown, or there never is another.
    renew_at: Option<Instant>,
    /// For the next renewal. Works once.
    refresh_token: Option<SecretString>,
    /// How many tokens there have been.
    count: u64,
    renewal: Option<Renewal>,
}

struct HeldToken {
    secret: SecretString,
    bearer: Bearer,
    /// None where the source does not tell the token's life.
    expires_at: Option<Instant>,
}

/// What a source gives.
pub(crate) struct Grant {
    pub token: Token,
    pub refresh_token: Option<SecretString>,
}

impl From<Token> for Grant {
    fn from(token: Token) -> Self {
        Self { token, refresh_token: None }
    }
}

/// What a source answers. None if there never is another token.
pub(crate) type Granted = BoxFuture<'static, Result<Option<Grant>, Error>>;

/// Where a session's tokens come from.
pub(crate) trait Source: Send + Sync {
    /// Asks for another token, and goes on asking for `time_budget`.
    fn fetch(&self, refresh_token: Option<SecretString>, time_budget: Duration) -> Granted;
}

/// An [`Interceptor`] for any generated client: sends a token, and a deadline of 10 s with calls that
/// have none. Its `Debug` shows no token.
#[derive(Debug, Clone)]
pub struct Bearer {
    header: MetadataValue<Ascii>,
    /// Which of its session's tokens it is.
    number: u64,
}

impl Bearer {
    fn new(secret: &SecretString, number: u64) -> Result<Self, Error> {
        let header = format!("Bearer {}", secret.expose_secret());
        let mut header: MetadataValue<Ascii> = header.parse().map_err(Error::token)?;
        header.set_sensitive(true);
        Ok(Self { header, number })
    }

    pub(crate) fn apply<Q>(&self, request: &mut Request<Q>) {
        request.metadata_mut().insert("authorization", self.header.clone());
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        self.apply(&mut request);
        if !request.metadata().contains_key("grpc-timeout") {
            request.set_timeout(DEADLINE);
        }
        Ok(request)
    }
}

/// A token that never changes.
struct Fixed;

impl Source for Fixed {
    fn fetch(&self, _: Option<SecretString>, _: Duration) -> Granted {
        Box::pin(async { Ok(None) })
    }
}

/// Whatever the caller's function gives.
struct FromFunction<F>(F);

impl<F, T> Source for FromFunction<F>
where
    F: Fn() -> T + Send + Sync,
    T: Future<Output = Result<Token, SourceError>> + Send + 'static,
{
    fn fetch(&self, _: Option<SecretString>, _: Duration) -> Granted {
        let asked = (self.0)();
        Box::pin(async move {
            Ok(Some(asked.await.map_err(|error| Error::Token(error.into()))?.into()))
        })
    }
}

impl Session {
    /// The session of a token that is at hand, until the store refuses it.
    ///
    /// # Errors
    /// [`Error::Token`] if it does not fit into a header.
    pub fn with_token(token: impl Into<SecretString>) -> Result<Self, Error> {
        Self::begun(Fixed, Token::new(token).into(), Instant::now())
    }

    /// A session that asks `source` for its first token when it is needed, for the next before that
    /// expires, and for another if the store refuses one.
    pub fn from_source<F, T>(source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Token, SourceError>> + Send + 'static,
    {
        Self::of(FromFunction(source))
    }

    /// A session whose first token is fetched when it is needed.
    pub(crate) fn of(source: impl Source + 'static) -> Self {
        Self(Arc::new(Inner { source: Box::new(source), held: RwLock::default() }))
    }

    /// A session whose first token was asked for at `asked_at`.
    pub(crate) fn begun(
        source: impl Source + 'static,
        grant: Grant,
        asked_at: Instant,
    ) -> Result<Self, Error> {
        let session = Self::of(source);
        session.hold(grant, asked_at)?;
        Ok(session)
    }

    /// A token that is good now, for calls that are made some other way.
    ///
    /// # Errors
    /// Those of the source of tokens.
    pub async fn token(&self) -> Result<SecretString, Error> {
        Ok(self.current(TIME_BUDGET).await?.secret.clone())
    }

    /// The same for the clients that tonic generates.
    ///
    /// # Errors
    /// Those of the source of tokens.
    pub async fn bearer(&self) -> Result<Bearer, Error> {
        Ok(self.current(TIME_BUDGET).await?.bearer.clone())
    }

    /// The header for a call. Waits for a renewal only where the old token serves no more.
    pub(crate) async fn header(&self) -> Result<Bearer, Error> {
        Ok(self.current(RENEW_TIME_BUDGET).await?.bearer.clone())
    }

    /// The header for another try of a call whose token the store has refused. None if there is no
    /// other token.
    pub(crate) async fn header_after(&self, refused: &Bearer) -> Result<Option<Bearer>, Error> {
        let another = self.token_held().filter(|token| token.bearer.number != refused.number);
        let token = match another {
            Some(token) => Some(token),
            None => self.renewal(RENEW_TIME_BUDGET).await?,
        };
        Ok(token.map(|token| token.bearer.clone()))
    }

    async fn current(&self, time_budget: Duration) -> Result<Arc<HeldToken>, Error> {
        if let Some(token) = self.token_held().filter(|token| token.is_good()) {
            if self.is_ageing() {
                // In the background. If it fails, the call that finds the old token expired says so.
                drop(self.renewal(time_budget));
            }
            return Ok(token);
        }
        let renewed = self.renewal(time_budget).await?;
        // Where there is no other, the store says what is wrong with the last one.
        let token = renewed.or_else(|| self.token_held());
        token.ok_or_else(|| Error::Token(Arc::from(SourceError::from("there never was one"))))
    }

    /// The renewal that is under way, or a new one. It runs in a task of its own: a caller that is
    /// dropped must not take the answer to a refresh token with it that is used up by then.
    fn renewal(&self, time_budget: Duration) -> Renewal {
        let mut held = self.write();
        if let Some(renewal) = &held.renewal {
            return renewal.clone();
        }
        let task = tokio::spawn(self.clone().renew(time_budget));
        let renewal = async { task.await.unwrap_or_else(|failed| Err(Error::token(failed))) };
        let renewal = renewal.boxed().shared();
        held.renewal = Some(renewal.clone());
        renewal
    }

    async fn renew(self, time_budget: Duration) -> Renewed {
        let _guard = RenewalGuard(&self);
        let refresh_token = self.read().refresh_token.clone();
        // Counted from before the request, so that a slow answer never lengthens the token's life.
        let asked_at = Instant::now();
        match self.0.source.fetch(refresh_token, time_budget).await {
            Ok(Some(grant)) => self.hold(grant, asked_at).map(Some),
            Ok(None) => {
                self.write().renew_at = None;
                Ok(None)
            }
            Err(error) => {
                self.write().renew_at = Some(Instant::now() + RENEW_PAUSE);
                Err(error)
            }
        }
    }

    fn hold(&self, grant: Grant, asked_at: Instant) -> Result<Arc<HeldToken>, Error> {
        let Grant { token: Token { secret, valid_for }, refresh_token } = grant;
        let mut held = self.write();
        let token = Arc::new(HeldToken {
            bearer: Bearer::new(&secret, held.count)?,
            secret,
            expires_at: valid_for.map(|life| asked_at + life),
        });
        held.token = Some(Arc::clone(&token));
        held.renew_at = valid_for.map(|life| asked_at + life * RENEW_AT_PERCENT / 100);
        held.refresh_token = refresh_token;
        held.count += 1;
        drop(held);
        Ok(token)
    }

    fn token_held(&self) -> Option<Arc<HeldToken>> {
        self.read().token.clone()
    }

    fn is_ageing(&self) -> bool {
        self.read().renew_at.is_some_and(|at| Instant::now() >= at)
    }

    /// Nothing in here panics while it holds the lock, so a poisoned one is still whole.
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.0.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the renewal that is under way, also if the source panics.
struct RenewalGuard<'a>(&'a Session);

impl Drop for RenewalGuard<'_> {
    fn drop(&mut self) {
        self.0.write().renewal = None;
    }
}

impl HeldToken {
    fn is_good(&self) -> bool {
        self.expires_at.is_none_or(|at| Instant::now() < at)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time;

    use super::*;

    const LIFE: Duration = Duration::from_mins(15);

    /// A source of the tokens `token-1`, `token-2` and so on, each after a pause.
    fn counting() -> (Session, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let session = Session::from_source(move || {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                time::sleep(Duration::from_millis(50)).await;
                Ok(Token::new(format!("token-{number}")).valid_for(LIFE))
            }
        });
        (session, asked)
    }

    async fn shown(session: &Session) -> String {
        session.token().await.unwrap().expose_secret().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_need_a_token_at_once_ask_for_one_together() {
        let (session, asked) = counting();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let session = session.clone();
                tokio::spawn(async move { shown(&session).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), "token-1");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_replaced_before_it_expires_and_serves_meanwhile() {
        let (session, asked) = counting();
        assert_eq!(shown(&session).await, "token-1");
        time::advance(LIFE * 79 / 100).await;
        assert_eq!(shown(&session).await, "token-1");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        time::advance(LIFE / 50).await;
        for _ in 0..3 {
            assert_eq!(shown(&session).await, "token-1");
        }
        time::sleep(Duration::from_millis(60)).await;
        assert_eq!(shown(&session).await, "token-2");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_replaced_once_for_all_that_were_refused() {
        let (session, asked) = counting();
        let refused = session.bearer().await.unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (session, refused) = (session.clone(), refused.clone());
                tokio::spawn(async move { session.header_after(&refused).await.unwrap().unwrap() })
            })
            .collect();
        for task in tasks {
            assert_ne!(task.await.unwrap().number, refused.number);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_wait_for_one_token_share_its_failure() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let session = Session::from_source(move || {
            count.fetch_add(1, Ordering::SeqCst);
            async {
                time::sleep(Duration::from_secs(2)).await;
                Err("away".into())
            }
        });
        let begun_at = Instant::now();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let session = session.clone();
                tokio::spawn(async move { session.token().await.unwrap_err() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().source().unwrap().to_string(), "away");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(begun_at.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_panics_is_asked_again() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let session = Session::from_source(move || {
            let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert!(!is_first, "as a bug would");
                Ok(Token::new("second"))
            }
        });
        assert!(session.token().await.is_err());
        assert_eq!(shown(&session).await, "second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_is_dropped_does_not_stop_a_renewal() {
        let (session, asked) = counting();
        let hasty = time::timeout(Duration::from_millis(10), session.token()).await;
        assert!(hasty.is_err());
        assert_eq!(shown(&session).await, "token-1");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_still_good_outlives_a_source_that_fails() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let session = Session::from_source(move || {
            let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if is_first { Ok(Token::new("only").valid_for(LIFE)) } else { Err("away".into()) }
            }
        });
        assert_eq!(shown(&session).await, "only");
        time::advance(LIFE * 9 / 10).await;
        for _ in 0..5 {
            assert_eq!(shown(&session).await, "only");
            time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2, "it is asked again only after a pause");
        time::advance(LIFE).await;
        let error = session.token().await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "away");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_of_an_unknown_life_is_used_until_it_is_refused() {
        let session = Session::with_token("mine").unwrap();
        time::advance(LIFE * 1_000).await;
        assert_eq!(shown(&session).await, "mine");
        let refused = session.bearer().await.unwrap();
        assert!(session.header_after(&refused).await.unwrap().is_none());
        assert_eq!(shown(&session).await, "mine");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_has_expired_on_arrival_is_used_once() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let session = Session::from_source(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Token::new(number.to_string()).valid_for(Duration::ZERO)) }
        });
        assert_eq!(shown(&session).await, "0");
        assert_eq!(shown(&session).await, "1");
    }

    #[tokio::test]
    async fn no_token_is_shown() {
        let session = Session::with_token("hunter2").unwrap();
        let bearer = session.bearer().await.unwrap();
        let shown = format!("{session:?} {bearer:?} {:?}", Token::new("hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
        let error = Session::with_token("hunter2\n").unwrap_err();
        let shown = format!("{error:?} {error} {:?}", error.source().map(ToString::to_string));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
