//! ring as the cryptography of `jsonwebtoken`, for the three algorithms that we trust.
//!
//! The crate's own choices are an RSA implementation that leaks timing (RUSTSEC-2023-0071) or a
//! second C library; ring is here already, for TLS. HMAC is rejected: its "public" key could
//! sign.

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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the type is the crate's")]
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the type is the crate's")]
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

#[cfg(test)]
mod tests {
    use jsonwebtoken::crypto;
    use ring::signature::KeyPair as _;

    use super::*;

    /// A public key and its signature of "oxcart", made by OpenSSL; the private key was thrown away.
    const RSA_N: &str = "7FL5YpQa88Q18h6Iym7Rahs6oWHqYNZuMU8AuNN4J3AH1AizL0DVYMbATn259du4EvNvggd-lOEPpT__SRXhedsuPHSqVIbieDU1Z6TDS4sFZRssgFVinFGHDcJelcGl_Oza7fR2SoqT31nGk5z9YwFMxCToA1QpNuEt5oOdN1PXo7a7RjCpJDLs5Tm4VCtkiAHiw14BRNKop8s_FG-1d_Z9pxBfGAAxeHFCMuY8FpbNIiPlPs7uEsQNv02kA4tupqeP7SFA8zHcDNLwh6C9k2o1jsXcHo86jWbnnsaH0trDuAVd4BXjvEjfMZXs3z5kwD7e1zhdGIAO2S9SxKd9HQ";
    const RSA_SIGNATURE: &str = "uPKfzYHVMmyxI2WX49i1jKvk-Ijgq1VGE4AbiZkqk0EQwgdgqQJgVAYnapg7Iz_7WYe5XNZgiQlNbxNHEUa2LzbfWnNrWAACxBV1TbmLk6DQYAEvte2sojqVG2qQnzg_vAGBQXGV5EwdaI8QSjk_KMqweCaTK0rrei1C7LRoYxCYdJHP4proUTd36iWikk3mQRyIrjhGvt9zy4tpcSxSAVBsee3qYjQD91lSvWlkL_fyKPfm17YQx2PiEC1iSvZtcDkRBIsFNFJhV17yukCY0vz59Ia254kHVvjVfA71kuNBmiQdCyfj-pkix_UztIt4kd01xuPwOqeJ9t1E7F0RUg";

    fn is_good(signature: &str, text: &str, key: &DecodingKey, algorithm: Algorithm) -> bool {
        crypto::verify(signature, text.as_bytes(), key, algorithm).unwrap()
    }

    #[test]
    fn rs256_is_verified() {
        install_crypto();
        let key = DecodingKey::from_rsa_components(RSA_N, "AQAB").unwrap();
        assert!(is_good(RSA_SIGNATURE, "oxcart", &key, Algorithm::RS256));
        assert!(!is_good(RSA_SIGNATURE, "oxcarT", &key, Algorithm::RS256));
    }

    #[test]
    fn es256_and_eddsa_are_signed_and_verified() {
        install_crypto();
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let p256_pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random)
                .unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ed25519_pair = Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap();
        let cases = [
            (
                Algorithm::ES256,
                EncodingKey::from_ec_der(ec.as_ref()),
                DecodingKey::from_ec_der(p256_pair.public_key().as_ref()),
            ),
            (
                Algorithm::EdDSA,
                EncodingKey::from_ed_der(ed.as_ref()),
                DecodingKey::from_ed_der(ed25519_pair.public_key().as_ref()),
            ),
        ];
        for (algorithm, private, public) in cases {
            let signature = crypto::sign(b"oxcart", &private, algorithm).unwrap();
            assert!(is_good(&signature, "oxcart", &public, algorithm));
            assert!(!is_good(&signature, "oxcarT", &public, algorithm));
        }
    }

    #[test]
    fn no_key_serves_another_algorithm_than_its_own() {
        install_crypto();
        let key = DecodingKey::from_rsa_components(RSA_N, "AQAB").unwrap();
        for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::RS384, Algorithm::PS256] {
            assert!(crypto::verify(RSA_SIGNATURE, b"oxcart", &key, algorithm).is_err());
        }
        let secret = EncodingKey::from_secret(b"public knowledge");
        assert!(crypto::sign(b"oxcart", &secret, Algorithm::HS256).is_err());
    }
}
