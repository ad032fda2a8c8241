//! TLS as TDS 7.4 does it: the handshake in prelogin packets, then everything in records.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::packets;

/// A connection, encrypted or not.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A certificate for this machine under an authority of its own.
pub struct Identity {
    pub config: Arc<ServerConfig>,
    /// The authority's certificate, for the client's connection string.
    pub authority: PathBuf,
}

impl Identity {
    pub fn make(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, issuer.pem()).unwrap();
        // Azure SQL speaks TLS 1.2 inside of TDS 7.4; 1.3 came with TDS 8.
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        Self { config: Arc::new(config), authority }
    }
}

/// Does the handshake; gives the encrypted connection.
pub fn accept(mut stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Box<dyn Stream>> {
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        let mut records = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut records)?;
        }
        if !records.is_empty() {
            packets::write_message(&mut stream, packets::PRELOGIN, &records, true)?;
            continue;
        }
        let Some((packet, _)) = packets::read_packet(&mut stream)? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let mut bytes = packet.payload.as_slice();
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
        }
        tls.process_new_packets().map_err(io::Error::other)?;
    }
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records)?;
    }
    if !records.is_empty() {
        packets::write_message(&mut stream, packets::PRELOGIN, &records, true)?;
    }
    Ok(Box::new(StreamOwned::new(tls, stream)))
}
