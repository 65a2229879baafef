//! Micro transport (uTP) packets. A single one looks like any header with version 1 and a few counters; two of one
//! connection agree on its ids and on the packets received. BEP 29.

const VERSION: u8 = 1;
const SYN: u8 = 4;
const MAX_TYPE: u8 = SYN;
const HEADER_BYTES: usize = 20;
/// Maximum packets of one side in flight since the last acknowledged one.
const MAX_ON_THE_WAY: u16 = 1000;

/// Header fields of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    is_syn: bool,
    connection: u16,
    sequence: u16,
    acknowledged: u16,
}

impl Header {
    /// Parses the header of a datagram; `None` if it isn't one.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = datagram.first_chunk()?;
        let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (kind, version) = (header[0] >> 4, header[0] & 15);
        let has_time = header[4..8] != [0; 4];
        (version == VERSION && kind <= MAX_TYPE && has_time).then_some(Self {
            is_syn: kind == SYN,
            connection: number(2),
            sequence: number(16),
            acknowledged: number(18),
        })
    }

    /// Returns whether this one opens a connection.
    pub fn is_syn(self) -> bool {
        self.is_syn
    }

    /// Returns whether it may belong to the same connection as the peer's latest one: the initiator sends with an id
    /// one higher than that of its SYN, which the other side sends with; and it has received what was sent.
    pub fn answers(self, peer: Self) -> bool {
        let apart = self.connection.wrapping_sub(peer.connection);
        let ids_agree = if peer.is_syn { apart == 0 } else { apart == 1 || apart == u16::MAX };
        let on_the_way = peer.sequence.wrapping_sub(self.acknowledged);
        ids_agree && (on_the_way <= MAX_ON_THE_WAY || on_the_way == u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, connection: u16, sequence: u16, acknowledged: u16) -> Header {
        let mut bytes = [7; 24];
        bytes[..2].copy_from_slice(&[kind << 4 | VERSION, 0]);
        bytes[2..4].copy_from_slice(&connection.to_be_bytes());
        bytes[16..18].copy_from_slice(&sequence.to_be_bytes());
        bytes[18..20].copy_from_slice(&acknowledged.to_be_bytes());
        Header::read(&bytes).expect("a header")
    }

    #[test]
    fn packets_of_one_connection_agree() {
        let syn = packet(SYN, 0xffff, 1, 0);
        let state = packet(2, 0xffff, 900, 1);
        let data = packet(0, 0, 2, 900);
        assert!(state.answers(syn) && data.answers(state) && state.answers(data));
        assert!(!packet(2, 0, 900, 1).answers(syn), "another id");
        assert!(!packet(0, 0xffff, 2, 900).answers(state), "the same id both ways");
        assert!(!packet(0, 0, 2, 3000).answers(state), "it has what was never sent");
    }

    #[test]
    fn other_datagrams_are_rejected() {
        assert_eq!(Header::read(&[0x51; 20]), None, "no such type");
        assert_eq!(Header::read(&[0x12; 20]), None, "another version");
        assert_eq!(Header::read(&[0x11; 19]), None, "too short");
        assert_eq!(Header::read(&[0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
