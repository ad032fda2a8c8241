//! The catalogue in memory: products, and the index that answers every question to them without a
//! store. Pure; where products come from stands in the shop service.

mod filter;
mod index;
mod picture;
mod product;

pub use filter::{Facets, ProductFilter};
pub use index::{Policy, Search, Snapshot};
pub use picture::{PictureSource, ProductPicture};
pub use product::{Category, Product, product_id};
