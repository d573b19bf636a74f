//! Ends that nobody asked for, by the real watch: what is shown, counted, and started again.

use std::sync::atomic::AtomicUsize;

use super::*;

fn watched() -> (Metrics, Tasks) {
    let metrics = Metrics::new();
    let tasks = Tasks::new(&metrics);
    (metrics, tasks)
}

fn ends(metrics: &Metrics, kind: &str) -> u64 {
    metrics.task_ends.with_label_values(&[kind]).get()
}

/// Waits for what another thread does, without a clock that a test may have paused.
fn until(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "it never came to hold");
        std::thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_shown_counted_and_started_again() {
    let (metrics, tasks) = watched();
    let starts = Arc::new(AtomicUsize::new(0));
    let counted = starts.clone();
    let task = tasks.spawn("fragile", Unasked::Restart, move || {
        let start = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(start >= 2, "not yet");
            TaskEnd::Asked
        }
    });
    tokio::time::sleep(FIRST_PAUSE / 2).await;
    let down = tasks.down();
    assert!(
        down.len() == 1 && down[0].starts_with("fragile ended: it panicked"),
        "{down:?}"
    );
    assert_eq!(
        (metrics.tasks_down.get(), ends(&metrics, "fragile")),
        (1, 1)
    );
    task.await.unwrap();
    assert_eq!(starts.load(Ordering::Relaxed), 3);
    assert_eq!(
        (metrics.tasks_down.get(), ends(&metrics, "fragile")),
        (0, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn making_the_work_may_panic_too() {
    let (metrics, tasks) = watched();
    let mut first = true;
    let task = tasks.spawn("fragile", Unasked::Restart, move || {
        assert!(!std::mem::replace(&mut first, false), "the first time");
        async { TaskEnd::Asked }
    });
    task.await.unwrap();
    assert_eq!(ends(&metrics, "fragile"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_process_needs_ends_it_by_name_and_stays_down() {
    let (metrics, tasks) = watched();
    tasks.spawn("listener", Unasked::EndProcess, async || {
        TaskEnd::Failed("the socket is gone".into())
    });
    assert_eq!(tasks.failed().await, "listener ended: the socket is gone");
    assert_eq!(tasks.down(), ["listener ended: the socket is gone"]);
    assert_eq!(metrics.tasks_down.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_asked_for_is_nothing_to_speak_of() {
    let (metrics, tasks) = watched();
    let task = tasks.spawn("listener", Unasked::EndProcess, async || TaskEnd::Asked);
    task.await.unwrap();
    assert!(tasks.down().is_empty());
    assert_eq!(ends(&metrics, "listener"), 0);
    assert!(tasks.failed().now_or_never().is_none());
}

#[test]
fn a_thread_that_panics_goes_on_with_what_it_had() {
    let (metrics, tasks) = watched();
    let done = Arc::new(AtomicUsize::new(0));
    let counted = done.clone();
    let mut left = vec![3, 2, 1];
    let lane = TaskName::of("lane", "t-0");
    let started = tasks.thread(lane, Unasked::Restart, move || {
        while let Some(work) = left.pop() {
            assert!(work != 2, "the second is poison");
            counted.fetch_add(1, Ordering::Relaxed);
        }
        TaskEnd::Asked
    });
    started.unwrap();
    until(|| metrics.tasks_down.get() == 1);
    assert!(tasks.down()[0].starts_with("lane t-0 ended: it panicked"));
    until(|| done.load(Ordering::Relaxed) == 2);
    assert_eq!((metrics.tasks_down.get(), ends(&metrics, "lane")), (0, 1));
}

#[tokio::test]
async fn a_thread_that_the_process_needs_ends_it() {
    let (_metrics, tasks) = watched();
    let panics = || -> TaskEnd { panic!("the clock stands still") };
    tasks.thread("epoch", Unasked::EndProcess, panics).unwrap();
    let why = tasks.failed().await;
    assert!(why.starts_with("epoch ended: it panicked"), "{why}");
}

#[tokio::test]
async fn a_brief_task_that_panics_is_counted_and_costs_nobody_else() {
    let (metrics, tasks) = watched();
    let panics = async { panic!("for its own account") };
    let ended = tasks.brief::<()>("connection", panics).await;
    assert!(ended.unwrap_err().is_panic());
    assert_eq!(tasks.brief("connection", async { 5 }).await.unwrap(), 5);
    assert_eq!(ends(&metrics, "connection"), 1);
    assert!(tasks.down().is_empty(), "nobody needs it");
}

#[test]
fn a_brief_thread_that_panics_is_counted() {
    let (metrics, tasks) = watched();
    tasks.brief_thread("shadow", || panic!("at work")).unwrap();
    until(|| ends(&metrics, "shadow") == 1);
    assert!(tasks.down().is_empty());
}

#[tokio::test]
async fn a_panic_of_blocking_work_is_its_callers() {
    let (metrics, tasks) = watched();
    let caller = tasks.brief("connection", async {
        blocking(|| panic!("on a thread of the pool")).await
    });
    let ended: Result<(), _> = caller.await;
    assert!(ended.unwrap_err().is_panic());
    assert_eq!(ends(&metrics, "connection"), 1);
}

#[test]
fn pauses_double_to_a_bound_and_begin_anew_after_a_recovery() {
    let mut pauses = Pauses::default();
    let millis: Vec<_> = [0; 8]
        .map(|_| pauses.after(Duration::ZERO).as_millis())
        .to_vec();
    assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(pauses.after(RECOVERED), FIRST_PAUSE);
}
