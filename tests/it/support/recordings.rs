//! Recordings made while the tests run, by the programs that `tests/install.sh` installs: espeak-ng and
//! flite speak, ffmpeg plays the room and the recorder. Made once per test process.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex};
use std::thread;

use bytes::Bytes;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Voice {
    /// A voice of flite, such as `rms`.
    Flite(&'static str),
    /// A voice of espeak-ng, such as `en-us+f2`.
    Espeak(&'static str),
}

/// What a recorder makes of speech: every container and codec that the service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    WebmOpus,
    /// As a browser's recorder streams it: neither sizes nor a duration.
    WebmOpusLive,
    WebmVorbis,
    OggOpus,
    OggVorbis,
    OggFlac,
    Mp4Aac,
    Mp4AacFastStart,
    Mp4AacFragmented,
    Mp4Opus,
    Mp3Cbr,
    Mp3Vbr,
    Flac,
    WavInt16,
    WavInt24,
    WavFloat,
    WavALaw,
    WavMuLaw,
}

impl Format {
    pub const ALL: [Self; 18] = [
        Self::WebmOpus,
        Self::WebmOpusLive,
        Self::WebmVorbis,
        Self::OggOpus,
        Self::OggVorbis,
        Self::OggFlac,
        Self::Mp4Aac,
        Self::Mp4AacFastStart,
        Self::Mp4AacFragmented,
        Self::Mp4Opus,
        Self::Mp3Cbr,
        Self::Mp3Vbr,
        Self::Flac,
        Self::WavInt16,
        Self::WavInt24,
        Self::WavFloat,
        Self::WavALaw,
        Self::WavMuLaw,
    ];

    /// What a recorder says it makes.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::WebmOpus | Self::WebmOpusLive => "audio/webm;codecs=opus",
            Self::WebmVorbis => "audio/webm",
            Self::OggOpus => "audio/ogg;codecs=opus",
            Self::OggVorbis | Self::OggFlac => "audio/ogg",
            Self::Mp4Aac | Self::Mp4AacFastStart | Self::Mp4AacFragmented | Self::Mp4Opus => "audio/mp4",
            Self::Mp3Cbr | Self::Mp3Vbr => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::WavInt16 | Self::WavInt24 | Self::WavFloat | Self::WavALaw | Self::WavMuLaw => "audio/wav",
        }
    }

    /// ffmpeg's options, and the extension that names the container.
    fn options(self) -> (&'static str, &'static str) {
        match self {
            Self::WebmOpus => ("-c:a libopus -b:a 32k", "webm"),
            Self::WebmOpusLive => ("-c:a libopus -b:a 32k -f webm -live 1", "pipe"),
            Self::WebmVorbis => ("-ac 2 -c:a libvorbis -q:a 4", "webm"),
            Self::OggOpus => ("-c:a libopus -b:a 32k", "ogg"),
            Self::OggVorbis => ("-ac 2 -c:a libvorbis -q:a 4", "ogg"),
            Self::OggFlac => ("-c:a flac -sample_fmt s16", "ogg"),
            Self::Mp4Aac => ("-c:a aac -b:a 64k", "m4a"),
            Self::Mp4AacFastStart => ("-c:a aac -b:a 64k -movflags +faststart", "m4a"),
            Self::Mp4AacFragmented => {
                ("-c:a aac -b:a 64k -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 500000", "mp4")
            }
            Self::Mp4Opus => ("-c:a libopus -b:a 32k", "mp4"),
            Self::Mp3Cbr => ("-c:a libmp3lame -b:a 64k", "mp3"),
            Self::Mp3Vbr => ("-c:a libmp3lame -q:a 4", "mp3"),
            Self::Flac => ("-c:a flac -sample_fmt s16", "flac"),
            Self::WavInt16 => ("-c:a pcm_s16le -ar 16000", "wav"),
            Self::WavInt24 => ("-c:a pcm_s24le", "wav"),
            Self::WavFloat => ("-c:a pcm_f32le", "wav"),
            Self::WavALaw => ("-c:a pcm_alaw -ar 16000", "wav"),
            Self::WavMuLaw => ("-c:a pcm_mulaw -ar 16000", "wav"),
        }
    }
}

