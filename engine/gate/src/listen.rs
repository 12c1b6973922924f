//! Serves a simulator on a loopback address, for kubectl and the like.

use std::net::SocketAddr;
use std::sync::Arc;

use opsrun_core::{Error, Result, Simulator};
use tokio::net::TcpListener;

/// A listening socket.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    /// Listens on `address`; port 0 takes a free one. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// `Failed` if the address cannot be had.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        listener.map(Listener).map_err(|error| Error::failed(format!("cannot listen on {address}: {error}")))
    }

    /// # Errors
    /// `Failed` if the system does not know.
    pub fn address(&self) -> Result<SocketAddr> {
        self.0.local_addr().map_err(|error| Error::failed(format!("the socket has no address: {error}")))
    }

    /// Hands every connection to the simulator, for ever.
    ///
    /// # Errors
    /// `Failed` if the socket breaks.
    pub async fn serve(self, simulator: Arc<dyn Simulator>, system: &'static str) -> Result<()> {
        loop {
            let (mut outside, _) =
                self.0.accept().await.map_err(|error| Error::failed(format!("the socket broke: {error}")))?;
            let address = format!("http://{}", self.address()?);
            let address = address.parse().map_err(|error| Error::failed(format!("{address}: {error}")))?;
            let Some(mut inside) = simulator.connect(system, &address) else {
                return Err(Error::failed(format!("the simulator of `{system}` does not answer")));
            };
            // Small frames both ways: waiting for more would slow a watch down.
            let _ = outside.set_nodelay(true);
            tokio::spawn(async move {
                // Either side may hang up at any time: that is how a connection ends.
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    }
}
