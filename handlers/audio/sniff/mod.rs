//! What a file is, told from its bytes alone.
//!
//! Names and `Content-Type` headers come from strangers and are not asked. Only the containers the
//! product needs are known here; the parsers of all others (CAF, AIFF, Matroska audio, ADPCM) stay
//! out of reach. Where a container states its own size, a file that ends earlier is told from a whole
//! one before anything is decoded.

mod mp3;
mod mp4;
mod webm;

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rejection::{AnalyseError, Rejection};

/// The containers that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// WebM: Matroska with the document type `webm`.
    WebM,
    /// Ogg (RFC 3533).
    Ogg,
    /// MP4 and its kin (ISO/IEC 14496-12), fragmented or not.
    Mp4,
    /// MPEG audio layer III frames (ISO/IEC 11172-3 and 13818-3).
    Mp3,
    /// Native FLAC (RFC 9639).
    Flac,
    /// RIFF WAVE.
    Wav,
}

impl Container {
    /// The media type to store and serve a file with.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::WebM => "audio/webm",
            Self::Ogg => "audio/ogg",
            Self::Mp4 => "audio/mp4",
            Self::Mp3 => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }

    /// The file name's extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::WebM => "webm",
            Self::Ogg => "ogg",
            Self::Mp4 => "m4a",
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }
}

/// A recognised file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sniffed {
    /// Its container.
    pub container: Container,
    /// Where the container starts: the length of ID3v2 tags in front of it, in bytes.
    pub start: u64,
    /// Where the file ends, in bytes.
    pub end: u64,
    /// Whether a length found in the header is a statement, not a guess from the bit rate.
    pub states_length: bool,
}

/// Bytes looked at to recognise a container.
const PREFIX: usize = 4096;

/// Recognises `source`, which is read from its start and left anywhere.
///
/// # Errors
/// `empty`, `unsupported_container`, `unsupported_codec` (WAV formats and Ogg streams that can be told
/// here), `truncated` when the container states a size that the file has not; I/O errors of `source`.
pub fn sniff<S: Read + Seek + ?Sized>(source: &mut S) -> Result<Sniffed, AnalyseError> {
    let end = source.seek(SeekFrom::End(0))?;
    if end == 0 {
        return Err(Rejection::Empty.into());
    }
    let start = mp3::skip_id3v2(source, end)?;
    let bytes = read_at(source, start, PREFIX)?;
    let found = |container, states_length| Ok(Sniffed { container, start, end, states_length });

    if bytes.starts_with(b"fLaC") {
        return found(Container::Flac, true);
    }
    if let Some(states_length) = mp3::frames(source, start, &bytes)? {
        return found(Container::Mp3, states_length);
    }
    if start > 0 {
        return Err(Rejection::UnsupportedContainer.into());
    }
    if bytes.starts_with(&webm::MAGIC) {
        webm::check(source, &bytes, end)?;
        return found(Container::WebM, false);
    }
    if bytes.starts_with(b"OggS") {
        check_ogg(&bytes)?;
        return found(Container::Ogg, false);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        check_wav(&bytes)?;
        return found(Container::Wav, true);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        mp4::check(source, &bytes, end)?;
        return found(Container::Mp4, false);
    }
    Err(Rejection::UnsupportedContainer.into())
}

fn read_at<S: Read + Seek + ?Sized>(source: &mut S, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length);
    source.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Accepts an Ogg file whose first stream is Opus, Vorbis or FLAC (by their first packets: RFC 7845,
/// Vorbis I section 4.2.1, and the Ogg mapping of FLAC).
fn check_ogg(bytes: &[u8]) -> Result<(), Rejection> {
    let segments = usize::from(*bytes.get(26).ok_or(Rejection::Truncated)?);
    let packet = bytes.get(27 + segments..).ok_or(Rejection::Truncated)?;
    let known = [b"OpusHead".as_slice(), b"\x01vorbis", b"\x7fFLAC"];
    if known.iter().any(|magic| packet.starts_with(magic)) {
        return Ok(());
    }
    let found = packet.iter().take(8).filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte));
    Err(Rejection::UnsupportedCodec { found: format!("ogg stream {:?}", found.collect::<String>()) })
}

/// Finds the format chunk, which must stand within the first bytes.
fn check_wav(bytes: &[u8]) -> Result<(), Rejection> {
    let mut rest = &bytes[12..];
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        if head.starts_with(b"fmt ") {
            return check_wav_format(body);
        }
        let size = le_u32(head, 4).and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        rest = body.get(size.saturating_add(size & 1)..).unwrap_or_default();
    }
    Err(if bytes.len() < PREFIX { Rejection::Truncated } else { Rejection::corrupt("no format chunk near the start") })
}

