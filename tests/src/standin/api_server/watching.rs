//! Watches: streams of the changes of a kind, one JSON object per line, until a timeout or until
//! the client leaves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::kinds::Kind;
use super::request::{Asked, Selector};
use super::status::Failure;
use super::store::{Change, Store};
use crate::standin::http::Content;

/// Starts a watch. Without a start revision, it first sends the existing objects.
pub(super) fn start(
    store: &Arc<Mutex<Store>>,
    kind: &'static Kind,
    namespace: &str,
    asked: &Asked,
) -> Result<Content, Failure> {
    let selector = Selector::read(kind, &asked.query)?;
    let text = |name: &str| asked.query.get(name).map_or("", String::as_str);
    let number = |name: &str| text(name).parse::<u64>().ok();
    let from = number("resourceVersion").filter(|revision| *revision > 0);
    let mut lines = Vec::new();
    let (seen, news) = {
        let store = store.lock().unwrap();
        if let Some(revision) = from {
            store.changes_after(revision).map_err(|o| Failure::expired(revision, o))?;
        } else {
            let there = store.list(kind, namespace).filter(|(_, object)| selector.takes(object));
            lines.extend(there.map(|(_, object)| line("ADDED", object)));
        }
        (from.unwrap_or(store.revision()), store.news())
    };
    let (sender, receiver) = mpsc::channel(16);
    let seconds = number("timeoutSeconds").unwrap_or(1800);
    let watch = Watch {
        store: store.clone(),
        kind,
        namespace: namespace.to_owned(),
        selector,
        until: Instant::now() + Duration::from_secs(seconds),
    };
    tokio::spawn(watch.run(lines, seen, news, sender));
    Ok(Content::Stream(receiver))
}

struct Watch {
    store: Arc<Mutex<Store>>,
    kind: &'static Kind,
    namespace: String,
    selector: Selector,
    until: Instant,
}

impl Watch {
    async fn run(
        self,
        first: Vec<Bytes>,
        mut seen: u64,
        mut news: watch::Receiver<u64>,
        sender: mpsc::Sender<Bytes>,
    ) {
        for line in first {
            if sender.send(line).await.is_err() {
                return;
            }
        }
        loop {
            let changes = self.store.lock().unwrap().changes_after(seen);
            let Ok(changes) = changes else {
                let status = Failure::expired(seen, 0).object();
                let _ = sender.send(line("ERROR", &status)).await;
                return;
            };
            for change in changes {
                seen = change.revision;
                if self.takes(&change)
                    && sender.send(line(change.what, &change.object)).await.is_err()
                {
                    return;
                }
            }
            let wait = timeout_at(self.until, news.changed());
            tokio::select! {
                news = wait => if !matches!(news, Ok(Ok(()))) { return },
                () = sender.closed() => return,
            }
        }
    }

    fn takes(&self, change: &Change) -> bool {
        change.key.resource == self.kind.qualified()
            && (self.namespace.is_empty() || change.key.namespace == self.namespace)
            && self.selector.takes(&change.object)
    }
}

fn line(what: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": what, "object": object})))
}
