//! The two hosts that fire the functions: the Azure Functions host, whose invocations arrive over
//! HTTP ([`envelope`], [`invoke`]), and the local host in this process ([`local`]). Both end in
//! the same handlers.

pub mod envelope;
pub mod invoke;
pub mod local;
