//! The value types that many components share: durations, optional blocks, secrets, headers, TLS,
//! endpoints.

mod duration;
mod endpoint;
mod optional;
mod secret;
mod tls;

#[cfg(test)]
mod tests;

pub use duration::Duration;
pub use endpoint::{ClientUrl, ListenAddress, Transport, is_loopback};
pub use optional::Optional;
pub use secret::{Headers, Secret};
pub use tls::{ClientTls, ServerTls, TlsFiles};
