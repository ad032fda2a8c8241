//! Rows into and out of tables. Each write is one transaction on one connection.

use tiberius::{ColumnData, Query, TokenRow};

use super::cells::{last_of_each_key, sent};
use super::connect::Session;
use super::failure::Failure;
use super::schema::run;
use super::statements::{self, Prepared, STAGING};
use crate::ports::PortResult;
use crate::ports::reporting::{Cell, ColumnType, Row, Table};

/// Rows that are staged and merged at a time.
const CHUNK: usize = 5000;
/// The longest text that the driver's bulk load takes, in bytes of UTF-16.
const BULK_TEXT_BYTES: usize = 65_535;

/// Checked rows as they are sent, without those that a later one replaces.
///
/// # Errors
/// `InvalidRequest` for what a column of this server does not hold.
pub(super) fn staged<'a>(table: &Table, rows: &'a [Row]) -> PortResult<Vec<Vec<ColumnData<'a>>>> {
    let cells = |row: &'a Row| table.columns.iter().zip(row).map(|(column, cell)| sent(column.kind, cell)).collect();
    last_of_each_key(table, rows).into_iter().map(cells).collect()
}

/// Inserts or replaces rows, within the transaction that is open.
pub(super) async fn upsert(session: &mut Session, table: &Table, rows: &[Vec<ColumnData<'_>>]) -> Result<(), Failure> {
    run(session, statements::create_staging(table)).await?;
    for (position, chunk) in rows.chunks(CHUNK).enumerate() {
        if position > 0 {
            run(session, statements::empty_staging()).await?;
        }
        stage(session, table, chunk).await?;
        run(session, statements::merge(table)).await?;
    }
    run(session, statements::drop_staging()).await
}

async fn stage(session: &mut Session, table: &Table, rows: &[Vec<ColumnData<'_>>]) -> Result<(), Failure> {
    let (bulk, long): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.iter().all(fits_bulk));
    if !bulk.is_empty() {
        let mut load = session.bulk_insert(STAGING).await?;
        for row in bulk {
            let mut fields = TokenRow::with_capacity(row.len());
            row.iter().for_each(|field| fields.push(field.clone()));
            load.send(fields).await?;
        }
        load.finalize().await?;
    }
    for row in long {
        let mut insert = Query::new(statements::insert_staged(table));
        row.iter().for_each(|field| insert.bind(field.clone()));
        insert.execute(session).await?;
    }
    Ok(())
}

fn fits_bulk(field: &ColumnData<'_>) -> bool {
    match field {
        // No character takes more bytes in UTF-16 than twice its bytes in UTF-8.
        ColumnData::String(Some(text)) => {
            text.len() * 2 <= BULK_TEXT_BYTES || text.encode_utf16().count() * 2 <= BULK_TEXT_BYTES
        }
        _ => true,
    }
}

/// Runs a statement with parameters; gives the number of rows that it changed.
pub(super) async fn execute(session: &mut Session, prepared: &Prepared) -> Result<u64, Failure> {
    Ok(query(prepared)?.execute(session).await?.total())
}

/// A statement with its parameters.
pub(super) fn query<'a>((text, values): &'a Prepared) -> PortResult<Query<'a>> {
    let mut query = Query::new(text.as_str());
    values.iter().try_for_each(|(kind, cell): &(ColumnType, Cell)| sent(*kind, cell).map(|value| query.bind(value)))?;
    Ok(query)
}
