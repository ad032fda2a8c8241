use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// Why a text is not an identifier of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct IdError {
    /// The accepted form, in words a client can act on.
    pub expected: &'static str,
}

/// Identifiers are a prefix by kind and a ULID, so that they sort by time of creation
/// and a wrong kind is refused where it enters.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What every identifier of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier, greater than all made before in another millisecond.
            pub fn generate() -> Self {
                Self(format!(concat!($prefix, "{}"), Ulid::generate()))
            }

            /// The identifier of this kind with a ULID that was made elsewhere.
            pub fn of(ulid: Ulid) -> Self {
                Self(format!(concat!($prefix, "{}"), ulid))
            }

            /// The identifier of this kind that shares its ULID with `other`'s text, so that
            /// work done twice names its results alike.
            pub fn twin_of(other: &str) -> Result<Self, IdError> {
                let (_, ulid) = other.rsplit_once('_').ok_or(IdError { expected: Self::EXPECTED })?;
                format!(concat!($prefix, "{}"), ulid).parse()
            }

            const EXPECTED: &'static str = concat!("an identifier `", $prefix, "` followed by 26 characters (ULID)");

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .filter(|rest| Ulid::from_string(rest).is_ok())
                    .map(|_| Self(text.to_owned()))
                    .ok_or(IdError { expected: Self::EXPECTED })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(/// A person with an account.
    UserId, "usr_");
id!(/// A product of the catalogue.
    ProductId, "prd_");
id!(/// A picture of a product.
    MediaId, "med_");
id!(/// A recording of a shopper's voice.
    SampleId, "smp_");
id!(/// One exchange with Ask Pravi.
    InteractionId, "int_");
id!(/// A customer's review of a product.
    ReviewId, "rev_");
id!(/// An order.
    OrderId, "ord_");
id!(/// A line of a cart: one choice of a product.
    CartLineId, "itm_");
id!(/// A domain event.
    EventId, "evt_");
id!(/// One login, from its first to its last token.
    SessionId, "ses_");
id!(/// A key of a program.
    ApiKeyId, "key_");
id!(/// A copy of a customer's data, made for them.
    ExportId, "exp_");
id!(/// The erasure of an account.
    ErasureId, "ers_");
id!(/// One request, for logs and problem documents.
    RequestId, "req_");

/// A boutique: lower-case letters, digits and hyphens, 1 to 32 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

impl TenantId {
    /// The boutique that a single-tenant deployment serves.
    pub fn pravis() -> Self {
        Self("pravis".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let sane = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(sane) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError { expected: "a tenant of 1 to 32 lower-case letters, digits and hyphens" })
        }
    }
}

impl TryFrom<String> for TenantId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> String {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A plan that a caller is on, which sets limits: a lower-case letter, then letters, digits and hyphens, 2 to
/// 32 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TierId(Cow<'static, str>);

impl TierId {
    /// The plan of everybody who has no other.
    pub const FREE: Self = Self(Cow::Borrowed("free"));
    pub const PREMIUM: Self = Self(Cow::Borrowed("premium"));
    pub const ENTERPRISE: Self = Self(Cow::Borrowed("enterprise"));

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TierId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let sane = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (2..=32).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(sane) {
            Ok(Self(Cow::Owned(text.to_owned())))
        } else {
            Err(IdError { expected: "a tier of 2 to 32 lower-case letters, digits and hyphens" })
        }
    }
}

impl TryFrom<String> for TierId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<TierId> for String {
    fn from(id: TierId) -> String {
        id.0.into_owned()
    }
}

impl fmt::Display for TierId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_another_kind_is_refused() {
        let user = UserId::generate();
        assert_eq!(user.as_str().parse::<UserId>(), Ok(user.clone()));
        assert!(user.as_str().parse::<ProductId>().is_err());
        assert!("usr_".parse::<UserId>().is_err());
        assert!("usr_../../etc/passwd".parse::<UserId>().is_err());
    }

    #[test]
    fn a_twin_shares_the_ulid() {
        let sample = SampleId::generate();
        let twin = InteractionId::twin_of(sample.as_str()).unwrap();
        assert_eq!(&twin.as_str()[4..], &sample.as_str()[4..]);
    }

    #[test]
    fn tiers_are_names() {
        assert_eq!("free".parse(), Ok(TierId::FREE));
        for bad in ["", "f", "Free", "9lives", "a b", &"x".repeat(33)] {
            assert!(bad.parse::<TierId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tenants_are_names_that_are_safe_in_paths() {
        for bad in ["", "A", "a/b", "..", "a b", &"x".repeat(33)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
    }
}
