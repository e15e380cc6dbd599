//! ring as the cryptography of `jsonwebtoken`, for the three algorithms that we trust.
//!
//! The crate's own choices are an RSA implementation that leaks timing (RUSTSEC-2023-0071) or a
//! second C library; ring is here already, for TLS. Deliberately absent: HMAC, whose "public" key
//! could sign, and everything else that no current issuer needs.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error, Signer, Verifier},
};
use ring::{
    rand::SystemRandom,
    signature::{
        self as ring_signature, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519,
        EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Installs ring as the cryptography of `jsonwebtoken` and of `rustls` in this process. Safe to
/// repeat; whoever signs or verifies a token must have called it.
pub fn install_crypto() {
    // The error only says that one is installed already.
    PROVIDER.install_default().ok();
    rustls::crypto::ring::default_provider().install_default().ok();
}

enum PublicKey {
    Bytes(&'static dyn ring_signature::VerificationAlgorithm, Vec<u8>),
    RsaComponents(RsaPublicKeyComponents<Vec<u8>>),
}

struct RingVerifier(Algorithm, PublicKey);

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let verified = match &self.1 {
            PublicKey::Bytes(algorithm, key) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            PublicKey::RsaComponents(key) => {
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.map_err(|_| Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let public = match (algorithm, key.family(), key.kind()) {
        (Algorithm::ES256, AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(bytes)) => {
            PublicKey::Bytes(&ECDSA_P256_SHA256_FIXED, bytes.clone())
        }
        (Algorithm::EdDSA, AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(bytes)) => {
            PublicKey::Bytes(&ED25519, bytes.clone())
        }
        (Algorithm::RS256, AlgorithmFamily::Rsa, DecodingKeyKind::SecretOrDer(bytes)) => {
            PublicKey::Bytes(&RSA_PKCS1_2048_8192_SHA256, bytes.clone())
        }
        (Algorithm::RS256, AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            PublicKey::RsaComponents(RsaPublicKeyComponents { n: n.clone(), e: e.clone() })
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingVerifier(*algorithm, public)))
}

enum PrivateKey {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

struct RingSigner(PrivateKey);

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        match &self.0 {
            PrivateKey::Ec(key) => {
                let signature = key.sign(&SystemRandom::new(), message);
                signature.map(|bytes| bytes.as_ref().to_vec()).map_err(|_| Error::new())
            }
            PrivateKey::Ed(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        match self.0 {
            PrivateKey::Ec(_) => Algorithm::ES256,
            PrivateKey::Ed(_) => Algorithm::EdDSA,
        }
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    let private = match (algorithm, key.family()) {
        (Algorithm::ES256, AlgorithmFamily::Ec) => PrivateKey::Ec(
            EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                key.as_bytes(),
                &SystemRandom::new(),
            )
            .map_err(|_| ErrorKind::InvalidEcdsaKey)?,
        ),
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => PrivateKey::Ed(
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes())
                .map_err(|_| ErrorKind::InvalidEddsaKey)?,
        ),
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingSigner(private)))
}
