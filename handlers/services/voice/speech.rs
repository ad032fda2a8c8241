//! Text to speech. What was once synthesised is kept in storage under the hash of all that shapes it, so
//! its address never changes its content.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LOCATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::audio::{encode_opus, rendition, wav};
use crate::caching::{Cached, Public, table};
use crate::containers::SPEECH;
use crate::error::{Code, Error, Result};
use crate::function::{Function, LimitClass};
use crate::http::caching::with_cache_status;
use crate::http::conditional::{with_content_etag, with_etag};
use crate::http::{Body, Request, Response, json, stream};
use crate::ports::blobs::{BlobName, PutOptions, whole};
use crate::ports::speech::{EngineStatus, Pcm, Voice};
use crate::ports::{ETag, PortErrorKind};
use crate::state::AppState;
use crate::types::Language;
use crate::types::Service;

const MAX_CHARS: usize = 2000;
const SYNTHESIS_TIME_LIMIT: Duration = Duration::from_secs(20);
/// Changes when the encoding does, so that old files are left behind.
const ENCODING: &str = "v1";

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("VoiceSpeechCreate", Service::Voice, Method::POST, "v1/voice/text-to-speech", synthesise)
            .limit(LimitClass::Voice)
            .summary("Reads a text out.")
            .takes::<SpeechRequest>("application/json", json!({ "text": "Namaste! What are you looking for?", "voice": "nova" }))
            .answers_bytes(StatusCode::OK, "The sound; `Content-Location` is its lasting address.", rendition::MEDIA_TYPE)
            .answers_bytes(StatusCode::OK, "The sound, when `format` is `wav`.", "audio/wav")
            .into(),
        Function::http("VoiceSpeechGet", Service::Voice, Method::GET, "v1/voice/speech/{name}", get)
            .summary("Gives speech that was synthesised before; never changes.")
            .answers_bytes(StatusCode::OK, "The sound.", rendition::MEDIA_TYPE)
            .answers_bytes(StatusCode::OK, "The sound.", "audio/wav")
            .into(),
        Function::http("VoiceVoicesList", Service::Voice, Method::GET, "v1/voice/voices", voices)
            .summary("Lists the voices that read texts out, and the engines of this deployment.")
            .answers::<VoiceList>(StatusCode::OK, "The default voice of each language first.", json!({
                "voices": [{ "id": "nova", "name": "Nova", "gender": "female", "language": "en-IN", "engine": "espeak-ng" }],
                "recogniser": { "engine": "pocketsphinx", "available": true, "advice": null },
                "synthesiser": { "engine": "espeak-ng", "available": true, "advice": null }
            }))
            .into(),
    ]
}

/// The form of the sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Ogg with Opus.
    #[default]
    Opus,
    /// 16-bit PCM.
    Wav,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Self::Opus => rendition::MEDIA_TYPE,
            Self::Wav => "audio/wav",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Wav => "wav",
        }
    }
}

#[derive(Deserialize, ToSchema)]
struct SpeechRequest {
    /// What to read, 1 to 2000 characters.
    #[schema(min_length = 1, max_length = 2000)]
    text: String,
    /// A voice of `voice/voices`; the default one of the language where nothing is said.
    voice: Option<String>,
    language: Option<Language>,
    #[serde(default)]
    format: Format,
}

#[derive(Serialize, ToSchema)]
struct VoiceList {
    voices: Vec<Voice>,
    recogniser: EngineStatus,
    synthesiser: EngineStatus,
}

async fn voices(state: AppState, _request: Request) -> Result<Response> {
    let voices = state.speech.voices().await?;
    let list = VoiceList { voices, recogniser: state.speech.recogniser(), synthesiser: state.speech.synthesiser() };
    // An engine that is missing may be installed any minute.
    let complete = list.recogniser.available && list.synthesiser.available;
    let control = if complete { "public, max-age=3600" } else { "no-store" };
    let mut response = json(&list)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(control));
    Ok(with_content_etag(response))
}

async fn synthesise(state: AppState, request: Request) -> Result<Response> {
    let asked: SpeechRequest = request.json()?;
    let text = asked.text.trim();
    if text.is_empty() || text.chars().count() > MAX_CHARS {
        return Err(Error::field("text", format!("expected 1 to {MAX_CHARS} characters")));
    }
    let engine = state.speech.synthesiser();
    if !engine.available {
        return Err(Error::new(
            Code::Unavailable,
            "No speech engine is available here; voice/voices says what is missing.",
        ));
    }
    let voice = choose(&state, asked.voice.as_deref(), asked.language).await?;
    let name = name_of(&voice, text, asked.format);
    let making =
        Making { voice, text: text.to_owned(), format: asked.format, blob: BlobName::new(SPEECH, name.clone()) };
    let load = {
        let state = state.clone();
        move || async move { making.read_or_make(&state).await }
    };
    let (sound, status) = state.caches.get_or_load(&SOUNDS, (), &name, load).await?;
    let mut response = with_cache_status(Response::new(Body::Full(sound.0.clone())), status);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asked.format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400"));
    let text_of = |text: String| HeaderValue::from_str(&text).map_err(Error::internal);
    headers.insert(CONTENT_LOCATION, text_of(format!("/api/v1/voice/speech/{name}"))?);
    headers.insert(CONTENT_DISPOSITION, text_of(format!("attachment; filename=speech-{name}"))?);
    Ok(with_etag(response, &ETag(name)))
}

