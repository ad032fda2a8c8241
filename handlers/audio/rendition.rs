//! Small Ogg/Opus files to listen to: of recordings, and of synthesised speech.
//!
//! Mono at about 24 kbit/s, framed as RFC 7845 says: identification and comment headers, pre-skip,
//! granule positions in units of 48 kHz, the end trimmed to the sample. The same audio gives the same
//! bytes: the stream's serial number is a hash of its packets.

use std::io::Cursor;

use ogg::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Encoder, Signal};

use super::rejection::AnalyseError;
use super::resample::resample_i16;

/// The media type of what is written here.
pub const MEDIA_TYPE: &str = "audio/ogg; codecs=opus";

const BITS_PER_SECOND: i32 = 24_000;
/// Effort from 0 to 10. A minute of speech takes 130 ms at 0, 270 at 3, 370 at 5, 460 to 490 at 9 and 10
/// (one core, 2026); this encoder is more than half of an analysis, and listeners hear the result of it.
const COMPLEXITY: i32 = 5;
/// The rate of granule positions (RFC 7845, section 4).
const GRANULE_RATE: u64 = 48_000;
/// Granules per packet of 20 ms.
const PACKET_GRANULES: u64 = GRANULE_RATE / 50;
/// Packets per Ogg page: one second.
const PAGE_PACKETS: usize = 50;
/// The largest Opus frame (RFC 6716, section 3.2.1).
const MAX_PACKET_BYTES: usize = 1275;

/// Encodes a mono stream as it comes.
pub struct OpusStream {
    encoder: Encoder,
    sample_rate_hz: u32,
    pre_skip: u16,
    packet_frames: usize,
    pending: Vec<i16>,
    packets: Vec<Vec<u8>>,
    frames: u64,
}

impl OpusStream {
    /// Starts a stream of `sample_rate_hz`: 8000, 12000, 16000, 24000 or 48000.
    ///
    /// # Errors
    /// `Processing` for any other rate.
    pub fn new(sample_rate_hz: u32) -> Result<Self, AnalyseError> {
        let prepare = || {
            let mut encoder = Encoder::new(sample_rate_hz, Channels::Mono, Application::Voip)?;
            encoder.set_bitrate(Bitrate::Bits(BITS_PER_SECOND))?;
            encoder.set_signal(Signal::Voice)?;
            encoder.set_complexity(COMPLEXITY)?;
            let lookahead = encoder.get_lookahead()?;
            Ok((encoder, lookahead))
        };
        let (encoder, lookahead) = prepare().map_err(|error: opus::Error| AnalyseError::processing(error))?;
        let pre_skip = u64::from(lookahead.unsigned_abs()) * GRANULE_RATE / u64::from(sample_rate_hz);
        Ok(Self {
            encoder,
            sample_rate_hz,
            pre_skip: u16::try_from(pre_skip).unwrap_or(u16::MAX),
            packet_frames: sample_rate_hz as usize / 50,
            pending: Vec::new(),
            packets: Vec::new(),
            frames: 0,
        })
    }

    /// Takes samples.
    ///
    /// # Errors
    /// `Processing` when the encoder fails.
    pub fn push(&mut self, samples: &[i16]) -> Result<(), AnalyseError> {
        self.frames += samples.len() as u64;
        self.append(samples)
    }

    fn append(&mut self, samples: &[i16]) -> Result<(), AnalyseError> {
        self.pending.extend_from_slice(samples);
        let whole = self.pending.len() / self.packet_frames * self.packet_frames;
        for frame in self.pending[..whole].chunks_exact(self.packet_frames) {
            let packet = self.encoder.encode_vec(frame, MAX_PACKET_BYTES).map_err(AnalyseError::processing)?;
            self.packets.push(packet);
        }
        self.pending.drain(..whole);
        Ok(())
    }

    /// The file.
    ///
    /// # Errors
    /// `Processing` when the encoder fails.
    pub fn finish(mut self) -> Result<Vec<u8>, AnalyseError> {
        let audio = self.frames * GRANULE_RATE / u64::from(self.sample_rate_hz);
        let end = u64::from(self.pre_skip) + audio;
        // The decoder runs behind by the pre-skip: silence pushes the last samples out.
        let silence = vec![0; self.packet_frames];
        while self.packets.is_empty() || (self.packets.len() as u64) * PACKET_GRANULES < end {
            self.append(&silence)?;
        }
        self.write(end).map_err(AnalyseError::processing)
    }

