//! The handling of a request: authentication, authorization, execution, audit.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, Response};
use serde_json::{Value, json};

use super::audit::{self, Audit};
use super::identity::{Authenticator, User};
use super::kinds::{Kind, NAMESPACES, SERVICE_ACCOUNTS};
use super::objects::{self, Place};
use super::rbac::{Access, decide, refusal};
use super::request::{Asked, Selector};
use super::status::Failure;
use super::store::Store;
use super::tokens::Verified;
use super::{bootstrap, discovery, openid, reviews, token_request, watching};
use crate::standin::http::{Content, Peer};
use crate::standin::version::Version;

/// The API server without its network.
#[derive(Debug)]
pub(super) struct Server {
    store: Arc<Mutex<Store>>,
    pub(super) authenticator: Authenticator,
    audit: Audit,
    /// Address and port for clients.
    address: String,
    pub(super) version: Version,
}

/// A response: JSON or text with its status code, a document, or a watch.
enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    /// A document of this content type that clients may cache.
    Document(&'static str, Value),
    Stream(Content),
}

/// The response for an unknown path: plain text, as from upstream's multiplexer, not a `Status`.
const NO_SUCH_PATH: Reply = Reply::Text(404, "404 page not found\n");

impl Server {
    pub(super) fn new(
        store: Store,
        authenticator: Authenticator,
        audit: Audit,
        address: SocketAddr,
    ) -> Self {
        let (store, address) = (Arc::new(Mutex::new(store)), address.to_string());
        Self { store, authenticator, audit, address, version: Version::of_environment() }
    }

    /// Creates the objects that kube-apiserver creates at start.
    pub(super) fn bootstrap(&self, client_ca: &str, servers: &[SocketAddr]) -> Result<(), String> {
        let mut store = self.store.lock().unwrap();
        bootstrap::run(&mut store, client_ca, servers).map_err(|failure| failure.message)
    }

    /// Verifies a token for the audiences `wanted`, or for those of the server if there are none.
    ///
    /// # Errors
    /// The message of upstream's authenticators.
    pub(super) fn review(&self, token: &str, wanted: &[String]) -> Result<Verified, String> {
        let tokens = &self.authenticator.tokens;
        let wanted = if wanted.is_empty() { tokens.audiences() } else { wanted };
        tokens.verify(token, wanted, &self.store.lock().unwrap())
    }

    fn user(&self, peer: &Peer, headers: &HeaderMap) -> Result<User, Failure> {
        self.authenticator.user(&peer.chain, headers, &self.store.lock().unwrap())
    }

    pub(super) async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<Content> {
        let (parts, body) = request.into_parts();
        let mut user = None;
        let asked = Asked::read(&parts.method, &parts.uri);
        let event = audit::begin(&peer, &parts.uri, &parts.headers, &asked.access);
        let is_watch = matches!(&asked.access, Access::Resource { verb, .. } if verb == "watch");
        let reply = async {
            let who = self.user(&peer, &parts.headers)?;
            let who = user.insert(who);
            if decide(who, &asked.access, self.version.minor).is_none() {
                return Err(Failure::unauthorized_access(
                    refusal(who, &asked.access),
                    &asked.access,
                ));
            }
            let octets = body.collect().await.map_err(|e| Failure::bad_request(e.to_string()))?;
            let body = read_body(&parts.headers, &asked, &octets.to_bytes())?;
            self.carry_out(&asked, body, who)
        };
        let reply =
            reply.await.unwrap_or_else(|failure| Reply::Json(failure.code, failure.object()));
        let cache = match &reply {
            Reply::Document(..) => "public, max-age=3600",
            _ => "no-cache, private",
        };
        let (code, kind, content) = match reply {
            Reply::Json(code, value) => (code, "application/json", Content::new(value.to_string())),
            Reply::Text(code, text) => (code, "text/plain; charset=utf-8", Content::new(text)),
            Reply::Document(kind, value) => (200, kind, Content::new(value.to_string())),
            Reply::Stream(content) => (200, "application/json", content),
        };
        let mut event = audit::finish(event, user.as_ref(), code);
        if is_watch && code == 200 {
            event["stage"] = json!("ResponseStarted");
        }
        self.audit.write(&event);
        let response = Response::builder().status(code).header(CONTENT_TYPE, kind);
        response.header("cache-control", cache).body(content).unwrap()
    }

    fn carry_out(&self, asked: &Asked, body: Value, user: &User) -> Result<Reply, Failure> {
        match &asked.access {
            Access::Path { verb, path } => match (verb.as_str(), path.as_str()) {
                ("get", "/healthz" | "/livez" | "/readyz") => Ok(Reply::Text(200, "ok")),
                ("get", "/version" | "/version/") => Ok(Reply::Json(200, self.version.info())),
                ("get", path) => Ok(self.document(path)),
                _ => Ok(NO_SUCH_PATH),
            },
            Access::Resource { verb, group, resource, namespace, name } => {
                let review = reviews::answer(group, resource, &body, user, self);
                if let Some(review) = review {
                    if verb != "create" || !name.is_empty() {
                        return Err(Failure::method_not_allowed());
                    }
                    return Ok(Reply::Json(201, review?));
                }
                let Some((kind, subresource)) = asked.kind() else { return Ok(NO_SUCH_PATH) };
                if verb == "watch" {
                    let content = watching::start(&self.store, kind, namespace, asked)?;
                    return Ok(Reply::Stream(content));
                }
                let mut store = self.store.lock().unwrap();
                let place = Place { kind, subresource, namespace, name };
                self.on_objects(&mut store, verb, place, (asked, user), body)
            }
        }
    }

