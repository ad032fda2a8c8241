//! The whole adapter with the real programs and the true corpus. `tests/install.sh` installs the programs; a
//! missing one fails these tests.

use std::path::Path;
use std::process::Stdio;

use futures_util::{StreamExt, stream};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::*;
use crate::ports::speech::VoiceGender;
use crate::understanding::{Context, training_sentences, understand, vocabulary};

const PATIENCE: Duration = Duration::from_secs(60);

/// What shoppers say, in the words of the corpus and in others.
const COMMANDS: [&str; 24] = [
    "show me red silk sarees under five thousand rupees",
    "find banarasi sarees",
    "i want blue cotton kurtas",
    "add the first one to my cart",
    "remove it from my cart",
    "what is in my cart",
    "go to checkout",
    "show me kanjivaram sarees below twenty thousand rupees",
    "do you have chikankari kurtas",
    "i am looking for a lehenga for a wedding",
    "show me green dupattas",
    "cheapest first",
    "how much is this",
    "tell me about the second one",
    "show me ikat dupattas",
    "find pochampally sarees between two thousand and five thousand rupees",
    "do you have paithani sarees",
    "show me tussar silk sarees",
    "search for handloom cotton suits",
    "please show me chanderi silk suits",
    "make it three",
    "place my order",
    "read the reviews",
    "proceed to checkout",
];

/// What is no command to a shop.
const STRANGE: [&str; 12] = [
    "what is the weather in delhi today",
    "who won the cricket match last night",
    "turn off the lights in the kitchen",
    "play some music by kishore kumar",
    "the quick brown fox jumps over the lazy dog",
    "how far is the moon from the earth",
    "my grandmother lives in a small village near the river",
    "i had rice and lentils for lunch",
    "the government announced a new education policy yesterday",
    "can you solve this mathematics problem",
    "what is the capital of france",
    "the doctor said that everything would be fine",
];

/// Voices of both synthesisers, women and men.
const SPEAKERS: [(&str, &str); 3] = [("espeak-ng", "en-us+f2"), ("flite", "slt"), ("flite", "rms")];

fn true_corpus() -> Corpus {
    Corpus { sentences: || Box::new(training_sentences()), vocabulary }
}

fn settings(work_dir: &Path) -> LocalSpeechSettings {
    LocalSpeechSettings {
        recogniser: None,
        synthesiser: None,
        model_dir: None,
        work_dir: work_dir.to_owned(),
        search_path: std::env::var_os("PATH").unwrap(),
    }
}

fn local(work_dir: &Path) -> LocalSpeech {
    LocalSpeech::discover(settings(work_dir), true_corpus())
}

/// The engine with a shell script as its recogniser, `$1` being the recording when `arguments` say so.
fn with_script(work_dir: &Path, script: &str, arguments: &[&str]) -> LocalSpeech {
    let mut words = vec!["-c".to_owned(), script.to_owned(), "script".to_owned()];
    words.extend(arguments.iter().map(|argument| argument.to_string()));
    let recogniser = CommandLine { program: "sh".into(), arguments: words };
    LocalSpeech::discover(LocalSpeechSettings { recogniser: Some(recogniser), ..settings(work_dir) }, true_corpus())
}

fn noise(seconds: usize) -> Pcm {
    let mut pcm = Pcm { sample_rate_hz: SAMPLE_RATE_HZ, samples: vec![0; seconds * SAMPLE_RATE_HZ as usize] };
    for (index, sample) in pcm.samples.iter_mut().enumerate() {
        *sample = ((index * 7_919) % 4_001) as i16 - 2_000;
    }
    pcm
}

async fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; run tests/install.sh"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feed = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = child.wait_with_output().await.unwrap();
    let _ = feed.await.unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// A sentence in a speaker's voice at 16 kHz.
