//! Hashes and checks passwords: a bounded number at once, each in memory that is used again.
//!
//! A check with argon2id takes some 20 ms of processor time and 19 MiB. Allocated for each check,
//! that memory would stay with the C library, in an arena of every thread that ever made one. So
//! there is a slot for each check at once, which keeps its memory; more checks wait for a slot, a
//! bounded number for a bounded time, and the rest is told to come back.
//!
//! The memory is not wiped between checks. It holds no password, only what argon2id made of the
//! last one, and whatever can read it can read the signing keys, and passwords as they arrive.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use kit_service::Env;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, spawn_blocking},
    time::timeout,
};

/// The longest password of a user or secret of a client, in bytes.
pub const MAX_SECRET_BYTES: usize = 128;

/// Sign-ins that wait for each slot, at most: they are served within some 2 s.
const MAX_WAITING_PER_SLOT: usize = 100;

/// How long a sign-in waits for a slot, at most.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// Costs of a foreign hash, at most: a seed must not be able to stop the service.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_ITERATIONS: u32 = 16;
const MAX_LANES: u32 = 8;

/// Why a password cannot be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordsError {
    /// argon2 refused, or what is stored is no hash.
    #[error("the password cannot be hashed")]
    Hash(#[from] password_hash::Error),
    /// The thread that did it ended without a result.
    #[error("hashing the password was cut off")]
    Thread(#[from] JoinError),
}

/// Hashes and checks passwords with argon2id.
pub struct Passwords {
    slots: Arc<Semaphore>,
    waiting: Semaphore,
    memory: Arc<FreeMemory>,
    env: Env,
    /// Checked where there is no user, so that this takes as long as where there is one.
    decoy: String,
}

impl Passwords {
    /// Checks `at_once` passwords at the same time, at most; that is at least 1. Their memory,
    /// 19 MiB each, is allocated when it is first needed, and kept.
    ///
    /// # Errors
    /// [`PasswordsError::Hash`].
    pub fn new(at_once: usize, env: Env) -> Result<Self, PasswordsError> {
        let memory = FreeMemory::default();
        let mut blocks = memory.take();
        let decoy = hash(&env.bytes::<32>(), &env.bytes(), &mut blocks)?;
        memory.give_back(blocks);
        Ok(Self {
            slots: Arc::new(Semaphore::new(at_once)),
            waiting: Semaphore::new(at_once.saturating_mul(MAX_WAITING_PER_SLOT)),
            memory: Arc::new(memory),
            env,
            decoy,
        })
    }

    /// The argon2id hash of `password` as a PHC string. Takes 20 ms on the caller's thread and no
    /// slot: for the start of a service.
    ///
    /// # Errors
    /// [`PasswordsError::Hash`].
    pub fn hash(&self, password: &SecretString) -> Result<String, PasswordsError> {
        let mut blocks = self.memory.take();
        let hash = hash(password.expose_secret().as_bytes(), &self.env.bytes(), &mut blocks);
        self.memory.give_back(blocks);
        Ok(hash?)
    }

    /// Waits until a password may be checked. None: too many wait already, or it took too long.
    pub(super) async fn slot(&self) -> Option<Slot> {
        let _waiting = self.waiting.try_acquire().ok()?;
        let permit = timeout(MAX_WAIT, Arc::clone(&self.slots).acquire_owned()).await.ok()?.ok()?;
        let (blocks, memory) = (self.memory.take(), Arc::clone(&self.memory));
        Some(Slot { blocks, memory, _permit: permit })
    }

    /// Whether `password` is that of `stored`, the hash of a user. Takes as long if there is none.
    ///
    /// # Errors
    /// [`PasswordsError`].
    pub(super) async fn verify(
        &self,
        mut slot: Slot,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, PasswordsError> {
        let is_user = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let work = move || verify(password.expose_secret().as_bytes(), &stored, &mut slot.blocks);
        let is_right = spawn_blocking(work).await??;
        Ok(is_right && is_user)
    }
}

/// Leave to check one password, and the memory for it. Lets the next one in when it is dropped.
pub(super) struct Slot {
    blocks: Vec<Block>,
    memory: Arc<FreeMemory>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.memory.give_back(mem::take(&mut self.blocks));
    }
}

/// The memory that no slot uses now. The last used is used first, so that few checks at once touch
/// little memory.
#[derive(Default)]
struct FreeMemory(Mutex<Vec<Vec<Block>>>);

impl FreeMemory {
    /// Empty the first time: it grows to what a hash needs, and stays so.
    fn take(&self) -> Vec<Block> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, blocks: Vec<Block>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
    }
}

