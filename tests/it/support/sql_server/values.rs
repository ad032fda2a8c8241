//! Types and values on the wire (MS-TDS §2.2.5.4, §2.2.5.5), as far as the adapter uses them.

use std::fmt;

const NULL_TYPE: u8 = 0x1f;
const INTN: u8 = 0x26;
const DATETIME2N: u8 = 0x2a;
const FLOATN: u8 = 0x6d;
const NVARCHAR: u8 = 0xe7;
const MAX: u16 = 0xffff;
const COLLATION: [u8; 5] = [0x09, 0x04, 0xd0, 0x00, 0x34];
const PLP_NULL: u64 = u64::MAX;
const PLP_UNKNOWN: u64 = u64::MAX - 1;
const DAYS_TO_1970: i64 = 719_162;
const DAY_MS: i64 = 86_400_000;

/// A type of T-SQL. Lengths are characters of UTF-16 or bytes, `None` is `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    VarChar(Option<u32>),
    NVarChar(Option<u32>),
    Int(u8),
    Float,
    DateTime2(u8),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VarChar(_) => "varchar",
            Self::NVarChar(_) => "nvarchar",
            Self::Int(2) => "smallint",
            Self::Int(4) => "int",
            Self::Int(_) => "bigint",
            Self::Float => "float",
            Self::DateTime2(_) => "datetime2",
        })
    }
}

/// A value; times in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Int(i64),
    Float(f64),
    Time(i64),
}

pub fn utf_16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).expect("valid UTF-16")
}

pub fn to_utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Reads what clients send. One that sends too little is a defect, and panics its own connection.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).try_into().unwrap()
    }

    pub fn u8(&mut self) -> u8 {
        self.bytes(1)[0]
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// Text with its length in one byte.
    pub fn short_text(&mut self) -> String {
        let length = usize::from(self.u8());
        utf_16(self.bytes(length * 2))
    }

    /// A type's description; `None` is the type of null alone.
    pub fn type_info(&mut self) -> Option<Type> {
        match self.u8() {
            NULL_TYPE => None,
            INTN => Some(Type::Int(self.u8())),
            FLOATN => {
                assert_eq!(self.u8(), 8, "FLOAT(53)");
                Some(Type::Float)
            }
            DATETIME2N => Some(Type::DateTime2(self.u8())),
            NVARCHAR => {
                let length = self.u16();
                self.bytes(COLLATION.len());
                Some(Type::NVarChar((length != MAX).then_some(u32::from(length) / 2)))
            }
            other => panic!("a type that this server does not know: {other:#x}"),
        }
    }

    pub fn value(&mut self, kind: Option<Type>) -> Value {
        match kind {
            None => Value::Null,
            Some(Type::NVarChar(Some(_))) => match self.u16() {
                MAX => Value::Null,
                length => Value::Text(utf_16(self.bytes(usize::from(length)))),
            },
            Some(Type::NVarChar(None)) => self.long_text(),
            Some(Type::Int(_)) => match self.u8() {
                0 => Value::Null,
                2 => Value::Int(i64::from(i16::from_le_bytes(self.array()))),
                4 => Value::Int(i64::from(i32::from_le_bytes(self.array()))),
                8 => Value::Int(i64::from_le_bytes(self.array())),
                other => panic!("an integer of {other} bytes"),
            },
            Some(Type::Float) => match self.u8() {
                0 => Value::Null,
                _ => Value::Float(f64::from_le_bytes(self.array())),
            },
            Some(Type::DateTime2(scale)) => match self.u8() {
                0 => Value::Null,
                length => self.time(scale, usize::from(length)),
            },
            Some(Type::VarChar(_)) => panic!("VARCHAR is never sent"),
        }
    }

    fn long_text(&mut self) -> Value {
        if self.u64() == PLP_NULL {
            return Value::Null;
        }
        let mut bytes = Vec::new();
        loop {
            match self.u32() as usize {
                0 => return Value::Text(utf_16(&bytes)),
                length => bytes.extend(self.bytes(length)),
            }
        }
    }

    fn time(&mut self, scale: u8, length: usize) -> Value {
        assert_eq!((scale, length), (3, 7), "milliseconds");
        let of_day = i64::from(self.u32());
        let [a, b, c] = self.array();
        let days = i64::from(u32::from_le_bytes([a, b, c, 0]));
        Value::Time((days - DAYS_TO_1970) * DAY_MS + of_day)
    }
}

pub fn write_type(bytes: &mut Vec<u8>, kind: Type) {
    match kind {
        Type::Int(size) => bytes.extend([INTN, size]),
        Type::Float => bytes.extend([FLOATN, 8]),
        Type::DateTime2(scale) => bytes.extend([DATETIME2N, scale]),
        Type::NVarChar(length) => {
            bytes.push(NVARCHAR);
            bytes.extend(length.map_or(MAX, |characters| (characters * 2) as u16).to_le_bytes());
            bytes.extend(COLLATION);
        }
        Type::VarChar(_) => panic!("VARCHAR is never sent"),
    }
}

/// A value that is not null.
pub fn write_value(bytes: &mut Vec<u8>, kind: Type, value: &Value) {
    match (kind, value) {
        (Type::NVarChar(Some(_)), Value::Text(text)) => {
            let text = to_utf_16(text);
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text);
        }
        (Type::NVarChar(None), Value::Text(text)) => {
            let text = to_utf_16(text);
            bytes.extend(PLP_UNKNOWN.to_le_bytes());
            // In several parts, as a server with much to send does.
            for part in text.chunks(1000) {
                bytes.extend((part.len() as u32).to_le_bytes());
                bytes.extend(part);
            }
            bytes.extend(0_u32.to_le_bytes());
        }
        (Type::Int(size), Value::Int(value)) => {
            bytes.push(size);
            bytes.extend(&value.to_le_bytes()[..usize::from(size)]);
        }
        (Type::Float, Value::Float(value)) => {
            bytes.push(8);
            bytes.extend(value.to_le_bytes());
        }
        (Type::DateTime2(3), Value::Time(millis)) => {
            bytes.push(7);
            bytes.extend((millis.rem_euclid(DAY_MS) as u32).to_le_bytes());
            let days = (millis.div_euclid(DAY_MS) + DAYS_TO_1970) as u32;
            bytes.extend(&days.to_le_bytes()[..3]);
        }
        (kind, value) => panic!("{value:?} is no {kind:?}"),
    }
}
