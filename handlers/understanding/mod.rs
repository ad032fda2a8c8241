//! What a shopper means by what they say.
