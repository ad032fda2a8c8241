//! The reporting database in Azure SQL: writes through one pool of connections, reads through another, whose
//! connections carry the read-only intent and may reach a replica that lags.
//!
//! Rows are loaded in bulk into a temporary table and taken over by one `MERGE`. Text is compared by code
//! point, except that the server overlooks spaces at its end.

mod cells;
mod connect;
mod connection_string;
mod failure;
mod metrics;
mod pool;
mod retry;
mod schema;
mod statements;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;

use self::connect::Connector;
use self::connection_string::Target;
use self::failure::Failure;
use self::pool::Pool;
use self::retry::Retry;
use self::statements::Prepared;
use super::shape;
use crate::adapters::dependency::Dependency;
use crate::ports::reporting::{ColumnType, Comparison, ReportingDb, Row, Select, Table};
use crate::ports::secrets::SecretSource;
use crate::ports::{PortError, PortResult};
use crate::settings::{SettingError, SqlSettings};

/// How long calls may take, and how much they may take up.
#[derive(Clone, Copy, Debug)]
pub struct SqlLimits {
    /// A write with all its attempts.
    pub write: Duration,
    /// A question with all its attempts.
    pub read: Duration,
    /// All tables' migration: an index on a large table takes time.
    pub migration: Duration,
    /// Opening a connection.
    pub connect: Duration,
    /// Waiting for a connection that others use.
    pub wait: Duration,
    /// After this long without use a connection is tried before it is used: it may have died with a failover.
    pub trust: Duration,
    /// Connections of each pool, unless its connection string has `Max Pool Size`.
    pub connections: u32,
    /// About how long the first attempt is thought over; later ones four times as long each.
    pub pause: Duration,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            write: Duration::from_secs(30),
            read: Duration::from_secs(15),
            migration: Duration::from_secs(300),
            connect: Duration::from_secs(10),
            wait: Duration::from_secs(5),
            trust: Duration::from_secs(5),
            connections: 10,
            pause: Duration::from_millis(200),
        }
    }
}

/// [`ReportingDb`] in Azure SQL or another SQL Server of 2019 or later.
pub struct AzureSql {
    writes: Pool,
    reads: Pool,
    writing: Dependency,
    reading: Dependency,
    migrating: Dependency,
    pause: Duration,
}

impl AzureSql {
    /// Opens no connection; must be called within a Tokio runtime, on which idle connections are closed in
    /// time. `password` is that of the settings, for a `User ID` in a connection string without one; tokens of
    /// `credential` log in where there is neither.
    ///
    /// # Errors
    /// A connection string that is wrong, by the name of its setting.
    pub fn new(
        settings: &SqlSettings,
        password: Option<SecretSource>,
        credential: Arc<dyn TokenCredential>,
        limits: SqlLimits,
    ) -> Result<Self, SettingError> {
        let write = Target::parse("SQL_URL", &settings.write, password.clone())?;
        let read = match &settings.read {
            Some(read) => Target::parse("SQL_READ_URL", read, password)?,
            None => Target::parse("SQL_URL", &settings.write, password)?,
        };
        let pool = |name, target: Target, read_only| {
            let connections = target.connections.unwrap_or(limits.connections).max(1);
            let connector = Connector::new(target, read_only, credential.clone(), limits.connect);
            Pool::new(name, connector, connections, &limits)
        };
        Ok(Self {
            writes: pool("sql.write", write, false),
            reads: pool("sql.read", read, true),
            writing: Dependency::new("sql.write", limits.write),
            reading: Dependency::new("sql.read", limits.read),
            migrating: Dependency::new("sql.write", limits.migration),
            pause: limits.pause,
        })
    }

    async fn migrate_once(&self, tables: &[&Table]) -> Result<(), Failure> {
        let mut lease = self.writes.lease().await?;
        let session = lease.session();
        session.begin_transaction().await?;
        schema::lock(session).await?;
        for table in tables {
            schema::bring_up(session, table).await?;
        }
        session.commit_transaction().await?;
        lease.keep();
        Ok(())
    }

