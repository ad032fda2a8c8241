//! The closed vocabularies of understanding: what a word of the lexicon can stand for. Their
//! serialised names are the canonical values that clients see.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A garment size as the catalogue writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Size {
    XS,
    S,
    M,
    L,
    XL,
    XXL,
}

impl Size {
    /// Every size, smallest first.
    pub const ALL: [Size; 6] = [Self::XS, Self::S, Self::M, Self::L, Self::XL, Self::XXL];

    /// The catalogue's spelling, such as `XL`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XS => "XS",
            Self::S => "S",
            Self::M => "M",
            Self::L => "L",
            Self::XL => "XL",
            Self::XXL => "XXL",
        }
    }
}

/// The storefront's orders of a product list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    Newest,
    PriceLow,
    PriceHigh,
    Popular,
    Rating,
}

impl Sort {
    /// The value of the storefront's `sort` parameter, such as `price-low`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::PriceLow => "price-low",
            Self::PriceHigh => "price-high",
            Self::Popular => "popular",
            Self::Rating => "rating",
        }
    }
}

/// A subject on which the boutique has a written policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyTopic {
    Shipping,
    Returns,
    Exchanges,
    Sizes,
    Payment,
    /// Where the shop is and when it is open.
    Store,
}

impl PolicyTopic {
    /// Every topic, in the order in which help offers them.
    pub const ALL: [PolicyTopic; 6] =
        [Self::Shipping, Self::Returns, Self::Exchanges, Self::Sizes, Self::Payment, Self::Store];

    /// The identifier of the topic, such as `shipping`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shipping => "shipping",
            Self::Returns => "returns",
            Self::Exchanges => "exchanges",
            Self::Sizes => "sizes",
            Self::Payment => "payment",
            Self::Store => "store",
        }
    }
}

/// What a question about one product asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Aspect {
    Price,
    Reviews,
    Stock,
    Care,
    Material,
    Sizes,
    Colors,
    Origin,
    Description,
}

/// A page of the storefront that has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Page {
    Home,
    Shop,
    Cart,
    Checkout,
    Contact,
    Privacy,
    Terms,
    Account,
    AccountPrivacy,
    Back,
}

impl Page {
    /// The storefront's route; `back` is the browser's history.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Shop => "/shop",
            Self::Cart => "/cart",
            Self::Checkout => "/checkout",
            Self::Contact => "/contact",
            Self::Privacy => "/privacy",
            Self::Terms => "/terms",
            Self::Account => "/account",
            Self::AccountPrivacy => "/account/privacy",
            Self::Back => "back",
        }
    }

    /// What the page is called in a sentence.
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::Home => "the home page",
            Self::Shop => "the shop",
            Self::Cart => "your cart",
            Self::Checkout => "the checkout",
            Self::Contact => "the contact page",
            Self::Privacy => "the privacy policy",
            Self::Terms => "the terms and conditions",
            Self::Account => "your account",
            Self::AccountPrivacy => "your privacy settings",
            Self::Back => "the previous page",
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

/// How a number that stands beside the word limits a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
    Between,
    Around,
    OrLess,
    OrMore,
    OrSo,
    Budget,
    Currency,
    /// These stand behind the number, as Hindi and Telugu have it: `दो हज़ार तक`, `వెయ్యి లోపు`.
    PostMost,
    PostLeast,
    PostBetween,
    PostAround,
}

/// What a word that is no slot value does in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cue {
    Show,
    Want,
    Add,
    Buy,
    Take,
    Remove,
    Empty,
    Change,
    Increase,
    Decrease,
    Go,
    Read,
    Choose,
    Cart,
    Total,
    CartQuestion,
    Checkout,
    Quantity,
    Piece,
    Item,
    Generic,
    One,
    This,
    Last,
    More,
    Refine,
    Filter,
    SizeNoun,
    ColorNoun,
    Not,
    /// Refuses what is said before it: `लाल नहीं`, `ఎరుపు కాకుండా`.
    NotAfter,
    But,
    Section,
    Help,
    Greeting,
    Stop,
    Thanks,
    All,
    /// A light verb that sets something: `तीन कर दो`, `మూడు చేయి`.
    Make,
    /// Marks a question: `क्या`, `ఏమి`.
    Question,
    Also,
    Instead,
    /// What no shop for clothes is asked about: the weather, a train, a song.
    Elsewhere,
    /// Takes back what was said: `sorry`, `I mean`, `मतलब`.
    Correct,
}

/// What a phrase of the lexicon stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Category(&'static str),
    Fabric(&'static str),
    Weave(&'static str),
    Color(&'static str),
    Size(Size),
    Occasion(&'static str),
    Sort(Sort),
    /// A property that products are described with but not filtered by.
    Feature(&'static str),
    Aspect(Aspect),
    Policy(PolicyTopic),
    Page(Page),
    Bound(Bound),
    Cue(Cue),
    /// A word that carries no meaning of its own here.
    Filler,
}

impl Meaning {
    /// Whether the meaning is the name of a kind of product, a fabric, a weave or a colour.
    pub(crate) const fn names_products(self) -> bool {
        matches!(self, Self::Category(_) | Self::Fabric(_) | Self::Weave(_) | Self::Color(_))
    }

    /// Whether the meaning is a value that products can be searched by.
    pub(crate) const fn describes_products(self) -> bool {
        self.names_products() || matches!(self, Self::Feature(_))
    }
}
