//! One connection: login, then requests and answers.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;

use super::database::{Database, Outcome, Parameters};
use super::faults::Fault;
use super::login::{ENCRYPT_NOT_SUPPORTED, ENCRYPT_ON, Login, Prelogin};
use super::packets::{self, ANSWER, Message};
use super::tls::{self, Stream};
use super::tokens::{Answer, Refusal};
use super::values::{Reader, utf_16};
use super::{Shared, Statement};

/// `sp_executesql` by its number.
const EXECUTE_SQL: u16 = 10;
const BEGIN: u16 = 5;
const COMMIT: u16 = 7;
const ROLLBACK: u16 = 8;

/// The end of a connection that the server closes.
fn closed<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

struct Session<'a> {
    stream: Box<dyn Stream>,
    socket: TcpStream,
    shared: &'a Shared,
    login: Login,
    database: Database,
    /// The copy that this session reads, where the replica lags.
    copy: Option<(PathBuf, Database)>,
    transaction: u64,
    bulk: Option<(String, Vec<String>)>,
}

/// Serves a connection to its end.
pub fn serve(socket: TcpStream, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut raw = socket.try_clone()?;
    let Some(prelogin) = packets::read_message(&mut raw)? else { return Ok(()) };
    let asked = Prelogin::parse(&prelogin.payload);
    let encrypted = asked.encryption != ENCRYPT_NOT_SUPPORTED && shared.identity.is_some();
    let encryption = if encrypted { ENCRYPT_ON } else { ENCRYPT_NOT_SUPPORTED };
    packets::write_message(&mut raw, ANSWER, &asked.answer(encryption), true)?;
    let mut stream: Box<dyn Stream> = match &shared.identity {
        Some(identity) if encrypted => tls::accept(raw, identity.config.clone())?,
        _ => Box::new(raw),
    };
    let Some(message) = packets::read_message(&mut stream)? else { return Ok(()) };
    assert_eq!(message.kind, packets::LOGIN, "a login");
    let login = Login::parse(&message.payload, encrypted);
    shared.logins.lock().unwrap().push(login.clone());
    let mut answer = Answer::default();
    let admitted = admit(&login, shared, &mut answer)?;
    packets::write_message(&mut stream, ANSWER, &answer.bytes, true)?;
    if !admitted {
        return Ok(());
    }
    let database = Database::open(&shared.file, login.read_only);
    let _present = shared.present();
    let mut session = Session { stream, socket, shared, login, database, copy: None, transaction: 0, bulk: None };
    while let Some(message) = packets::read_message(&mut session.stream)? {
        session.answer(&message)?;
    }
    Ok(())
}

/// Whether the login is let in, with the answer to it.
fn admit(login: &Login, shared: &Shared, answer: &mut Answer) -> io::Result<bool> {
    let refusal = match shared.faults.take("LOGIN") {
        Some(Fault::Refuse(number)) => Some(Refusal::new(number, "refused as told")),
        Some(Fault::Redirect(host, port)) => {
            answer.login(login.token.is_some());
            answer.redirection(&host, port);
            answer.done(None);
            return Ok(false);
        }
        Some(Fault::Hold) => {
            shared.faults.hold();
            None
        }
        Some(_) => return closed(),
        None => None,
    };
    match refusal.or_else(|| shared.refusal(login)) {
        Some(refusal) => {
            answer.refusal(&refusal, false);
            Ok(false)
        }
        None => {
            answer.login(login.token.is_some());
            answer.done(None);
            Ok(true)
        }
    }
}

impl Session<'_> {
    fn answer(&mut self, message: &Message) -> io::Result<()> {
        if message.kind == packets::ATTENTION {
            let mut answer = Answer::default();
            answer.attention();
            return packets::write_message(&mut self.stream, ANSWER, &answer.bytes, true);
        }
        let request = Request::parse(message, self.transaction);
        let fault = self.shared.faults.take(request.label());
        self.shared.statements.lock().unwrap().push(Statement {
            text: request.label().to_owned(),
            parameters: request.parameters(),
            read_only: self.login.read_only,
        });
        match &fault {
            Some(Fault::Drop | Fault::Redirect(..)) => return self.close(),
            Some(Fault::Hold) => self.shared.faults.hold(),
            _ => {}
        }
        let mut answer = Answer::default();
        let procedure = matches!(request, Request::Execute { .. } | Request::Procedure { .. });
        let outcome = match &fault {
            Some(Fault::Refuse(number)) => Err(self.refuse(*number)),
            _ => self.perform(request, &mut answer),
        };
        if let Err(refusal) = outcome {
            let told = matches!(fault, Some(Fault::Refuse(_)));
            if !told && (refusal.number == 102 || refusal.number >= 100_000) {
                self.shared.not_understood.lock().unwrap().push(refusal.message.clone());
            }
            answer.refusal(&refusal, procedure);
        }
        match fault {
            Some(Fault::DropAfter) => self.close(),
            Some(Fault::DropInAnswer) => {
                packets::write_message(&mut self.stream, ANSWER, &answer.bytes, false)?;
                self.close()
            }
            _ => packets::write_message(&mut self.stream, ANSWER, &answer.bytes, true),
        }
    }

    /// The victim of a deadlock loses its transaction.
    fn refuse(&mut self, number: u32) -> Refusal {
        if number == 1205 && self.database.in_transaction {
            let _ = self.database.end(false);
        }
        Refusal::new(number, "refused as told")
    }

    fn close(&self) -> io::Result<()> {
        let _ = self.socket.shutdown(Shutdown::Both);
        closed()
    }

    fn perform(&mut self, request: Request, answer: &mut Answer) -> Result<(), Refusal> {
        match request {
            Request::Batch(text) => match self.database().run(&text, &Vec::new(), false)? {
                Outcome::BulkLoad { table, columns } => {
                    self.bulk = Some((table, columns));
                    answer.done(None);
                }
                outcome => {
                    let rows = told(outcome, answer);
                    answer.done(Some(rows));
                }
            },
            Request::Execute { text, parameters } => {
                let outcome = self.database().run(&text, &parameters, true)?;
                let rows = told(outcome, answer);
                answer.done_procedure(Some(rows), 0);
            }
            Request::Procedure { name, .. } => {
                let status = match (name.as_str(), self.database.in_transaction) {
                    ("sp_getapplock", true) => 0,
                    ("sp_getapplock", false) => -999,
                    _ => return Err(Refusal::new(2812, format!("Could not find stored procedure '{name}'."))),
                };
                answer.done_procedure(None, status);
            }
            Request::Load(rows) => {
                let (table, columns) =
                    self.bulk.take().ok_or_else(|| Refusal::new(4002, "a bulk load out of place"))?;
                let count = self.database.load(&table, &columns, rows)?;
                answer.done(Some(count));
            }
            Request::Begin => {
                self.database.begin()?;
                self.transaction = self.shared.next_transaction();
                answer.transaction_begun(self.transaction);
                answer.done(None);
            }
            Request::End { commit } => {
                self.database.end(commit)?;
                answer.transaction_ended(std::mem::take(&mut self.transaction), commit);
                answer.done(None);
            }
        }
        Ok(())
    }

    /// The tables, or, for those who only read while the replica lags, its copy of them.
    fn database(&mut self) -> &mut Database {
        let lagging = self.shared.replica.lock().unwrap().clone().filter(|_| self.login.read_only);
        match lagging {
            None => {
                self.copy = None;
                &mut self.database
            }
            Some(path) => {
                if self.copy.as_ref().is_none_or(|(of, _)| *of != path) {
                    self.copy = Some((path.clone(), Database::open(&path, true)));
                }
                &mut self.copy.as_mut().unwrap().1
            }
        }
    }
}

