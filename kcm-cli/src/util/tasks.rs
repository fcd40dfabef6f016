//! One task for each master, all at once. A task that panics is one master's failure, and the others go on.

use std::fmt;

use tokio::task::{Id, JoinError, JoinSet};

/// Tasks that run at once, one for each master.
pub(crate) struct MasterTasks<T> {
    running: JoinSet<T>,
    places: Vec<(Id, usize)>,
}

/// The panic of a master's task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panicked {
    message: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message } = self;
        write!(f, "kcm failed on what this master answered ({message}); report this bug of kcm")
    }
}

impl<T: Send + 'static> MasterTasks<T> {
    pub(crate) fn new() -> Self {
        Self { running: JoinSet::new(), places: Vec::new() }
    }

    /// Starts the task of the master at `place`.
    pub(crate) fn spawn(&mut self, place: usize, task: impl Future<Output = T> + Send + 'static) {
        let id = self.running.spawn(task).id();
        self.places.push((id, place));
    }

    /// Waits for all tasks; returns their results in the order of the places. Ends the tasks if it is dropped.
    pub(crate) async fn join(mut self) -> Vec<(usize, Result<T, Panicked>)> {
        let mut ended = Vec::with_capacity(self.places.len());
        while let Some(result) = self.running.join_next_with_id().await {
            let (id, result) = match result {
                Ok((id, value)) => (id, Ok(value)),
                Err(error) => (error.id(), Err(Panicked::new(error))),
            };
            let place = self.places.iter().find(|(known, _)| *known == id);
            ended.extend(place.map(|(_, place)| (*place, result)));
        }
        ended.sort_by_key(|(place, _)| *place);
        ended
    }
}

impl Panicked {
    pub(crate) fn new(error: JoinError) -> Self {
        let message = match error.try_into_panic() {
            Ok(payload) => match payload.downcast::<String>() {
                Ok(text) => *text,
                Err(payload) => payload
                    .downcast::<&'static str>()
                    .map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
            },
            Err(_) => "its task was cancelled".to_owned(),
        };
        Self { message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_one_masters_failure() {
        let mut tasks = MasterTasks::new();
        for place in 0..4_usize {
            tasks.spawn(place, async move {
                assert!(place != 1, "place {place}");
                tokio::task::yield_now().await;
                assert!(place != 3, "overflow");
                place * 10
            });
        }
        let ended = tasks.join().await;
        let (_, first) = &ended[0];
        assert_eq!(*first, Ok(0));
        let places: Vec<_> = ended.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [0, 1, 2, 3]);
        let failure = |at: usize| ended[at].1.as_ref().unwrap_err().to_string();
        assert!(failure(1).contains("(place 1)"), "{}", failure(1));
        assert!(failure(3).contains("(overflow)"), "{}", failure(3));
        assert_eq!(ended[2].1, Ok(20));
    }
}
