//! A resolver that hands out checked addresses only.
//!
//! The client connects to the very addresses this resolver returns, so a name that answers with a
//! harmless address first and a forbidden one a moment later (DNS rebinding) gains nothing: what
//! was checked is what is dialled.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{self, Refusal};

/// Why a host's address was not handed out.
#[derive(Debug, thiserror::Error)]
#[error("{host} is {address}, {refusal}; expected a loopback, private or public host address")]
pub struct AddressRefused {
    /// The name that was looked up, or the literal.
    pub host: String,
    /// The offending address.
    pub address: IpAddr,
    /// The range it is in.
    pub refusal: Refusal,
}

/// Checks one address of `host`.
///
/// # Errors
/// When the address policy refuses it.
pub(super) fn check(host: &str, ip: IpAddr) -> Result<(), AddressRefused> {
    address::check(ip).map_err(|refusal| AddressRefused {
        host: host.to_owned(),
        address: ip,
        refusal,
    })
}

/// Looks names up with the system's resolver and refuses a name if any of its addresses is
/// forbidden.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CheckedResolver;

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            for at in &found {
                check(host, at.ip())?;
            }
            let checked: Addrs = Box::new(found.into_iter());
            Ok(checked)
        })
    }
}