    fn write(self, end: u64) -> std::io::Result<Vec<u8>> {
        let serial = fnv1a(self.packets.iter().flatten());
        let head = identification_header(self.pre_skip, self.sample_rate_hz);
        let count = self.packets.len();
        let mut writer = PacketWriter::new(Cursor::new(Vec::new()));
        writer.write_packet(head, serial, PacketWriteEndInfo::EndPage, 0)?;
        writer.write_packet(comment_header(), serial, PacketWriteEndInfo::EndPage, 0)?;
        for (number, packet) in (1..).zip(self.packets) {
            let (info, granule) = match number {
                last if last == count => (PacketWriteEndInfo::EndStream, end),
                _ if number % PAGE_PACKETS == 0 => (PacketWriteEndInfo::EndPage, number as u64 * PACKET_GRANULES),
                _ => (PacketWriteEndInfo::NormalPacket, number as u64 * PACKET_GRANULES),
            };
            writer.write_packet(packet, serial, info, granule)?;
        }
        Ok(writer.into_inner().into_inner())
    }
}

/// RFC 7845, section 5.1.
fn identification_header(pre_skip: u16, sample_rate_hz: u32) -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(pre_skip.to_le_bytes());
    head.extend(sample_rate_hz.to_le_bytes());
    // No gain, channel mapping family 0.
    head.extend([0, 0, 0]);
    head
}

/// RFC 7845, section 5.2, without comments.
fn comment_header() -> Vec<u8> {
    let vendor = opus::version().as_bytes();
    let mut tags = b"OpusTags".to_vec();
    tags.extend((vendor.len() as u32).to_le_bytes());
    tags.extend(vendor);
    tags.extend(0_u32.to_le_bytes());
    tags
}

/// The 32-bit hash FNV-1a (RFC 9923).
fn fnv1a<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Encodes a mono signal as an Ogg/Opus file; rates that Opus has not are resampled to 24 kHz.
///
/// # Errors
/// `Processing` when `sample_rate_hz` is zero or the encoder fails.
pub fn encode_opus(samples: &[i16], sample_rate_hz: u32) -> Result<Vec<u8>, AnalyseError> {
    const NATIVE: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
    if NATIVE.contains(&sample_rate_hz) {
        let mut stream = OpusStream::new(sample_rate_hz)?;
        stream.push(samples)?;
        return stream.finish();
    }
    let mut stream = OpusStream::new(24_000)?;
    stream.push(&resample_i16(samples, sample_rate_hz, 24_000)?)?;
    stream.finish()
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{decode_all, tone};
    use super::*;

    #[test]
    fn it_decodes_again_to_the_same_duration() {
        for rate in [8_000_u32, 12_000, 16_000, 22_050, 24_000, 44_100, 48_000] {
            for frames in [1, rate as usize / 50, rate as usize / 3, 2 * rate as usize + 17] {
                let samples: Vec<i16> = tone(440.0, 0.5, rate, frames).into_iter().map(super::super::to_i16).collect();
                let decoded = decode_all(encode_opus(&samples, rate).unwrap());
                let wanted = frames as f64 * 48_000.0 / f64::from(rate);
                // Resampling rounds up to a frame of 24 kHz.
                assert!((decoded.samples.len() as f64 - wanted).abs() <= 3.0, "{rate} Hz, {frames} frames");
                assert_eq!(decoded.spec.sample_rate_hz, 48_000);
            }
        }
    }

    #[test]
    fn the_start_is_not_shifted() {
        let mut samples = vec![0_i16; 16_000];
        samples[8_000..8_400].fill(16_000);
        let decoded = decode_all(encode_opus(&samples, 16_000).unwrap());
        let first = decoded.samples.iter().position(|sample| *sample > 0.2).unwrap();
        assert!(first.abs_diff(24_000) < 96, "{first}");
    }

    #[test]
    fn same_audio_same_bytes_other_audio_other_serial() {
        let samples: Vec<i16> = (0..16_000).map(|n| (n * 37 % 4000) as i16).collect();
        let first = encode_opus(&samples, 16_000).unwrap();
        assert_eq!(first, encode_opus(&samples, 16_000).unwrap());
        let other = encode_opus(&samples[100..], 16_000).unwrap();
        assert_ne!(first[14..18], other[14..18]);
    }

    #[test]
    fn a_rate_of_zero_is_refused() {
        assert!(encode_opus(&[0; 10], 0).is_err());
    }
}
