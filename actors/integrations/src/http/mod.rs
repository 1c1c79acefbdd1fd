//! The agent kind `http`: work is a POST, the answer is the result.
//!
//! ```text
//! Assignment ─▶ POST endpoint {work, kind, payload, ..} ─▶ 200 JSON  the result
//!                                                          4xx       not tried again
//!                                                          429, 503  tried again in a while
//!                                                          5xx       tried again
//! ```
//!
//! The headers `synod-used-tokens` and `synod-used-money-micros` of an answer, whatever its status,
//! say what the work used up; it counts towards the budget of whoever asked for it.
//!
//! Never: a request to a link-local address or to the metadata service of a cloud, in whatever
//! spelling, by whatever name, or by a redirect; an answer that is read without bound; a request
//! that goes on after its work was cancelled.

mod address;
mod agent;
mod answer;
mod client;
mod config;
mod endpoint;
mod resolver;

pub use address::{Refusal, check};
pub use agent::{HttpAgent, HttpAgentError, kind_factory};
pub use config::{HttpAgentConfig, HttpConfig};
pub use endpoint::{Endpoint, EndpointRefused};
pub use resolver::AddressRefused;
