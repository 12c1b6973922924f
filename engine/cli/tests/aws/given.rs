//! Credentials that a server beside a container or a machine gives.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{REGION, Scene, WHO, at_home, says};

/// Keys of a session.
pub(super) struct Session {
    pub(super) key: String,
    pub(super) secret: String,
    pub(super) token: String,
}

impl Scene {
    /// A session of the role `ops` that ends after so many seconds of the estate.
    pub(super) fn session(&self, seconds: u32) -> Session {
        let endpoint = self.estate.variable("AWS_ENDPOINT_URL");
        let host = endpoint.trim_start_matches("http://");
        let key = self.estate.variable("AWS_ACCESS_KEY_ID");
        let form = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::111122223333:role/ops&RoleSessionName=given&DurationSeconds={seconds}"
        );
        let mut server = TcpStream::connect(host).expect("the estate answers");
        write!(
            server,
            "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={key}/20260302/us-west-2/sts/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        )
        .expect("it can be asked");
        let mut said = String::new();
        server.read_to_string(&mut said).expect("it answers");
        let of = |name: &str| {
            let rest = said.split_once(&format!("<{name}>"))?.1;
            Some(rest.split_once("</")?.0.to_owned())
        };
        let found = |name: &str| of(name).unwrap_or_else(|| panic!("no {name} in {said}"));
        Session { key: found("AccessKeyId"), secret: found("SecretAccessKey"), token: found("SessionToken") }
    }
}

impl Session {
    fn json(&self, ends: &str) -> String {
        let Session { key, secret, token } = self;
        format!(
            r#"{{ "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "{key}", "SecretAccessKey": "{secret}", "Token": "{token}", "Expiration": "{ends}" }}"#
        )
    }
}

const LATER: &str = "2099-01-01T00:00:00Z";

/// A server on this machine, and what it was asked.
struct Server {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn answering(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let told = heads.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.expect("somebody connects");
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or_default() == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
                let (status, body) = answer(&head);
                told.lock().expect("nobody panics with it").push(head);
                // Who has gone away does not want it.
                let _ = write!(
                    connection,
                    "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Server { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panics with it").clone()
    }
}

const GIVEN: &str = "arn:aws:sts::111122223333:assumed-role/ops/given in us-west-2";

#[test]
fn a_container_s_server_gives_credentials_for_the_token_in_a_file() {
    let scene = Scene::new();
    let given = scene.session(3600);
    let server =
        Server::answering(move |head| match head.contains("\r\nauthorization: token-of-the-pod\r\n") {
            true => (200, given.json(LATER)),
            false => (403, "no".to_owned()),
        });
    let pod = scene.opsrun(REGION);
    at_home(&pod, "token", "token-of-the-pod\n");
    let token = pod.home().join("token");
    let uri = format!("http://{}/v1/credentials", server.address);
    let pod = pod
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    says(&scene.who(&pod), &[GIVEN]);
    let heads = server.heads();
    assert!(heads.len() == 1 && heads[0].starts_with("get /v1/credentials http/1.1"), "{heads:?}");

    at_home(&pod, "token", "token-of-another");
    let refused = scene.who(&pod);
    says(
        &refused,
        &[
            "signing in to AWS by the container's role",
            &format!("{uri} answered 403"),
            "sts:GetCallerIdentity in us-west-2",
        ],
    );
    assert!(!refused.to_string().contains("token-of-another"), "{refused}");
    let elsewhere = pod.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/v1/credentials");
    says(
        &scene.who(&elsewhere),
        &["`http://192.0.2.1/v1/credentials` is not asked for credentials", "or one with `https`"],
    );
}

#[test]
fn credentials_that_end_soon_are_asked_for_again() {
    let scene = Scene::new();
    let given = scene.session(3600);
    let soon = Server::answering(move |_| {
        let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        let soon = soon.duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_secs();
        (200, given.json(&in_utc(soon)))
    });
    let uri = format!("http://{}/", soon.address);
    let program = scene.opsrun(REGION).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri);
    says(&program.run([scene.playbook(&WHO.repeat(3))]), &[GIVEN]);
    assert!(soon.heads().len() >= 3, "{:?}", soon.heads());
}

/// Seconds since 1970, as credentials have times.
fn in_utc(seconds: u64) -> String {
    let said =
        opsrun_tests::Program::new("date").run(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"]);
    said.ok().trim().to_owned()
}

#[test]
fn a_machine_of_ec2_gives_the_credentials_of_its_role_for_a_token() {
    let scene = Scene::new();
    let given = scene.session(3600);
    let machine = Server::answering(move |head| {
        let line = head.lines().next().unwrap_or_default();
        let knows = head.contains("\r\nx-aws-ec2-metadata-token: token-of-the-machine\r\n");
        match line.trim_end_matches(" http/1.1") {
            "put /latest/api/token" if head.contains("x-aws-ec2-metadata-token-ttl-seconds: 21600") => {
                (200, "token-of-the-machine".to_owned())
            }
            "get /latest/meta-data/iam/security-credentials/" if knows => (200, "ops\n".to_owned()),
            "get /latest/meta-data/iam/security-credentials/ops" if knows => (200, given.json(LATER)),
            _ => (401, String::new()),
        }
    });
    let on = |server: &Server| {
        let program = scene.opsrun(REGION).env("AWS_EC2_METADATA_DISABLED", "false");
        program.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}/", server.address))
    };
    says(&scene.who(&on(&machine)), &[GIVEN]);
    assert_eq!(machine.heads().len(), 3, "{:?}", machine.heads());

    let without = Server::answering(|head| match head.starts_with("put ") {
        true => (200, "token-of-the-machine".to_owned()),
        false => (404, String::new()),
    });
    says(
        &scene.who(&on(&without)),
        &[
            "this machine of EC2 has no role that gives credentials",
            "answered 404",
            "give it an instance profile",
        ],
    );
    let nobody = scene.opsrun(REGION).env("AWS_EC2_METADATA_DISABLED", "false");
    let nobody = nobody.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
    says(&scene.who(&nobody), &["nothing gives credentials for AWS", "aws sso login"]);
}