/// Accepts PCM, IEEE float, A-law and mu-law, plain or within WAVE_FORMAT_EXTENSIBLE, when bits and
/// block size agree with each other: the parser behind does arithmetic with them unasked.
fn check_wav_format(format: &[u8]) -> Result<(), Rejection> {
    let field = |at| le_u16(format, at).ok_or(Rejection::Truncated);
    let (channels, block_align, bits) = (field(2)?, field(12)?, field(14)?);
    let tag = match field(0)? {
        0xfffe => field(24)?,
        tag => tag,
    };
    let widths: &[u16] = match tag {
        1 => &[8, 16, 24, 32],
        3 => &[32, 64],
        6 | 7 => &[8],
        tag => return Err(Rejection::UnsupportedCodec { found: format!("wav format tag {tag:#06x}") }),
    };
    let consistent = widths.contains(&bits) && u32::from(block_align) == u32::from(channels) * u32::from(bits / 8);
    if consistent && channels > 0 { Ok(()) } else { Err(Rejection::corrupt("the format chunk contradicts itself")) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn code(bytes: &[u8]) -> &'static str {
        sniff(&mut Cursor::new(bytes)).unwrap_err().rejection().unwrap().code()
    }

    #[test]
    fn other_kinds_of_files_are_refused() {
        assert_eq!(code(b""), "empty");
        let others: [&[u8]; 10] = [
            b"caff\x00\x01\x00\x00desc",
            b"FORM\x00\x00\x10\x00AIFFCOMM",
            b"RIFF\x24\x00\x00\x00AVI LIST",
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
            b"{\"hello\": \"world\"}",
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
            b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00qt  ",
            b"#!AMR\n",
            b"\xff\xfb\x90\x00 one header alone is no proof",
            b"\x00",
        ];
        for bytes in others {
            assert_eq!(code(bytes), "unsupported_container", "{}", bytes.escape_ascii());
        }
        assert_eq!(code(&ogg_page(b"Speex   1.2")), "unsupported_codec");
    }

    fn ogg_page(packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\x00\x02".to_vec();
        page.extend([0; 20]);
        page.extend([1, packet.len() as u8]);
        page.extend(packet);
        page
    }

    #[test]
    fn matroska_is_not_webm() {
        let header = |doc_type: &[u8]| {
            let mut bytes = webm::MAGIC.to_vec();
            bytes.push(0x80 | (3 + doc_type.len()) as u8);
            bytes.extend([0x42, 0x82]);
            bytes.push(0x80 | doc_type.len() as u8);
            bytes.extend(doc_type);
            bytes
        };
        let webm = |rest: &[u8]| [&header(b"webm"), rest].concat();
        let segment = b"\x18\x53\x80\x67";
        let live = [segment.as_slice(), b"\xff\x1f\x43\xb6\x75\xff\xa3\x82ab\xa3\x81c"].concat();
        assert_eq!(sniff(&mut Cursor::new(webm(&live))).unwrap().container, Container::WebM);
        for length in [0, 1, 4, live.len() - 4, live.len() - 2, live.len() - 1] {
            assert_eq!(code(&webm(&live[..length])), "truncated", "{length}");
        }
        assert!(sniff(&mut Cursor::new(webm(&live[..live.len() - 3]))).is_ok());
        assert_eq!(code(&webm(&[segment.as_slice(), b"\x84abc"].concat())), "truncated");
        assert_eq!(code(&header(b"matroska")), "unsupported_container");
    }

    #[test]
    fn tags_in_front_are_skipped_and_lying_ones_refused() {
        // 128 kbit/s at 44.1 kHz: frames of 417 bytes.
        let frame = |data: &mut Vec<u8>| {
            data.extend([0xff, 0xfb, 0x90, 0x00]);
            data.extend([0; 413]);
        };
        let mut file = b"ID3\x03\x00\x00\x00\x00\x01\x00".to_vec();
        file.extend([0; 128]);
        file.extend([0; 50]);
        frame(&mut file);
        frame(&mut file);
        let sniffed = sniff(&mut Cursor::new(&file)).unwrap();
        assert_eq!((sniffed.container, sniffed.start, sniffed.states_length), (Container::Mp3, 188, false));
        file[6] = 0x7f;
        assert_eq!(code(&file), "truncated");
    }
}
