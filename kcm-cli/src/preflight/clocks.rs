//! Clock offsets of masters from this machine, for operations without the other checks.

use std::time::Duration;

use time::OffsetDateTime;

use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::kube::ClockOffset;
use crate::transport::{Batch, Examine, Operation, Reply};
use crate::util::tasks::at_once;

/// Reads the clocks of masters at once. `None` for masters that are not queried or do not answer.
pub(crate) async fn clocks(
    run: Run<'_>,
    layout: &Layout,
    is_requested: impl Fn(usize) -> bool,
) -> Vec<Option<ClockOffset>> {
    let unit = layout.unit.clone();
    let question = Examine { unit, program: None, port: None, readable: None };
    let batch = &Batch::new(vec![Operation::Examine(question)]);
    let masters = run.fleet.masters().enumerate();
    let clocks = at_once(masters.map(|(place, (_, transport))| {
        let is_requested = is_requested(place);
        async move {
            let begun = OffsetDateTime::now_utc();
            let replies =
                if is_requested { transport.call(batch).await.ok()? } else { return None };
            let ended = OffsetDateTime::now_utc();
            let read = match replies.done.into_iter().next()? {
                Reply::Examined(examined) => examined.clock?,
                _ => return None,
            };
            Some(ClockOffset::between(read, begun, ended, Duration::ZERO))
        }
    }));
    clocks.await.into_iter().map(|clock| clock.ok().flatten()).collect()
}
