//! The catalogue in memory: products, and the index that answers every question to them without a
//! store. Pure; where products come from stands in the shop service.

mod facets;
mod filter;
mod index;
mod picture;
mod product;
mod snapshot;

pub use facets::{Facets, PriceBand};
pub use filter::{Dimension, ProductFilter};
pub use picture::{PictureSource, ProductPicture};
pub use product::{Category, Product, product_id};
pub use snapshot::{Matches, Policy, Search, Snapshot, Wording};
