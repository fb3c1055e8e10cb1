//! A server on this machine, and pulls from it.

pub(crate) mod pulls;
pub(crate) mod server;
