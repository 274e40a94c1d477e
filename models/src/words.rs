//! What the outbox needs of the rest of the program, made small: a message is a byte, a head is
//! nothing, nobody traces.
#![allow(missing_docs)]

pub mod geometry {
    pub const BLOCK_LEN: u32 = 16 * 1024;
}

pub mod ids {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Span {
        pub piece: u32,
        pub offset: u32,
        pub length: u32,
    }

    impl Span {
        pub fn end(&self) -> Option<u32> {
            self.offset.checked_add(self.length)
        }
    }
}

pub mod logic {
    pub use crate::ahead;

    pub mod choker {
        pub const EQUAL: u32 = 1000;
    }
}

pub mod node {
    pub mod trace {
        use crate::ids::Span;
        use crate::protocol::message::Message;
        use crate::protocol::speech::Speech;

        #[derive(Debug)]
        pub struct Tap;

        impl Tap {
            pub fn on_chunk(&mut self, _: Span) {}
            pub fn on_said(&mut self, _: &Speech, _: &Message) {}
        }
    }
}

pub mod protocol {
    pub mod message {
        pub const MAX_CHUNK: u32 = 128 * 1024;

        #[derive(Debug, Clone, Copy)]
        pub struct Message(pub u8);

        #[derive(Debug, Clone, Copy, Default)]
        pub struct ExtensionNumbers {
            pub peers: u8,
            pub dont_have: u8,
        }
    }

    pub mod speech {
        use super::message::{ExtensionNumbers, Message};
        use crate::ids::Span;

        #[derive(Debug, Clone, Copy)]
        pub struct Codec {
            pub extended: bool,
            pub theirs: ExtensionNumbers,
        }

        #[derive(Debug, Clone, Copy)]
        pub enum Speech {
            Native,
            BitTorrent(Codec),
        }

        impl Speech {
            pub fn put(&self, message: &Message, out: &mut Vec<u8>) {
                out.push(message.0);
            }

            pub fn put_chunk_head(&self, _: Span, _: &mut Vec<u8>) {}
        }
    }
}