async fn spoken((program, voice): (&str, &str), sentence: &str) -> Pcm {
    let wav = match program {
        "flite" => piped("flite", &["-voice", voice, "-t", sentence, "-o", "/dev/stdout"], b"").await,
        _ => piped("espeak-ng", &["-v", voice, "-s", "150", "--stdin", "--stdout"], sentence.as_bytes()).await,
    };
    let resampled = ["-v", "error", "-i", "-", "-ar", "16000", "-ac", "1", "-f", "s16le", "-"];
    let raw = piped("ffmpeg", &resampled, &wav).await;
    let samples = raw.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Pcm { sample_rate_hz: SAMPLE_RATE_HZ, samples }
}

async fn kind(engine: &LocalSpeech, audio: Pcm, time_limit: Duration) -> PortErrorKind {
    engine.transcribe(audio, None, time_limit).await.expect_err("must fail").kind()
}

fn is_empty(place: &Path) -> bool {
    std::fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none())
}

#[test]
fn every_word_of_the_shop_can_be_said() {
    let model = AcousticModel::find(
        None,
        &recogniser::pocketsphinx().found(&settings("".as_ref()).search_path).unwrap().program,
    );
    let packaged = std::fs::read(model.expect("run tests/install.sh").cmudict).unwrap();
    let vocabulary = vocabulary();
    let dictionary =
        dictionary::Dictionary::cut(&vocabulary, dictionary::OWN_PRONUNCIATIONS, packaged.as_slice()).unwrap();
    let unknown: Vec<_> = vocabulary.iter().filter(|word| !dictionary.contains(word)).collect();
    assert!(unknown.is_empty(), "pronunciations.txt lacks {unknown:?}");
}

/// Counts of one kind of sentence.
#[derive(Default)]
struct Tally {
    utterances: usize,
    right_intent: usize,
    right_slots: usize,
    accepted: usize,
    time: Duration,
}

impl Tally {
    fn share(&self, count: usize) -> f64 {
        count as f64 / self.utterances as f64
    }
}

/// What became of one sentence in one voice.
struct Heard {
    sentence: &'static str,
    transcript: Transcript,
    time: Duration,
}

async fn hear(engine: &LocalSpeech, sentence: &'static str, speaker: (&str, &str)) -> Heard {
    let audio = spoken(speaker, sentence).await;
    let begun = Instant::now();
    let transcript = engine.transcribe(audio, Some(Language::English), PATIENCE).await.unwrap();
    println!("{:.2} {}: {sentence} | {}", transcript.confidence, speaker.1, transcript.text);
    Heard { sentence, transcript, time: begun.elapsed() }
}

