//! From bytes to samples, a block at a time.
//!
//! The rule for a recording that ends early: it is `truncated` when its container says that more
//! should follow (an MP4 box, a WebM element, an Ogg stream without its last page, the lengths that
//! WAV, FLAC and MP3 headers state), since half an order is worse than none. A live WebM
//! and a piped WAV state no length and may end after any block. Single packets that do not decode are
//! left out, up to [`MAX_BAD_PACKETS`]; the first audio track counts, and of chained Ogg streams the
//! first.

use std::io;
use std::sync::LazyLock;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known as codec_id;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::{codecs, formats};
use symphonia_adapter_libopus::OpusDecoder;
use utoipa::ToSchema;

use super::limits::Limits;
use super::rejection::{AnalyseError, Rejection};
use super::sniff::{Container, Sniffed, sniff};
use super::source::{GuardedSource, Source, Tripwire};

/// Packets that may fail to decode before the recording counts as corrupt.
const MAX_BAD_PACKETS: u32 = 8;
/// Samples beyond this (+12 dBFS) can only be noise from a broken float file.
const MAX_AMPLITUDE: f32 = 4.0;
/// How much shorter than stated a recording may be: encoder delay and padding are counted by some
/// writers and not by others. In milliseconds.
const LENGTH_TOLERANCE_MS: u64 = 100;
/// WAV data sizes from here on are what writers to a pipe put in place of a size, in bytes.
const PIPED_WAV_BYTES: u64 = 0x7ff0_0000;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    registry.register_audio_decoder::<OpusDecoder>();
    registry.register_audio_decoder::<codecs::VorbisDecoder>();
    registry.register_audio_decoder::<codecs::AacDecoder>();
    registry.register_audio_decoder::<codecs::MpaDecoder>();
    registry.register_audio_decoder::<codecs::FlacDecoder>();
    registry.register_audio_decoder::<codecs::PcmDecoder>();
    registry
});

/// The codecs that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Opus (RFC 6716).
    Opus,
    /// Vorbis I.
    Vorbis,
    /// MPEG-4 AAC-LC.
    Aac,
    /// MPEG audio layer III.
    Mp3,
    /// FLAC (RFC 9639).
    Flac,
    /// Linear PCM, integer or float.
    Pcm,
    /// G.711 A-law.
    ALaw,
    /// G.711 mu-law.
    MuLaw,
}

impl Codec {
    /// The codec behind an identifier, where it may stand in `container`.
    fn within(container: Container, id: AudioCodecId) -> Option<Self> {
        use Container::{Flac, Mp3, Mp4, Ogg, Wav, WebM};
        match (container, id) {
            (WebM | Ogg | Mp4, codec_id::CODEC_ID_OPUS) => Some(Self::Opus),
            (WebM | Ogg, codec_id::CODEC_ID_VORBIS) => Some(Self::Vorbis),
            (Mp4, codec_id::CODEC_ID_AAC) => Some(Self::Aac),
            (Mp3, codec_id::CODEC_ID_MP3) => Some(Self::Mp3),
            (Ogg | Flac, codec_id::CODEC_ID_FLAC) => Some(Self::Flac),
            (Wav, codec_id::CODEC_ID_PCM_ALAW) => Some(Self::ALaw),
            (Wav, codec_id::CODEC_ID_PCM_MULAW) => Some(Self::MuLaw),
            (
                Wav,
                codec_id::CODEC_ID_PCM_U8
                | codec_id::CODEC_ID_PCM_S16LE
                | codec_id::CODEC_ID_PCM_S24LE
                | codec_id::CODEC_ID_PCM_S32LE
                | codec_id::CODEC_ID_PCM_F32LE
                | codec_id::CODEC_ID_PCM_F64LE,
            ) => Some(Self::Pcm),
            _ => None,
        }
    }
}

/// What the samples of a recording are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Samples per second and channel, in hertz.
    pub sample_rate_hz: u32,
    /// Number of channels.
    pub channels: u32,
}

/// A stretch of decoded audio.
#[derive(Debug)]
pub struct Block<'a> {
    /// What the samples are; the same for all blocks of a recording.
    pub spec: Spec,
    /// Interleaved samples, full scale ±1.0, all finite, whole frames.
    pub samples: &'a [f32],
}

