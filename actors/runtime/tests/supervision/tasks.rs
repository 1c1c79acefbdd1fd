//! Attached tasks: their ends arrive, and they end with their owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use synod_runtime::{
    Actor, ActorError, Address, Backoff, Context, MailboxConfig, Spec, TaskFailure, TaskKey,
};
use synod_testkit::ON_PURPOSE;

use super::world::World;

struct Employer {
    world: World,
    alive: Arc<AtomicUsize>,
    last: Option<TaskKey>,
}

#[derive(Debug)]
enum Job {
    Sleep(u64),
    Panic,
    Abort,
    Done(Result<u64, TaskFailure>),
    Crash,
}

/// Counts the tasks that have not been dropped.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Actor for Employer {
    type Message = Job;
    const KIND: &'static str = "employer";

    async fn handle(&mut self, job: Job, ctx: &mut Context<Self>) -> Result<(), ActorError> {
        match job {
            Job::Sleep(s) => {
                self.alive.fetch_add(1, Ordering::SeqCst);
                let alive = Alive(Arc::clone(&self.alive));
                let work = async move {
                    let _alive = alive;
                    tokio::time::sleep(Duration::from_secs(s)).await;
                    s
                };
                self.last = Some(ctx.attach(work, Job::Done)?);
            }
            Job::Panic => {
                ctx.attach(async { panic!("{ON_PURPOSE}") }, Job::Done)?;
            }
            Job::Abort => {
                let aborted = self.last.is_some_and(|key| ctx.abort(key));
                self.world.note(format!("abort {aborted}"));
            }
            Job::Done(result) => self.world.note(format!("{result:?}")),
            Job::Crash => return Err(ActorError::new("on purpose")),
        }
        Ok(())
    }
}

fn employ(world: &World, mailbox: MailboxConfig) -> (Address<Job>, Arc<AtomicUsize>) {
    let alive = Arc::new(AtomicUsize::new(0));
    let (owner, counter) = (world.clone(), Arc::clone(&alive));
    let make = move || Employer { world: owner.clone(), alive: Arc::clone(&counter), last: None };
    let spec = Spec::new("employer", make).backoff(Backoff::none()).mailbox(mailbox);
    (world.system.spawn(spec).unwrap(), alive)
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_task_arrives_whatever_it_is() {
    let world = World::new();
    let (employer, _) = employ(&world, MailboxConfig::default());
    employer.send(Job::Sleep(5)).await.unwrap();
    employer.send(Job::Panic).await.unwrap();
    let log = world.after(Duration::from_secs(1)).await;
    assert_eq!(log, [format!("Err(Panicked({ON_PURPOSE:?}))")]);
    assert_eq!(world.after(Duration::from_secs(5)).await, ["Ok(5)"]);
    employer.send(Job::Sleep(5)).await.unwrap();
    employer.send(Job::Abort).await.unwrap();
    employer.send(Job::Abort).await.unwrap();
    let log = world.after(Duration::from_secs(1)).await;
    assert_eq!(log, ["abort true", "abort false", "Err(Aborted)"]);
}

#[tokio::test(start_paused = true)]
async fn tasks_are_dropped_with_their_incarnation_and_say_nothing() {
    let world = World::new();
    let (employer, alive) = employ(&world, MailboxConfig::default());
    for _ in 0..3 {
        employer.send(Job::Sleep(5)).await.unwrap();
    }
    world.now().await;
    assert_eq!(alive.load(Ordering::SeqCst), 3);
    employer.send(Job::Crash).await.unwrap();
    world.now().await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert!(world.after(Duration::from_secs(60)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn results_arrive_although_the_mailbox_is_full() {
    let world = World::new();
    let (employer, _) = employ(&world, MailboxConfig::bounded(1));
    employer.send(Job::Sleep(5)).await.unwrap();
    world.now().await;
    let path = "/employer".into();
    world.system.control(&path, synod_runtime::Control::Pause).unwrap();
    employer.try_send(Job::Abort).unwrap();
    assert!(employer.try_send(Job::Abort).is_err(), "full");
    world.after(Duration::from_secs(6)).await;
    world.system.control(&path, synod_runtime::Control::Resume).unwrap();
    assert_eq!(world.now().await, ["abort false", "Ok(5)"]);
}
