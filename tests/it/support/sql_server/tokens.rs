//! The tokens of an answer (MS-TDS §2.2.7).

use super::values::{Type, Value, to_utf_16, write_type, write_value};

const DONE: u8 = 0xfd;
const DONE_PROC: u8 = 0xfe;
const DONE_IN_PROC: u8 = 0xff;
const MORE: u16 = 1;
const ERROR: u16 = 2;
const COUNT: u16 = 0x10;
const ATTENTION: u16 = 0x20;
/// Nullable, and updatable as far as known.
const COLUMN_FLAGS: u16 = 0x0009;

/// A refusal by the server.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub number: u32,
    pub class: u8,
    pub message: String,
}

impl Refusal {
    pub fn new(number: u32, message: impl Into<String>) -> Self {
        Self { number, class: 16, message: message.into() }
    }
}

/// An answer in the making.
#[derive(Default)]
pub struct Answer {
    pub bytes: Vec<u8>,
}

impl Answer {
    fn sized(&mut self, token: u8, body: &[u8]) {
        self.bytes.push(token);
        self.bytes.extend((body.len() as u16).to_le_bytes());
        self.bytes.extend(body);
    }

    fn done_of(&mut self, token: u8, status: u16, rows: u64) {
        self.bytes.push(token);
        self.bytes.extend(status.to_le_bytes());
        self.bytes.extend(0_u16.to_le_bytes());
        self.bytes.extend(rows.to_le_bytes());
    }

    pub fn done(&mut self, rows: Option<u64>) {
        self.done_of(DONE, if rows.is_some() { COUNT } else { 0 }, rows.unwrap_or_default());
    }

    pub fn attention(&mut self) {
        self.done_of(DONE, ATTENTION, 0);
    }

    /// The end of a procedure: how many rows, its status.
    pub fn done_procedure(&mut self, rows: Option<u64>, status: i32) {
        if let Some(rows) = rows {
            self.done_of(DONE_IN_PROC, COUNT | MORE, rows);
        }
        self.bytes.push(0x79);
        self.bytes.extend(status.to_le_bytes());
        self.done_of(DONE_PROC, 0, 0);
    }

    pub fn refusal(&mut self, refusal: &Refusal, procedure: bool) {
        let message = to_utf_16(&refusal.message);
        let mut body = refusal.number.to_le_bytes().to_vec();
        body.extend([1, refusal.class]);
        body.extend((message.len() as u16 / 2).to_le_bytes());
        body.extend(message);
        body.extend([0, 0]);
        body.extend(1_u32.to_le_bytes());
        self.sized(0xaa, &body);
        self.done_of(if procedure { DONE_PROC } else { DONE }, ERROR, 0);
    }

    pub fn login(&mut self, federated: bool) {
        let name = to_utf_16("Double");
        let mut body = vec![1, 0x74, 0, 0, 4, (name.len() / 2) as u8];
        body.extend(name);
        body.extend([16, 0, 0, 0]);
        self.sized(0xad, &body);
        if federated {
            self.bytes.extend([0xae, 2, 0, 0, 0, 0, 0xff]);
        }
    }

    pub fn redirection(&mut self, host: &str, port: u16) {
        let name = to_utf_16(host);
        let mut data = vec![0];
        data.extend(port.to_le_bytes());
        data.extend((name.len() as u16 / 2).to_le_bytes());
        data.extend(name);
        let mut body = vec![20];
        body.extend((data.len() as u16).to_le_bytes());
        body.extend(data);
        body.extend([0, 0]);
        self.sized(0xe3, &body);
    }

    pub fn transaction_begun(&mut self, descriptor: u64) {
        let mut body = vec![8, 8];
        body.extend(descriptor.to_le_bytes());
        body.push(0);
        self.sized(0xe3, &body);
    }

    pub fn transaction_ended(&mut self, descriptor: u64, committed: bool) {
        let mut body = vec![if committed { 9 } else { 10 }, 0, 8];
        body.extend(descriptor.to_le_bytes());
        self.sized(0xe3, &body);
    }

    pub fn columns(&mut self, columns: &[(String, Type)]) {
        self.bytes.push(0x81);
        self.bytes.extend((columns.len() as u16).to_le_bytes());
        for (name, kind) in columns {
            self.bytes.extend(0_u32.to_le_bytes());
            self.bytes.extend(COLUMN_FLAGS.to_le_bytes());
            write_type(&mut self.bytes, *kind);
            let name = to_utf_16(name);
            self.bytes.push((name.len() / 2) as u8);
            self.bytes.extend(name);
        }
    }

    /// A row; in the form with a map of its nulls when it has some.
    pub fn row(&mut self, columns: &[(String, Type)], row: &[Value]) {
        let nulls = row.contains(&Value::Null);
        self.bytes.push(if nulls { 0xd2 } else { 0xd1 });
        if nulls {
            let mut map = vec![0; row.len().div_ceil(8)];
            for (at, _) in row.iter().enumerate().filter(|(_, value)| **value == Value::Null) {
                map[at / 8] |= 1 << (at % 8);
            }
            self.bytes.extend(map);
        }
        for ((_, kind), value) in columns.iter().zip(row).filter(|(_, value)| **value != Value::Null) {
            write_value(&mut self.bytes, *kind, value);
        }
    }
}
