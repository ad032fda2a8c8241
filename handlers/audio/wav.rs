//! 16-bit PCM WAVE files: what recognisers take and local synthesisers give.
//!
//! Recordings of shoppers go through [`Decoder`](super::Decoder) instead.

/// A parsed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second and channel, in hertz.
    pub sample_rate_hz: u32,
    /// Number of channels.
    pub channels: u16,
    /// Interleaved samples.
    pub samples: Vec<i16>,
}

/// Why a file is not a 16-bit PCM WAVE file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// The RIFF or WAVE mark is missing.
    #[error("not a WAVE file")]
    NotWave,
    /// No format chunk before the data, or no data chunk.
    #[error("the format or data chunk is missing")]
    MissingChunk,
    /// Anything but 16-bit PCM with at least one channel and a sample rate.
    #[error("not 16-bit PCM")]
    NotPcm16,
}

const HEADER: usize = 44;

/// Writes mono samples as a WAVE file; what goes beyond 4 GiB is cut off.
pub fn write(samples: &[i16], sample_rate_hz: u32) -> Vec<u8> {
    let data = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - 64) & !1;
    let mut file = Vec::with_capacity(HEADER + data as usize);
    file.extend(b"RIFF");
    file.extend((data + HEADER as u32 - 8).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(sample_rate_hz.to_le_bytes());
    file.extend(sample_rate_hz.wrapping_mul(2).to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(data.to_le_bytes());
    file.extend(samples.iter().take(data as usize / 2).flat_map(|sample| sample.to_le_bytes()));
    file
}

/// Reads a WAVE file. A data chunk that claims more than there is (programs that write to a pipe cannot
/// know its size) ends with the file.
///
/// # Errors
/// See [`WavError`].
pub fn parse(file: &[u8]) -> Result<Wav, WavError> {
    if !file.starts_with(b"RIFF") || file.get(8..12) != Some(b"WAVE") {
        return Err(WavError::NotWave);
    }
    let mut format = None;
    let mut rest = &file[12..];
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let claimed = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let chunk = &body[..claimed.min(body.len())];
        match &head[..4] {
            b"fmt " => format = Some(parse_format(chunk)?),
            b"data" => {
                let (channels, sample_rate_hz) = format.ok_or(WavError::MissingChunk)?;
                let samples = chunk.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
                return Ok(Wav { sample_rate_hz, channels, samples });
            }
            _ => {}
        }
        rest = body.get(claimed.saturating_add(claimed & 1)..).unwrap_or_default();
    }
    Err(WavError::MissingChunk)
}

/// Channels and sample rate of a format chunk.
fn parse_format(chunk: &[u8]) -> Result<(u16, u32), WavError> {
    let head = chunk.first_chunk::<16>().ok_or(WavError::NotPcm16)?;
    let (tag, channels) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
    let sample_rate_hz = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let bits = u16::from_le_bytes([head[14], head[15]]);
    match (tag, bits, channels, sample_rate_hz) {
        (1, 16, 1.., 1..) => Ok((channels, sample_rate_hz)),
        _ => Err(WavError::NotPcm16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let samples = [0, 1, -1, i16::MAX, i16::MIN];
        let file = write(&samples, 22_050);
        assert_eq!(file.len(), HEADER + 10);
        assert_eq!(parse(&file), Ok(Wav { sample_rate_hz: 22_050, channels: 1, samples: samples.to_vec() }));
    }

    #[test]
    fn sizes_written_to_a_pipe_mean_the_rest_of_the_file() {
        let mut file = write(&[5, 6], 16_000);
        file[4..8].fill(0xff);
        file[40..44].copy_from_slice(&0x7fff_f000_u32.to_le_bytes());
        assert_eq!(parse(&file).unwrap().samples, [5, 6]);
    }

    #[test]
    fn other_files_are_refused_at_any_length() {
        let file = write(&[5, 6], 16_000);
        for length in 0..HEADER {
            assert!(parse(&file[..length]).is_err(), "{length}");
        }
        let changed = |at: usize, value: u8| {
            let mut file = file.clone();
            file[at] = value;
            parse(&file)
        };
        assert_eq!(changed(0, b'X'), Err(WavError::NotWave));
        assert_eq!(changed(20, 3), Err(WavError::NotPcm16));
        assert_eq!(changed(22, 0), Err(WavError::NotPcm16));
        assert_eq!(changed(34, 8), Err(WavError::NotPcm16));
        assert_eq!(changed(12, b'x'), Err(WavError::MissingChunk));
    }
}
