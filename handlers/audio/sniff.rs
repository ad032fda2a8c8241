//! What a file is, told from its bytes alone.
//!
//! Names and `Content-Type` headers come from strangers and are not asked. Only the containers the
//! product needs are known here; the parsers of all others (CAF, AIFF, Matroska audio, ADPCM) stay
//! out of reach. Where a container states its own size, a file that ends earlier is told from a whole
//! one before anything is decoded.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

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
/// Most boxes walked at the top of an MP4 file: a minute of fragments of 20 ms is 6000.
const MAX_BOXES: usize = 65_536;
/// Most EBML elements walked in a live WebM: 120 s of packets of 2.5 ms are 48 000.
const MAX_ELEMENTS: usize = 262_144;
/// Most ID3v2 tags skipped.
const MAX_TAGS: usize = 8;

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
    let start = skip_id3v2(source, end)?;
    let bytes = read_at(source, start, PREFIX)?;
    let found = |container, states_length| Ok(Sniffed { container, start, end, states_length });

    if bytes.starts_with(b"fLaC") {
        return found(Container::Flac, true);
    }
    if let Some(states_length) = mp3_frames(source, start, &bytes)? {
        return found(Container::Mp3, states_length);
    }
    if start > 0 {
        return Err(Rejection::UnsupportedContainer.into());
    }
    if bytes.starts_with(&EBML) {
        check_webm(source, &bytes, end)?;
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
        check_mp4(source, &bytes, end)?;
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

/// The end of the ID3v2 tags at the start (id3.org, ID3v2.4 structure, section 3.1), and of the zeros
/// with which some writers pad them.
fn skip_id3v2<S: Read + Seek + ?Sized>(source: &mut S, end: u64) -> Result<u64, AnalyseError> {
    let mut start = 0;
    for _ in 0..MAX_TAGS {
        let head = read_at(source, start, 10)?;
        if head.len() < 10 || !head.starts_with(b"ID3") || head[6..10].iter().any(|byte| byte & 0x80 != 0) {
            break;
        }
        let size = head[6..10].iter().fold(0_u64, |size, byte| size << 7 | u64::from(*byte));
        let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
        start += 10 + size + footer;
        if start >= end {
            return Err(Rejection::Truncated.into());
        }
    }
    if start > 0 {
        let padding = read_at(source, start, PREFIX)?;
        start += padding.iter().take_while(|byte| **byte == 0).count() as u64;
    }
    Ok(start)
}

/// Whether two MPEG layer III frames of one kind follow each other at `start`; then, whether the first
/// is a Xing, Info or VBRI header, which states the length.
fn mp3_frames<S: Read + Seek + ?Sized>(source: &mut S, start: u64, bytes: &[u8]) -> io::Result<Option<bool>> {
    let Some(first) = be_u32(bytes, 0).and_then(Mp3Frame::parse) else { return Ok(None) };
    let next = read_at(source, start + first.length, 4)?;
    let follows = be_u32(&next, 0).and_then(Mp3Frame::parse).is_some_and(|second| second.kind == first.kind);
    if !follows {
        return Ok(None);
    }
    let length = usize::try_from(first.length).unwrap_or(usize::MAX);
    let side_info = &bytes[..bytes.len().min(length).min(64)];
    let states_length = side_info.windows(4).any(|tag| matches!(tag, b"Xing" | b"Info" | b"VBRI"));
    Ok(Some(states_length))
}

struct Mp3Frame {
    /// Version and sample rate bits, which do not change within a stream.
    kind: u32,
    length: u64,
}

impl Mp3Frame {
    /// Reads a frame header (ISO/IEC 11172-3, 2.4.1.3); free format is not accepted.
    fn parse(header: u32) -> Option<Self> {
        const RATES_1: [u64; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const RATES_2: [u64; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        const HERTZ: [u64; 3] = [44_100, 48_000, 32_000];
        let (version, layer) = (header >> 19 & 3, header >> 17 & 3);
        if header >> 21 != 0x7ff || version == 1 || layer != 1 {
            return None;
        }
        let (divisor, samples_by_8, rates) = match version {
            3 => (1, 144, RATES_1),
            2 => (2, 72, RATES_2),
            _ => (4, 72, RATES_2),
        };
        let rate_index = (header >> 12 & 15).checked_sub(1)?;
        let kilobits = rates.get(usize::try_from(rate_index).ok()?)?;
        let hertz = HERTZ.get(usize::try_from(header >> 10 & 3).ok()?)? / divisor;
        let padding = u64::from(header >> 9 & 1);
        Some(Self { kind: header & 0x001e_0c00, length: samples_by_8 * kilobits * 1000 / hertz + padding })
    }
}

const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
const EBML_DOC_TYPE: &[u8] = &[0x42, 0x82];

/// Reads an EBML variable-size integer (RFC 8794, section 4): its value, `None` inside when all bits
/// are ones ("unknown"), and its length.
fn ebml_size(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    if length > 8 {
        return None;
    }
    let raw = bytes.get(..length)?.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let mask = (1_u64 << (7 * length)) - 1;
    Some(((raw & mask != mask).then_some(raw & mask), length))
}

/// Accepts the document type `webm`, and elements that all end within the file.
fn check_webm<S: Read + Seek + ?Sized>(source: &mut S, bytes: &[u8], end: u64) -> Result<(), AnalyseError> {
    let Some((Some(size), width)) = ebml_size(&bytes[4..]) else { return Err(Rejection::UnsupportedContainer.into()) };
    let header_end = usize::try_from(size).ok().and_then(|size| size.checked_add(4 + width));
    let header = header_end.and_then(|header_end| bytes.get(4 + width..header_end));
    let Some(header) = header else {
        return Err(if size > end { Rejection::Truncated } else { Rejection::UnsupportedContainer }.into());
    };
    if ebml_doc_type(header) != Some(b"webm") {
        return Err(Rejection::UnsupportedContainer.into());
    }
    check_elements(source, (4 + width) as u64 + size, end)
}

/// Walks the elements from `at` to the end of the file. A live recording leaves the size of its segment
/// and clusters unknown (RFC 8794, section 6.2); those are entered, all others stepped over.
fn check_elements<S: Read + Seek + ?Sized>(source: &mut S, mut at: u64, end: u64) -> Result<(), AnalyseError> {
    const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
    const CLUSTER: &[u8] = &[0x1f, 0x43, 0xb6, 0x75];
    source.seek(SeekFrom::Start(at))?;
    let mut source = BufReader::new(source);
    for _ in 0..MAX_ELEMENTS {
        let mut head = Vec::with_capacity(12);
        source.by_ref().take(12).read_to_end(&mut head)?;
        let id_width = head.first().map_or(0, |byte| byte.leading_zeros() as usize + 1);
        let sized = head.get(id_width..).and_then(ebml_size);
        let (id, (size, width)) = match sized {
            Some(sized) if id_width <= 4 => (&head[..id_width], sized),
            Some(_) => return Err(Rejection::corrupt("not an element identifier").into()),
            None if head.len() < 12 => return Err(Rejection::Truncated.into()),
            None => return Err(Rejection::corrupt("not an element size").into()),
        };
        at += (id_width + width) as u64;
        at = match size {
            Some(size) => at.checked_add(size).filter(|next| *next <= end).ok_or(Rejection::Truncated)?,
            None if id == SEGMENT || id == CLUSTER => at,
            None => return Err(Rejection::corrupt("an element of unknown size").into()),
        };
        if at == end {
            return Ok(());
        }
        let read = source.stream_position()?;
        // Both are within the file, hence the difference fits.
        source.seek_relative(at as i64 - read as i64)?;
    }
    Err(Rejection::corrupt("too many elements").into())
}

/// Finds the document type among the children of an EBML header; all of these have identifiers of two
/// bytes.
fn ebml_doc_type(mut header: &[u8]) -> Option<&[u8]> {
    while let Some((id, rest)) = header.split_at_checked(2) {
        let (size, width) = ebml_size(rest)?;
        let data_end = width.checked_add(usize::try_from(size?).ok()?)?;
        let data = rest.get(width..data_end)?;
        if id == EBML_DOC_TYPE {
            return Some(data.split(|byte| *byte == 0).next().unwrap_or(data));
        }
        header = &rest[data_end..];
    }
    None
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

/// Accepts a file-type box of a brand for audio or video, and top-level boxes that lie within the file.
fn check_mp4<S: Read + Seek + ?Sized>(source: &mut S, bytes: &[u8], end: u64) -> Result<(), AnalyseError> {
    const BRANDS: [&[u8]; 9] = [b"iso", b"mp4", b"M4A", b"M4B", b"M4V", b"dash", b"cmf", b"3gp", b"avc1"];
    let size = usize::try_from(be_u32(bytes, 0).unwrap_or(0)).unwrap_or(0);
    let brands = bytes.get(8..size.min(bytes.len())).unwrap_or_default().chunks_exact(4);
    if !brands.into_iter().any(|brand| BRANDS.iter().any(|known| brand.starts_with(known))) {
        return Err(Rejection::UnsupportedContainer.into());
    }
    let mut at = 0;
    source.seek(SeekFrom::Start(at))?;
    let mut source = BufReader::new(source);
    for _ in 0..MAX_BOXES {
        if at == end {
            return Ok(());
        }
        let read = source.stream_position()?;
        // Both are within the file, hence the difference fits.
        source.seek_relative(at as i64 - read as i64)?;
        let mut head = Vec::with_capacity(16);
        source.by_ref().take(16).read_to_end(&mut head)?;
        let size = match be_u32(&head, 0) {
            Some(0) => end - at,
            Some(1) => match (be_u32(&head, 8), be_u32(&head, 12)) {
                (Some(high), Some(low)) => u64::from(high) << 32 | u64::from(low),
                _ => return Err(Rejection::Truncated.into()),
            },
            Some(size) => u64::from(size),
            None => return Err(Rejection::Truncated.into()),
        };
        if size < 8 {
            return Err(Rejection::corrupt("a box is shorter than its own header").into());
        }
        at = at.checked_add(size).filter(|next| *next <= end).ok_or(Rejection::Truncated)?;
    }
    Err(Rejection::corrupt("too many boxes").into())
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
    fn ebml_sizes_follow_the_standard() {
        assert_eq!(ebml_size(&[0x82]), Some((Some(2), 1)));
        assert_eq!(ebml_size(&[0x40, 0x7f]), Some((Some(127), 2)));
        assert_eq!(ebml_size(&[0xff]), Some((None, 1)));
        assert_eq!(ebml_size(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Some((None, 8)));
        assert_eq!(ebml_size(&[0x00, 0x01]), None);
        assert_eq!(ebml_size(&[0x40]), None);
    }

    #[test]
    fn matroska_is_not_webm() {
        let header = |doc_type: &[u8]| {
            let mut bytes = EBML.to_vec();
            bytes.push(0x80 | (3 + doc_type.len()) as u8);
            bytes.extend(EBML_DOC_TYPE);
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
