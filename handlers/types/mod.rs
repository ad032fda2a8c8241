//! Values that every layer shares: identifiers, money, languages. They parse at
//! the border and are trusted inside.

mod ids;
mod language;
mod localised;
mod money;
mod placement;
mod service;

pub use ids::{
    ApiKeyId, EventId, IdError, InteractionId, OrderId, ProductId, RequestId, SampleId, SessionId, TenantId, TierId,
    UserId,
};
pub use language::Language;
pub use localised::{LocalisedText, Origin};
pub use money::Paise;
pub use placement::{DatabaseName, Placement};
pub use service::Service;
