//! The two ends of RIFF/WAVE (Microsoft and IBM, "Multimedia programming interface and data
//! specifications 1.0", 1991) that the engines need: one channel, 16-bit integers.

use crate::ports::speech::Pcm;
use crate::ports::{PortError, PortResult};

const PCM_FORMAT: u16 = 1;

/// The sound as a WAV file.
pub(super) fn encode(pcm: &Pcm) -> Vec<u8> {
    let bytes = u32::try_from(pcm.samples.len() * 2).unwrap_or(u32::MAX - 36);
    let mut file = Vec::with_capacity(44 + pcm.samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + bytes).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    file.extend_from_slice(&PCM_FORMAT.to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes());
    file.extend_from_slice(&pcm.sample_rate_hz.to_le_bytes());
    file.extend_from_slice(&(pcm.sample_rate_hz * 2).to_le_bytes());
    file.extend_from_slice(&2u16.to_le_bytes());
    file.extend_from_slice(&16u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    for sample in &pcm.samples {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    file
}

/// Reads a WAV stream of one channel with 16-bit integers. A program that writes to a pipe cannot know
/// its sizes beforehand and writes bogus ones, so the data ends where the bytes end. `Corrupt` for
/// anything else.
pub(super) fn decode(file: &[u8]) -> PortResult<Pcm> {
    let corrupt = |what: &str| PortError::corrupt(format!("not a WAV stream of 16-bit mono sound: {what}"));
    let mut rest = file
        .strip_prefix(b"RIFF")
        .and_then(|rest| rest.get(4..))
        .and_then(|rest| rest.strip_prefix(b"WAVE"))
        .ok_or_else(|| corrupt("no RIFF header"))?;
    let mut sample_rate_hz = None;
    while let Some((id, size, body)) = chunk(rest) {
        match id {
            b"fmt " => sample_rate_hz = Some(sample_rate(body).ok_or_else(|| corrupt("another format"))?),
            b"data" => {
                let sample_rate_hz = sample_rate_hz.ok_or_else(|| corrupt("data before format"))?;
                let data = &body[..size.min(body.len())];
                let samples = data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
                return Ok(Pcm { sample_rate_hz, samples });
            }
            _ => {}
        }
        // Chunks begin at even places.
        rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    Err(corrupt("no data"))
}

/// The id, the stated size and everything after the header of the first chunk.
fn chunk(rest: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    let (header, body) = rest.split_at_checked(8)?;
    let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    Some((&header[..4], size as usize, body))
}

fn sample_rate(format: &[u8]) -> Option<u32> {
    let word = |at: usize| Some(u16::from_le_bytes([*format.get(at)?, *format.get(at + 1)?]));
    let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
    let is_ours = word(0)? == PCM_FORMAT && word(2)? == 1 && word(14)? == 16 && (4_000..=192_000).contains(&rate);
    is_ours.then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcm() -> Pcm {
        Pcm { sample_rate_hz: 22_050, samples: vec![0, 1, -1, i16::MAX, i16::MIN] }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let decoded = decode(&encode(&pcm())).unwrap();
        assert_eq!(decoded.sample_rate_hz, 22_050);
        assert_eq!(decoded.samples, pcm().samples);
    }

    #[test]
    fn the_bogus_sizes_of_a_pipe_are_read_to_the_end() {
        let mut file = encode(&pcm());
        file[4..8].copy_from_slice(&0x7fff_f024_u32.to_le_bytes());
        file[40..44].copy_from_slice(&0x7fff_f000_u32.to_le_bytes());
        assert_eq!(decode(&file).unwrap().samples, pcm().samples);
    }

    #[test]
    fn other_chunks_are_skipped_and_broken_files_refused() {
        let file = encode(&pcm());
        let mut with_list = file[..36].to_vec();
        with_list.extend_from_slice(b"LIST\x03\0\0\0abc\0");
        with_list.extend_from_slice(&file[36..]);
        assert_eq!(decode(&with_list).unwrap().samples, pcm().samples);

        for end in 0..44 {
            assert!(decode(&file[..end]).is_err(), "{end} bytes");
        }
        let mut stereo = file.clone();
        stereo[22] = 2;
        assert!(decode(&stereo).is_err());
        assert!(decode(b"<html>").is_err());
    }
}
