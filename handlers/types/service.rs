/// A part of the product that can be deployed on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Shop,
    Accounts,
    Voice,
    Analytics,
    Ops,
}

impl Service {
    pub const ALL: [Service; 5] = [Self::Shop, Self::Accounts, Self::Voice, Self::Analytics, Self::Ops];

    /// The name in settings, tags and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Accounts => "accounts",
            Self::Voice => "voice",
            Self::Analytics => "analytics",
            Self::Ops => "ops",
        }
    }
}