static MADE: LazyLock<Mutex<HashMap<String, Bytes>>> = LazyLock::new(Mutex::default);

/// What `make` gives for a key, made once.
fn once(key: String, make: impl FnOnce() -> Bytes) -> Bytes {
    if let Some(made) = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&key) {
        return made.clone();
    }
    // Not under the lock: two tests may make the same, which is the same.
    let made = make();
    MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(key, made.clone());
    made
}

/// A WAV file of a text that is spoken in a quiet room: 48 kHz, 16 bits, mono, 0.3 s of room at the end.
pub fn say(text: &str, voice: Voice) -> Bytes {
    once(format!("{voice:?} {text}"), || {
        let place = tempfile::tempdir().expect("a temporary directory");
        let dry = place.path().join("dry.wav");
        match voice {
            Voice::Flite(name) => run(Command::new("flite").args(["-voice", name, "-t", text, "-o"]).arg(&dry), b""),
            Voice::Espeak(name) => {
                run(Command::new("espeak-ng").args(["-v", name, "-s", "150", "-w"]).arg(&dry), text.as_bytes())
            }
        };
        let room = "anoisesrc=c=pink:a=0.002:r=48000:seed=7";
        let mix = "[0]apad=pad_dur=0.3,aresample=48000[voice];\
                   [voice][1]amix=inputs=2:duration=first:normalize=0";
        let wet = place.path().join("wet.wav");
        let mut command = ffmpeg();
        command.arg("-i").arg(&dry).args(["-f", "lavfi", "-i", room, "-filter_complex", mix, "-ac", "1"]).arg(&wet);
        run(&mut command, b"");
        read(&wet)
    })
}

/// A recording in another format.
pub fn encode(wav: &Bytes, format: Format) -> Bytes {
    let (options, extension) = format.options();
    let place = tempfile::tempdir().expect("a temporary directory");
    let input = place.path().join("in.wav");
    std::fs::write(&input, wav).expect("the recording is written");
    let mut command = ffmpeg();
    command.arg("-i").arg(&input).args(["-map_metadata", "-1"]).args(options.split(' '));
    write_out(command, place.path(), extension)
}

/// A text that is spoken and recorded.
pub fn spoken(text: &str, voice: Voice, format: Format) -> Bytes {
    once(format!("{format:?} {voice:?} {text}"), || encode(&say(text, voice), format))
}

/// What ffmpeg makes of a source of its filters (`sine=…`, `testsrc=…`) with some options.
pub fn generated(source: &str, options: &str, extension: &str) -> Bytes {
    once(format!("{source} {options} {extension}"), || {
        let place = tempfile::tempdir().expect("a temporary directory");
        let mut command = ffmpeg();
        command.args(["-f", "lavfi", "-i", source]).args(options.split(' '));
        write_out(command, place.path(), extension)
    })
}

/// What ffprobe says of a file: codec, channels, sample rate and duration, `key=value` by line.
pub fn probe(bytes: &[u8]) -> String {
    let place = tempfile::tempdir().expect("a temporary directory");
    let file = place.path().join("sound");
    std::fs::write(&file, bytes).expect("the sound is written");
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_packets", "-show_entries"]);
    command.args(["stream=codec_name,channels,sample_rate,nb_read_packets:format=duration", "-of", "default=nw=1"]);
    let output = run(command.arg(&file), b"");
    String::from_utf8(output.stdout).expect("ffprobe writes text")
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y"]);
    command
}

fn write_out(mut command: Command, place: &Path, extension: &str) -> Bytes {
    if extension == "pipe" {
        // What comes through a pipe cannot be amended, as a live recording cannot.
        return run(command.arg("pipe:1"), b"").stdout.into();
    }
    let out = place.join(format!("out.{extension}"));
    run(command.arg(&out), b"");
    read(&out)
}

fn read(path: &Path) -> Bytes {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

/// Runs a program to its proper end; a missing one fails the test.
fn run(command: &mut Command, input: &[u8]) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{program} is not installed; run `bash tests/install.sh`")
        }
        Err(error) => panic!("{program} does not start: {error}"),
    };
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not want it closes it.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("the program ends")
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