async fn tally(engine: &LocalSpeech, sentences: &'static [&'static str]) -> Tally {
    let utterances = sentences.iter().flat_map(|sentence| SPEAKERS.map(|speaker| hear(engine, sentence, speaker)));
    let heard: Vec<Heard> = stream::iter(utterances).buffer_unordered(2).collect().await;
    let mut tally = Tally::default();
    for Heard { sentence, transcript, time } in heard {
        let context = Context::default();
        let (meant, got) = (understand(sentence, &context), understand(&transcript.text, &context));
        let is_right = meant.intent == got.intent;
        tally.utterances += 1;
        tally.time += time;
        tally.right_intent += usize::from(is_right);
        tally.right_slots += usize::from(is_right && meant.slots == got.slots && meant.reference == got.reference);
        tally.accepted += usize::from(transcript.confidence >= UNSURE_BELOW);
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_heard_and_other_speech_is_doubted() {
    let place = tempfile::tempdir().unwrap();
    let engine = local(place.path());
    let begun = Instant::now();
    engine.prepare().await.unwrap();
    let model = std::fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path().join("boutique.arpa");
    let bytes = model.metadata().unwrap().len();
    println!("language model of {bytes} bytes made in {:?}", begun.elapsed());
    assert!((200_000..3_000_000).contains(&bytes));

    let commands = tally(&engine, &COMMANDS).await;
    let strange = tally(&engine, &STRANGE).await;
    println!(
        "{} utterances: intent {:.2}, intent and slots {:.2}, accepted {:.2}, {:?} each; other speech accepted {:.2}",
        commands.utterances,
        commands.share(commands.right_intent),
        commands.share(commands.right_slots),
        commands.share(commands.accepted),
        commands.time / commands.utterances as u32,
        strange.share(strange.accepted),
    );
    assert!(commands.share(commands.right_intent) >= 0.90);
    assert!(commands.share(commands.right_slots) >= 0.75);
    assert!(commands.share(commands.accepted) >= 0.85);
    assert!(strange.share(strange.accepted) <= 0.15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_recording_is_heard_piece_by_piece() {
    let place = tempfile::tempdir().unwrap();
    let engine = local(place.path());
    let command = spoken(SPEAKERS[1], "show me silk sarees").await;
    let mut samples = vec![0; 18 * SAMPLE_RATE_HZ as usize];
    samples.extend(&command.samples);
    samples.extend(vec![0; 31 * SAMPLE_RATE_HZ as usize]);
    samples.extend(&command.samples);
    let audio = Pcm { sample_rate_hz: SAMPLE_RATE_HZ, samples };
    let heard = engine.transcribe(audio, None, PATIENCE).await.unwrap();
    let starts: Vec<u64> = heard.segments.iter().map(|segment| segment.start_ms / 1000).collect();
    assert!(matches!(starts[..], [18, 49..=51]), "{heard:?}");
    assert!(heard.segments.iter().all(|segment| segment.text.ends_with("sarees")), "{heard:?}");
    assert_eq!(heard.engine, "pocketsphinx");
}

#[tokio::test]
async fn what_cannot_be_transcribed_says_why() {
    let place = tempfile::tempdir().unwrap();
    let engine = local(place.path());
    let silence = Pcm { sample_rate_hz: SAMPLE_RATE_HZ, samples: vec![0; 32_000] };
    let heard = engine.transcribe(silence.clone(), None, PATIENCE).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.confidence, heard.segments.len()), ("", 0.0, 0));
    for language in [Language::Hindi, Language::Telugu] {
        let error = engine.transcribe(silence.clone(), Some(language), PATIENCE).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::InvalidRequest);
        assert!(error.to_string().contains("cloud engine"));
    }
    let wrong_rate = Pcm { sample_rate_hz: 48_000, ..silence };
    assert_eq!(kind(&engine, wrong_rate, PATIENCE).await, PortErrorKind::InvalidRequest);
    assert_eq!(kind(&engine, noise(601), PATIENCE).await, PortErrorKind::TooLarge);
}

#[tokio::test]
async fn another_recogniser_takes_part_by_the_protocol() {
    let place = tempfile::tempdir().unwrap();
    let script = r#"test "$(head -c 4 "$1")" = RIFF && printf '{"t":"add this","d":1.0,"p":0.8}\n'"#;
    let engine = with_script(place.path(), script, &["{wav}"]);
    assert_eq!(engine.recogniser(), EngineStatus { engine: "sh".into(), available: true, advice: None });
    let heard = engine.transcribe(noise(1), None, PATIENCE).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.confidence), ("add this", 0.8));
    assert!(is_empty(place.path()), "the recording is gone");
}