/// Writes rows; gives how many there are or were changed.
fn told(outcome: Outcome, answer: &mut Answer) -> u64 {
    match outcome {
        Outcome::Rows { columns, rows } => {
            answer.columns(&columns);
            rows.iter().for_each(|row| answer.row(&columns, row));
            rows.len() as u64
        }
        Outcome::Changed(rows) => rows,
        Outcome::BulkLoad { .. } => 0,
    }
}

enum Request {
    Batch(String),
    Execute { text: String, parameters: Parameters },
    Procedure { name: String },
    Load(Vec<Vec<super::values::Value>>),
    Begin,
    End { commit: bool },
}

impl Request {
    fn label(&self) -> &str {
        match self {
            Self::Batch(text) | Self::Execute { text, .. } => text,
            Self::Procedure { name } => name,
            Self::Load(_) => "BULK",
            Self::Begin => "BEGIN",
            Self::End { commit: true } => "COMMIT",
            Self::End { commit: false } => "ROLLBACK",
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            Self::Execute { parameters, .. } => parameters.clone(),
            _ => Vec::new(),
        }
    }

    /// Reads a request, which must name the transaction that is open.
    fn parse(message: &Message, transaction: u64) -> Self {
        let mut reader = Reader::new(&message.payload);
        if message.kind == packets::BULK_LOAD {
            return Self::Load(bulk_rows(&mut reader));
        }
        let headers = reader.u32();
        assert_eq!(headers, 22, "the header of the transaction alone");
        reader.u32();
        assert_eq!(reader.u16(), 2, "the header of the transaction");
        assert_eq!(reader.u64(), transaction, "the transaction that is open");
        reader.u32();
        match message.kind {
            packets::BATCH => Self::Batch(utf_16(&message.payload[headers as usize..])),
            packets::TRANSACTION => match reader.u16() {
                BEGIN => Self::Begin,
                COMMIT => Self::End { commit: true },
                ROLLBACK => Self::End { commit: false },
                other => panic!("transaction request {other}"),
            },
            packets::RPC => call(&mut reader),
            other => panic!("a message of kind {other}"),
        }
    }
}

fn call(reader: &mut Reader<'_>) -> Request {
    let name = match reader.u16() {
        0xffff => {
            assert_eq!(reader.u16(), EXECUTE_SQL, "sp_executesql");
            None
        }
        length => Some(utf_16(reader.bytes(usize::from(length) * 2))),
    };
    reader.u16();
    let mut parameters = Parameters::new();
    while !reader.is_empty() {
        let name = reader.short_text();
        reader.u8();
        let kind = reader.type_info();
        parameters.push((name, kind, reader.value(kind)));
    }
    if let Some(name) = name {
        return Request::Procedure { name };
    }
    let values = parameters.split_off(2);
    let text = match &parameters[0].2 {
        super::values::Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no statement"),
    };
    Request::Execute { text, parameters: values }
}

/// The rows of a bulk load: a description of the columns, rows, an end.
fn bulk_rows(reader: &mut Reader<'_>) -> Vec<Vec<super::values::Value>> {
    assert_eq!(reader.u8(), 0x81, "columns");
    let count = reader.u16();
    let column = |reader: &mut Reader<'_>| {
        reader.u32();
        reader.u16();
        let kind = reader.type_info();
        reader.short_text();
        kind
    };
    let columns: Vec<_> = (0..count).map(|_| column(reader)).collect();
    let mut rows = Vec::new();
    loop {
        match reader.u8() {
            0xd1 => rows.push(columns.iter().map(|kind| reader.value(*kind)).collect()),
            0xfd => return rows,
            other => panic!("{other:#x} among rows"),
        }
    }
}