/// Decodes a recording within [`Limits`], in bounded memory.
///
/// The libraries below may panic on hostile bytes: callers run it where a panic is caught, as
/// [`analyse`](super::analyse) does.
pub struct Decoder<'s> {
    reader: Box<dyn FormatReader + 's>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    stated_frames: Option<u64>,
    container: Container,
    codec: Codec,
    limits: Limits,
    deadline: Instant,
    tripwire: Tripwire,
    spec: Option<Spec>,
    samples: Vec<f32>,
    frames: u64,
    packets: u64,
    bad_packets: u32,
    non_finite: u64,
}

impl<'s> Decoder<'s> {
    /// Recognises the recording and reads its headers.
    ///
    /// # Errors
    /// Every [`Rejection`] except `too_long`, `too_short` and `silent`; I/O errors of `source`.
    pub fn open<S: Source + 's>(mut source: S, limits: &Limits) -> Result<Self, AnalyseError> {
        let deadline = Instant::now() + limits.max_wall_time;
        let sniffed = sniff_within(&mut source, limits)?;
        let source = GuardedSource::new(source, sniffed.start, sniffed.end, deadline)?;
        let tripwire = source.tripwire();
        let opened = open_container(sniffed.container, source);
        tripwire.check()?;
        let reader = opened.map_err(|error| rejection_of(sniffed.container, error))?;

        let no_audio = || Rejection::UnsupportedCodec { found: "no audio track".to_owned() };
        let track = reader.first_track(TrackType::Audio).ok_or_else(no_audio)?;
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else { return Err(no_audio().into()) };
        let codec = Codec::within(sniffed.container, parameters.codec)
            .ok_or_else(|| Rejection::UnsupportedCodec { found: format!("codec {}", parameters.codec) })?;
        let decoder = make_decoder(codec, parameters, limits)?;
        let stated_frames = if sniffed.states_length { stated_frames(sniffed.container, track) } else { None };
        Ok(Self {
            track_id: track.id,
            stated_frames,
            reader,
            decoder,
            container: sniffed.container,
            codec,
            limits: limits.clone(),
            deadline,
            tripwire,
            spec: None,
            samples: Vec::new(),
            frames: 0,
            packets: 0,
            bad_packets: 0,
            non_finite: 0,
        })
    }

    /// The container found.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The codec found.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Samples so far that were not finite numbers, or far beyond full scale, and became 0.
    pub fn non_finite_samples(&self) -> u64 {
        self.non_finite
    }

    /// Decodes the next block; `None` at the proper end of the recording.
    ///
    /// # Errors
    /// `too_long`, `time_limit`, `bad_parameters`, `truncated`, `corrupt`; I/O errors of the source.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, AnalyseError> {
        loop {
            if self.packets >= self.limits.max_packets || Instant::now() >= self.deadline {
                return Err(Rejection::TimeLimit.into());
            }
            self.packets += 1;
            let packet = self.reader.next_packet();
            self.tripwire.check()?;
            let packet = match packet {
                Ok(Some(packet)) => packet,
                Ok(None) | Err(Error::ResetRequired) => return self.end(),
                Err(Error::IoError(error)) if is_end(&error) && ends_by_running_out(self.container) => {
                    return self.end();
                }
                Err(error) => return Err(rejection_of(self.container, error).into()),
            };
            if packet.track_id != self.track_id {
                continue;
            }
            match self.decoder.decode(&packet) {
                Ok(audio) => {
                    let decoded = audio.spec();
                    let spec = check_spec(self.spec, decoded.rate(), decoded.channels().count(), &self.limits)?;
                    self.spec = Some(spec);
                    audio.copy_to_vec_interleaved(&mut self.samples);
                }
                Err(error) => {
                    self.bad_packets += 1;
                    if self.bad_packets > MAX_BAD_PACKETS {
                        return Err(Rejection::corrupt(error).into());
                    }
                    continue;
                }
            }
            if !self.samples.is_empty() {
                return self.take_block().map(Some);
            }
        }
    }

    fn take_block(&mut self) -> Result<Block<'_>, AnalyseError> {
        let spec = self.spec.ok_or_else(|| Rejection::corrupt("samples without a format"))?;
        self.frames += self.samples.len() as u64 / u64::from(spec.channels);
        if self.frames > self.limits.max_frames(spec.sample_rate_hz) {
            return Err(self.limits.too_long().into());
        }
        for sample in &mut self.samples {
            if sample.is_nan() || sample.abs() > MAX_AMPLITUDE {
                *sample = 0.0;
                self.non_finite += 1;
            }
        }
        Ok(Block { spec, samples: &self.samples })
    }

    /// Ends the recording, unless its header promised more.
    fn end(&mut self) -> Result<Option<Block<'_>>, AnalyseError> {
        let rate = self.spec.map_or(0, |spec| u64::from(spec.sample_rate_hz));
        let tolerance = rate * LENGTH_TOLERANCE_MS / 1000;
        match self.stated_frames {
            Some(stated) if self.frames + tolerance < stated => Err(Rejection::Truncated.into()),
            _ if self.frames == 0 && self.bad_packets > 0 => Err(Rejection::corrupt("no packet decodes").into()),
            _ => Ok(None),
        }
    }
}

