//! Community ID v1, the flow identifier that Zeek, Suricata, Arkime and others share.
//!
//! <https://github.com/corelight/community-id-spec>: SHA-1 over seed, smaller endpoint first, protocol, a zero byte
//! and the ports. The spec orders endpoints as the key does.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

use super::Key;

/// Returns the community ID with seed 0.
#[must_use]
pub fn community_id(key: &Key) -> String {
    let address_at = if key.ip_version == 4 { 12 } else { 0 };
    let digest = Sha1::new()
        .chain_update(0_u16.to_be_bytes())
        .chain_update(&key.addr_a[address_at..])
        .chain_update(&key.addr_b[address_at..])
        .chain_update([key.proto, 0])
        .chain_update(key.port_a.to_be_bytes())
        .chain_update(key.port_b.to_be_bytes())
        .finalize();
    format!("1:{}", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the specification's README.
    #[test]
    fn agrees_with_the_specification() {
        let mapped = |address| (0xffff_0000_0000 | u128::from(u32::from_be_bytes(address))).to_be_bytes();
        let key = Key {
            proto: 6,
            ip_version: 4,
            addr_a: mapped([66, 35, 250, 204]),
            port_a: 80,
            addr_b: mapped([128, 232, 110, 120]),
            port_b: 34855,
        };
        assert_eq!(community_id(&key), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    }
}
