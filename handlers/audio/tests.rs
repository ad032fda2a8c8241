//! Whole recordings: real encodings, hostile headers, cut and damaged files.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::test_support::{Hour, Random, WavHeader, decode_all, float_wav, from_db, seal_ogg_pages, tone};
use super::*;

/// File, container, codec, duration and tolerance in milliseconds. AAC keeps its encoder's delay and
/// padding (up to two packets of 1024 samples), a WebM's last Opus packet is not trimmed.
const FIXTURES: [(&str, Container, Codec, u64, u64); 16] = [
    ("speech.webm", Container::WebM, Codec::Opus, 2400, 20),
    ("speech-live.webm", Container::WebM, Codec::Opus, 2400, 20),
    ("speech-opus.ogg", Container::Ogg, Codec::Opus, 2400, 20),
    ("speech-vorbis.ogg", Container::Ogg, Codec::Vorbis, 2400, 20),
    ("speech-flac.ogg", Container::Ogg, Codec::Flac, 1600, 20),
    ("speech.m4a", Container::Mp4, Codec::Aac, 2400, 50),
    ("speech-faststart.m4a", Container::Mp4, Codec::Aac, 2400, 50),
    ("speech-fragmented.mp4", Container::Mp4, Codec::Aac, 2400, 50),
    ("speech-opus.mp4", Container::Mp4, Codec::Opus, 2400, 20),
    ("speech-cbr.mp3", Container::Mp3, Codec::Mp3, 2400, 50),
    ("speech-vbr.mp3", Container::Mp3, Codec::Mp3, 2400, 50),
    ("speech.flac", Container::Flac, Codec::Flac, 1600, 20),
    ("speech-mulaw.wav", Container::Wav, Codec::MuLaw, 2400, 20),
    ("speech-int16.wav", Container::Wav, Codec::Pcm, 500, 20),
    ("speech-int24.wav", Container::Wav, Codec::Pcm, 500, 20),
    ("speech-float.wav", Container::Wav, Codec::Pcm, 400, 20),
];

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/audio/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn analyse_bytes(bytes: impl Into<Vec<u8>>) -> Result<Analysis, AnalyseError> {
    analyse(Cursor::new(bytes.into()), &Limits::default())
}

fn code(outcome: Result<Analysis, AnalyseError>) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(AnalyseError::Rejected(rejection)) => rejection.code(),
        Err(other) => panic!("not a verdict on the recording: {other:?}"),
    }
}

