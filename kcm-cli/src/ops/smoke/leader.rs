//! Check that one of the masters holds the Lease and renews it.

use std::cell::{Cell, RefCell};

use time::OffsetDateTime;
use tokio::time::Instant;

use super::cause;
use super::masters::Seat;
use super::report::Book;
use super::wait::{Glance, until};
use crate::cluster::MasterName;
use crate::cluster::layout::Layout;
use crate::event::CheckName;
use crate::kube::{ApiServer, Candidates, LeaderWatch, Lease, LeaseStore as _};
use crate::util::words::journal_of;

/// Number of renewals that must be observed.
const RENEWALS: u32 = 2;
const ASKED: &str =
    "a master holds the Lease kube-system/kube-controller-manager and renews it twice";

/// Checks the leader and records the result. Returns the leader's index in `seats`.
pub(super) async fn check(
    api: &ApiServer,
    seats: &[Seat],
    layout: &Layout,
    book: &mut Book<'_>,
) -> Option<usize> {
    let clock = Instant::now();
    let left_out = &book.run.cluster.left_out;
    let masters = seats.iter().map(|seat| (&*seat.name, seat.hostname()));
    let candidates = Candidates::new(masters, left_out);
    let watch = Cell::new(None);
    let (leader, unmanaged_leader) = (Cell::new(None), RefCell::new(None));
    let looked = until(book.run.interrupt, book.patience, async || {
        let Some(lease) = api.lease().await? else {
            return Ok(Glance::NotYet(
                "the Lease does not exist: no process has ever become leader".to_owned(),
            ));
        };
        let Some(holder) = lease.holder() else {
            return Ok(Glance::NotYet("the Lease has no holder".to_owned()));
        };
        let next = LeaderWatch::next(watch.take(), Some(lease.clone()), Instant::now());
        let renewals = next.renewals;
        watch.set(Some(next));
        let place = holder.hostname().and_then(|hostname| candidates.owner(hostname));
        let times =
            format!("{holder} holds the Lease and renewed it {renewals} times during the check");
        match place {
            Some(_) if renewals >= RENEWALS => {
                leader.set(place);
                Ok(Glance::Seen(times))
            }
            None if renewals > 0 => {
                *unmanaged_leader.borrow_mut() = Some(holder.to_string());
                Ok(Glance::Seen(times))
            }
            _ if renewals > 0 => Ok(Glance::NotYet(times)),
            _ => Ok(Glance::NotYet(silent(&lease))),
        }
    });
    let looked = looked.await;
    match (looked, unmanaged_leader.into_inner()) {
        (Ok(seen), None) => book.pass(CheckName::Leader, ASKED, seen, clock),
        (_, Some(holder)) => {
            let left_out: Vec<_> = left_out.iter().map(MasterName::as_str).collect();
            let seen = match left_out.as_slice() {
                [] => format!("the leader {holder} is not one of the masters"),
                names => format!(
                    "the leader {holder} is not one of the queried masters; {} {} excluded",
                    names.join(", "),
                    if names.len() == 1 { "is" } else { "are" }
                ),
            };
            let look = "check the cluster of the kubeconfig, and find out how kube-controller-manager runs on that host (an old master, a static Pod, another cluster file)";
            book.fail(CheckName::Leader, ASKED, seen, look.to_owned(), clock);
        }
        (Err(_), None) if book.run.interrupt.is_requested() => {
            book.skip(CheckName::Leader, ASKED, "interrupted");
        }
        (Err(seen), None) => {
            let causes = cause::of_no_leader(seats, layout, book.run.now);
            let seen = std::iter::once(seen).chain(causes).collect::<Vec<_>>().join("; ");
            let look = format!("run `{}` on the masters", journal_of(&layout.unit));
            book.fail(CheckName::Leader, ASKED, seen, look, clock);
        }
    }
    leader.get()
}

/// Describes a Lease that is held but not renewed.
fn silent(lease: &Lease) -> String {
    let holder = lease.holder().map(ToString::to_string).unwrap_or_default();
    match lease.renewed() {
        Some(renewed) => format!(
            "the Lease is not renewed: last holder {holder}, last renewal {} s ago",
            (OffsetDateTime::now_utc() - renewed).whole_seconds()
        ),
        None => format!("the Lease is not renewed: last holder {holder}"),
    }
}
