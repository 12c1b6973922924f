//! A session with a server: from the first byte to the last, on one connection, which ends with the conversation.

use fallible_iterator::FallibleIterator;
use opsrun_core::{Error, ErrorKind, Line, SecretText};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ChannelBinding, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use crate::postgres::error::{Failure, Refused};
use crate::postgres::section::Server;
use crate::postgres::wire::Wire;

/// An open session.
pub(crate) struct Session {
    pub(crate) wire: Wire,
    line: Line,
    /// By which the server knows what a request to cancel is for.
    key: Option<(i32, i32)>,
    notices: Vec<Refused>,
    /// Something has left that takes effect by itself.
    pub(crate) committed: bool,
    /// The server is not where a next statement could be said.
    pub(crate) astray: bool,
}

impl Session {
    /// Connects and signs in.
    pub(crate) async fn open(line: Line, server: &Server, database: &str) -> Result<Self, Failure> {
        let mut wire = Wire::new(line.connect().await?);
        if server.tls.is_encrypted() {
            wire = encrypt(&line, wire).await?;
        }
        let mut session =
            Session { wire, line, key: None, notices: Vec::new(), committed: false, astray: false };
        // What texts of values look like must not depend on the server's configuration.
        let parameters = [
            ("user", server.user.as_str()),
            ("database", database),
            ("application_name", "opsrun"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("IntervalStyle", "iso_8601"),
            ("TimeZone", "UTC"),
        ];
        frontend::startup_message(parameters, session.wire.outbox())?;
        session.sign_in(server).await?;
        session.ready().await?;
        Ok(session)
    }

    async fn sign_in(&mut self, server: &Server) -> Result<(), Failure> {
        loop {
            self.wire.flush().await?;
            match self.next().await? {
                Message::AuthenticationOk => return Ok(()),
                Message::AuthenticationCleartextPassword if !server.is_private() => {
                    let error = Error::new(
                        ErrorKind::Forbidden,
                        "the server wants the password in the clear, without TLS",
                    );
                    return Err(error.hint("leave `tls` out of the target's section `postgres`").into());
                }
                Message::AuthenticationCleartextPassword => {
                    let password = password(server)?;
                    frontend::password_message(password.as_bytes(), self.wire.outbox())?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(server.user.as_bytes(), password(server)?.as_bytes(), body.salt());
                    frontend::password_message(hash.as_bytes(), self.wire.outbox())?;
                }
                Message::AuthenticationSasl(body) => {
                    let offered: Vec<String> = body.mechanisms().map(|name| Ok(name.to_owned())).collect()?;
                    if !offered.iter().any(|name| name == sasl::SCRAM_SHA_256) {
                        return Err(Failure::unexpected(&format!(
                            "it signs in by {} alone",
                            offered.join(", ")
                        )));
                    }
                    self.scram(password(server)?).await?;
                }
                Message::ErrorResponse(body) => return Err(refused(Refused::read(body.fields())?)),
                _ => {
                    let error = Error::new(
                        ErrorKind::Forbidden,
                        "the server wants to be signed in to in a way that is not known here",
                    );
                    return Err(error
                        .hint("known are passwords, by SCRAM-SHA-256, MD5 and in the clear over TLS")
                        .into());
                }
            }
        }
    }

    /// RFC 5802, without channel binding: the certificate is the gate's matter.
    async fn scram(&mut self, password: &SecretText) -> Result<(), Failure> {
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        frontend::sasl_initial_response(sasl::SCRAM_SHA_256, scram.message(), self.wire.outbox())?;
        self.wire.flush().await?;
        match self.next().await? {
            Message::AuthenticationSaslContinue(body) => scram.update(body.data())?,
            Message::ErrorResponse(body) => return Err(refused(Refused::read(body.fields())?)),
            _ => return Err(Failure::unexpected("no challenge came")),
        }
        frontend::sasl_response(scram.message(), self.wire.outbox())?;
        self.wire.flush().await?;
        match self.next().await? {
            // It proves that the server knows the password, too.
            Message::AuthenticationSaslFinal(body) => Ok(scram.finish(body.data())?),
            Message::ErrorResponse(body) => Err(refused(Refused::read(body.fields())?)),
            _ => Err(Failure::unexpected("no proof came")),
        }
    }

    async fn ready(&mut self) -> Result<(), Failure> {
        loop {
            match self.next().await? {
                Message::ReadyForQuery(_) => return Ok(()),
                Message::BackendKeyData(body) => self.key = Some((body.process_id(), body.secret_key())),
                Message::ErrorResponse(body) => return Err(refused(Refused::read(body.fields())?)),
                _ => return Err(Failure::unexpected("the session did not begin")),
            }
        }
    }

    /// The next message that is an answer.
    pub(crate) async fn next(&mut self) -> Result<Message, Failure> {
        loop {
            match self.wire.next().await? {
                Message::NoticeResponse(body) => self.notices.push(Refused::read(body.fields())?),
                Message::ParameterStatus(_) | Message::NotificationResponse(_) => {}
                message => return Ok(message),
            }
        }
    }

    /// What the server warned of.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        let notices = std::mem::take(&mut self.notices);
        let warnings = notices.into_iter().filter(Refused::is_warning);
        warnings.map(|warning| warning.message().to_owned()).collect()
    }

