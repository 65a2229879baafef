//! Inspection of the first payloads of each flow: signatures found, and metadata of a few message types. The
//! signatures are passed in: this module knows formats, and no service.

mod announce;
mod assembly;
mod bytes;
mod condition;
mod dns_names;
mod filter;
mod hits;
mod inspector;
mod pattern;
mod payload_meta;
mod proxy;
mod quic;
mod rpc;
mod rtp;
mod signatures;
mod tls;
mod utp;

pub use announce::{Announced, Use};
pub use dns_names::DnsNames;
pub use hits::{Hits, Proof, SLOTS};
pub use inspector::{MAX_SEEN_BYTES, PayloadInspector, Seen};
pub use payload_meta::{PayloadMeta, PayloadMetas, notes_of};
pub use signatures::{Extract, Found, Rule, Signatures};
