//! Removal of the namespace, and the report if it stays.

use tokio::time::Instant;

use super::cause;
use super::report::Book;
use super::trial::Trial;
use crate::event::{CheckName, CheckResult};
use crate::kube::Credentials;

const ASKED: &str = "the namespace is deleted with all its objects";

/// Deletes the namespace and waits until it is gone, even after an interrupt.
pub(super) async fn check(trial: &Trial<'_>, admin: &Credentials, book: &mut Book<'_>) {
    let clock = Instant::now();
    let why = match trial.namespace.remove(trial.patience).await {
        Ok(seen) => {
            return book.enter(
                CheckName::Namespace,
                None,
                ASKED,
                CheckResult::Passed { seen },
                clock,
            );
        }
        Err(why) => why,
    };
    let causes = cause::of_idleness(trial.leader(), cause::NAMESPACE);
    let why = std::iter::once(why).chain(causes).collect::<Vec<_>>().join("; ");
    let left = trial.namespace.left_behind(why.clone(), admin).await;
    let look = format!(
        "run `{}` and check the finalizers and conditions",
        admin.kubectl(&["get", "namespace", &trial.namespace.name, "-o", "yaml"])
    );
    let result = CheckResult::Failed { seen: why, look };
    book.enter(CheckName::Namespace, None, ASKED, result, clock);
    book.left(left);
}
