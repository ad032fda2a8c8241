//! Values that every layer shares: identifiers, money, languages. They parse at
//! the border and are trusted inside.

mod ids;
mod language;
mod localised;
mod money;
mod network;
mod payment;
mod placement;
mod service;

pub use ids::{
    ApiKeyId, CartLineId, ErasureId, EventId, ExportId, IdError, InteractionId, MediaId, OrderId, ProductId, RequestId,
    ReviewId, SampleId, SessionId, TenantId, TierId, UserId,
};
pub use language::Language;
pub use localised::{LocalisedText, Origin};
pub use money::Paise;
pub use network::Network;
pub use payment::PaymentMethod;
pub use placement::{DatabaseName, Placement};
pub use service::Service;
