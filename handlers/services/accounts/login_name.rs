//! The names that an account can be signed in to by.

use super::model::{Email, User};
use super::phone::Phone;
use crate::types::TenantId;

/// An email address or a phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginName {
    Email(Email),
    Phone(Phone),
}

impl LoginName {
    /// What a person types; `None` for what can be the name of no account.
    pub fn parse(text: &str) -> Option<Self> {
        match text.contains('@') {
            true => Email::parse(text).ok().map(Self::Email),
            false => Phone::parse(text).ok().map(Self::Phone),
        }
    }

    /// The id of its claim in the directory.
    pub fn claim_id(&self, tenant: &TenantId) -> String {
        match self {
            Self::Email(email) => email.claim_id(tenant),
            Self::Phone(phone) => phone.claim_id(tenant),
        }
    }

    /// Whether the account says of itself that the name is its own. A claim that its account does not hold is
    /// what a process left behind that died.
    pub fn is_held_by(&self, user: &User) -> bool {
        match self {
            Self::Email(email) => user.email == *email,
            Self::Phone(phone) => user.phone.as_ref() == Some(phone),
        }
    }

    /// What is told to who asks for a name that another account has.
    pub fn taken(&self) -> &'static str {
        match self {
            Self::Email(_) => "There is an account with this email address; sign in instead.",
            Self::Phone(_) => "There is an account with this phone number.",
        }
    }
}