    fn document(&self, path: &str) -> Reply {
        let openid = openid::answer(path, &self.authenticator.tokens, &self.address);
        match openid {
            Some((kind, document)) => Reply::Document(kind, document),
            None => discovery::answer(path).map_or(NO_SUCH_PATH, |it| Reply::Json(200, it)),
        }
    }

    fn on_objects(
        &self,
        store: &mut Store,
        verb: &str,
        place: Place<'_>,
        request: (&Asked, &User),
        body: Value,
    ) -> Result<Reply, Failure> {
        let (asked, user) = request;
        let ok = |value| Ok(Reply::Json(200, value));
        match (verb, place.subresource) {
            ("get", "" | "status") => ok(place.found(store)?.clone()),
            ("get", "scale") => ok(objects::scale(place.found(store)?)),
            ("list", "") => ok(list(store, place.kind, place.namespace, asked)?),
            ("create", "") if place.name.is_empty() => {
                if place.kind.is_namespaced && place.namespace.is_empty() {
                    return Err(Failure::method_not_allowed());
                }
                Ok(Reply::Json(201, objects::create(store, place, body)?))
            }
            ("create", "token") => {
                let account = Place { kind: SERVICE_ACCOUNTS, subresource: "", ..place };
                let (account, tokens) = (account.found(store)?, &self.authenticator.tokens);
                Ok(Reply::Json(201, token_request::answer(account, body, tokens)?))
            }
            ("update" | "patch", "scale") => {
                let patch = json!({
                    "metadata": {"resourceVersion": body["metadata"]["resourceVersion"]},
                    "spec": {"replicas": body["spec"]["replicas"]},
                });
                let place = Place { subresource: "", ..place };
                ok(objects::scale(&objects::patch(store, place, &patch)?))
            }
            // An update may create a Lease: `AllowCreateOnUpdate` is true.
            ("update", "") if place.kind.kind == "Lease" && place.found(store).is_err() => {
                self.may_create(place, user)?;
                Ok(Reply::Json(201, objects::create_at(store, place, body)?))
            }
            ("update", "" | "status" | "finalize") => ok(objects::update(store, place, &body)?),
            ("patch", "" | "status") => ok(objects::patch(store, place, &body)?),
            ("delete", "") => ok(objects::delete(store, place, &body)?),
            ("deletecollection", "") if place.kind != NAMESPACES => {
                let selector = Selector::read(place.kind, &asked.query)?;
                let all = store.list(place.kind, place.namespace);
                let chosen = all.filter(|(_, object)| selector.takes(object));
                let keys: Vec<_> = chosen.map(|(key, _)| key.clone()).collect();
                let listed = list(store, place.kind, place.namespace, asked)?;
                for key in keys {
                    let place = Place { namespace: &key.namespace, name: &key.name, ..place };
                    objects::delete(store, place, &body)?;
                }
                ok(listed)
            }
            _ => Err(Failure::method_not_allowed()),
        }
    }

    fn may_create(&self, place: Place<'_>, user: &User) -> Result<(), Failure> {
        let create = Access::Resource {
            verb: "create".to_owned(),
            group: place.kind.group.to_owned(),
            resource: place.kind.plural.to_owned(),
            namespace: place.namespace.to_owned(),
            name: place.name.to_owned(),
        };
        match decide(user, &create, self.version.minor) {
            Some(_) => Ok(()),
            None => Err(Failure::unauthorized_access(refusal(user, &create), &create)),
        }
    }
}

fn list(store: &Store, kind: &Kind, namespace: &str, asked: &Asked) -> Result<Value, Failure> {
    let selector = Selector::read(kind, &asked.query)?;
    let all = store.list(kind, namespace).map(|(_, object)| object);
    let items = all.filter(|object| selector.takes(object)).cloned().map(|mut object| {
        // Items of a list have neither `kind` nor `apiVersion`.
        if let Some(fields) = object.as_object_mut() {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        object
    });
    Ok(json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": store.revision().to_string()},
        "items": items.collect::<Vec<_>>(),
    }))
}

fn read_body(headers: &HeaderMap, asked: &Asked, octets: &[u8]) -> Result<Value, Failure> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let verb = match &asked.access {
        Access::Resource { verb, .. } => verb.as_str(),
        Access::Path { .. } => return Ok(Value::Null),
    };
    let is_known = match verb {
        "patch" => kind == "application/merge-patch+json",
        "create" | "update" | "delete" | "deletecollection" => {
            octets.is_empty() || matches!(kind, "" | "application/json")
        }
        _ => return Ok(Value::Null),
    };
    if !is_known {
        return Err(Failure::unsupported_media_type(kind));
    }
    if asked.is_set("dryRun") || asked.query.contains_key("dryRun") {
        return Err(Failure::bad_request("this stand-in knows no dryRun"));
    }
    if octets.is_empty() && verb.starts_with("delete") {
        return Ok(Value::Null);
    }
    serde_json::from_slice(octets)
        .map_err(|error| Failure::bad_request(format!("couldn't decode the body: {error}")))
}
