//! A simulated server on a port of this machine, and clients of it and of the real one.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use opsrun_db_simulator::postgres::{Login, Memory, Surroundings, serve};
use opsrun_tests::PostgreSql;
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::{Client, Config, NoTls};

/// The machine's time, or one that is set; chance that is counted.
#[derive(Default)]
pub(crate) struct Machine {
    counted: AtomicU64,
    set: Mutex<Option<Timestamp>>,
}

impl Machine {
    pub(crate) fn set(&self, second: i64) {
        *self.set.lock().unwrap() = Some(Timestamp::from_second(second).unwrap());
    }
}

#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Arc<Machine>);

impl Surroundings for Shared {
    fn now(&self) -> Timestamp {
        self.0.set.lock().unwrap().unwrap_or_else(Timestamp::now)
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let count = self.0.counted.fetch_add(1, Ordering::SeqCst);
            *byte = u8::try_from(count.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56).unwrap();
        }
    }

    fn wait(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(span))
    }
}

pub(crate) type Simulated = Arc<Memory<Shared>>;

pub(crate) fn simulated(login: Login) -> (Simulated, Arc<Machine>) {
    let machine = Shared::default();
    (Arc::new(Memory::new(machine.clone(), PostgreSql::USER, login)), machine.0)
}

/// The port that it is served on, as long as the runtime runs.
pub(crate) async fn served(server: Simulated) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, server.clone()));
        }
    });
    port
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.user(PostgreSql::USER).password(PostgreSql::PASSWORD).dbname("postgres");
    config
}

/// A client over TCP.
pub(crate) async fn client(port: u16, config: &Config) -> Result<Client, tokio_postgres::Error> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A client over a pipe in memory, as in an estate.
pub(crate) async fn piped(server: Simulated, config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(far, server));
    let (client, connection) = config.connect_raw(near, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
