//! Errands that are done one after the other.

use crossbeam_channel::{Sender, unbounded};

use super::events::BackgroundEvent;
use super::{OnFailure, Reports, no_thread, report_of};

type Work<S> = Box<dyn FnOnce(&mut S) -> Result<BackgroundEvent, String> + Send>;

struct Order<S> {
    work: Work<S>,
    failed: OnFailure,
}

/// A thread that does its errands in the order in which they are given, and
/// keeps something between them. It begins with the first one, and anew if the
/// system took it away.
pub(super) struct Lane<S> {
    name: &'static str,
    reports: Reports,
    orders: Option<Sender<Order<S>>>,
}

impl<S: Default + 'static> Lane<S> {
    pub fn new(name: &'static str, reports: Reports) -> Self {
        Self {
            name,
            reports,
            orders: None,
        }
    }

    /// Gives an errand, with what to report when it breaks off.
    pub fn send(
        &mut self,
        failed: OnFailure,
        work: impl FnOnce(&mut S) -> Result<BackgroundEvent, String> + Send + 'static,
    ) {
        let mut order = Order {
            work: Box::new(work),
            failed,
        };
        if let Some(orders) = &self.orders {
            match orders.send(order) {
                Ok(()) => return,
                Err(refused) => order = refused.into_inner(),
            }
        }
        match self.begin() {
            Ok(orders) => {
                // Its thread has just begun to listen.
                orders.send(order).ok();
                self.orders = Some(orders);
            }
            Err(error) => self.reports.send((order.failed)(no_thread(&error))),
        }
    }

    fn begin(&self) -> std::io::Result<Sender<Order<S>>> {
        let (orders, inbox) = unbounded::<Order<S>>();
        let reports = self.reports.clone();
        std::thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(move || {
                let mut kept = S::default();
                for Order { work, failed } in inbox {
                    let mut is_whole = false;
                    let report = report_of(
                        || {
                            let done = work(&mut kept);
                            is_whole = true;
                            done
                        },
                        failed,
                    );
                    if !is_whole {
                        kept = S::default();
                    }
                    reports.send(report);
                }
            })?;
        Ok(orders)
    }
}
