//! Offsets, codes and lengths of the supported blocks. draft-ietf-opsawg-pcapng.

/// Fields of every block, §3.1.
pub mod block {
    pub const TYPE: usize = 0;
    pub const TOTAL_LENGTH: usize = 4;
    pub const TRAILER_BYTES: usize = 4;
    pub const HEADER_BYTES: usize = 8;
    pub const MINIMUM_BYTES: u32 = 12;
    /// Maximum bytes of a block that is held in memory.
    pub const MAXIMUM_BYTES: u32 = 16 * 1024 * 1024;
}

/// Section Header Block, §4.1.
pub mod section_header {
    pub const BLOCK_TYPE: u32 = 0x0a0d_0d0a;
    pub const BYTE_ORDER_MAGIC: usize = 8;
    pub const MAJOR_VERSION: usize = 12;
    pub const MINOR_VERSION: usize = 14;
    pub const MINIMUM_BYTES: u32 = 28;
    pub const MAGIC: u32 = 0x1a2b_3c4d;
}

/// Interface Description Block, §4.2.
pub mod description {
    pub const BLOCK_TYPE: u32 = 1;
    pub const LINK_TYPE: usize = 8;
    pub const SNAP_LEN: usize = 12;
    pub const OPTIONS: usize = 16;
    pub const IF_TSRESOL: u16 = 9;
    pub const IF_TSOFFSET: u16 = 14;
    pub const MINIMUM_BYTES: u32 = 20;
    /// Maximum interfaces of a section, which bounds the memory; `mergecap` writes one per merged file.
    pub const MAXIMUM_COUNT: usize = 65_536;
}

/// Enhanced Packet Block, §4.3; also the obsolete Packet Block, appendix A, which differs only in its 16-bit
/// interface id.
pub mod enhanced {
    pub const BLOCK_TYPE: u32 = 6;
    pub const OBSOLETE_BLOCK_TYPE: u32 = 2;
    pub const INTERFACE_ID: usize = 8;
    pub const TIMESTAMP_HIGH: usize = 12;
    pub const TIMESTAMP_LOW: usize = 16;
    pub const CAPTURED_LENGTH: usize = 20;
    pub const ORIGINAL_LENGTH: usize = 24;
    pub const DATA: usize = 28;
    pub const MINIMUM_BYTES: u32 = 32;
}

/// Simple Packet Block, §4.4.
pub mod simple {
    pub const BLOCK_TYPE: u32 = 3;
    pub const ORIGINAL_LENGTH: usize = 8;
    pub const DATA: usize = 12;
    pub const MINIMUM_BYTES: u32 = 16;
}

/// Interface Statistics Block, §4.6.
pub mod statistics {
    pub const BLOCK_TYPE: u32 = 5;
    pub const INTERFACE_ID: usize = 8;
    pub const OPTIONS: usize = 20;
    pub const ISB_IFDROP: u16 = 5;
    pub const ISB_OSDROP: u16 = 7;
    pub const MINIMUM_BYTES: u32 = 24;
}
