//! Writing a blob from a stream. At most [`IN_FLIGHT`] blocks and the one that is being filled are in
//! memory, however long the stream is.

use std::num::NonZero;

use azure_storage_blob::models::{
    BlockBlobClientCommitBlockListOptions, BlockBlobClientCommitBlockListResultHeaders, BlockBlobClientUploadOptions,
    BlockLookupList,
};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt};
use ulid::Ulid;

use super::{Service, headers_of, properties};
use crate::adapters::blobs::rules::DEFAULT_CONTENT_TYPE;
use crate::adapters::storage_account::failure;
use crate::ports::blobs::{BlobName, BlobProperties, ByteStream, PutOptions};
use crate::ports::{Condition, ETag, PortError, PortErrorKind, PortResult};

/// The bytes of a block, and of the largest content that is written in one call.
pub const BLOCK: usize = 4 * 1024 * 1024;
/// Blocks that are on their way at once.
const IN_FLIGHT: usize = 2;
/// The most blocks of a blob (<https://learn.microsoft.com/rest/api/storageservices/put-block-list>).
const MAX_BLOCKS: usize = 50_000;

/// Writes a blob. Nothing can be seen of it before the last call, which writes or commits the whole.
pub(super) async fn put(
    service: &Service,
    name: &BlobName,
    mut content: ByteStream,
    options: PutOptions,
) -> PortResult<BlobProperties> {
    let (first, more) = next_block(&mut content, BytesMut::new()).await?;
    let (size, (etag, modified_at)) = match more {
        None => (first.len() as u64, at_once(service, name, first, &options).await?),
        Some(rest) => {
            let (ids, size) = stage(service, name, first, rest, content).await?;
            (size, commit(service, name, ids, &options).await?)
        }
    };
    Ok(BlobProperties {
        etag,
        size,
        content_type: options.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
        modified_at,
        tier: options.tier,
        metadata: options.metadata,
        tags: options.tags,
    })
}

/// Takes the next [`BLOCK`] bytes of the stream, of which `begun` are there already, and what it gave
/// beyond; `None` beyond the last.
async fn next_block(content: &mut ByteStream, begun: BytesMut) -> PortResult<(Bytes, Option<BytesMut>)> {
    let mut block = begun;
    while block.len() <= BLOCK {
        match content.next().await.transpose()? {
            Some(piece) => block.extend_from_slice(&piece),
            None => return Ok((block.freeze(), None)),
        }
    }
    let rest = block.split_off(BLOCK);
    Ok((block.freeze(), Some(rest)))
}

async fn at_once(
    service: &Service,
    name: &BlobName,
    content: Bytes,
    options: &PutOptions,
) -> PortResult<(ETag, DateTime<Utc>)> {
    let (if_match, if_none_match) = headers_of(&options.condition);
    let asked = BlockBlobClientUploadOptions {
        blob_content_type: Some(content_type(options)),
        metadata: Some(options.metadata.clone().into_iter().collect()),
        tier: Some(properties::tier_name(options.tier)),
        // All in one call, which is what makes the write atomic.
        partition_size: NonZero::new(2 * BLOCK as u64),
        if_match,
        if_none_match,
        ..Default::default()
    };
    let asked = asked.with_tags(options.tags.clone().into_iter().collect::<std::collections::HashMap<_, _>>());
    let client = service.blob_for(name, &options.condition);
    let written = service.call("put", client.upload(content.into(), Some(asked))).await;
    let written = written.map_err(|error| refused(error, &options.condition))?;
    let etag = properties::etag(written.etag).ok_or_else(|| properties::unreadable("put"))?;
    Ok((etag, properties::time(written.last_modified)))
}

/// Stages the stream in blocks; gives their ids, in the order of the content, and its size.
async fn stage(
    service: &Service,
    name: &BlobName,
    first: Bytes,
    rest: BytesMut,
    mut content: ByteStream,
) -> PortResult<(Vec<Vec<u8>>, u64)> {
    let client = service.blob(name).block_blob_client();
    // Ids of this write alone, so that no other write to the blob commits a block of it.
    let write = Ulid::generate();
    let mut ids: Vec<Vec<u8>> = Vec::new();
    let mut size = 0;
    let mut running = FuturesUnordered::new();
    let (mut block, mut begun) = (first, Some(rest));
    loop {
        if ids.len() == MAX_BLOCKS {
            return Err(PortError::new(PortErrorKind::TooLarge, "the content is larger than a blob can be"));
        }
        let id = format!("{write}{:06}", ids.len()).into_bytes();
        size += block.len() as u64;
        ids.push(id.clone());
        let client = &client;
        running.push(async move {
            let length = block.len() as u64;
            service.call("stage", client.stage_block(&id, length, block.into(), None)).await
        });
        while running.len() >= IN_FLIGHT {
            running.try_next().await?;
        }
        let Some(beyond) = begun else { break };
        (block, begun) = {
            let mut filling = std::pin::pin!(next_block(&mut content, beyond));
            loop {
                // The staging goes on while the stream is waited for.
                tokio::select! {
                    filled = &mut filling => break filled?,
                    Some(staged) = running.next(), if !running.is_empty() => drop(staged?),
                }
            }
        };
    }
    while running.try_next().await?.is_some() {}
    Ok((ids, size))
}

async fn commit(
    service: &Service,
    name: &BlobName,
    ids: Vec<Vec<u8>>,
    options: &PutOptions,
) -> PortResult<(ETag, DateTime<Utc>)> {
    let (if_match, if_none_match) = headers_of(&options.condition);
    let asked = BlockBlobClientCommitBlockListOptions {
        blob_content_type: Some(content_type(options)),
        metadata: Some(options.metadata.clone().into_iter().collect()),
        tier: Some(properties::tier_name(options.tier)),
        if_match,
        if_none_match,
        ..Default::default()
    };
    let asked = asked.with_tags(options.tags.clone().into_iter().collect::<std::collections::HashMap<_, _>>());
    let client = service.blob_for(name, &options.condition).block_blob_client();
    let committing = async {
        let list = BlockLookupList { latest: Some(ids), ..Default::default() };
        let answer = client.commit_block_list(list.try_into()?, Some(asked)).await?;
        Ok((answer.etag()?, answer.last_modified()?))
    };
    let lost = |error: &azure_core::Error| failure::code(error) == Some("InvalidBlockList");
    let (etag, modified_at) = service
        .dependency
        .call("commit", async {
            committing.await.map_err(|error| match lost(&error) {
                true => overtaken(&options.condition),
                false => refused(failure::explained("blobs commit", &error), &options.condition),
            })
        })
        .await?;
    Ok((properties::etag(etag).ok_or_else(|| properties::unreadable("commit"))?, properties::time(modified_at)))
}

fn content_type(options: &PutOptions) -> String {
    options.content_type.clone().unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned())
}

/// Another write was committed since the blocks were staged, and took them away.
fn overtaken(condition: &Condition) -> PortError {
    let message = "blobs commit: another write came first";
    match condition {
        Condition::IfMatch(_) => PortError::precondition_failed(message),
        Condition::None | Condition::IfAbsent => PortError::conflict(message),
    }
}

/// A blob that is there where none may be is a `Conflict`, another than the one demanded or none at all a
/// `PreconditionFailed`, whichever of its codes the service uses.
fn refused(error: PortError, condition: &Condition) -> PortError {
    match (condition, error.kind()) {
        (Condition::IfMatch(_), PortErrorKind::NotFound) => PortError::precondition_failed(error.to_string()),
        (Condition::IfAbsent, PortErrorKind::PreconditionFailed) => PortError::conflict(error.to_string()),
        _ => error,
    }
}
