//! Prelogin and LOGIN7 (MS-TDS §2.2.6.4, §2.2.6.5).

use super::values::{Reader, utf_16};

const ENCRYPTION: u8 = 1;
const FED_AUTH_REQUIRED: u8 = 6;
const END: u8 = 0xff;

pub const ENCRYPT_ON: u8 = 1;
pub const ENCRYPT_NOT_SUPPORTED: u8 = 2;

/// What a client asks for before it logs in.
pub struct Prelogin {
    pub encryption: u8,
    pub fed_auth: bool,
}

impl Prelogin {
    pub fn parse(payload: &[u8]) -> Self {
        let mut asked = Self { encryption: ENCRYPT_NOT_SUPPORTED, fed_auth: false };
        for option in payload.chunks_exact(5).take_while(|option| option[0] != END) {
            let at = usize::from(u16::from_be_bytes([option[1], option[2]]));
            match option[0] {
                ENCRYPTION => asked.encryption = payload[at],
                FED_AUTH_REQUIRED => asked.fed_auth = payload[at] != 0,
                _ => {}
            }
        }
        asked
    }

    /// The answer: this version, this encryption, and that federated logins are understood.
    pub fn answer(&self, encryption: u8) -> Vec<u8> {
        let mut options: Vec<(u8, Vec<u8>)> =
            vec![(0, vec![16, 0, 16, 0, 0, 0]), (ENCRYPTION, vec![encryption]), (2, vec![0])];
        options.push((3, vec![]));
        options.push((4, vec![0]));
        if self.fed_auth {
            options.push((FED_AUTH_REQUIRED, vec![1]));
        }
        let mut at = options.len() * 5 + 1;
        let mut bytes = Vec::new();
        for (token, data) in &options {
            bytes.push(*token);
            bytes.extend((at as u16).to_be_bytes());
            bytes.extend((data.len() as u16).to_be_bytes());
            at += data.len();
        }
        bytes.push(END);
        bytes.extend(options.into_iter().flat_map(|(_, data)| data));
        bytes
    }
}

/// A login as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: String,
    /// The security token of a federated login.
    pub token: Option<String>,
    pub application: String,
    pub server: String,
    pub database: String,
    pub read_only: bool,
    pub encrypted: bool,
}

impl Login {
    pub fn parse(payload: &[u8], encrypted: bool) -> Self {
        let number = |at: usize| usize::from(u16::from_le_bytes([payload[at], payload[at + 1]]));
        let field = |at: usize| &payload[number(at)..number(at) + 2 * number(at + 2)];
        // Each byte has its halves exchanged and is then combined with 0xA5.
        let password: Vec<u8> = field(44).iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
        let extended = payload[27] & 0x10 != 0;
        Self {
            user: utf_16(field(40)),
            password: utf_16(&password),
            token: extended.then(|| token(payload, number(56))).flatten(),
            application: utf_16(field(48)),
            server: utf_16(field(52)),
            database: utf_16(field(68)),
            read_only: payload[26] & 0x20 != 0,
            encrypted,
        }
    }
}

fn token(payload: &[u8], at: usize) -> Option<String> {
    let start = u32::from_le_bytes(payload[at..at + 4].try_into().unwrap()) as usize;
    let mut features = Reader::new(&payload[start..]);
    loop {
        match features.u8() {
            END => return None,
            2 => {
                features.u32();
                let library = features.u8() >> 1;
                assert_eq!(library, 1, "a security token");
                let length = features.u32() as usize;
                return Some(utf_16(features.bytes(length)));
            }
            _ => {
                let length = features.u32() as usize;
                features.bytes(length);
            }
        }
    }
}
