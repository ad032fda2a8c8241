//! The files of a picture in storage, under the hashes of their bytes.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use crate::catalogue::PictureSource;
use crate::containers::MEDIA;
use crate::error::{Code, Error, Result};
use crate::pictures::{Encoding, Rendition};
use crate::ports::blobs::{BlobName, PutOptions, whole};
use crate::ports::{Condition, PortErrorKind};
use crate::state::AppState;
use crate::types::TenantId;

/// Bytes of the hash in a name: as hard to hit as a hash of 192 bits.
const HASH_BYTES: usize = 24;
/// How often a file is written that is deleted in the same moment.
const TURNS: usize = 5;

/// The name of a file within its boutique.
fn name(rendition: &Rendition) -> String {
    let hash = digest(&SHA256, &rendition.bytes);
    let hash: String = hash.as_ref().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}-{}.{}", rendition.width, rendition.encoding.extension())
}

/// The format of a file, when its name is one that [`keep`] gives.
pub fn encoding_of(name: &str) -> Option<Encoding> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (hash, width) = stem.split_once('-')?;
    let is_hash = hash.len() == 2 * HASH_BYTES && hash.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    let is_width = (1..=5).contains(&width.len()) && width.bytes().all(|c| c.is_ascii_digit());
    Encoding::of_extension(extension).filter(|_| is_hash && is_width)
}

/// Keeps a file; gives what a product says of it.
pub async fn keep(state: &AppState, tenant: &TenantId, rendition: Rendition) -> Result<PictureSource> {
    let path = format!("{tenant}/{}", name(&rendition));
    let Rendition { width, height, encoding, bytes } = rendition;
    let source = PictureSource {
        path: path.clone(),
        width,
        height,
        media_type: encoding.media_type().to_owned(),
        url: String::new(),
    };
    let blob = BlobName::new(MEDIA, path);
    let bytes = bytes::Bytes::from(bytes);
    for _ in 0..TURNS {
        let options = PutOptions {
            content_type: Some(encoding.media_type().to_owned()),
            condition: Condition::IfAbsent,
            ..PutOptions::default()
        };
        match state.blobs.put(&blob, whole(bytes.clone()), options).await {
            Ok(_) => return Ok(source),
            Err(error) if error.kind() == PortErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
        // The same bytes are there, and perhaps nobody's.
        if renew(state, &source.path).await? {
            return Ok(source);
        }
    }
    Err(Error::new(Code::Unavailable, "a picture's file is deleted again and again"))
}

/// Gives a file a day in which no sweep deletes it, whoever refers to it: a sweep deletes what it has seen only, and
/// leaves what is younger. `false` when there is no such file.
pub async fn renew(state: &AppState, path: &str) -> Result<bool> {
    match state.blobs.set_metadata(&BlobName::new(MEDIA, path), BTreeMap::new()).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == PortErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_bytes_and_the_format() {
        let rendition =
            |bytes: &[u8]| Rendition { width: 320, height: 240, encoding: Encoding::WebP, bytes: bytes.into() };
        let (one, other) = (name(&rendition(b"silk")), name(&rendition(b"cotton")));
        assert_ne!(one, other);
        assert_eq!(one, name(&rendition(b"silk")));
        assert_eq!(encoding_of(&one), Some(Encoding::WebP));
        assert_eq!(encoding_of(&one.replace(".webp", ".jpg")), Some(Encoding::Jpeg));
        let hash = &one[..48];
        for wrong in [
            "x.webp".to_owned(),
            one.replace(".webp", ".svg"),
            one.to_uppercase(),
            format!("{hash}-.webp"),
            format!("{hash}-123456.webp"),
            format!("{hash}.webp"),
            format!("../{one}"),
        ] {
            assert_eq!(encoding_of(&wrong), None, "{wrong}");
        }
    }
}
