//! Writes captures in either byte order.

use crate::capture::bytes::ByteOrder;

pub const ETHERNET: u16 = 1;
pub const RAW_IP: u16 = 101;
pub const USB_LINUX: u16 = 189;

pub fn u16(order: ByteOrder, number: u16) -> [u8; 2] {
    match order {
        ByteOrder::Little => number.to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    }
}

pub fn u32(order: ByteOrder, number: u32) -> [u8; 4] {
    match order {
        ByteOrder::Little => number.to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    }
}

pub fn u64(order: ByteOrder, number: u64) -> [u8; 8] {
    match order {
        ByteOrder::Little => number.to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    }
}

/// A pcap file.
pub struct Pcap {
    pub order: ByteOrder,
    pub bytes: Vec<u8>,
}

impl Pcap {
    pub fn new(order: ByteOrder, magic: u32, version: (u16, u16), network: u32) -> Self {
        let mut bytes = u32(order, magic).to_vec();
        bytes.extend(u16(order, version.0));
        bytes.extend(u16(order, version.1));
        for field in [0, 0, 262_144, network] {
            bytes.extend(u32(order, field));
        }
        Self { order, bytes }
    }

    pub fn micro(order: ByteOrder) -> Self {
        Self::new(order, 0xa1b2_c3d4, (2, 4), u32::from(ETHERNET))
    }

    pub fn words(mut self, words: &[u32]) -> Self {
        for word in words {
            self.bytes.extend(u32(self.order, *word));
        }
        self
    }

    pub fn data(mut self, data: &[u8]) -> Self {
        self.bytes.extend(data);
        self
    }

    pub fn packet(self, seconds: u32, fraction: u32, original: u32, data: &[u8]) -> Self {
        self.words(&[seconds, fraction, data.len() as u32, original]).data(data)
    }
}

/// A pcapng file.
pub struct Pcapng {
    pub order: ByteOrder,
    pub bytes: Vec<u8>,
}

impl Pcapng {
    /// Starts with a section header.
    pub fn new(order: ByteOrder) -> Self {
        Self { order, bytes: Vec::new() }.section(order)
    }

    pub fn section(mut self, order: ByteOrder) -> Self {
        self.order = order;
        let mut body = u32(order, 0x1a2b_3c4d).to_vec();
        body.extend(u16(order, 1));
        body.extend(u16(order, 0));
        body.extend(u64(order, u64::MAX));
        // opt_comment
        body.extend(option(order, 1, b"by hand"));
        body.extend(option(order, 0, b""));
        self.block(0x0a0d_0d0a, &body)
    }

    pub fn block(self, block_type: u32, body: &[u8]) -> Self {
        let padded = body.len().next_multiple_of(4) as u32;
        self.raw_block(block_type, padded + 12, body, padded + 12)
    }

    /// Appends a block with lengths that may be wrong.
    pub fn raw_block(mut self, block_type: u32, total: u32, body: &[u8], trailing: u32) -> Self {
        self.bytes.extend(u32(self.order, block_type));
        self.bytes.extend(u32(self.order, total));
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend(u32(self.order, trailing));
        self
    }

    pub fn interface(self, link_type: u16, snap_len: u32, options: &[(u16, &[u8])]) -> Self {
        let order = self.order;
        let mut body = u16(order, link_type).to_vec();
        body.extend([0; 2]);
        body.extend(u32(order, snap_len));
        body.extend(options.iter().flat_map(|(code, value)| option(order, *code, value)));
        self.block(1, &body)
    }

    pub fn enhanced(self, interface: u32, ticks: u64, original: u32, data: &[u8]) -> Self {
        let mut body =
            self.words(&[interface, (ticks >> 32) as u32, ticks as u32, data.len() as u32, original]);
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
        // epb_flags
        body.extend(option(self.order, 2, &[1, 0, 0, 0]));
        body.extend(option(self.order, 0, b""));
        self.block(6, &body)
    }

    pub fn simple(self, original: u32, data: &[u8]) -> Self {
        let mut body = self.words(&[original]);
        body.extend(data);
        self.block(3, &body)
    }

    pub fn obsolete(self, interface: u16, ticks: u64, original: u32, data: &[u8]) -> Self {
        let mut body = u16(self.order, interface).to_vec();
        // drops count
        body.extend([0xff; 2]);
        body.extend(self.words(&[(ticks >> 32) as u32, ticks as u32, data.len() as u32, original]));
        body.extend(data);
        self.block(2, &body)
    }

    pub fn statistics(self, interface: u32, options: &[(u16, u64)]) -> Self {
        let order = self.order;
        let mut body = self.words(&[interface, 0, 0]);
        body.extend(options.iter().flat_map(|(code, value)| option(order, *code, &u64(order, *value))));
        self.block(5, &body)
    }

    pub fn words(&self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| u32(self.order, *word)).collect()
    }
}

pub fn option(order: ByteOrder, code: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16(order, code).to_vec();
    bytes.extend(u16(order, value.len() as u16));
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
