//! What `doctor` says about the hosts that a target's grants name: whether anybody answers there.

use opsrun_core::{Cx, Error, ErrorKind, Finding, Result, Span};

use crate::client::{self, Request};

const ANSWER_WITHIN: Span = Span::from_secs(10);

/// One finding for each host that is granted by its full name. Any answer will do: what is asked for is nothing's business.
pub(crate) async fn hosts(cx: &Cx) -> Vec<Finding> {
    let grants = cx.target().grants.iter().filter(|grant| grant.system() == "http");
    let mut hosts: Vec<&str> = Vec::new();
    for host in grants.filter_map(|grant| grant.resource().split('/').next()) {
        if !host.contains('*') && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let asked = hosts.into_iter().map(|host| async move {
        Finding { what: format!("http: {host}"), found: ask(cx, host).await.map_err(|error| error.report()) }
    });
    futures::future::join_all(asked).await
}

/// Over TLS, or without, where the host does not speak it.
async fn ask(cx: &Cx, host: &str) -> Result<String> {
    let mut failure = None;
    for scheme in ["https", "http"] {
        let request =
            Request { method: "HEAD".into(), url: format!("{scheme}://{host}/"), ..Request::default() };
        match client::send(cx, &request, ANSWER_WITHIN).await {
            Ok(_) => return Ok(format!("answers ({scheme})")),
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => {
                failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(failure
        .unwrap_or_else(|| Error::failed("nobody was asked"))
        .hint("check the name in the target's `grants`, and that this machine may connect to it"))
}