/// Whether `text` is an argon2id hash whose cost is bearable.
pub(super) fn is_acceptable_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    hash.algorithm.as_str() == "argon2id"
        && hash.salt.is_some()
        && hash.hash.is_some()
        && params.m_cost() <= MAX_MEMORY_KIB
        && params.t_cost() <= MAX_ITERATIONS
        && params.p_cost() <= MAX_LANES
}

fn hash(
    password: &[u8],
    salt: &[u8; 16],
    blocks: &mut Vec<Block>,
) -> Result<String, password_hash::Error> {
    let argon2 = Argon2::default();
    let mut tag = [0; Params::DEFAULT_OUTPUT_LEN];
    run(&argon2, password, salt, &mut tag, blocks)?;
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(Salt::new(salt)?),
        hash: Some(Output::new(&tag)?),
    };
    Ok(hash.to_string())
}

fn verify(
    password: &[u8],
    stored: &str,
    blocks: &mut Vec<Block>,
) -> Result<bool, password_hash::Error> {
    let stored = PasswordHash::new(stored)?;
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return Ok(false) };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str())?;
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from)?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored)?);
    let mut tag = [0; Output::MAX_LENGTH];
    let tag = tag.get_mut(..expected.len()).ok_or(password_hash::Error::OutputSize)?;
    run(&argon2, password, salt, tag, blocks)?;
    // The two compare in constant time.
    Ok(Output::new(tag)? == *expected)
}

/// Writes the hash into `tag`. `blocks` grow if they are too few.
fn run(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    tag: &mut [u8],
    blocks: &mut Vec<Block>,
) -> Result<(), argon2::Error> {
    let needed = argon2.params().block_count();
    if blocks.len() < needed {
        blocks.resize(needed, Block::new());
    }
    argon2.hash_password_into_with_memory(password, salt, tag, blocks)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn passwords(at_once: usize) -> Passwords {
        Passwords::new(at_once, Env::seeded(1, OffsetDateTime::UNIX_EPOCH)).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = passwords(1);
        let stored = passwords.hash(&"correct horse".into()).unwrap();
        assert!(is_acceptable_hash(&stored));
        for (password, stored, wanted) in [
            ("correct horse", Some(&stored), true),
            ("correct horse ", Some(&stored), false),
            ("correct horse", None, false),
        ] {
            let slot = passwords.slot().await.unwrap();
            let is_right = passwords.verify(slot, password.into(), stored.cloned()).await;
            assert_eq!(is_right.unwrap(), wanted, "{password}");
        }
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_checked_in_the_same_memory() {
        // Of the reference implementation: less memory and two lanes, more memory.
        const SMALL: &str =
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
        const LARGE: &str = "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg";
        let passwords = passwords(1);
        let ours = passwords.hash(&"password".into()).unwrap();
        for stored in [ours.as_str(), SMALL, LARGE, ours.as_str(), SMALL] {
            for (password, wanted) in [("password", true), ("Password", false)] {
                let slot = passwords.slot().await.unwrap();
                let is_right = passwords.verify(slot, password.into(), Some(stored.into())).await;
                assert_eq!(is_right.unwrap(), wanted, "{stored} {password}");
            }
        }
        assert_eq!(passwords.memory.0.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_slots_check_at_once_and_who_waits_too_long_is_told_so() {
        let passwords = passwords(2);
        let (first, _second) = (passwords.slot().await.unwrap(), passwords.slot().await.unwrap());
        assert!(passwords.slot().await.is_none());
        let waiting = passwords.slot();
        let done = async { drop(first) };
        let (third, ()) = tokio::join!(waiting, done);
        assert!(third.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn more_sign_ins_than_can_wait_are_told_so_at_once() {
        let passwords = passwords(1);
        let _at_work = passwords.slot().await.unwrap();
        let _all = passwords.waiting.acquire_many(100).await.unwrap();
        let asked_at = tokio::time::Instant::now();
        assert!(passwords.slot().await.is_none());
        assert_eq!(asked_at.elapsed(), Duration::ZERO);
    }

    #[test]
    fn a_hash_that_is_too_dear_or_none_is_refused() {
        let good = hash(b"password", &[7; 16], &mut Vec::new()).unwrap();
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