#[test]
fn every_kind_of_recording_is_analysed() {
    for (name, container, codec, duration_ms, tolerance) in FIXTURES {
        let analysis = analyse_bytes(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let measured = &analysis.measurements;
        println!("{name}: {measured:?} {:?} {} bytes", analysis.quality, analysis.rendition.len());
        assert_eq!((analysis.container, analysis.codec), (container, codec), "{name}");
        assert!(measured.duration_ms.abs_diff(duration_ms) <= tolerance, "{name}: {measured:?}");
        assert!((analysis.speech.len() as u64 / 16).abs_diff(measured.duration_ms) <= 1, "{name}");
        assert!(measured.speech_ratio > 0.5 && measured.true_peak_dbtp.unwrap() < 1.0, "{name}: {measured:?}");
        assert_eq!(analysis.quality, Quality::Good, "{name}: {measured:?}");
        assert!(analysis.waveform.length > 256 && analysis.waveform.data.iter().any(|value| *value > 20), "{name}");
    }
}

#[test]
fn the_same_speech_measures_the_same_in_every_encoding() {
    let loudness: Vec<_> = FIXTURES
        .iter()
        .filter(|(_, _, _, duration_ms, _)| *duration_ms == 2400)
        .map(|(name, ..)| (name, analyse_bytes(fixture(name)).unwrap().measurements.loudness_lufs.unwrap()))
        .collect();
    for (name, lufs) in &loudness {
        assert!((lufs - loudness[0].1).abs() < 1.0 || name.contains("vorbis"), "{loudness:?}");
    }
}

#[test]
fn the_rendition_is_the_same_recording() {
    for (name, ..) in FIXTURES {
        let original = analyse_bytes(fixture(name)).unwrap();
        let rendition = analyse_bytes(original.rendition).unwrap();
        assert_eq!((rendition.container, rendition.codec), (Container::Ogg, Codec::Opus), "{name}");
        let (before, after) = (original.measurements.duration_ms, rendition.measurements.duration_ms);
        assert!(before.abs_diff(after) <= 1, "{name}: {before} ms became {after} ms");
        assert_eq!(rendition.quality, Quality::Good, "{name}");
    }
}

#[test]
fn the_same_bytes_give_the_same_result() {
    let bytes = fixture("speech.webm");
    assert_eq!(analyse_bytes(bytes.clone()).unwrap(), analyse_bytes(bytes).unwrap());
}

#[test]
fn kinds_that_are_not_needed_are_refused() {
    assert_eq!(code(analyse_bytes(fixture("rejected.mka"))), "unsupported_container");
    assert_eq!(code(analyse_bytes(fixture("rejected-adpcm.wav"))), "unsupported_codec");
    assert_eq!(code(analyse_bytes(*b"")), "empty");
    assert_eq!(code(analyse_bytes(*b"hello")), "unsupported_container");
    for seed in 1..200 {
        let bytes: Vec<u8> = Random(seed).take(3000).map(|word| word as u8).collect();
        assert_eq!(code(analyse_bytes(bytes)), "unsupported_container");
    }
}

#[test]
fn a_known_tone_measures_as_it_should() {
    let stereo: Vec<f32> =
        tone(997.0, from_db(-23.0), 48_000, 96_000).into_iter().flat_map(|sample| [sample, sample]).collect();
    let measured = analyse_bytes(float_wav(&stereo, 2, 48_000)).unwrap().measurements;
    assert!((measured.loudness_lufs.unwrap() + 23.0).abs() < 0.1, "{measured:?}");
    assert!((measured.true_peak_dbtp.unwrap() + 23.0).abs() < 0.1, "{measured:?}");
    assert!((measured.noise_floor_dbfs + 26.0).abs() < 0.3, "{measured:?}");
    assert_eq!((measured.duration_ms, measured.channels, measured.sample_rate_hz), (2000, 2, 48_000));
    assert_eq!(measured.clipped_ratio, 0.0);
}

#[test]
fn too_short_silent_and_overloud_recordings_are_told_apart() {
    let wav = |samples: &[f32]| analyse_bytes(float_wav(samples, 1, 16_000));
    assert_eq!(code(wav(&[])), "too_short");
    assert_eq!(code(wav(&tone(440.0, 0.5, 16_000, 3_100))), "too_short");
    assert_eq!(code(wav(&[0.0; 16_000])), "silent");
    assert_eq!(code(wav(&tone(440.0, from_db(-70.0), 16_000, 16_000))), "silent");
    assert_eq!(wav(&tone(440.0, from_db(-52.0), 16_000, 16_000)).unwrap().quality, Quality::TooQuiet);
    let square: Vec<f32> = tone(440.0, 9.0, 16_000, 16_000).into_iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
    assert_eq!(wav(&square).unwrap().quality, Quality::Clipped);
}

#[test]
fn noise_is_told_from_speech() {
    let speech = decode_all(fixture("speech-mulaw.wav")).samples;
    let noise: Vec<f32> =
        Random(7).take(speech.len()).map(|word| (word >> 40) as f32 / (1 << 23) as f32 - 1.0).collect();
    let mixed = |gain: f32, noise_gain: f32| {
        let samples: Vec<f32> = speech.iter().zip(&noise).map(|(s, n)| gain * s + noise_gain * n).collect();
        analyse_bytes(float_wav(&samples, 1, 8_000)).unwrap()
    };
    assert_eq!(mixed(1.0, 0.0).quality, Quality::Good);
    assert_eq!(mixed(0.5, 0.15).quality, Quality::Noisy, "{:?}", mixed(0.5, 0.15).measurements);
    let hiss = mixed(0.0, 0.1);
    assert_eq!(hiss.quality, Quality::NoSpeech, "{:?}", hiss.measurements);
}

#[test]
fn samples_that_are_no_numbers_become_silence() {
    let mut samples = tone(440.0, 0.5, 16_000, 16_000);
    samples[100] = f32::NAN;
    samples[200] = f32::INFINITY;
    samples[300] = -3.0e38;
    let decoded = decode_all(float_wav(&samples, 1, 16_000));
    assert_eq!(decoded.non_finite, 3);
    assert_eq!((decoded.samples[100], decoded.samples[200], decoded.samples[300]), (0.0, 0.0, 0.0));
    let measured = analyse_bytes(float_wav(&samples, 1, 16_000)).unwrap().measurements;
    assert!(measured.true_peak_dbtp.unwrap().is_finite() && measured.loudness_lufs.unwrap().is_finite());
    let json = serde_json::to_value(&measured).unwrap();
    assert!(json["loudnessLufs"].is_number() && json["sampleRateHz"] == 16_000, "{json}");
}

#[test]
fn headers_that_lie_are_refused() {
    let honest = WavHeader::honest(1, 1, 16_000, 16);
    let data = vec![0x11; 32_000];
    let verdict = |header: WavHeader| code(analyse_bytes(header.file(&data)));
    assert_eq!(verdict(honest), "accepted");
    for channels in [0, 64, 65_535] {
        assert_eq!(verdict(WavHeader { channels, ..honest }), "corrupt", "{channels} channels");
    }
    for channels in [9, 26, 64, 32_767] {
        let lie = verdict(WavHeader { channels, block_align: channels * 2, ..honest });
        assert!(["bad_parameters", "unsupported_codec", "corrupt"].contains(&lie), "{channels} channels: {lie}");
    }
    for sample_rate_hz in [0, 1, 7_999, 192_001, 4_000_000_000, u32::MAX] {
        let lie = verdict(WavHeader { sample_rate_hz, ..honest });
        assert!(["bad_parameters", "corrupt"].contains(&lie), "{sample_rate_hz} Hz: {lie}");
    }
    for bits in [0, 3, 64, 65_535] {
        assert_eq!(verdict(WavHeader { bits, ..honest }), "corrupt", "{bits} bits");
        assert_eq!(verdict(WavHeader { bits, block_align: bits / 8, ..honest }), "corrupt", "{bits} bits");
    }
    assert_eq!(verdict(WavHeader { data_bytes: Some(0), ..honest }), "too_short");
    assert_eq!(verdict(WavHeader { data_bytes: Some(64_000), ..honest }), "truncated");
    for piped in [0x7fff_f000, u32::MAX] {
        assert_eq!(verdict(WavHeader { data_bytes: Some(piped), ..honest }), "accepted", "{piped:#x}");
    }
    for tag in [0, 2, 0x11, 0x55, 0xfffe, 0xffff] {
        let lie = verdict(WavHeader { tag, ..honest });
        assert!(["unsupported_codec", "truncated"].contains(&lie), "tag {tag}: {lie}");
    }
}

#[test]
fn of_chained_and_concatenated_files_the_first_counts() {
    let twice = |name: &str| {
        let bytes = fixture(name);
        analyse_bytes([bytes.clone(), bytes].concat())
    };
    for name in ["speech-opus.ogg", "speech-vorbis.ogg"] {
        assert!(twice(name).unwrap().measurements.duration_ms.abs_diff(2400) <= 20, "{name}");
    }
    for (name, ..) in FIXTURES {
        let verdict = code(twice(name));
        assert!(["accepted", "corrupt", "truncated"].contains(&verdict), "{name}: {verdict}");
    }
}

/// Cut where a container states its size, a recording is refused; otherwise what is there counts.
#[test]
fn a_recording_cut_anywhere_gets_a_verdict() {
    for (name, _, _, duration_ms, _) in FIXTURES {
        let bytes = fixture(name);
        let mut verdicts = Vec::new();
        for step in 0..24 {
            let outcome = analyse_bytes(&bytes[..bytes.len() * step / 24]);
            if let Ok(analysis) = &outcome {
                let tolerated = duration_ms - 100;
                let live = name == "speech-live.webm";
                assert!(live || analysis.measurements.duration_ms >= tolerated, "{name} at {step}/24 was accepted");
            }
            verdicts.push(code(outcome));
        }
        assert_eq!(verdicts[0], "empty", "{name}");
        for (step, verdict) in verdicts.iter().enumerate().skip(12) {
            assert!(["truncated", "accepted"].contains(verdict), "{name} at {step}/24: {verdict}");
        }
    }
}

#[test]
fn damaged_files_never_do_worse_than_be_refused() {
    let mut random = Random(0x5eed);
    let limits = Limits { max_wall_time: Duration::from_secs(5), ..Limits::default() };
    let mut accepted = 0;
    for (name, ..) in FIXTURES {
        let original = fixture(name);
        for round in 0..200 {
            let mut bytes = original.clone();
            for _ in 0..=random.below(8) {
                // Every other time near the start, where the headers are.
                let reach = if random.below(2) == 0 { bytes.len().min(512) } else { bytes.len() };
                let at = random.below(reach);
                bytes[at] = random.below(256) as u8;
            }
            // Half of the damage to Ogg gets past the checksums, as an attacker's would.
            if round % 2 == 0 && name.ends_with(".ogg") {
                seal_ogg_pages(&mut bytes);
            }
            let outcome = panics::catch(|| decode_only(bytes, &limits));
            match outcome.unwrap_or_else(|panic| Err(Rejection::corrupt(panic).into())) {
                Ok(_) => accepted += 1,
                Err(AnalyseError::Rejected(Rejection::TimeLimit)) => panic!("{name}, round {round}: time limit"),
                Err(AnalyseError::Rejected(_)) => {}
                Err(other) => panic!("{name}, round {round}: {other:?}"),
            }
        }
    }
    assert!(accepted > 100, "{accepted}: the damage should be survivable now and then");
}

#[test]
fn sealed_pages_are_as_their_writer_made_them() {
    let original = fixture("speech-opus.ogg");
    let mut sealed = original.clone();
    seal_ogg_pages(&mut sealed);
    assert!(sealed == original);
}

fn decode_only(bytes: Vec<u8>, limits: &Limits) -> Result<u64, AnalyseError> {
    let mut decoder = Decoder::open(Cursor::new(bytes), limits)?;
    let mut samples = 0;
    while let Some(block) = decoder.next_block()? {
        assert!(block.samples.iter().all(|sample| sample.is_finite()));
        samples += block.samples.len() as u64;
    }
    Ok(samples)
}

#[test]
fn a_panic_below_is_a_rejection() {
    struct Panicking(Cursor<Vec<u8>>);
    impl Read for Panicking {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(self.0.position() < 4096, "the parser is lost");
            self.0.read(buffer)
        }
    }
    impl Seek for Panicking {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let error = analyse(Panicking(Cursor::new(fixture("speech.webm"))), &Limits::default()).unwrap_err();
    assert_eq!(error.rejection().and_then(Rejection::detail), Some("panic: the parser is lost"));
}

#[test]
fn an_hour_is_refused_without_reading_it() {
    let taken = Arc::new(AtomicU64::new(0));
    assert_eq!(code(analyse(Hour::new(&taken), &Limits::default())), "too_large");
    assert_eq!(taken.load(Ordering::Relaxed), 0);

    let roomy = Limits { max_bytes: u64::MAX, max_duration: Duration::from_secs(10), ..Limits::default() };
    assert_eq!(code(analyse(Hour::new(&taken), &roomy)), "too_long");
    assert!(taken.load(Ordering::Relaxed) < 300_000, "{taken:?} bytes read");

    let hurried = Limits { max_bytes: u64::MAX, max_wall_time: Duration::ZERO, ..Limits::default() };
    assert_eq!(code(analyse(Hour::new(&taken), &hurried)), "time_limit");
    let few_packets = Limits { max_bytes: u64::MAX, max_packets: 3, ..Limits::default() };
    assert_eq!(code(analyse(Hour::new(&taken), &few_packets)), "time_limit");
}

#[test]
fn every_rejection_has_a_code_and_a_sentence() {
    let limits = Limits::default();
    assert_eq!(limits.too_long().to_string(), "The recording is too long. At most 120 seconds are allowed.");
    let large = Rejection::TooLarge { max_bytes: limits.max_bytes };
    assert_eq!(large.to_string(), "The recording is too large. At most 10 MB are allowed.");
    assert_eq!(limits.too_short().code(), "too_short");
    let bad = limits.check_channels(9).unwrap_err();
    assert_eq!(
        bad.to_string(),
        "The recording's format is not supported. Please use 8000 to 192000 Hz and at most 8 channels."
    );
}
