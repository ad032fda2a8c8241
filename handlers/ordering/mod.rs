//! What is sold: carts, orders, what they cost, and the pieces in stock with what orders hold of them. Rules
//! without I/O.

pub mod cart;
pub mod contact;
pub mod order;
pub mod stock;
pub mod totals;
