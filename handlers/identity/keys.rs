use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Credential, Principal, Role};
use crate::error::{Error, Result};
use crate::ports::secrets::Secret;
use crate::types::{SessionId, TenantId, TierId, UserId};

/// What an access token says (RFC 7519, RFC 9068).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub tid: TenantId,
    pub role: Role,
    pub tier: TierId,
    pub sid: SessionId,
    /// The version of the account that role and tier are of.
    #[serde(default)]
    pub ver: u64,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
}

/// A signed access token and how long it is good for.
pub struct AccessToken {
    pub token: String,
    pub expires_in: Duration,
}

/// Why a token is not accepted. The caller learns only that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid")]
    Invalid,
    #[error("the token names a key that is not known")]
    UnknownKey,
    /// Nothing is wrong with the token as far as can be told.
    #[error("the key of the token cannot be had at this moment")]
    NotReady,
}

/// The key pair that signs access tokens (EdDSA over Ed25519, RFC 8037) and the public key set that
/// verifies them.
pub struct SigningKeys {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    public: String,
    issuer: String,
    audience: String,
}

/// A new private key, in the text form that the secret store keeps: PKCS #8 in base64.
pub fn fresh_signing_key() -> Result<Secret> {
    let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&pair).map_err(Error::internal)?;
    Ok(Secret::new(STANDARD.encode(der.as_ref())))
}

impl SigningKeys {
    pub(super) const LIFETIME: Duration = Duration::minutes(15);
    pub(super) const LEEWAY: Duration = Duration::seconds(30);

    /// Reads a private key as [`fresh_signing_key`] writes it.
    ///
    /// # Errors
    /// An internal error when the secret is not such a key.
    pub fn from_secret(secret: &Secret, issuer: &str, audience: &str) -> Result<Self> {
        let der = STANDARD.decode(secret.expose()).map_err(Error::internal)?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(Error::internal)?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        // RFC 7638: the thumbprint names the key wherever it is held.
        let thumbprint =
            digest::digest(&digest::SHA256, format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#).as_bytes());
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(thumbprint.as_ref()),
            encoding: EncodingKey::from_ed_der(&der),
            decoding: DecodingKey::from_ed_components(&public).map_err(Error::internal)?,
            public,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
        })
    }

    /// Signs a token for `principal`, good for 15 minutes from `now`.
    pub fn sign(&self, principal: &Principal, now: DateTime<Utc>) -> Result<AccessToken> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: principal.user.clone(),
            tid: principal.tenant.clone(),
            role: principal.role,
            tier: principal.tier.clone(),
            sid: principal.session()?.clone(),
            ver: principal.version,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + Self::LIFETIME).timestamp(),
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(Error::internal)?;
        Ok(AccessToken { token, expires_in: Self::LIFETIME })
    }

    /// Who a token speaks for, when its algorithm, key, signature, issuer, audience and times are right
    /// at `now`.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Principal, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.kid.as_deref() != Some(&self.kid) {
            return Err(TokenError::Invalid);
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Times are compared below with the clock of the application, which tests can move.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims =
            jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).map_err(|_| TokenError::Invalid)?.claims;
        let leeway = Self::LEEWAY.num_seconds();
        if claims.exp + leeway <= now.timestamp() {
            return Err(TokenError::Expired);
        }
        if claims.nbf - leeway > now.timestamp() {
            return Err(TokenError::Invalid);
        }
        let Claims { sub: user, tid: tenant, role, tier, sid, ver: version, .. } = claims;
        Ok(Principal { user, tenant, role, tier, version, credential: Credential::Session(sid) })
    }

    /// The name of the key (RFC 7515 §4.1.4).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key (RFC 7517 §4, RFC 8037 §2).
    pub(super) fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.public })
    }
}

/// The key that a token says it was signed with, when that can be one of ours: an RFC 7638 thumbprint.
pub(super) fn named_key(token: &str) -> Option<String> {
    /// Of SHA-256 in base64url.
    const THUMBPRINT_LENGTH: usize = 43;
    let header = jsonwebtoken::decode_header(token).ok().filter(|header| header.alg == Algorithm::EdDSA)?;
    let plain = |kid: &String| kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    header.kid.filter(|kid| kid.len() == THUMBPRINT_LENGTH).filter(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal() -> Principal {
        Principal {
            user: UserId::generate(),
            tenant: TenantId::pravis(),
            role: Role::Customer,
            tier: TierId::FREE,
            version: 3,
            credential: Credential::Session(SessionId::generate()),
        }
    }

    fn keys() -> SigningKeys {
        SigningKeys::from_secret(&fresh_signing_key().unwrap(), "https://issuer", "pravis").unwrap()
    }

    #[test]
    fn a_token_gives_back_its_principal_until_it_expires() {
        let (keys, principal, now) = (keys(), principal(), Utc::now());
        let token = keys.sign(&principal, now).unwrap().token;
        assert_eq!(keys.verify(&token, now), Ok(principal));
        assert_eq!(keys.verify(&token, now + Duration::minutes(16)), Err(TokenError::Expired));
        assert_eq!(keys.verify(&token, now - Duration::minutes(2)), Err(TokenError::Invalid));
    }

    #[test]
    fn tokens_of_another_key_issuer_audience_or_algorithm_are_refused() {
        let (keys, principal, now) = (keys(), principal(), Utc::now());
        let secret = fresh_signing_key().unwrap();
        for (issuer, audience) in [("https://other", "pravis"), ("https://issuer", "other")] {
            let ours = SigningKeys::from_secret(&secret, "https://issuer", "pravis").unwrap();
            let theirs = SigningKeys::from_secret(&secret, issuer, audience).unwrap();
            let token = theirs.sign(&principal, now).unwrap().token;
            assert_eq!(ours.verify(&token, now), Err(TokenError::Invalid));
        }
        let token = keys.sign(&principal, now).unwrap().token;
        let (_, payload_and_signature) = token.split_once('.').unwrap();
        for header in [
            json!({"alg": "none", "kid": keys.kid}),
            json!({"alg": "HS256", "kid": keys.kid}),
            json!({"alg": "EdDSA"}),
            json!({"alg": "EdDSA", "kid": "another"}),
        ] {
            let forged = format!("{}.{payload_and_signature}", URL_SAFE_NO_PAD.encode(header.to_string()));
            assert_eq!(keys.verify(&forged, now), Err(TokenError::Invalid), "{header}");
        }
        let other = SigningKeys::from_secret(&fresh_signing_key().unwrap(), "https://issuer", "pravis").unwrap();
        assert_eq!(other.verify(&token, now), Err(TokenError::Invalid));
        for garbage in ["", "a.b.c", "....", "\u{0}"] {
            assert_eq!(keys.verify(garbage, now), Err(TokenError::Invalid));
        }
    }
}
