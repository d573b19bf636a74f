//! Somebody at the door of a host of a fleet, from the question to the place.

mod model;

use std::sync::Arc;

use super::*;
use crate::gate::Gate;
use crate::gate::keys::{AtLimit, KeyRecord};
use crate::hub::Hub;
use crate::metrics::Metrics;

type Entering = std::pin::Pin<Box<dyn Future<Output = Result<Permit, EntryRefusal>>>>;

/// A door of a fleet, with a key of two places.
struct Stage {
    gate: Gate,
    places: Arc<FleetPlaces>,
    hub: Arc<Hub>,
    metrics: Metrics,
    said: u64,
}

impl Stage {
    fn new(at_limit: AtLimit) -> Self {
        let (hub, metrics) = (Hub::with_loops(1), Metrics::new());
        let limits = metrics.fleet_limits.clone();
        let places = Arc::new(FleetPlaces::new(Duration::from_millis(300), 2, limits));
        let gate = Gate::new(hub.clone(), None, Some(places.clone()));
        gate.replace(&[KeyRecord {
            max_connections: 2,
            at_limit,
            ..KeyRecord::example("a")
        }]);
        Self {
            gate,
            places,
            hub,
            metrics,
            said: 0,
        }
    }

    /// Somebody who has asked.
    async fn asks(&self) -> Entering {
        let shown = self.gate.recognise(Some("a")).unwrap();
        let mut entering: Entering = Box::pin(shown.enter(self.hub.address()));
        let asked = tokio::time::timeout(Duration::ZERO, &mut entering).await;
        assert!(asked.is_err(), "nobody has answered");
        entering
    }

    /// The next exchange, answered with what the others have of the key; gives what was announced.
    async fn exchange(&mut self, others: u32) -> Option<u32> {
        let exchange = self.places.due().await;
        let answer = ExchangeAnswer {
            previous: Some(self.said),
            hosts: 3,
            others: vec![others; exchange.reports.len()],
        };
        self.said = exchange.number;
        self.places.settle(&exchange, &answer);
        exchange.reports.first().map(|report| report.announced)
    }
}

#[tokio::test]
async fn who_fits_comes_in_and_who_does_not_is_told() {
    let mut stage = Stage::new(AtLimit::Refuse);
    let (first, second) = (stage.asks().await, stage.asks().await);
    assert_eq!(stage.metrics.fleet_limits.waiting.get(), 2);
    let too_many = stage.gate.recognise(Some("a")).unwrap();
    let too_many = too_many.enter(stage.hub.address()).await;
    assert_eq!(too_many.unwrap_err(), EntryRefusal::Busy);
    assert_eq!(stage.exchange(1).await, Some(2));
    assert_eq!(stage.metrics.fleet_limits.shared.get(), 1);
    assert_eq!(stage.metrics.fleet_limits.waiting.get(), 0);
    let _inside = first.await.unwrap();
    let full = EntryRefusal::Refused(GateRefusal::ConnectionLimit);
    assert_eq!(second.await.unwrap_err(), full);
    assert_eq!(
        stage.exchange(1).await,
        Some(1),
        "what was not taken is taken back"
    );
}

#[tokio::test]
async fn who_goes_away_while_it_waits_holds_no_place() {
    let mut stage = Stage::new(AtLimit::Refuse);
    let entering = stage.asks().await;
    drop(entering);
    assert_eq!(stage.exchange(0).await, Some(1));
    assert_eq!(stage.exchange(0).await, Some(0));
    let entering = stage.asks().await;
    stage.exchange(0).await;
    // It is inside, and has not heard of that.
    drop(entering);
    assert_eq!(stage.exchange(0).await, Some(0));
}

#[tokio::test]
async fn who_may_replace_somebody_does_so_here_and_nobody_more_is_counted() {
    let mut stage = Stage::new(AtLimit::ReplaceOldest);
    let refused = stage.asks().await;
    stage.exchange(2).await;
    assert!(
        refused.await.is_err(),
        "there is nobody here to be replaced"
    );
    let first = stage.asks().await;
    stage.exchange(1).await;
    let mut first = first.await.unwrap();
    let second = stage.asks().await;
    stage.exchange(1).await;
    let second = second.await.unwrap();
    assert_eq!(first.look(), crate::gate::PermitStatus::Replaced);
    drop(first);
    assert_eq!(stage.exchange(1).await, Some(1));
    drop(second);
    assert_eq!(stage.exchange(1).await, Some(0));
}

#[tokio::test]
async fn who_waits_when_nobody_answers_is_decided_on_here() {
    let mut stage = Stage::new(AtLimit::Refuse);
    stage.exchange(0).await;
    let (first, second) = (stage.asks().await, stage.asks().await);
    stage.places.lose("no answer");
    let _inside = first.await.unwrap();
    let share = EntryRefusal::Refused(GateRefusal::ConnectionShare);
    assert_eq!(second.await.unwrap_err(), share, "two, by three hosts");
    let trouble = stage.places.trouble().unwrap();
    assert!(
        trouble.contains("(no answer)") && trouble.contains("3 hosts"),
        "{trouble}"
    );
    assert_eq!(stage.metrics.fleet_limits.shared.get(), 0);
}
