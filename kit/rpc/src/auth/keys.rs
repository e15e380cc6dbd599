//! The issuer's public keys, cached.
//!
//! A key that is not known makes one fetch, however many ask at once, and not again within
//! [`COOLDOWN`]: so a stranger with made-up key ids cannot make us a nuisance to the issuer. Keys
//! older than [`MAX_AGE`] are used while others are fetched behind, and kept if that fails: an
//! issuer that is down does not affect users who have signed in.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use kit_service::{Env, chain};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;

use super::issuer::{Issuer, IssuerError};

/// How long nothing is asked for an unknown key after a fetch that went well.
const COOLDOWN: Duration = Duration::seconds(5);

/// How long nothing is asked after a fetch that failed.
const COOLDOWN_AFTER_FAILURE: Duration = Duration::seconds(1);

/// From this age on keys are fetched again, behind the calls.
const MAX_AGE: Duration = Duration::minutes(5);

/// A public key, and the one algorithm that it may be used with.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    pub(super) algorithm: Algorithm,
}

#[derive(Default)]
struct Snapshot {
    keys: HashMap<String, Arc<Key>>,
    fetched_at: Option<OffsetDateTime>,
}

struct Attempt {
    at: OffsetDateTime,
    is_ok: bool,
}

/// The keys cannot be had, so nothing is known about a token.
#[derive(Debug, thiserror::Error)]
#[error("the issuer's keys are not available")]
pub(super) struct NoKeys;

pub(super) struct Keys {
    issuer: Issuer,
    env: Env,
    snapshot: ArcSwap<Snapshot>,
    last: Mutex<Option<Attempt>>,
}

impl Keys {
    pub(super) fn new(issuer: Issuer, env: Env) -> Arc<Self> {
        let snapshot = ArcSwap::default();
        Arc::new(Self { issuer, env, snapshot, last: Mutex::new(None) })
    }

    /// The key `kid`, or none if the issuer has no such key.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<Option<Arc<Key>>, NoKeys> {
        if let Some(key) = self.known(kid) {
            self.refresh_behind();
            return Ok(Some(key));
        }
        let mut last = self.last.lock().await;
        // Another caller may have fetched it while this one waited.
        if let Some(key) = self.known(kid) {
            return Ok(Some(key));
        }
        if self.may_fetch(last.as_ref()) {
            *last = Some(self.fetch().await);
        }
        match &*last {
            Some(Attempt { is_ok: true, .. }) => Ok(self.known(kid)),
            _ => Err(NoKeys),
        }
    }

    fn known(&self, kid: &str) -> Option<Arc<Key>> {
        self.snapshot.load().keys.get(kid).cloned()
    }

    fn refresh_behind(self: &Arc<Self>) {
        let fetched_at = self.snapshot.load().fetched_at;
        if fetched_at.is_some_and(|at| self.env.now() - at < MAX_AGE) {
            return;
        }
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(mut last) = keys.last.try_lock() else { return };
            if keys.may_fetch(last.as_ref()) {
                *last = Some(keys.fetch().await);
            }
        });
    }

    fn may_fetch(&self, last: Option<&Attempt>) -> bool {
        last.is_none_or(|last| {
            let cooldown = if last.is_ok { COOLDOWN } else { COOLDOWN_AFTER_FAILURE };
            self.env.now() - last.at >= cooldown
        })
    }

    async fn fetch(&self) -> Attempt {
        let fetched: Result<JwkSet, IssuerError> = self.issuer.keys().await;
        let at = self.env.now();
        match fetched {
            Ok(set) => {
                let keys: HashMap<_, _> = set.keys.iter().filter_map(usable).collect();
                tracing::debug!(keys = keys.len(), "fetched the issuer's keys");
                self.snapshot.store(Arc::new(Snapshot { keys, fetched_at: Some(at) }));
                Attempt { at, is_ok: true }
            }
            Err(failure) => {
                tracing::warn!(error = chain(&failure), "the issuer's keys cannot be fetched");
                Attempt { at, is_ok: false }
            }
        }
    }
}

/// A key that signs, by an algorithm that we trust and that follows from the kind of key alone: a
/// token's header only ever confirms it.
fn usable(jwk: &Jwk) -> Option<(String, Arc<Key>)> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    let says_otherwise = match jwk.common.key_algorithm {
        None => false,
        Some(KeyAlgorithm::ES256) => algorithm != Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => algorithm != Algorithm::EdDSA,
        Some(KeyAlgorithm::RS256) => algorithm != Algorithm::RS256,
        Some(_) => true,
    };
    let is_for_encryption = jwk.common.public_key_use == Some(PublicKeyUse::Encryption);
    if says_otherwise || is_for_encryption {
        return None;
    }
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Arc::new(Key { decoding, algorithm })))
}
