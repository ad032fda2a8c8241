//! Uploads in blocks, as Put Block and Put Block List of Blob Storage: a client stages blocks in any
//! order, may stage one again after a failure, asks which have arrived, and commits a list of them as
//! the blob's content in one step
//! (<https://learn.microsoft.com/rest/api/storageservices/put-block-list>).

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Transaction;

use super::DirectoryBlobs;
use super::index::{self, Block, Upload};
use crate::adapters::blobs::rules;
use crate::adapters::sqlite::database::{blocking, in_transaction, to_column};
use crate::ports::blobs::{BlobName, BlobProperties, ByteStream, PutOptions};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The most blocks that are staged for one blob.
pub const MAX_BLOCKS: usize = 50_000;

/// The longest id of a block, before base64.
const MAX_BLOCK_ID_BYTES: usize = 64;

/// A block that has arrived and is not part of a blob yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedBlock {
    pub id: String,
    /// Bytes.
    pub size: u64,
}

impl DirectoryBlobs {
    /// Keeps a block for a later [`Self::commit_blocks`], in place of one of the same id.
    ///
    /// `block_id` is base64 of 1 to 64 bytes and as long as the other ids of the blob, else
    /// `InvalidRequest`. `TooLarge` when all that is staged for the blob would pass `max_bytes` or
    /// [`MAX_BLOCKS`].
    pub async fn stage_block(
        &self,
        name: &BlobName,
        block_id: &str,
        content: ByteStream,
        max_bytes: u64,
    ) -> PortResult<()> {
        rules::check_name(name)?;
        check_block_id(block_id)?;
        let content = self.files.write(name.container, rules::limited(content, max_bytes)).await?;
        let (name, files, now) = (name.clone(), self.files.clone(), to_column(self.clock.now()));
        let block = Block { id: block_id.to_owned(), content: content.id.clone(), size: content.size };
        self.writer
            .run(move |connection| {
                let (replaced, lock) = in_transaction(connection, |transaction| {
                    let replaced = add_block(transaction, &name, &block, max_bytes, now)?;
                    Ok((replaced, content.keep()))
                })?;
                drop(lock);
                if let Some(replaced) = replaced {
                    files.remove(name.container, &replaced.content);
                }
                Ok(())
            })
            .await
    }

    /// The blocks that are staged for a blob, by id.
    pub async fn uncommitted_blocks(&self, name: &BlobName) -> PortResult<Vec<StagedBlock>> {
        rules::check_name(name)?;
        let name = name.clone();
        let blocks = self.reader.run(move |connection| index::list_blocks(connection, &name)).await?;
        Ok(blocks.into_iter().map(|block| StagedBlock { id: block.id, size: block.size }).collect())
    }

    /// Makes the blocks `ids`, in this order, the content of a blob, and forgets all that is staged for
    /// it. Without ids the blob is empty. The condition is that of a `put`.
    ///
    /// `InvalidRequest` for an id that is not staged or comes twice; `Conflict` when a block is staged
    /// anew at the same time.
    pub async fn commit_blocks(
        &self,
        name: &BlobName,
        ids: &[String],
        options: PutOptions,
    ) -> PortResult<BlobProperties> {
        let options = rules::checked(name, options)?;
        if ids.len() > MAX_BLOCKS || ids.iter().collect::<BTreeSet<_>>().len() != ids.len() {
            return Err(PortError::invalid(format!("a blob is made of at most {MAX_BLOCKS} blocks, each once")));
        }
        self.check_early(name, &options.condition).await?;
        let blocks = self.staged(name, ids.to_vec()).await?;
        let (files, container) = (self.files.clone(), name.container);
        let (content, blocks) = blocking(move || {
            let mut content = files.begin(container)?;
            for block in &blocks {
                let file = files.read(container, &block.content, block.size)?.ok_or_else(staged_anew)?;
                content.append_file(file)?;
            }
            Ok((content.synchronised()?, blocks))
        })
        .await?;
        self.commit(name, content, options, move |transaction, name| {
            for block in &blocks {
                let present = index::find_block(transaction, name, &block.id)?;
                if present.is_none_or(|present| present.content != block.content) {
                    return Err(staged_anew());
                }
            }
            Ok(())
        })
        .await
    }

    async fn staged(&self, name: &BlobName, ids: Vec<String>) -> PortResult<Vec<Block>> {
        let name = name.clone();
        self.reader
            .run(move |connection| {
                ids.iter()
                    .map(|id| {
                        index::find_block(connection, &name, id)?
                            .ok_or_else(|| PortError::invalid("the list names a block that is not staged"))
                    })
                    .collect()
            })
            .await
    }
}

/// Enters a block within the limits; gives the one that it replaces.
fn add_block(
    transaction: &Transaction<'_>,
    name: &BlobName,
    block: &Block,
    max_bytes: u64,
    now: i64,
) -> PortResult<Option<Block>> {
    let replaced = index::find_block(transaction, name, &block.id)?;
    let present = index::find_upload(transaction, name)?;
    let id_length = block.id.len() as i64;
    let present = present.unwrap_or(Upload { id_length, ..Upload::default() });
    if present.id_length != id_length {
        return Err(PortError::invalid("all block ids of a blob are of one length"));
    }
    let freed = replaced.as_ref().map_or(0, |block| block.size);
    let upload = Upload {
        blocks: present.blocks + u64::from(replaced.is_none()),
        bytes: present.bytes - freed + block.size,
        ..present
    };
    if upload.bytes > max_bytes || upload.blocks > MAX_BLOCKS as u64 {
        return Err(PortError::new(PortErrorKind::TooLarge, "the staged blocks are larger or more than was agreed"));
    }
    index::store_block(transaction, name, block)?;
    index::store_upload(transaction, name, upload, now)?;
    Ok(replaced)
}

fn check_block_id(id: &str) -> PortResult<()> {
    // Refused by its length first, so that a long one is not decoded.
    let short = id.len() <= MAX_BLOCK_ID_BYTES.div_ceil(3) * 4;
    if short && STANDARD.decode(id).is_ok_and(|bytes| (1..=MAX_BLOCK_ID_BYTES).contains(&bytes.len())) {
        Ok(())
    } else {
        Err(PortError::invalid("a block id is base64 of 1 to 64 bytes"))
    }
}

fn staged_anew() -> PortError {
    PortError::conflict("a block was staged anew or forgotten while the list was committed")
}
