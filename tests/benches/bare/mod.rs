//! A Kubernetes client with nothing around it: one HTTP/2 connection, with the certificate of a kubeconfig, on one thread.
//! It is what the cost of everything else is measured against, so it reads no answer and retries nothing.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opsrun_tests::Program;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio_rustls::TlsConnector;

/// Where a cluster answers, and how it and its client are known to each other.
#[derive(Clone)]
pub(crate) struct Server {
    /// Host and port.
    authority: String,
    tls: Arc<rustls::ClientConfig>,
}

/// A connection to a cluster; its clones share it.
#[derive(Clone)]
pub(crate) struct Bare {
    /// `https://HOST:PORT`
    base: String,
    requests: SendRequest<Full<Bytes>>,
}

impl Server {
    /// The one that `kubectl` talks to.
    pub(crate) fn of(kubectl: &Program) -> Self {
        let printed = kubectl.run(["config", "view", "--raw", "--flatten", "--minify", "-o", "json"]).ok();
        let config: Value = serde_json::from_str(&printed).expect("kubectl prints JSON");
        let cluster = &config["clusters"][0]["cluster"];
        let user = &config["users"][0]["user"];
        let url = cluster["server"].as_str().expect("a cluster has a server");
        let authority = url.strip_prefix("https://").expect("a real API server speaks TLS").to_owned();

        let mut roots = rustls::RootCertStore::empty();
        for root in certificates(&cluster["certificate-authority-data"]) {
            roots.add(root).expect("the cluster's authority can be trusted");
        }
        let chain = certificates(&user["client-certificate-data"]);
        let key = PrivateKeyDer::from_pem_slice(&decoded(&user["client-key-data"])).expect("the key is PEM");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows the protocol's versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("the certificate belongs to the key");
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Server { authority, tls: Arc::new(tls) }
    }
}

impl Bare {
    /// Connects; must be called on a tokio runtime, which then keeps the connection going.
    pub(crate) async fn connect(server: &Server) -> Self {
        let (host, _) = server.authority.rsplit_once(':').expect("the server names its port");
        let name = ServerName::try_from(host.to_owned()).expect("a host");
        let tcp = tokio::net::TcpStream::connect(&server.authority).await.expect("the API server listens");
        tcp.set_nodelay(true).expect("a TCP option");
        let tls = TlsConnector::from(server.tls.clone()).connect(name, tcp).await.expect("a TLS connection");
        let (requests, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("HTTP/2");
        tokio::spawn(connection);
        Bare { base: format!("https://{}", server.authority), requests }
    }

    /// Sends a request, and returns once the answer begins.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Response<Incoming> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(hyper::header::CONTENT_TYPE, content_type)
            .header(hyper::header::ACCEPT, "application/json")
            .body(Full::new(body))
            .expect("a request");
        self.requests.clone().send_request(request).await.expect("an answer")
    }
}

fn certificates(data: &Value) -> Vec<CertificateDer<'static>> {
    let certificates = CertificateDer::pem_slice_iter(&decoded(data)).collect::<Result<_, _>>();
    certificates.expect("certificates are PEM")
}

fn decoded(data: &Value) -> Vec<u8> {
    STANDARD.decode(data.as_str().expect("kubectl flattens the configuration")).expect("it is base64")
}
