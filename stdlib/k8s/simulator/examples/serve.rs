//! Serves a simulated cluster on loopback, for kubectl, helm and the wire cases:
//! `cargo run -p opsrun-k8s-simulator --example serve -- --listen 127.0.0.1:0 [--speed N] [--seed N] [--estate FILE]`
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // an example: it listens, reads the clock and prints

use std::sync::Arc;

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use opsrun_k8s_simulator::server::Faster;
use opsrun_k8s_simulator::{Cluster, ClusterOptions, EstateSection, Simulator, Time};

struct WallClock;

impl Time for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'static, ()> {
        let wait = until.duration_since(Timestamp::now());
        Box::pin(tokio::time::sleep(std::time::Duration::try_from(wait).unwrap_or_default()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let listen = option("--listen").map_or("127.0.0.1:0", String::as_str);
    let speed: f64 = option("--speed").map_or(Ok(1.0), |speed| speed.parse())?;
    let seed: u64 = option("--seed").map_or(Ok(1), |seed| seed.parse())?;
    let estate = match option("--estate") {
        Some(file) => serde_saphyr::from_str(&std::fs::read_to_string(file)?)?,
        None => EstateSection::default(),
    };
    let time = Faster::new(WallClock, speed);
    let simulator =
        Simulator::new(Cluster::new(ClusterOptions { seed, now: time.now(), estate }), Arc::new(time));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    println!("http://{address}");
    println!("export KUBECONFIG={}", write_kubeconfig(&format!("http://{address}"))?);
    let driven = simulator.clone();
    tokio::spawn(async move { driven.drive().await });
    loop {
        let (stream, _) = listener.accept().await?;
        let simulator = simulator.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), simulator)
                .with_upgrades();
            // A client that goes away ends its connection, nothing else.
            let _gone = connection.await;
        });
    }
}

/// A kubeconfig in the temporary folder that points here.
fn write_kubeconfig(server: &str) -> std::io::Result<String> {
    let path = std::env::temp_dir().join(format!("opsrun-simulator-{}.yaml", std::process::id()));
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: simulated\n\
         clusters: [{{name: simulated, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: admin, user: {{}}}}]\n\
         contexts: [{{name: simulated, context: {{cluster: simulated, user: admin}}}}]\n"
    );
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}