/// The voice that is asked for, or the default one of the language.
async fn choose(state: &AppState, id: Option<&str>, language: Option<Language>) -> Result<Voice> {
    let voices = state.speech.voices().await?;
    let known = || voices.iter().map(|voice| voice.id.as_str()).collect::<Vec<_>>().join(", ");
    match id {
        Some(id) => voices
            .iter()
            .find(|voice| voice.id == id)
            .cloned()
            .ok_or_else(|| Error::field("voice", format!("expected one of {}", known()))),
        None => {
            let language = language.unwrap_or_default();
            voices
                .iter()
                .find(|voice| voice.language == language)
                .cloned()
                .ok_or_else(|| Error::field("language", "no voice speaks this language here"))
        }
    }
}

/// The name of the sound of a text: the hash of all that shapes it.
fn name_of(voice: &Voice, text: &str, format: Format) -> String {
    let language = voice.language.tag();
    let shape = [ENCODING, &voice.engine, &voice.id, language, format.extension(), text].join("\n");
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, shape.as_bytes()).as_ref()[..24]);
    format!("{hash}.{}", format.extension())
}

/// Speech as it is sent.
struct Sound(Bytes);

static SOUNDS: Cached<Public, Sound> = Cached::shared(
    &table::SPEECH,
    |sound| sound.0.len(),
    |sound| Ok(sound.0.to_vec()),
    |bytes| Ok(Sound(Bytes::copy_from_slice(bytes))),
);

async fn read(state: &AppState, blob: &BlobName) -> Result<Option<Sound>> {
    let Some(content) = state.blobs.get(blob, None).await? else { return Ok(None) };
    let mut stream = content.stream;
    let mut sound = BytesMut::with_capacity(content.properties.size as usize);
    while let Some(chunk) = stream.next().await {
        sound.extend_from_slice(&chunk?);
    }
    Ok(Some(Sound(sound.freeze())))
}

/// What is to be spoken, how, and where it is kept.
struct Making {
    voice: Voice,
    text: String,
    format: Format,
    blob: BlobName,
}

impl Making {
    async fn read_or_make(self, state: &AppState) -> Result<Sound> {
        match read(state, &self.blob).await? {
            Some(sound) => Ok(sound),
            None => self.make(state).await,
        }
    }

    async fn make(self, state: &AppState) -> Result<Sound> {
        let Self { voice, text, format, blob } = self;
        let spoken = state.speech.synthesise(&text, &voice.id, SYNTHESIS_TIME_LIMIT).await;
        let pcm = spoken.map_err(|error| match error.kind() {
            PortErrorKind::Unavailable => {
                Error::new(Code::Unavailable, "The speech engine does not work at this moment.").with_source(error)
            }
            PortErrorKind::InvalidRequest => Error::field("text", "there is nothing in it that can be read out"),
            _ => error.into(),
        })?;
        let sound = AppState::blocking(move || encode(&pcm, format)).await??;
        let options = PutOptions { content_type: Some(format.media_type().into()), ..PutOptions::default() };
        state.blobs.put(&blob, whole(sound.clone()), options).await?;
        Ok(Sound(sound))
    }
}

fn encode(pcm: &Pcm, format: Format) -> Result<Bytes> {
    match format {
        Format::Opus => Ok(encode_opus(&pcm.samples, pcm.sample_rate_hz).map_err(Error::internal)?.into()),
        Format::Wav => Ok(wav::write(&pcm.samples, pcm.sample_rate_hz).into()),
    }
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let name: String = request.param("name")?;
    let missing = || Error::not_found("There is no such speech.");
    let format = match name.rsplit_once('.') {
        Some((hash, "opus")) if is_hash(hash) => Format::Opus,
        Some((hash, "wav")) if is_hash(hash) => Format::Wav,
        _ => return Err(missing()),
    };
    let blob = BlobName::new(SPEECH, name.clone());
    let mut response = match format {
        Format::Opus => {
            let load = {
                let state = state.clone();
                move || async move { read(&state, &blob).await }
            };
            let (sound, status) = state.caches.find_or_load(&SOUNDS, (), &name, load).await?;
            let mut response = Response::new(Body::Full(sound.ok_or_else(missing)?.0.clone()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
            with_cache_status(response, status)
        }
        // Too large to be kept in memory for everybody.
        Format::Wav => {
            let content = state.blobs.get(&blob, None).await?.ok_or_else(missing)?;
            let response = stream(format.media_type(), content.stream, Some(content.properties.size))?;
            with_cache_status(response, state.caches.bypass(&SOUNDS))
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(with_etag(response, &ETag(name)))
}

fn is_hash(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
