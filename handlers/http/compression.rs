//! Answers with fewer bytes for who takes them (RFC 9110 §8.4): brotli or gzip.
//!
//! Only `public` answers are compressed. They hold nothing that is anybody's own, so that the length of the
//! compressed text tells nobody a secret next to words of his own choice (BREACH, CVE-2013-3587). Tokens,
//! signed addresses and all that is private go out as they are.

use std::io::Write;

use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Body, Response};

/// Smaller answers fit in one packet anyway.
const COMPRESS_FROM: usize = 1024;
/// Larger ones take too long on the spot.
const COMPRESS_TO: usize = 2 << 20;
/// Of 11; more costs more time than it saves bytes on answers that are made as they are asked for.
const BROTLI_QUALITY: i32 = 5;

/// A form in which an answer can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    const ALL: [Coding; 2] = [Self::Brotli, Self::Gzip];

    /// As in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The best that an `Accept-Encoding` takes; `None` for the answer as it is.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let mut weights = [None; 2];
        let mut others = None;
        let mut plain: f32 = 0.0;
        for item in lists.flat_map(|list| list.split(',')) {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|parameter| parameter.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let weight: f32 = weight.unwrap_or(0.0);
            match name.as_str() {
                "br" => weights[0] = Some(weight),
                "gzip" | "x-gzip" => weights[1] = Some(weight),
                "*" => others = Some(weight),
                "identity" => plain = weight,
                _ => {}
            }
        }
        let weighed = Self::ALL.into_iter().zip(weights.map(|weight| weight.or(others).unwrap_or(0.0)));
        // The first of equals, and better than nothing.
        let mut best: Option<(Self, f32)> = None;
        for (coding, weight) in weighed {
            if weight > 0.0 && weight >= plain && best.is_none_or(|(_, most)| weight > most) {
                best = Some((coding, weight));
            }
        }
        best.map(|(coding, _)| coding)
    }

    /// The bytes in this form.
    ///
    /// # Errors
    /// None that can happen while writing to memory.
    pub fn encode(self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut coded = Vec::with_capacity(plain.len() / 3);
        match self {
            Self::Brotli => {
                let parameters = BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    size_hint: plain.len(),
                    ..BrotliEncoderParams::default()
                };
                brotli::BrotliCompress(&mut &plain[..], &mut coded, &parameters)?;
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(&mut coded, Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
        }
        Ok(coded)
    }
}

/// The entity tag of an answer in the form `coding`: another than that of the answer as it is, since their
/// bytes differ (RFC 9110 §8.8.3.3).
fn coded_tag(tag: &HeaderValue, coding: Coding) -> Option<HeaderValue> {
    let inner = tag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::from_str(&format!("{inner}-{}\"", coding.name())).ok()
}

/// Whether `tag` names the answer that `whole` names, or one of its forms.
pub fn is_form_of(tag: &str, whole: &HeaderValue) -> bool {
    let same = |known: &HeaderValue| known.as_bytes() == tag.as_bytes();
    same(whole) || Coding::ALL.into_iter().filter_map(|coding| coded_tag(whole, coding)).any(|form| same(&form))
}

/// Whether an answer can go in several forms.
fn is_compressible(response: &Response) -> bool {
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let gains =
        kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("javascript") || kind == "image/svg+xml";
    let public = text(CACHE_CONTROL).split(',').any(|directive| directive.trim() == "public");
    gains && public && !headers.contains_key(CONTENT_ENCODING)
}

/// Says that an answer can go in several forms, where it can.
pub fn with_vary(mut response: Response) -> Response {
    if response.status() == StatusCode::OK && is_compressible(&response) {
        response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

/// Gives the answer in the form that the caller likes best; `encode` compresses, or knows what was compressed
/// before. `None` from it leaves the answer as it is.
pub async fn compressed<F>(
    request: &HeaderMap,
    mut response: Response,
    encode: impl FnOnce(Coding, Bytes) -> F,
) -> Response
where
    F: Future<Output = Option<Bytes>>,
{
    if response.status() != StatusCode::OK || !is_compressible(&response) {
        return response;
    }
    let Some(coding) = Coding::accepted(request) else { return response };
    let Body::Full(plain) = response.body() else { return response };
    if !(COMPRESS_FROM..=COMPRESS_TO).contains(&plain.len()) {
        return response;
    }
    let Some(coded) = encode(coding, plain.clone()).await else { return response };
    let headers = response.headers_mut();
    if let Some(tag) = headers.get(ETAG).and_then(|tag| coded_tag(tag, coding)) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = Body::Full(coded);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(text).unwrap());
        Coding::accepted(&headers)
    }

    #[test]
    fn the_form_that_weighs_most_is_chosen() {
        assert_eq!(Coding::accepted(&HeaderMap::new()), None);
        for (text, expected) in [
            ("", None),
            ("gzip, deflate, br, zstd", Some(Coding::Brotli)),
            ("gzip", Some(Coding::Gzip)),
            ("br;q=0.5, gzip", Some(Coding::Gzip)),
            ("br;q=0, gzip;q=0", None),
            ("*", Some(Coding::Brotli)),
            ("br;q=0, *;q=0.1", Some(Coding::Gzip)),
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("GZIP;q=nonsense", None),
        ] {
            assert_eq!(accepted(text), expected, "{text}");
        }
    }

    #[test]
    fn each_form_has_a_tag_of_its_own_that_is_known() {
        let whole = HeaderValue::from_static("\"abc-br\"");
        for coding in Coding::ALL {
            let coded = coded_tag(&whole, coding).unwrap();
            assert_ne!(coded, whole);
            assert!(is_form_of(coded.to_str().unwrap(), &whole));
        }
        assert!(is_form_of("\"abc-br\"", &whole));
        for other in ["\"abc\"", "\"abc-gzip\"", "abc-br", ""] {
            assert!(!is_form_of(other, &whole), "{other}");
        }
    }

    #[test]
    fn what_is_coded_leads_back_to_the_text() {
        use std::io::Read;
        let text = "{\"name\":\"Banarasi\"}".repeat(200);
        let coded = Coding::Gzip.encode(text.as_bytes()).unwrap();
        let mut back = String::new();
        flate2::read::GzDecoder::new(&coded[..]).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
        let mut back = Vec::new();
        let coded = Coding::Brotli.encode(text.as_bytes()).unwrap();
        brotli::BrotliDecompress(&mut &coded[..], &mut back).unwrap();
        assert_eq!(back, text.as_bytes());
    }
}