fn sniff_within<S: Source>(source: &mut S, limits: &Limits) -> Result<Sniffed, AnalyseError> {
    if source.seek(io::SeekFrom::End(0))? > limits.max_bytes {
        return Err(Rejection::TooLarge { max_bytes: limits.max_bytes }.into());
    }
    sniff(source)
}

fn open_container<'s, S: Source + 's>(
    container: Container,
    source: GuardedSource<S>,
) -> Result<Box<dyn FormatReader + 's>, Error> {
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let options = FormatOptions::default();
    Ok(match container {
        Container::WebM => Box::new(formats::MkvReader::try_new(stream, options)?),
        Container::Ogg => Box::new(formats::OggReader::try_new(stream, options)?),
        Container::Mp4 => Box::new(formats::IsoMp4Reader::try_new(stream, options)?),
        Container::Mp3 => Box::new(formats::MpaReader::try_new(stream, options)?),
        Container::Flac => Box::new(formats::FlacReader::try_new(stream, options)?),
        Container::Wav => Box::new(formats::WavReader::try_new(stream, options)?),
    })
}

/// Makes the decoder after the header's figures have been checked, since decoders size their buffers by
/// them.
fn make_decoder(
    codec: Codec,
    parameters: &AudioCodecParameters,
    limits: &Limits,
) -> Result<Box<dyn AudioDecoder>, Rejection> {
    let mut parameters = parameters.clone();
    if codec == Codec::Opus {
        // The rate in the header is that of the encoder's input; Opus decodes at 48 kHz (RFC 7845, 5.1).
        parameters.sample_rate = Some(48_000);
    }
    if let Some(rate) = parameters.sample_rate {
        limits.check_sample_rate(rate)?;
    }
    if let Some(channels) = &parameters.channels {
        limits.check_channels(channels.count())?;
    }
    CODECS.make_audio_decoder(&parameters, &AudioDecoderOptions::default()).map_err(|error| match error {
        Error::Unsupported(found) => Rejection::UnsupportedCodec { found: found.to_owned() },
        other => Rejection::corrupt(other),
    })
}

/// The length in frames that a header states.
fn stated_frames(container: Container, track: &Track) -> Option<u64> {
    let frames = track.num_frames?;
    if container != Container::Wav {
        return Some(frames);
    }
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else { return Some(frames) };
    let channels = parameters.channels.as_ref().map_or(1, |channels| channels.count() as u64);
    let sample_bytes = u64::from(parameters.bits_per_coded_sample.or(parameters.bits_per_sample).unwrap_or(8)) / 8;
    (frames.saturating_mul(channels).saturating_mul(sample_bytes) < PIPED_WAV_BYTES).then_some(frames)
}

fn check_spec(seen: Option<Spec>, rate: u32, channels: usize, limits: &Limits) -> Result<Spec, Rejection> {
    limits.check_sample_rate(rate)?;
    limits.check_channels(channels)?;
    let spec = Spec { sample_rate_hz: rate, channels: u32::try_from(channels).unwrap_or(u32::MAX) };
    match seen {
        Some(seen) if seen != spec => Err(Rejection::corrupt("the format of the samples changes midway")),
        _ => Ok(spec),
    }
}

/// Containers without an end mark: running out of bytes is how they end. (That the last element of a
/// live WebM is whole has been seen when it was sniffed.)
fn ends_by_running_out(container: Container) -> bool {
    matches!(container, Container::WebM | Container::Wav | Container::Flac | Container::Mp3)
}

fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn rejection_of(container: Container, error: Error) -> Rejection {
    match error {
        Error::IoError(error) if is_end(&error) => Rejection::Truncated,
        Error::Unsupported(found) => Rejection::UnsupportedCodec { found: format!("{container:?}: {found}") },
        other => Rejection::corrupt(other),
    }
}
