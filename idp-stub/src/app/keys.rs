//! Signs tokens and verifies its own: JSON Web Tokens by ES256 (ECDSA on P-256 with SHA-256).
//!
//! ring takes its randomness from the system alone, here for keys and signatures: it is the one
//! exception to "randomness comes from `Env`".

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kit_service::Env;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    app::Error,
    domain::{SecretHash, StoredKey},
    store::IdpStore,
};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// Bytes of a coordinate of a point on P-256.
const COORDINATE_BYTES: usize = 32;

/// Why a signing key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// ring made none, or did not sign.
    #[error("the cryptography library refused")]
    Refused,
    /// What is stored is no key.
    #[error("the stored signing key {kid} cannot be read")]
    Unreadable {
        /// Names the key.
        kid: String,
    },
    /// The store has none, right after one was inserted.
    #[error("the store has no signing key")]
    None,
    /// The claims could not be written.
    #[error("the claims of a token cannot be written")]
    Claims(#[from] serde_json::Error),
}

/// Why a token is not good here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is no JSON Web Token of the form that this issuer makes.
    #[error("it is malformed")]
    Malformed,
    /// None of this issuer's keys signed it.
    #[error("it is not signed by this issuer")]
    Signature,
    /// It was made by or for somebody else.
    #[error("it is of another issuer or audience")]
    Foreign,
    /// It is too old, or of the future.
    #[error("it has expired")]
    Expired,
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who made it.
    pub iss: String,
    /// Whose it is: the user's name or the client's id.
    pub sub: String,
    /// Who should take it.
    pub aud: String,
    /// From when on it is worthless, in seconds since 1970.
    pub exp: i64,
    /// From when on it is good.
    pub nbf: i64,
    /// When it was made.
    pub iat: i64,
    /// Names this one token.
    pub jti: String,
    /// What it allows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The client that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// The keys of this issuer.
pub struct Signer {
    /// Oldest first; the last signs.
    keys: Vec<Key>,
    jwks: String,
    form_key: hmac::Key,
}

struct Key {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    /// Reads the keys of `store`, after making the first if there is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Key`].
    pub async fn open(store: &dyn IdpStore, env: &Env) -> Result<Self, Error> {
        let mut stored = store.signing_keys().await?;
        if stored.is_empty() {
            stored = store.add_signing_key(&new_key(env)?).await?;
        }
        Ok(Self::from_keys(&stored)?)
    }

    fn from_keys(stored: &[StoredKey]) -> Result<Self, KeyError> {
        let first = stored.first().ok_or(KeyError::None)?;
        // The login form's key comes from the first signing key, so that replicas share it too.
        let root = hmac::Key::new(hmac::HMAC_SHA256, &first.pkcs8);
        let form_key = hmac::sign(&root, b"login form");
        let keys = stored.iter().map(Key::read).collect::<Result<Vec<_>, _>>()?;
        let jwks = json!({ "keys": keys.iter().map(Key::to_jwk).collect::<Vec<_>>() }).to_string();
        Ok(Self { keys, jwks, form_key: hmac::Key::new(hmac::HMAC_SHA256, form_key.as_ref()) })
    }

    /// The public keys as a JSON Web Key Set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// What a login form must carry beside the cookie `browser`.
    #[must_use]
    pub fn form_token(&self, browser: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.form_key, browser.as_bytes()))
    }

    /// Whether a login form carries what goes with the cookie `browser`.
    #[must_use]
    pub fn is_form_token(&self, browser: &str, presented: &str) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(presented).unwrap_or_default();
        hmac::verify(&self.form_key, browser.as_bytes(), &tag).is_ok()
    }

    /// A token that says `claims`.
    ///
    /// # Errors
    /// If the signature cannot be made.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let key = self.keys.last().ok_or(KeyError::None)?;
        let header =
            Header { alg: "ES256".to_owned(), typ: "JWT".to_owned(), kid: key.kid.clone() };
        let message = format!("{}.{}", encode(&header)?, encode(claims)?);
        let signature = key.pair.sign(&SystemRandom::new(), message.as_bytes());
        let signature = signature.map_err(|_| KeyError::Refused)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What the access token `token` says, if it is one of this issuer for `audience`.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn verify(
        &self,
        token: &str,
        issuer: &str,
        audience: &str,
        now: OffsetDateTime,
    ) -> Result<AccessClaims, BadToken> {
        let claims: AccessClaims = self.read(token)?;
        if claims.iss != issuer || claims.aud != audience {
            return Err(BadToken::Foreign);
        }
        let now = now.unix_timestamp();
        if claims.nbf > now || claims.exp <= now { Err(BadToken::Expired) } else { Ok(claims) }
    }

    fn read<T: DeserializeOwned>(&self, token: &str) -> Result<T, BadToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(BadToken::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(BadToken::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(BadToken::Malformed)?;
        let header: Header = decode(header)?;
        let key = self.keys.iter().find(|key| header.alg == "ES256" && key.kid == header.kid);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadToken::Malformed)?;
        let public = key.ok_or(BadToken::Signature)?.pair.public_key();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
            .verify(message.as_bytes(), &signature)
            .map_err(|_| BadToken::Signature)?;
        decode(claims)
    }
}

