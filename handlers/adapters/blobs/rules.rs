//! What Blob Storage accepts, checked before anything is stored, so that what works on the embedded
//! store works on Azure
//! (<https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>).

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;

use crate::ports::blobs::{BlobName, ByteStream, PutOptions};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The content type of a blob that was written without one.
pub const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// The longest path, in characters.
pub const MAX_PATH_CHARACTERS: usize = 1024;

const MAX_CONTENT_TYPE_BYTES: usize = 255;
const MAX_METADATA_BYTES: usize = 8 * 1024;
const MAX_TAGS: usize = 10;

/// Refuses what Blob Storage would refuse; gives the options as they are stored.
pub fn checked(name: &BlobName, mut options: PutOptions) -> PortResult<PutOptions> {
    check_name(name)?;
    if let Some(content_type) = &options.content_type {
        check_content_type(content_type)?;
    }
    check_tags(&options.tags)?;
    options.metadata = normal_metadata(options.metadata)?;
    Ok(options)
}

/// Refuses a name that no blob can have.
pub fn check_name(name: &BlobName) -> PortResult<()> {
    check_container(name.container)?;
    check_path(&name.path)
}

/// Refuses what is not 3 to 63 lower-case letters, digits and single hyphens.
pub fn check_container(container: &str) -> PortResult<()> {
    let characters = container.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let hyphens = !container.starts_with('-') && !container.ends_with('-') && !container.contains("--");
    if (3..=63).contains(&container.len()) && characters && hyphens {
        Ok(())
    } else {
        Err(PortError::invalid(format!("{container:?} cannot name a container")))
    }
}

/// Refuses a path that is empty, too long, or could mean another place to some file system, client or
/// proxy on the way.
pub fn check_path(path: &str) -> PortResult<()> {
    let length = (1..=MAX_PATH_CHARACTERS).contains(&path.chars().take(MAX_PATH_CHARACTERS + 1).count());
    let characters = !path.chars().any(|character| character.is_control() || character == '\\');
    let segments = path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if length && characters && segments {
        Ok(())
    } else {
        Err(PortError::invalid("a blob's path is 1 to 1024 characters in segments that are not empty, `.` or `..`"))
    }
}

/// Refuses what cannot stand in a `Content-Type` header.
pub fn check_content_type(content_type: &str) -> PortResult<()> {
    let visible = content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if (1..=MAX_CONTENT_TYPE_BYTES).contains(&content_type.len()) && visible {
        Ok(())
    } else {
        Err(PortError::invalid("a content type is 1 to 255 visible ASCII characters"))
    }
}

/// Gives metadata with its names in lower case. Refuses names that are not identifiers, values that
/// cannot stand in a header, and more than 8 KiB in all.
pub fn normal_metadata(metadata: BTreeMap<String, String>) -> PortResult<BTreeMap<String, String>> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES {
        return Err(PortError::new(PortErrorKind::TooLarge, "metadata takes at most 8 KiB"));
    }
    let mut normal = BTreeMap::new();
    for (name, value) in metadata {
        let identifier = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        let header = value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value;
        if !identifier || !header || normal.insert(name.to_ascii_lowercase(), value).is_some() {
            return Err(PortError::invalid(format!(
                "{name:?} cannot name metadata, comes twice or has no ASCII value"
            )));
        }
    }
    Ok(normal)
}

/// Refuses tags that Blob Storage does not index
/// (<https://learn.microsoft.com/rest/api/storageservices/set-blob-tags>).
pub fn check_tags(tags: &BTreeMap<String, String>) -> PortResult<()> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" +-./:=_".contains(&byte));
    let fits = |(name, value): (&String, &String)| {
        (1..=128).contains(&name.len()) && value.len() <= 256 && plain(name) && plain(value)
    };
    if tags.len() <= MAX_TAGS && tags.iter().all(fits) {
        Ok(())
    } else {
        Err(PortError::invalid("at most 10 tags of ASCII letters, digits and ` +-./:=_`"))
    }
}

/// The same content, ended by a `TooLarge` as soon as it passes `max_bytes`.
pub fn limited(content: ByteStream, max_bytes: u64) -> ByteStream {
    Box::pin(stream::try_unfold((content, max_bytes), |(mut content, left)| async move {
        let Some(piece) = content.next().await.transpose()? else { return Ok(None) };
        match left.checked_sub(piece.len() as u64) {
            Some(left) => Ok(Some((piece, (content, left)))),
            None => Err(PortError::new(PortErrorKind::TooLarge, "the content is larger than was agreed")),
        }
    }))
}