#[tokio::test]
async fn a_bad_recogniser_is_contained_and_leaves_no_recording() {
    let place = tempfile::tempdir().unwrap();
    let second = Duration::from_secs(1);
    for (script, expected) in [
        ("exec sleep 30", PortErrorKind::TimedOut),
        ("echo hello", PortErrorKind::Corrupt),
        ("exec yes", PortErrorKind::Corrupt),
        ("echo no such model >&2; exit 1", PortErrorKind::Unavailable),
        ("kill -SEGV $$", PortErrorKind::Unavailable),
    ] {
        let begun = Instant::now();
        let engine = with_script(place.path(), script, &["{wav}"]);
        assert_eq!(kind(&engine, noise(1), second).await, expected, "{script}");
        assert!(begun.elapsed() < 5 * second, "{script}");
        assert!(is_empty(place.path()), "{script}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_no_recording() {
    let place = tempfile::tempdir().unwrap();
    let engine = with_script(place.path(), "exec sleep 30", &["{wav}"]);
    let call = engine.transcribe(noise(1), None, PATIENCE);
    assert!(timeout(Duration::from_millis(300), call).await.is_err());
    assert!(is_empty(place.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_recognisers_ask_for_patience() {
    let place = tempfile::tempdir().unwrap();
    let engine = with_script(place.path(), "exec sleep 30", &[]);
    let all = engine.running.acquire_many(engine.running.available_permits() as u32).await.unwrap();
    let error = engine.transcribe(noise(1), None, Duration::from_millis(400)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (PortErrorKind::Throttled, Some(Duration::from_secs(1))));
    drop(all);
    assert_eq!(kind(&engine, noise(1), Duration::from_millis(400)).await, PortErrorKind::TimedOut);
}

#[tokio::test]
async fn missing_programs_are_told_with_advice() {
    let place = tempfile::tempdir().unwrap();
    let nowhere = LocalSpeechSettings { search_path: place.path().into(), ..settings(place.path()) };
    let engine = LocalSpeech::discover(nowhere.clone(), true_corpus());
    for (status, name) in [(engine.recogniser(), "pocketsphinx"), (engine.synthesiser(), "espeak-ng")] {
        assert_eq!((status.engine.as_str(), status.available), (name, false));
        assert!(status.advice.unwrap().contains("tests/install.sh"));
    }
    let error = engine.transcribe(noise(1), None, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.to_string().contains("tests/install.sh"));
    let error = engine.synthesise("hello", "nova", PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert_eq!(engine.voices().await.unwrap(), []);

    let model_dir = Some(place.path().to_owned());
    let no_model = LocalSpeech::discover(LocalSpeechSettings { model_dir, ..settings(place.path()) }, true_corpus());
    assert!(no_model.recogniser().advice.unwrap().contains("cmudict-en-us.dict"));
    let recogniser = "whisper-cli {wav}".parse().ok();
    let unknown = LocalSpeech::discover(LocalSpeechSettings { recogniser, ..nowhere }, true_corpus());
    assert!(unknown.recogniser().advice.unwrap().contains("whisper-cli"));
}

#[tokio::test]
async fn every_voice_reads() {
    let place = tempfile::tempdir().unwrap();
    let engine = local(place.path());
    let voices = engine.voices().await.unwrap();
    assert_eq!((voices[0].id.as_str(), voices[0].gender), ("pravi-en-female", VoiceGender::Female));
    let mut heard: Vec<Vec<i16>> = Vec::new();
    for voice in voices {
        let text = match voice.language {
            Language::English => "I found four silk sarees.",
            Language::Hindi => "मुझे चार साड़ियाँ मिलीं।",
            Language::Telugu => "నాలుగు చీరలు దొరికాయి.",
        };
        let pcm = engine.synthesise(text, &voice.id, PATIENCE).await.unwrap();
        let seconds = pcm.samples.len() as f64 / f64::from(pcm.sample_rate_hz);
        assert!((0.8..6.0).contains(&seconds), "{} reads for {seconds} s", voice.id);
        assert!(pcm.samples.iter().any(|sample| sample.abs() > 3_000), "{} is silent", voice.id);
        assert!(!heard.contains(&pcm.samples), "{} sounds like another voice", voice.id);
        heard.push(pcm.samples);
    }
    assert_eq!(engine.synthesise("hello", "-h", PATIENCE).await.unwrap_err().kind(), PortErrorKind::NotFound);
}

#[tokio::test]
async fn hostile_texts_are_read_as_they_stand() {
    let place = tempfile::tempdir().unwrap();
    let engine = local(place.path());
    let length = async |text: &str| engine.synthesise(text, "nova", PATIENCE).await.unwrap().samples.len();
    for text in ["-h", "--version", "-f /etc/passwd", "$(reboot)", "a\0b", "\u{202e}abc", "%s%n", "'; rm -rf /"] {
        assert!(length(text).await > 5_000, "{text:?} is read");
    }
    // As markup these would be silent; the word between the brackets would be phonemes.
    assert!(length("<break time='10s'/>").await > 20_000);
    assert!(length("[[h@l@U]]").await > length("hello").await);
    assert!(length(&"silk saree ".repeat(181)).await > 22_050 * 60);
}
