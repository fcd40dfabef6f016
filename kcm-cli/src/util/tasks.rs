//! Concurrent tasks, one for each master. A panic in a task is a failure of its master only.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};

/// Maximum number of concurrent tasks.
const AT_ONCE: usize = 32;

/// The panic of a master's task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panicked {
    message: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message } = self;
        write!(f, "internal error of kcm in the task for this master ({message}); report this bug")
    }
}

impl Panicked {
    fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&'static str>().copied());
        Self { message: text.unwrap_or("a panic").to_owned() }
    }
}

/// Runs tasks concurrently, at most 32 at once. The results are in the order of the tasks.
///
/// A higher limit would not be faster, and sshd refuses too many logins at once.
pub(crate) fn at_once<T, F: Future<Output = T>>(
    tasks: impl IntoIterator<Item = F>,
) -> impl Future<Output = Vec<Result<T, Panicked>>> {
    let guarded = tasks.into_iter().map(|task| AssertUnwindSafe(task).catch_unwind());
    // Holding the iterator with its closures would make the future not `Send`.
    let guarded: Vec<_> = guarded.collect();
    async move {
        // Lets tasks that were started earlier begin, even if a transport never waits.
        tokio::task::yield_now().await;
        let ended = stream::iter(guarded).buffered(AT_ONCE);
        ended.map(|ended| ended.map_err(|payload| Panicked::new(&*payload))).collect().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_one_masters_failure() {
        let tasks = (0..4_usize).map(|place| async move {
            assert!(place != 1, "place {place}");
            tokio::task::yield_now().await;
            assert!(place != 3, "overflow");
            place * 10
        });
        let ended = at_once(tasks).await;
        assert_eq!((&ended[0], &ended[2]), (&Ok(0), &Ok(20)));
        let failure = |at: usize| ended[at].as_ref().unwrap_err().to_string();
        assert!(failure(1).contains("(place 1)"), "{}", failure(1));
        assert!(failure(3).contains("(overflow)"), "{}", failure(3));
    }
}
