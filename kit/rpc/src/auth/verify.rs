//! Whether a token is good, and whose it is.

use std::{collections::HashSet, sync::Arc};

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use kit_service::Env;
use oxcart_types::UserId;
use serde::Deserialize;

use super::{
    AuthArgs,
    keys::{Keys, NoKeys},
};

/// How far the issuer's clock may be from ours.
const LEEWAY_SECONDS: i64 = 5;

/// Longer tokens are refused unread.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

pub(super) enum Verdict {
    User(UserId),
    Service { id: String, scopes: HashSet<String> },
}

/// What is wrong with a token; reads behind "the token". Never holds a part of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Bad {
    #[error("is malformed, or signed by an algorithm that is not trusted")]
    Malformed,
    #[error("is over {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    #[error("names no key")]
    NoKeyId,
    #[error("is signed by a key that the issuer does not have")]
    UnknownKey,
    #[error("is not signed by the algorithm of its key")]
    WrongAlgorithm,
    #[error("is not signed by the issuer")]
    ForeignSignature,
    #[error("is of another issuer")]
    WrongIssuer,
    #[error("is for another audience")]
    WrongAudience,
    #[error("lacks one of the claims iss, aud, sub, exp")]
    ClaimMissing,
    #[error("has expired")]
    Expired,
    #[error("is not valid yet")]
    NotYetValid,
    #[error("has a subject that is not a user's id")]
    SubjectInvalid,
}

#[derive(Debug)]
pub(super) enum Failure {
    Bad(Bad),
    NoKeys(NoKeys),
}

impl From<Bad> for Failure {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad)
    }
}

/// What we read of a token. The validation knows which claims must be there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    scope: String,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::None => false,
            Self::One(found) => found == wanted,
            Self::Many(found) => found.iter().any(|found| found == wanted),
        }
    }
}

pub(super) struct Verifier {
    keys: Arc<Keys>,
    env: Env,
    issuer: String,
    user_audience: String,
    service_audience: String,
}

impl Verifier {
    pub(super) fn new(args: &AuthArgs, keys: Arc<Keys>, env: Env) -> Self {
        Self {
            keys,
            env,
            issuer: args.issuer.clone(),
            user_audience: args.user_audience.clone(),
            service_audience: args.service_audience.clone(),
        }
    }

    pub(super) async fn verify(&self, token: &str) -> Result<Verdict, Failure> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Bad::TooLong.into());
        }
        let header = decode_header(token).map_err(|_| Bad::Malformed)?;
        let kid = header.kid.ok_or(Bad::NoKeyId)?;
        let key = self.keys.find(&kid).await.map_err(Failure::NoKeys)?.ok_or(Bad::UnknownKey)?;
        if header.alg != key.algorithm {
            return Err(Bad::WrongAlgorithm.into());
        }
        let validation = self.validation(key.algorithm);
        let claims = decode::<Claims>(token, &key.decoding, &validation)
            .map_err(|error| bad(error.kind()))?
            .claims;
        self.check_times(&claims)?;
        Ok(self.judge(claims)?)
    }

    /// Times are checked by [`Self::check_times`]: the crate would ask the machine for them.
    fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.user_audience, &self.service_audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation
    }

    fn check_times(&self, claims: &Claims) -> Result<(), Bad> {
        let now = self.env.now().unix_timestamp();
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
            return Err(Bad::Expired);
        }
        match claims.nbf {
            Some(nbf) if nbf.saturating_sub(LEEWAY_SECONDS) > now => Err(Bad::NotYetValid),
            _ => Ok(()),
        }
    }

    /// A token for both audiences is a user's: the lesser of the two.
    fn judge(&self, claims: Claims) -> Result<Verdict, Bad> {
        if claims.aud.has(&self.user_audience) {
            return claims.sub.parse().map(Verdict::User).map_err(|_| Bad::SubjectInvalid);
        }
        let scopes = claims.scope.split_ascii_whitespace().map(str::to_owned).collect();
        debug_assert!(claims.aud.has(&self.service_audience), "checked with the signature");
        Ok(Verdict::Service { id: claims.sub, scopes })
    }
}

fn bad(kind: &ErrorKind) -> Bad {
    match kind {
        ErrorKind::InvalidSignature => Bad::ForeignSignature,
        ErrorKind::InvalidIssuer => Bad::WrongIssuer,
        ErrorKind::InvalidAudience => Bad::WrongAudience,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Bad::WrongAlgorithm,
        ErrorKind::MissingRequiredClaim(_) => Bad::ClaimMissing,
        _ => Bad::Malformed,
    }
}
