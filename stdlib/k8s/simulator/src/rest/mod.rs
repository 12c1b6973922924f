//! The resource paths: each verb in a file, and here the way from a request to its verb.
//! It assumes that the caller is known and allowed; it knows no transport.

mod create;
mod delete;
mod options;
mod patch;
mod pod;
mod read;
mod review;
pub(crate) mod scale;
mod update;
pub(crate) mod watch;

pub(crate) use self::options::FieldValidation;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};

use crate::cluster::Cluster;
use crate::context::Author;
use crate::kinds::{Subresource, Verbs};
use crate::registry::Served;
use crate::reply::Reply;
use crate::request::{Request, Target};
use crate::status::{Result, Status};

/// A request with everything that was looked up for it.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    pub(crate) author: &'a Author,
    pub(crate) served: Arc<Served>,
    pub(crate) sub: Option<Subresource>,
    /// Absent for cluster scope and for lists over all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Call<'_> {
    /// The namespace as the store keys it.
    pub(crate) fn place(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// The verb that authorization and discovery know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    /// A stream to a container: GET or POST.
    Connect,
}

impl Verb {
    pub(crate) fn name(self, method: &Method) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Connect if *method == Method::GET => "get",
            Self::Connect => "create",
        }
    }
}

impl Cluster {
    /// Answers a request to a resource.
    pub(crate) fn resource(&mut self, request: &Request, target: &Target, author: &Author) -> Result<Reply> {
        let served = self.registry.at(&target.group, &target.version, &target.resource).cloned();
        let served = served.ok_or_else(Status::no_such_resource)?;
        let sub = match &target.subresource {
            None => None,
            Some(name) => {
                let known = Subresource::named(name).filter(|sub| served.resource.has(*sub));
                Some(known.ok_or_else(Status::no_such_resource)?)
            }
        };
        if target.namespace.is_some() && !served.resource.namespaced
            || served.resource.namespaced && target.namespace.is_none() && target.name.is_some()
        {
            return Err(Status::no_such_resource());
        }
        let verb = verb(request, target, &served, sub).ok_or_else(Status::method_not_allowed)?;
        let call = Call {
            request,
            author,
            sub,
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            served,
        };
        crate::access::check(self, &call, verb)?;
        let answer = self.perform(&call, verb);
        let Some(warning) = call.served.kind.deprecation().map(str::to_owned) else { return answer };
        // Refusals warn as well.
        let mut reply =
            answer.unwrap_or_else(|status| Reply::Response(crate::reply::refusal(request, &status)));
        if let Reply::Response(response) = &mut reply {
            crate::reply::warn(response.headers_mut(), &[warning]);
        }
        Ok(reply)
    }

    fn perform(&mut self, call: &Call<'_>, verb: Verb) -> Result<Reply> {
        let answer = |response: Response<Bytes>| Ok(Reply::Response(response));
        match verb {
            Verb::Get if call.sub == Some(Subresource::Log) => pod::log(self, call),
            Verb::Get => answer(read::get(self, call)?),
            Verb::List => read::list(self, call),
            Verb::Watch => watch::open(self, call),
            Verb::Create => answer(match call.sub {
                Some(Subresource::Eviction) => pod::evict(self, call)?,
                Some(Subresource::Binding) => pod::bind(self, call)?,
                Some(Subresource::Token) => pod::token(self, call)?,
                Some(_) => return Err(Status::method_not_allowed()),
                None if call.served.resource.verbs == Verbs::Create => review::review(self, call)?,
                None => create::create(self, call)?,
            }),
            Verb::Update => answer(update::update(self, call)?),
            Verb::Patch => answer(patch::patch(self, call)?),
            Verb::Delete => answer(delete::delete(self, call)?),
            Verb::DeleteCollection => answer(delete::delete_collection(self, call)?),
            Verb::Connect => pod::connect(self, call),
        }
    }
}

/// What the method asks for at this path; `None`: not allowed.
fn verb(request: &Request, target: &Target, served: &Served, sub: Option<Subresource>) -> Option<Verb> {
    if let Some(sub) = sub {
        let verb = match (sub, request.method.as_str()) {
            (Subresource::Exec | Subresource::Attach | Subresource::PortForward, "GET" | "POST") => {
                Verb::Connect
            }
            (_, "GET") => Verb::Get,
            (_, "POST") => Verb::Create,
            (_, "PUT") => Verb::Update,
            (_, "PATCH") => Verb::Patch,
            (_, "DELETE") => Verb::Delete,
            _ => return None,
        };
        return sub.verbs().contains(&verb.name(&request.method)).then_some(verb);
    }
    let single = target.name.is_some();
    let verb = match request.method.as_str() {
        "GET" if target.watch => Verb::Watch,
        "GET" if single => Verb::Get,
        "GET" if request.query.flag("watch") => Verb::Watch,
        "GET" => Verb::List,
        // Creating needs a namespace to create in.
        "POST" if !single && (target.namespace.is_some() || !served.resource.namespaced) => Verb::Create,
        "PUT" if single => Verb::Update,
        "PATCH" if single => Verb::Patch,
        "DELETE" if single => Verb::Delete,
        "DELETE" if target.namespace.is_some() || !served.resource.namespaced => Verb::DeleteCollection,
        _ => return None,
    };
    let allowed = match served.resource.verbs {
        Verbs::Create => verb == Verb::Create,
        verbs => verbs.names().contains(&verb.name(&request.method)),
    };
    allowed.then_some(verb)
}
