//! Makes connections: TCP, TLS, a Unix socket, or a pipe to a simulator.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use opsrun_core::{BoxFuture, Connection, Dial, Endpoint, Error, Line, Simulator};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What a client connects through.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Reach>);

/// How one endpoint is reached.
pub(crate) enum Reach {
    Socket(PathBuf),
    Network { tls: Option<(Arc<rustls::ClientConfig>, Option<ServerName<'static>>)> },
    Estate { simulators: Arc<[Arc<dyn Simulator>]>, system: &'static str },
}

/// The way to an endpoint whose protocol is not HTTP.
struct Way {
    reach: Arc<Reach>,
    to: Arc<Endpoint>,
}

impl Connector {
    pub(crate) fn new(reach: Reach) -> Self {
        Connector(Arc::new(reach))
    }
}

impl Reach {
    pub(crate) fn network(to: &Endpoint) -> Result<Self, Error> {
        if let Some(socket) = &to.socket {
            return Ok(Reach::Socket(socket.clone()));
        }
        let tls = match to.uri.scheme_str() {
            Some("https") => Some((Arc::new(client_config(to)?), server_name(to)?)),
            _ => None,
        };
        Ok(Reach::Network { tls })
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Connection>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Connection>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let reach = self.0.clone();
        Box::pin(async move { connect(&reach, &uri).await.map(TokioIo::new) })
    }
}

/// The way to `to`, for a conversation.
pub(crate) fn line(reach: Reach, to: &Endpoint) -> Line {
    Line::new(Way { reach: Arc::new(reach), to: Arc::new(to.clone()) })
}

impl Dial for Way {
    fn connect(&self) -> BoxFuture<'static, io::Result<Connection>> {
        let (reach, to) = (self.reach.clone(), self.to.clone());
        Box::pin(async move { connect(&reach, &to.uri).await })
    }

    fn secure(&self, connection: Connection) -> BoxFuture<'static, io::Result<Connection>> {
        let (reach, to) = (self.reach.clone(), self.to.clone());
        Box::pin(async move {
            if let Reach::Estate { .. } = *reach {
                return Ok(connection);
            }
            let config = client_config(&to).map_err(io::Error::other)?;
            let name = server_name(&to).map_err(io::Error::other)?;
            secure(connection, Arc::new(config), name, bare_host(&to.uri)).await
        })
    }
}

/// Without the brackets of an IPv6 address.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

async fn connect(reach: &Reach, uri: &Uri) -> io::Result<Connection> {
    let host = bare_host(uri);
    match reach {
        Reach::Estate { simulators, system } => {
            let authority = uri.authority().map_or("", |authority| authority.as_str());
            let found = simulators.iter().find_map(|simulator| simulator.connect(system, uri));
            let pipe =
                found.ok_or_else(|| io::Error::other(format!("the estate has no host `{authority}`")))?;
            Ok(Connection::new(pipe))
        }
        #[allow(clippy::disallowed_methods)] // this is the gate
        Reach::Socket(path) => Ok(Connection::new(within(tokio::net::UnixStream::connect(path)).await?)),
        Reach::Network { tls } => {
            let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
            #[allow(clippy::disallowed_methods)] // this is the gate
            let tcp = within(tokio::net::TcpStream::connect((host, port))).await?;
            tcp.set_nodelay(true)?;
            match tls {
                None => Ok(Connection::new(tcp)),
                Some((config, name)) => secure(tcp, config.clone(), name.clone(), host).await,
            }
        }
    }
}

/// `name`: expected instead of the host's.
async fn secure(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    config: Arc<rustls::ClientConfig>,
    name: Option<ServerName<'static>>,
    host: &str,
) -> io::Result<Connection> {
    let name = match name {
        Some(name) => name,
        None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
    };
    Ok(Connection::new(within(TlsConnector::from(config).connect(name, stream)).await?))
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    #[allow(clippy::disallowed_methods)] // connecting takes real time: nothing of an estate comes here
    match tokio::time::timeout(CONNECT_WITHIN, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} s", CONNECT_WITHIN.as_secs()),
        )),
    }
}

fn client_config(to: &Endpoint) -> Result<rustls::ClientConfig, Error> {
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        Error::invalid(format!("the {what} for {} cannot be used: {error}", to.uri))
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("TLS versions", &error))?;
    let builder = if to.tls.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(insecure::AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(to)?)
    };
    match &to.tls.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let chain = CertificateDer::pem_slice_iter(chain)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| bad("client certificate", &error))?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| bad("client key", &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| bad("client certificate", &error))
        }
    }
}

fn roots(to: &Endpoint) -> Result<rustls::RootCertStore, Error> {
    let mut store = rustls::RootCertStore::empty();
    match &to.tls.roots {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let bad = |error: &dyn std::fmt::Display| {
                    Error::invalid(format!("the certificate authority of {} cannot be used: {error}", to.uri))
                };
                let certificate = certificate.map_err(|error| bad(&error))?;
                store.add(certificate).map_err(|error| bad(&error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
        }
    }
    if store.is_empty() {
        return Err(Error::invalid(format!("no certificate authority is known to check {} with", to.uri))
            .hint(
                "install the package `ca-certificates`, or name the authority in the target's configuration",
            ));
    }
    Ok(store)
}

fn server_name(to: &Endpoint) -> Result<Option<ServerName<'static>>, Error> {
    let Some(name) = &to.tls.server_name else { return Ok(None) };
    ServerName::try_from(name.clone())
        .map(Some)
        .map_err(|error| Error::invalid(format!("`{name}` is no server name: {error}")))
}

/// `insecure-skip-tls-verify` of a kubeconfig.
mod insecure {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    pub(super) struct AnyCertificate(pub(super) Arc<CryptoProvider>);

    impl ServerCertVerifier for AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