    /// Asks the server, on a connection of its own as the protocol has it, to break off what it is doing. Whether it does is
    /// seen by what it answers.
    pub(crate) async fn cancel(&mut self) -> Result<(), Failure> {
        let Some((process, key)) = self.key else { return Ok(()) };
        let mut wire = Wire::new(self.line.connect().await?);
        frontend::cancel_request(process, key, wire.outbox());
        wire.flush().await?;
        // The server closes the connection once it has passed the request on.
        wire.next().await.map_or(Ok(()), |_| Err(Failure::unexpected("it answers a request to cancel")))
    }

    /// Says goodbye. Nothing that was asked for depends on it.
    pub(crate) async fn close(mut self) {
        frontend::terminate(self.wire.outbox());
        if let Err(gone) = self.wire.flush().await {
            // It has hung up first.
            drop(gone);
        }
    }
}

impl Server {
    /// Nobody else can hear what is said.
    fn is_private(&self) -> bool {
        self.tls.is_encrypted() || self.endpoint.socket.is_some()
    }
}

fn refused(refused: Refused) -> Failure {
    Failure::Refused(Box::new(refused))
}

fn password(server: &Server) -> Result<&SecretText, Failure> {
    server.password.as_ref().ok_or_else(|| {
        let error =
            Error::new(ErrorKind::Forbidden, format!("the server wants a password of `{}`", server.user));
        error.hint("name it in the target's section `postgres`: `password = \"env:NAME\"`").into()
    })
}

async fn encrypt(line: &Line, mut wire: Wire) -> Result<Wire, Failure> {
    frontend::ssl_request(wire.outbox());
    wire.flush().await?;
    match wire.byte().await? {
        b'S' => {}
        b'N' => {
            let error = Error::new(ErrorKind::Forbidden, "the server does not speak TLS");
            return Err(error
                .hint("turn on its `ssl`, or say `tls = \"off\"` in the target's section `postgres`")
                .into());
        }
        _ => return Err(Failure::unexpected("it neither takes nor refuses TLS")),
    }
    let secured = line.secure(wire.into_connection()).await;
    secured.map(Wire::new).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => {
            let error =
                Error::new(ErrorKind::Forbidden, format!("the server's certificate is not trusted: {error}"));
            Failure::Ours(
                error.hint(
                    "name the authority that made it: `ca = \"FILE\"` in the target's section `postgres`",
                ),
            )
        }
        _ => error.into(),
    })
}
