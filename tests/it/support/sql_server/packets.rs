//! Packets and messages of the Tabular Data Stream
//! (<https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/>, §2.2.3).

use std::io::{self, Read, Write};

pub const BATCH: u8 = 1;
pub const RPC: u8 = 3;
pub const ANSWER: u8 = 4;
pub const ATTENTION: u8 = 6;
pub const BULK_LOAD: u8 = 7;
pub const TRANSACTION: u8 = 14;
pub const LOGIN: u8 = 16;
pub const PRELOGIN: u8 = 18;

const HEADER: usize = 8;
const LAST: u8 = 1;
/// What a client gets before it asks for another size.
const PACKET: usize = 4096;

/// A message: its packets' payloads together.
pub struct Message {
    pub kind: u8,
    pub payload: Vec<u8>,
}

/// Reads one packet; `None` at the end of the connection.
pub fn read_packet(stream: &mut impl Read) -> io::Result<Option<(Message, bool)>> {
    let mut header = [0; HEADER];
    match stream.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let mut payload = vec![0; length.checked_sub(HEADER).ok_or(io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut payload)?;
    Ok(Some((Message { kind: header[0], payload }, header[1] & LAST != 0)))
}

/// Reads all packets of a message; `None` at the end of the connection.
pub fn read_message(stream: &mut impl Read) -> io::Result<Option<Message>> {
    let Some((mut message, mut last)) = read_packet(stream)? else { return Ok(None) };
    while !last {
        let Some((more, end)) = read_packet(stream)? else { return Ok(None) };
        if more.kind != message.kind {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message in packets of several kinds"));
        }
        message.payload.extend(more.payload);
        last = end;
    }
    Ok(Some(message))
}

/// Writes a message, or only its first half, as a server that dies in the middle.
pub fn write_message(stream: &mut impl Write, kind: u8, payload: &[u8], whole: bool) -> io::Result<()> {
    let sent = if whole { payload } else { &payload[..payload.len() / 2] };
    let mut chunks = sent.chunks(PACKET - HEADER).peekable();
    let mut bytes = Vec::with_capacity(sent.len() + HEADER);
    while let Some(chunk) = chunks.next() {
        let last = whole && chunks.peek().is_none();
        let length = (chunk.len() + HEADER) as u16;
        bytes.extend([kind, if last { LAST } else { 0 }]);
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, 1, 0]);
        bytes.extend(chunk);
    }
    stream.write_all(&bytes)?;
    stream.flush()
}