    /// Repeated even when a commit went unanswered: the rows are the same.
    async fn upsert_once(&self, table: &Table, rows: &[Vec<tiberius::ColumnData<'_>>]) -> Result<(), Failure> {
        let mut lease = self.writes.lease().await?;
        let session = lease.session();
        session.begin_transaction().await?;
        write::upsert(session, table, rows).await?;
        session.commit_transaction().await?;
        lease.keep();
        Ok(())
    }

    /// Not to be repeated after the commit was sent: the second time the rows would be gone and not be counted.
    async fn delete_once(&self, prepared: &Prepared) -> Result<u64, Failure> {
        let mut lease = self.writes.lease().await?;
        let session = lease.session();
        session.begin_transaction().await?;
        let rows = write::execute(session, prepared).await?;
        session.commit_transaction().await.map_err(|error| Failure::from(error).lasting())?;
        lease.keep();
        Ok(rows)
    }

    async fn select_once(&self, prepared: &Prepared, kinds: &[ColumnType]) -> Result<Vec<Row>, Failure> {
        let mut lease = self.reads.lease().await?;
        let rows = write::query(prepared)?.query(lease.session()).await?.into_first_result().await?;
        lease.keep();
        let cells = |row: tiberius::Row| {
            if row.len() != kinds.len() {
                return Err(PortError::corrupt("an answer with other columns than were asked for"));
            }
            kinds.iter().zip(row).map(|(kind, data)| cells::received(*kind, data)).collect()
        };
        Ok(rows.into_iter().map(cells).collect::<PortResult<_>>()?)
    }
}

#[async_trait]
impl ReportingDb for AzureSql {
    async fn migrate(&self, tables: &'static [&'static Table]) -> PortResult<()> {
        tables.iter().try_for_each(|table| shape::check_table(table).and_then(|()| schema::check(table)))?;
        if tables.is_empty() {
            return Ok(());
        }
        let work = async {
            let mut retry = Retry::new("migrate", self.pause);
            loop {
                match self.migrate_once(tables).await {
                    Ok(()) => return Ok(()),
                    Err(failure) => retry.after(failure).await?,
                }
            }
        };
        self.migrating.call("migrate", work).await
    }

    async fn upsert(&self, table: &'static Table, rows: Vec<Row>) -> PortResult<()> {
        shape::check_table(table)?;
        rows.iter().try_for_each(|row| shape::check_row(table, row))?;
        if rows.is_empty() {
            return Ok(());
        }
        let rows = write::staged(table, &rows)?;
        let work = async {
            let mut retry = Retry::new("upsert", self.pause);
            loop {
                match self.upsert_once(table, &rows).await {
                    Ok(()) => return Ok(()),
                    Err(failure) => retry.after(failure).await?,
                }
            }
        };
        self.writing.call("upsert", work).await
    }

    async fn delete(&self, table: &'static Table, filters: Vec<Comparison>) -> PortResult<u64> {
        shape::check_table(table)?;
        shape::check_filters(table, &filters)?;
        if filters.is_empty() {
            return Err(PortError::invalid(format!("a deletion of the whole of {}", table.name)));
        }
        let prepared = statements::delete(table, filters)?;
        let work = async {
            let mut retry = Retry::new("delete", self.pause);
            loop {
                match self.delete_once(&prepared).await {
                    Ok(rows) => return Ok(rows),
                    Err(failure) => retry.after(failure).await?,
                }
            }
        };
        self.writing.call("delete", work).await
    }

    async fn select(&self, select: Select) -> PortResult<Vec<Row>> {
        shape::check_table(select.table)?;
        let kinds = shape::check_select(&select)?;
        let prepared = statements::select(select)?;
        let work = async {
            let mut retry = Retry::new("select", self.pause);
            loop {
                match self.select_once(&prepared, &kinds).await {
                    Ok(rows) => return Ok(rows),
                    Err(failure) => retry.after(failure).await?,
                }
            }
        };
        self.reading.call("select", work).await
    }
}
