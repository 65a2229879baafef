//! What the first payloads of a flow's ends look like: which signatures they bear, and what few messages say of
//! the flow. The signatures are handed in: this module knows formats, and no service.

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
pub use inspector::{MOST_SEEN_BYTES, PayloadInspector, Seen};
pub use payload_meta::{PayloadMeta, PayloadMetas, notes_of};
pub use signatures::{Extract, Found, Rule, Signatures};
