//! WebM: the document type in the EBML header, elements that are whole.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::{AnalyseError, Rejection};

/// Most EBML elements walked in a live WebM: 120 s of packets of 2.5 ms are 48 000.
const MAX_ELEMENTS: usize = 262_144;

/// The first bytes of every EBML file.
pub(super) const MAGIC: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
const DOC_TYPE: &[u8] = &[0x42, 0x82];

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
pub(super) fn check<S: Read + Seek + ?Sized>(source: &mut S, bytes: &[u8], end: u64) -> Result<(), AnalyseError> {
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
        if id == DOC_TYPE {
            return Some(data.split(|byte| *byte == 0).next().unwrap_or(data));
        }
        header = &rest[data_end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ebml_sizes_follow_the_standard() {
        assert_eq!(ebml_size(&[0x82]), Some((Some(2), 1)));
        assert_eq!(ebml_size(&[0x40, 0x7f]), Some((Some(127), 2)));
        assert_eq!(ebml_size(&[0xff]), Some((None, 1)));
        assert_eq!(ebml_size(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Some((None, 8)));
        assert_eq!(ebml_size(&[0x00, 0x01]), None);
        assert_eq!(ebml_size(&[0x40]), None);
    }
}
