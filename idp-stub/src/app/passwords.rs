//! Verifies passwords without stopping everything else.
//!
//! A hash costs 20 ms of processor time and 19 MiB: a few run at once on threads of their own, a
//! bounded number waits, the rest is told to come back.

use std::{sync::Arc, thread};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use kit_service::Env;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The longest password of a user or secret of a client, in bytes.
pub const MAX_SECRET_BYTES: usize = 128;

/// Hashes at work at once, at most, however many processors there are: each takes 19 MiB.
const MAX_HASHES: usize = 8;

/// Sign-ins that wait for a hash, at most: with two processors they are served within 2 s.
const MAX_WAITING: usize = 200;

/// Costs of a foreign hash, at most: a seed must not be able to stop the service.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_ITERATIONS: u32 = 16;
const MAX_LANES: u32 = 8;

/// Why passwords cannot be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct PasswordsError(argon2::password_hash::Error);

/// What became of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the user's.
    Right,
    /// It is not, or there is no such user.
    Wrong,
    /// It could not be verified.
    Failed,
}

/// Hashes and verifies passwords with argon2id.
pub struct Passwords {
    at_work: Semaphore,
    waiting: Semaphore,
    env: Env,
    /// Verified where there is no user, so that this takes as long as where there is one.
    nobodys: Arc<str>,
}

impl Passwords {
    /// Ready to work.
    ///
    /// # Errors
    /// [`PasswordsError`].
    pub fn new(env: Env) -> Result<Self, PasswordsError> {
        let nobodys = hash(&env.bytes::<32>(), &env.bytes())?;
        let processors = thread::available_parallelism().map_or(1, Into::into);
        Ok(Self {
            at_work: Semaphore::new(processors.min(MAX_HASHES)),
            waiting: Semaphore::new(MAX_WAITING),
            env,
            nobodys: nobodys.into(),
        })
    }

    /// The argon2id hash of `password` as a PHC string.
    ///
    /// # Errors
    /// [`PasswordsError`].
    pub fn hash(&self, password: &SecretString) -> Result<String, PasswordsError> {
        hash(password.expose_secret().as_bytes(), &self.env.bytes())
    }

    /// Waits until a password may be verified. None: too many wait already.
    pub(super) async fn turn(&self) -> Option<Turn<'_>> {
        let waiting = self.waiting.try_acquire().ok()?;
        let at_work = self.at_work.acquire().await.ok()?;
        Some(Turn { _waiting: waiting, _at_work: at_work })
    }

    /// Compares `password` with the hash of the user, if there is one. Takes as long if not.
    pub(super) async fn verify(
        &self,
        _turn: &Turn<'_>,
        password: SecretString,
        kept: Option<String>,
    ) -> Verdict {
        let is_somebodys = kept.is_some();
        let kept = kept.map_or_else(|| Arc::clone(&self.nobodys), Into::into);
        let work = tokio::task::spawn_blocking(move || compare(&password, &kept));
        match work.await.unwrap_or(Verdict::Failed) {
            Verdict::Right if !is_somebodys => Verdict::Wrong,
            verdict => verdict,
        }
    }
}

/// Leave to verify one password, given back when it is dropped.
pub(super) struct Turn<'a> {
    _waiting: SemaphorePermit<'a>,
    _at_work: SemaphorePermit<'a>,
}

/// Whether `text` is an argon2id hash whose cost is bearable.
pub(super) fn is_acceptable_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let Ok(params) = argon2::Params::try_from(&hash) else { return false };
    hash.algorithm.as_str() == "argon2id"
        && hash.salt.is_some()
        && hash.hash.is_some()
        && params.m_cost() <= MAX_MEMORY_KIB
        && params.t_cost() <= MAX_ITERATIONS
        && params.p_cost() <= MAX_LANES
}

fn hash(password: &[u8], salt: &[u8; 16]) -> Result<String, PasswordsError> {
    let hash = Argon2::default().hash_password_with_salt(password, salt);
    hash.map(|hash| hash.to_string()).map_err(PasswordsError)
}

fn compare(password: &SecretString, kept: &str) -> Verdict {
    let Ok(kept) = PasswordHash::new(kept) else { return Verdict::Failed };
    match Argon2::default().verify_password(password.expose_secret().as_bytes(), &kept) {
        Ok(()) => Verdict::Right,
        Err(argon2::password_hash::Error::PasswordInvalid) => Verdict::Wrong,
        Err(_) => Verdict::Failed,
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(Env::seeded(1, OffsetDateTime::UNIX_EPOCH)).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = passwords();
        let kept = passwords.hash(&"correct horse".into()).unwrap();
        assert!(is_acceptable_hash(&kept));
        let turn = passwords.turn().await.unwrap();
        let verify = |text: &str| passwords.verify(&turn, text.into(), Some(kept.clone()));
        assert_eq!(verify("correct horse").await, Verdict::Right);
        assert_eq!(verify("correct horse ").await, Verdict::Wrong);
        assert_eq!(passwords.verify(&turn, "correct horse".into(), None).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn more_sign_ins_than_can_wait_are_told_so() {
        let passwords = passwords();
        let _all = passwords.waiting.acquire_many(200).await.unwrap();
        assert!(passwords.turn().await.is_none());
    }

    #[test]
    fn a_hash_that_is_too_dear_or_none_is_refused() {
        let good = hash(b"password", &[7; 16]).unwrap();
        assert!(is_acceptable_hash(&good));
        for wrong in [
            "",
            "alice-password",
            "$argon2id$v=19$m=19456,t=2,p=1",
            &good.replace("argon2id", "argon2i"),
            &good.replace("m=19456", "m=4194304"),
            &good.replace("t=2", "t=1000"),
        ] {
            assert!(!is_acceptable_hash(wrong), "{wrong}");
        }
    }
}
