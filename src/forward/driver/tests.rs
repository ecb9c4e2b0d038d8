//! Wakes and ends of connections, with connections that follow a script.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::LocalSet;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that does a given number of turns, and can be woken from outside.
#[derive(Default)]
struct Script {
    turns: Cell<usize>,
    /// Wakes itself in each turn up to this one.
    wakes_itself_until: Cell<usize>,
    ends_at: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Script {
    fn driver(self: &Rc<Self>) -> Driver {
        let script = Rc::clone(self);
        Driver::new(Box::pin(poll_fn(move |context| {
            script.turns.set(script.turns.get() + 1);
            *script.waker.borrow_mut() = Some(context.waker().clone());
            if script.turns.get() <= script.wakes_itself_until.get() {
                context.waker().wake_by_ref();
            }
            if script.turns.get() == script.ends_at.get() {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })))
    }

    fn happens(&self) {
        self.waker.borrow().as_ref().unwrap().wake_by_ref();
    }
}

fn watched() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

fn wakes(count: &Count) -> usize {
    count.0.load(Ordering::Relaxed)
}

#[test]
fn whoever_asks_drives_and_is_woken_by_what_happens() {
    let script = Rc::new(Script::default());
    let (count, waker) = watched();
    let mut driver = script.driver();
    let ask = |driver: &mut Driver, after: usize| {
        let script = Rc::clone(&script);
        driver.poll(&mut Context::from_waker(&waker), move |_| {
            if script.turns.get() >= after { Poll::Ready(()) } else { Poll::Pending }
        })
    };
    assert!(ask(&mut driver, 2).is_pending());
    assert_eq!(wakes(&count), 0);
    script.happens();
    script.happens();
    assert_eq!(wakes(&count), 1, "once until it asks again");
    assert!(ask(&mut driver, 2).is_ready());
    assert_eq!(script.turns.get(), 2);
    assert!(ask(&mut driver, 2).is_ready());
    assert_eq!(script.turns.get(), 2, "an answer that is there needs no turn");
    script.happens();
    assert_eq!(wakes(&count), 1, "nobody waits any more");
}

#[test]
fn a_connection_that_wakes_itself_is_not_forgotten() {
    let script = Rc::new(Script::default());
    script.wakes_itself_until.set(7);
    let (count, waker) = watched();
    let mut driver = script.driver();
    let mut polls = 0;
    loop {
        let before = wakes(&count);
        let answer = driver.poll(&mut Context::from_waker(&waker), |_| {
            if script.turns.get() >= 8 { Poll::Ready(()) } else { Poll::Pending }
        });
        polls += 1;
        if answer.is_ready() {
            break;
        }
        assert_eq!(wakes(&count), before + 1, "after {} turns", script.turns.get());
        assert!(polls < 8);
    }
    assert_eq!((polls, script.turns.get()), (4, 8));
}

#[test]
fn an_end_is_noticed_while_nobody_waits() {
    let script = Rc::new(Script::default());
    script.ends_at.set(2);
    let mut driver = script.driver();
    let (count, waker) = watched();
    assert!(driver.poll(&mut Context::from_waker(&waker), |_| Poll::<()>::Pending).is_pending());
    assert!(driver.poll(&mut Context::from_waker(&waker), |_| Poll::Ready(())).is_ready());
    driver.look();
    assert_eq!(script.turns.get(), 1, "nothing has happened");
    script.happens();
    assert_eq!(wakes(&count), 0);
    driver.look();
    assert!(matches!(driver.mode, Mode::Ended));
    assert_eq!(Rc::strong_count(&script), 1, "the connection is gone");
}

#[test]
fn what_happens_between_two_parts_of_an_answer_is_not_forgotten() {
    let script = Rc::new(Script::default());
    let (_, waker) = watched();
    let mut driver = script.driver();
    let mut ask = |answer: Poll<()>| driver.poll(&mut Context::from_waker(&waker), |_| answer);
    assert!(ask(Poll::Pending).is_pending());
    assert!(ask(Poll::Ready(())).is_ready());
    script.happens();
    assert!(ask(Poll::Ready(())).is_ready());
    driver.look();
    assert_eq!(script.turns.get(), 2);
}

#[tokio::test]
async fn a_task_drives_while_nobody_asks_and_gives_the_connection_back() {
    let script = Rc::new(Script::default());
    let set = LocalSet::new();
    set.run_until(async {
        let mut driver = script.driver();
        driver.run();
        tokio::task::yield_now().await;
        assert_eq!(script.turns.get(), 1);
        script.happens();
        tokio::task::yield_now().await;
        assert_eq!(script.turns.get(), 2);
        let (_, waker) = watched();
        assert!(
            driver.poll(&mut Context::from_waker(&waker), |_| Poll::<()>::Pending).is_pending()
        );
        assert_eq!(script.turns.get(), 2, "not driven twice");
        driver.hold();
        assert!(matches!(driver.mode, Mode::Held(_)));
        tokio::task::yield_now().await;
        driver.look();
        assert_eq!(script.turns.get(), 3, "what came in between is looked for");
    })
    .await;
}

#[tokio::test]
async fn dropping_it_closes_the_connection_at_once() {
    let set = LocalSet::new();
    set.run_until(async {
        for by_task in [false, true] {
            let script = Rc::new(Script::default());
            let mut driver = script.driver();
            if by_task {
                driver.run();
                tokio::task::yield_now().await;
            }
            assert_eq!(Rc::strong_count(&script), 2);
            drop(driver);
            assert_eq!(Rc::strong_count(&script), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_ended_in_its_task_does_not_come_back() {
    let script = Rc::new(Script::default());
    script.ends_at.set(1);
    let set = LocalSet::new();
    set.run_until(async {
        let mut driver = script.driver();
        driver.run();
        tokio::task::yield_now().await;
        assert_eq!(Rc::strong_count(&script), 1);
        driver.hold();
        assert!(matches!(driver.mode, Mode::Ended));
    })
    .await;
}