impl Key {
    fn read(stored: &StoredKey) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &stored.pkcs8,
            &SystemRandom::new(),
        );
        let pair = pair.map_err(|_| KeyError::Unreadable { kid: stored.kid.clone() })?;
        Ok(Self { kid: stored.kid.clone(), pair })
    }

    fn to_jwk(&self) -> serde_json::Value {
        // An uncompressed point: one byte 4, then both coordinates.
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(COORDINATE_BYTES);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

fn new_key(env: &Env) -> Result<StoredKey, KeyError> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
    let kid = env.uuid_v7().to_string();
    let pkcs8 = pkcs8.map_err(|_| KeyError::Refused)?.as_ref().to_vec();
    Ok(StoredKey { generation: 1, kid, pkcs8, created_at: env.now() })
}

/// An opaque secret of 256 random bits, and what is kept of it.
pub(super) fn new_secret(env: &Env) -> (String, SecretHash) {
    let secret = URL_SAFE_NO_PAD.encode(env.bytes::<32>());
    let hash = SecretHash::of(&secret);
    (secret, hash)
}

fn encode(part: &impl Serialize) -> Result<String, KeyError> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(part)?))
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, BadToken> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| BadToken::Malformed)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::store::MemoryStore;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn claims() -> AccessClaims {
        let now = NOW.unix_timestamp();
        AccessClaims {
            iss: "http://issuer".into(),
            sub: "alice".into(),
            aud: "oxcart".into(),
            exp: now + 900,
            nbf: now,
            iat: now,
            jti: "1".into(),
            scope: "openid".into(),
            client_id: None,
        }
    }

    async fn signer(store: &MemoryStore) -> Signer {
        Signer::open(store, &Env::seeded(1, NOW)).await.unwrap()
    }

    #[tokio::test]
    async fn a_token_reads_back_here_and_at_a_replica() {
        let store = MemoryStore::default();
        let token = signer(&store).await.sign(&claims()).unwrap();
        let read = signer(&store).await.verify(&token, "http://issuer", "oxcart", NOW);
        assert_eq!(read, Ok(claims()));
    }

    #[tokio::test]
    async fn a_token_that_is_not_ours_is_refused() {
        let signer = signer(&MemoryStore::default()).await;
        let token = signer.sign(&claims()).unwrap();
        let verify = |token: &str| signer.verify(token, "http://issuer", "oxcart", NOW).err();
        let other = self::signer(&MemoryStore::default()).await.sign(&claims()).unwrap();
        assert_eq!(verify(&other), Some(BadToken::Signature));
        let forged = AccessClaims { sub: "bob".into(), ..claims() };
        let (head, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let forged = format!("{head}.{}.{signature}", encode(&forged).unwrap());
        assert_eq!(verify(&forged), Some(BadToken::Signature));
        for rubbish in ["", "a", "a.b.c", &token[..token.len() - 10], &"x.".repeat(10_000)] {
            assert!(verify(rubbish).is_some(), "{rubbish}");
        }
    }

    #[tokio::test]
    async fn a_token_for_others_or_too_old_is_refused() {
        let signer = signer(&MemoryStore::default()).await;
        let token = signer.sign(&claims()).unwrap();
        let foreign = signer.verify(&token, "http://issuer", "oxcart-internal", NOW);
        assert_eq!(foreign, Err(BadToken::Foreign));
        let late = NOW + time::Duration::minutes(15);
        let expired = signer.verify(&token, "http://issuer", "oxcart", late);
        assert_eq!(expired, Err(BadToken::Expired));
    }
}
